//! A new container from another one or from a snapshot. It has files, ids and addresses of its own, and the same
//! configuration.

use std::path::Path;

use hull_storage::names;
use hull_storage::staging::Staging;

use super::forms::Carrier;
use super::store::{self, InstanceSnapshot, SnapshotName};
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::events::Event;
use crate::gc::removal::{Remains, remove_files};
use crate::init::templates;
use crate::instance::InstanceChanges;
use crate::new_volumes::NewVolumes;
use crate::pools::copied::{Complete, Copied};
use crate::pools::{place, root_disk};
use crate::records::ids::random_id;
use crate::records::options::CreateOptions;
use crate::records::record::{MountRecord, Record};
use crate::records::snapshot::Snapshot;
use crate::records::time::Timestamp;
use crate::records::writable::Writable;

/// The keys of a nic that no two containers may have.
const OWN_ADDRESSES: [&str; 3] = ["hwaddr", "ipv4.address", "ipv6.address"];

/// How a container is copied.
#[derive(Debug, Clone, Default)]
pub struct InstanceCopy {
    /// Without the snapshots.
    pub instance_only: bool,
    /// The copy is removed when it ends, as with `--rm`.
    pub ephemeral: bool,
    /// The storage pool of the copy. `None`: that of the original.
    pub pool: Option<String>,
    pub changes: InstanceChanges,
}

/// What is added to the numbers of layers. The work directory of layer 0 says that a container was started, so a copy
/// has no layer 0.
const ABOVE_FIRST: u32 = 1;

impl Engine {
    /// Makes a container of this name from a container, or from `CONTAINER/SNAPSHOT`. Its anonymous volumes are new and empty.
    pub fn copy_container(&self, source: &str, name: &str, options: &InstanceCopy) -> Result<Record> {
        let snapshot = SnapshotName::parse(source);
        let container = snapshot.as_ref().map_or(source, |name| &name.container);
        let id = self.resolve(container)?;
        self.clear_if_dead_by_id(&id, Snapshot::take(self.root(), &id)?)?;
        let profiles = self.hold_profiles()?;
        // The image must not be removed before the new record names it.
        let uses = self.lock_in_use()?;
        let lock = self.lock(&id).map_err(|error| error.for_container(container))?;
        let present = Record::load(self.root(), &id).map_err(|error| error.for_container(container))?;
        let (original, kept) = match &snapshot {
            Some(name) => (InstanceSnapshot::load(self.root(), &present, &name.snapshot)?.record, vec![]),
            None if options.instance_only => (present.clone(), vec![]),
            None => (present.clone(), store::all(self.root(), &present)?),
        };
        let mut record = self.new_from(&original, options)?;
        names::claim(self.root(), name, &record.id)?;
        record.name = name.to_owned();
        if let Some(name) = crate::init::host_name(&record) {
            record.hostname = name;
        }
        let changes = in_pool(options.pool.as_deref(), &mut record, options.changes.clone());
        let configured = self
            .configure_copy(&profiles, &mut record, &changes)
            .and_then(|()| place::adopt_size(self, &mut record, &original));
        let mut volumes = NewVolumes::of_new(&record.id);
        let made = configured.and_then(|()| self.own_ids(&mut record, &original)).and_then(|()| {
            let frozen = if snapshot.is_none() { self.freeze_to_copy(&present)? } else { None };
            self.make_copy(&record, (&original, &kept), &mut volumes, || drop(frozen))
        });
        drop((lock, uses, profiles));
        match made {
            Ok(()) => {
                Event::container(&record, "create").emit(self);
                Ok(record)
            }
            Err(error) => {
                let removed = remove_files(self, Remains::of(&record, true).without_event());
                Err(error.in_pool(record.writable.pool_name()).with_undo(removed))
            }
        }
    }

    /// The new container's record. It has no name yet.
    fn new_from(&self, original: &Record, options: &InstanceCopy) -> Result<Record> {
        let id = random_id()?;
        let mut record = Record {
            name: String::new(),
            created: Timestamp::now(),
            id_maps: None,
            writable: place::plan_copy(self, &id, original, options.pool.as_deref())?,
            id,
            ..original.clone()
        };
        if original.hostname == original.id[..12] {
            record.hostname = record.id[..12].to_owned();
        }
        record.options = CreateOptions {
            auto_remove: options.ephemeral,
            create_command: vec![],
            definition: None,
            ..record.options
        };
        for network in &mut record.options.networks {
            (network.ip, network.ip6, network.mac) = (None, None, None);
        }
        for device in record.instance.devices.values_mut() {
            if device.get("type").is_some_and(|kind| kind == "nic") {
                device.retain(|key, _| !OWN_ADDRESSES.contains(&key.as_str()));
            }
        }
        for mount in &mut record.mounts {
            own_volume(mount)?;
        }
        Ok(record)
    }

