//! The files, mounts and cgroup that a container has left, and their removal.

use hull_storage::{names, staging};

use crate::attach::registration;
use crate::engine::Engine;
use crate::error::{Error, Errors, Result};
use crate::events::Event;
use crate::records::record::{MountRecord, Record};
use crate::records::run_dir;
use crate::records::writable::Writable;

/// The objects to be removed. If the container's record is damaged, those that can be found without it.
pub(crate) struct Remains {
    pub id: String,
    /// The name that the user knows it by.
    pub name: String,
    names: Vec<String>,
    /// The anonymous volumes that go with it.
    volumes: Vec<String>,
    pub is_damaged: bool,
    /// Whether `security.protection.delete` is set.
    pub is_protected: bool,
    /// Where its files are.
    writable: Writable,
    /// Emitted when the container is gone. Without its record there is none.
    destroyed: Option<Event>,
}

impl Remains {
    pub(crate) fn of(record: &Record, with_volumes: bool) -> Self {
        let goes_with_it = |mount: &&MountRecord| mount.anonymous || mount.extras.inherited;
        let anonymous = record.mounts.iter().filter(|_| with_volumes).filter(goes_with_it);
        Self {
            id: record.id.clone(),
            name: record.name.clone(),
            // A step of a build has none.
            names: Some(record.name.clone()).filter(|name| !name.is_empty()).into_iter().collect(),
            volumes: anonymous.filter_map(|mount| mount.name.clone()).collect(),
            is_damaged: false,
            is_protected: record.instance.flag("security.protection.delete"),
            writable: record.writable.clone(),
            destroyed: Some(Event::container(record, "destroy")),
        }
    }

    /// Those of a build's step with this id, whose record cannot be read.
    pub(crate) fn of_step(id: &str) -> Self {
        let (names, volumes) = (vec![], vec![]);
        let writable = Writable::default();
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            names,
            volumes,
            is_damaged: true,
            is_protected: false,
            writable,
            destroyed: None,
        }
    }

    /// The same for a container that never existed for its user.
    pub(crate) fn without_event(self) -> Self {
        Self { destroyed: None, ..self }
    }

    pub(crate) fn find(engine: &Engine, name: &str, with_volumes: bool) -> Result<Self> {
        let id = engine.resolve(name)?;
        match Record::load(engine.root(), &id) {
            Ok(record) => Ok(Self::of(&record, with_volumes)),
            Err(Error::DamagedRecord { .. }) => {
                let names = names::of_container(engine.root(), &id)?;
                Ok(Self {
                    id,
                    name: name.to_owned(),
                    names,
                    volumes: vec![],
                    is_damaged: true,
                    is_protected: false,
                    writable: Writable::default(),
                    destroyed: None,
                })
            }
            Err(error) => Err(error.for_container(name)),
        }
    }
}

/// Everything a container has on disk. Its anonymous volumes go first, because only its record tells of them. Then its
/// directory is renamed out of sight: from then on the container does not exist, and what an interruption leaves is
/// cleared by the next listing. Goes on past errors and reports them all.
pub(crate) fn remove_files(engine: &Engine, remains: Remains) -> Result<()> {
    let root = engine.root();
    // The files in a pool go first, because only the record tells where they are. If the pool is missing, nothing of
    // the container is removed.
    crate::pools::place::remove(engine, &remains.id, &remains.writable)?;
    let mut errors = Errors::default();
    // A monitor does not see the host's mounts. The next listing unmounts what its container has left there.
    errors.note(crate::rootfs::host_mount::collect(root, |id| id != remains.id));
    for name in &remains.volumes {
        // docker's rule: a volume that another container took with --volumes-from stays for that one, and goes with it.
        match engine.remove_volume_of_container(name, &remains.id) {
            Err(Error::Storage(
                hull_storage::Error::VolumeInUse { .. } | hull_storage::Error::NoSuchVolume(_),
            )) => {}
            removed => errors.note(removed),
        }
    }
    errors.note(staging::remove_whole(&root.container_dir(&remains.id)));
    for name in &remains.names {
        errors.note(names::release(root, name, &remains.id));
    }
    errors.note(crate::userns::leases::release(root, &remains.id));
    registration::dismiss_all(&root.container_run_dir(&remains.id), &remains.name);
    errors.note(run_dir::remove(root, &remains.id));
    if let Some(destroyed) = remains.destroyed {
        destroyed.emit(engine);
    }
    errors.into_result()
}