    /// Gives the copy ids of its own. For an unprivileged user the files have the container's ids on the disk, so the
    /// copy gets the same ids.
    fn own_ids(&self, record: &mut Record, original: &Record) -> Result<()> {
        match original.copied_ids() {
            Some(maps) => record.id_maps = Some(maps.clone()),
            None => self.give_ids(record)?,
        }
        Ok(())
    }

    /// Makes the files, the snapshots and the record of the copy. `copied` is called as soon as the files that the
    /// original writes to have been copied.
    fn make_copy(
        &self,
        record: &Record,
        (original, snapshots): (&Record, &[InstanceSnapshot]),
        volumes: &mut NewVolumes,
        copied: impl FnOnce(),
    ) -> Result<()> {
        let root = self.root();
        let carrier = Carrier::new(self, original, &record.writable, ABOVE_FIRST)?;
        let files = carrier.files(&original.writable.files);
        let record = &Record { writable: Writable { files, ..record.writable.clone() }, ..record.clone() };
        let directory = root.container_dir(&record.id);
        let files = Copied::begin(self, &record.id, &record.writable)?;
        carrier.copy_present(original, files.home())?;
        copied();
        carrier.copy_rest(original, snapshots.iter().map(|snapshot| &snapshot.record), files.home())?;
        let Complete { staged, target, .. } = files.finish()?;
        let mut anonymous = record.mounts.iter().filter(|mount| mount.anonymous);
        anonymous.try_for_each(|mount| volumes.make(self, mount))?;
        if target == directory {
            self.write_records(&carrier, record, snapshots, staged.path())?;
            return publish(staged, &directory);
        }
        // The files first: until the record exists, nothing refers to them.
        publish(staged, &target)?;
        let staged = Staging::new(&root.containers_dir())?;
        self.write_records(&carrier, record, snapshots, staged.path())?;
        publish(staged, &directory)
    }

    fn write_records(
        &self,
        carrier: &Carrier<'_>,
        record: &Record,
        snapshots: &[InstanceSnapshot],
        directory: &Path,
    ) -> Result<()> {
        for snapshot in snapshots {
            let kept = &snapshot.record;
            let files = carrier.files(&kept.writable.files);
            let kept = Record {
                id: record.id.clone(),
                writable: Writable { files, ..record.writable.clone() },
                ..kept.clone()
            };
            InstanceSnapshot { record: kept, ..snapshot.clone() }.store_in(&directory.join("snapshots"))?;
        }
        templates::note(directory, record, templates::Event::Copy)?;
        record.store(directory)
    }
}

/// Adds the pool to the changes, as a key of the root's disk device. A container without this device gets the pool as
/// an option.
pub(super) fn in_pool(
    pool: Option<&str>,
    record: &mut Record,
    mut changes: InstanceChanges,
) -> InstanceChanges {
    let Some(pool) = pool else { return changes };
    match root_disk::name(&record.instance.expanded.devices) {
        Some(disk) => {
            let device = changes.devices.entry(disk.clone()).or_default();
            device.insert("pool".into(), pool.to_owned());
        }
        None => record.options.storage.pool = Some(pool.to_owned()),
    }
    changes
}

/// Gives the copy an anonymous volume of its own, because such a volume belongs to one container.
fn own_volume(mount: &mut MountRecord) -> Result<()> {
    if !mount.anonymous {
        return Ok(());
    }
    let (Some(old), new) = (mount.name.clone(), random_id()?) else { return Ok(()) };
    mount.source = replaced(&mount.source, &old, &new);
    mount.name = Some(new);
    Ok(())
}

/// The path with `old`, the name of a volume, replaced by `new`.
fn replaced(source: &Path, old: &str, new: &str) -> std::path::PathBuf {
    let part = |part: std::path::Component<'_>| match part.as_os_str() == old {
        true => std::ffi::OsString::from(new),
        false => part.as_os_str().to_owned(),
    };
    source.components().map(part).collect()
}

pub(super) fn publish(staged: Staging, target: &Path) -> Result<()> {
    match staged.publish(target)? {
        true => Ok(()),
        false => Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists))
            .context(|| format!("make {}", target.display())),
    }
}
