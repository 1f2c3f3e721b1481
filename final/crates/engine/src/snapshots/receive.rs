//! A container from an archive of hull ([`super::backup`]) or of LXD. The archive may be hostile: the paths, ids and
//! layers of a machine that its records name are not used.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use hull_image::config::RunConfig;
use hull_storage::names;
use hull_storage::staging::Staging;
use serde::de::DeserializeOwned;

use super::backup::{CONTAINER, DOCUMENT, INDEX, MACHINE_ID, SNAPSHOTS};
use super::store::{InstanceSnapshot, check_name};
use super::trust;
use crate::containers::create::Base;
use crate::copy::backup::read;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::gc::removal::{Remains, remove_files};
use crate::init::templates;
use crate::instance::{InstanceChanges, ProfilesLock};
use crate::new_volumes::NewVolumes;
use crate::records::ids::random_id;
use crate::records::options::{CreateOptions, StorageOptions};
use crate::records::record::{Kind, MountKind, Record};
use crate::records::writable::{Files, Writable, layer};

/// How an archive is imported.
#[derive(Debug, Clone, Default)]
pub struct BackupImport {
    /// The container's name. `None`: the name in the archive.
    pub name: Option<String>,
    /// The storage pool of the container. `None`: the data root.
    pub pool: Option<String>,
    pub changes: InstanceChanges,
    /// The container gets what it asks of this machine.
    pub trusted: bool,
}

impl Engine {
    /// Makes a container from an archive.
    pub fn import_backup(&self, from: impl Read, options: &BackupImport) -> Result<Record> {
        let profiles = self.hold_profiles()?;
        let _uses = self.lock_in_use()?;
        let staged = Staging::new(&self.root().containers_dir())?;
        let mut trees: BTreeMap<PathBuf, u32> = BTreeMap::new();
        let documents = read(from, &mut |directory| {
            let number = u32::try_from(trees.len()).unwrap_or(u32::MAX - 1) + 1;
            let made = layer(staged.path(), number);
            made.create()?;
            // The layer's root directory has the archive's metadata, which a first mount must not replace by an
            // image's.
            made.note_mounted()?;
            trees.insert(directory.to_owned(), number);
            Ok(made.upper().to_owned())
        })?;
        let id = random_id()?;
        let mut record = self.received(&documents, &id, options.trusted)?;
        if !options.trusted {
            trust::check_profiles("container", &profiles, &record.instance)?;
        }
        record.writable.files = own_files(&trees, Path::new(CONTAINER))?;
        let wanted = options.name.clone().unwrap_or_else(|| record.name.clone());
        names::claim(self.root(), &wanted, &id)?;
        record.name = wanted;
        if let Some(name) = crate::init::host_name(&record) {
            record.hostname = name;
        }
        let configured = self.configure_copy(&profiles, &mut record, &options.changes);
        let archive = Archive { documents, trees, trusted: options.trusted, profiles: &profiles };
        let mut volumes = NewVolumes::of_new(&id);
        let made =
            configured.and_then(|()| self.settle_received(&mut record, &archive, staged, &mut volumes));
        drop(profiles);
        // The files are complete below the data root by now. If the move fails, the record is read again to remove the
        // container from where it is.
        let made = made.and_then(|()| match &options.pool {
            Some(pool) => self.move_to_pool(&record.id, pool, &InstanceChanges::default()),
            None => Ok(()),
        });
        match made {
            Ok(()) => {
                Event::container(&record, "create").emit(self);
                Ok(record)
            }
            Err(error) => {
                let now = Record::load(self.root(), &record.id).unwrap_or(record);
                let removed = remove_files(self, Remains::of(&now, true).without_event());
                Err(error.with_undo(removed).with_undo(volumes.undo(self)))
            }
        }
    }

    fn settle_received(
        &self,
        record: &mut Record,
        archive: &Archive<'_>,
        staged: Staging,
        volumes: &mut NewVolumes,
    ) -> Result<()> {
        let Archive { documents, trees, .. } = archive;
        self.give_ids(record)?;
        let record = &*record;
        for mount in record.mounts.iter().filter(|mount| mount.kind == MountKind::Volume) {
            volumes.make(self, mount)?;
        }
        for directory in trees.keys().filter(|directory| directory.starts_with(SNAPSHOTS)) {
            let snapshot = snapshot(record, documents, directory)?;
            if !archive.trusted {
                let what = format!("snapshot {}", snapshot.name);
                trust::check(&what, &snapshot.record)?;
                trust::check_profiles(&what, archive.profiles, &snapshot.record.instance)?;
            }
            let files = own_files(trees, directory)?;
            let writable = Writable { pool: None, files };
            let mut kept = Record { writable, ..sanitized(snapshot.record, &record.id)? };
            self.volumes_of(&mut kept, Some(record))?;
            let mut mounts = kept.mounts.iter().filter(|mount| mount.kind == MountKind::Volume);
            mounts.try_for_each(|mount| volumes.make(self, mount))?;
            InstanceSnapshot { record: kept, ..snapshot }.store_in(&staged.path().join("snapshots"))?;
        }
        if let Some(machine_id) = documents.get(&Path::new(CONTAINER).join(MACHINE_ID)) {
            let id = machine_id.trim();
            if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(invalid("backup/container/machine-id is none"));
            }
            let path = staged.path().join(MACHINE_ID);
            hull_storage::file::write_atomic(&path, format!("{id}\n").as_bytes(), 0o644)?;
        } else {
            templates::note(staged.path(), record, templates::Event::Copy)?;
        }
        record.store(staged.path())?;
        match staged.publish(&self.root().container_dir(&record.id))? {
            true => Ok(()),
            false => Err(Error::Unsupported(format!("container {} exists", record.id))),
        }
    }

    fn received(&self, documents: &BTreeMap<PathBuf, String>, id: &str, trusted: bool) -> Result<Record> {
        if let Some(text) = documents.get(&Path::new(CONTAINER).join(DOCUMENT)) {
            let mut record: Record = parse(text, "backup/container/hull.json")?;
            if !trusted {
                trust::check("container", &record)?;
            }
            record = sanitized(record, id)?;
            self.volumes_of(&mut record, None)?;
            return Ok(record);
        }
        let Some(text) = documents.get(Path::new(INDEX)) else {
            return Err(invalid("it has neither backup/index.yaml nor backup/container/hull.json"));
        };
        self.of_lxd(text, id, trusted)
    }

    /// A record from LXD's index. The index has no options of docker's, so the container gets those of a system
    /// container.
    fn of_lxd(&self, index: &str, id: &str, trusted: bool) -> Result<Record> {
        let index =
            hull_yaml::parse(index).map_err(|error| invalid(&format!("backup/index.yaml: {error}")))?;
        let container = &index["config"]["container"];
        let texts = |value: &serde_json::Value| -> BTreeMap<String, String> {
            let pairs = value.as_object().into_iter().flatten();
            pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        };
        let mut options = CreateOptions { system: true, ..CreateOptions::default() };
        let mut config = texts(&container["config"]);
        if config.get("volatile.last_state.idmap").is_some_and(|map| map != "[]") {
            return Err(Error::Unsupported(
                "the archive's files have the ids of the machine that they come from (volatile.last_state.idmap)".into(),
            ));
        }
        // LXD's own notes about another machine.
        config.retain(|key, _| !key.starts_with("volatile.") && !key.starts_with("image."));
        options.instance.config = config;
        let devices = container["devices"].as_object().into_iter().flatten();
        let devices = devices.map(|(name, device)| (name.clone(), texts(device)));
        // The disk device at / names a pool of the other machine, so it is left out.
        options.instance.devices =
            devices.filter(|(_, device)| device.get("path").is_none_or(|path| path != "/")).collect();
        let profiles = container["profiles"].as_array().into_iter().flatten();
        options.instance.profiles = profiles.filter_map(|name| name.as_str().map(str::to_owned)).collect();
        if !trusted {
            trust::check_settings("container", &options.instance.own())?;
        }
        let _profiles = self.configure(&mut options)?;
        crate::init::apply(&mut options)?;
        let base = Base { config: RunConfig::default(), ..Base::default() };
        let record = self.plan_on(&options, base, id.to_owned())?;
        // The files are first written below the data root, whatever pool a profile names.
        let record = Record { writable: Writable::default(), ..record };
        let name = index["name"].as_str().unwrap_or_default().to_owned();
        Ok(Record { name, ..record })
    }

    /// Gives the mounts of anonymous volumes new volumes. A snapshot gets those that its `container` has at the same
    /// places.
    fn volumes_of(&self, record: &mut Record, container: Option<&Record>) -> Result<()> {
        for mount in record.mounts.iter_mut().filter(|mount| mount.kind == MountKind::Volume) {
            let mounts = container.iter().flat_map(|container| &container.mounts);
            let mut same = mounts.filter(|own| own.anonymous && own.destination == mount.destination);
            match same.next() {
                Some(own) if mount.anonymous => mount.name = own.name.clone(),
                _ if mount.anonymous => mount.name = Some(random_id()?),
                _ => {}
            }
            let name = mount.name.as_deref().ok_or_else(|| invalid("a volume has no name"))?;
            mount.source = self.volumes().data_dir(name)?;
        }
        Ok(())
    }
}

/// What has been read from an archive.
struct Archive<'a> {
    documents: BTreeMap<PathBuf, String>,
    /// The number of the layer into which each tree was written.
    trees: BTreeMap<PathBuf, u32>,
    trusted: bool,
    /// Those of this machine.
    profiles: &'a ProfilesLock<'a>,
}

/// The record without what refers to the machine that it comes from.
fn sanitized(record: Record, id: &str) -> Result<Record> {
    if record.format != Record::FORMAT {
        return Err(invalid(&format!(
            "its record has format {}, which this hull does not know",
            record.format
        )));
    }
    let hostname = match record.id.get(..12).is_some_and(|short| short == record.hostname) {
        true => id[..12].to_owned(),
        false => record.hostname.clone(),
    };
    let mut record = Record {
        id: id.to_owned(),
        kind: Kind::Container,
        hostname,
        layers: vec![],
        host_image: false,
        id_maps: None,
        writable: Writable::default(),
        ..record
    };
    record.options.auto_remove = false;
    record.options.storage = StorageOptions::default();
    record.options.plugged.nics.clear();
    for network in &mut record.options.networks {
        (network.ip, network.ip6, network.mac) = (None, None, None);
    }
    // A mount of an image needs the image's layers, which are directories of the other machine.
    if record.mounts.iter().any(|mount| mount.kind == MountKind::Image) {
        return Err(invalid("its container has a mount of an image, which an archive does not hold"));
    }
    Ok(record)
}

fn snapshot(
    container: &Record,
    documents: &BTreeMap<PathBuf, String>,
    directory: &Path,
) -> Result<InstanceSnapshot> {
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    check_name(name)?;
    let Some(text) = documents.get(&directory.join(DOCUMENT)) else {
        return Ok(InstanceSnapshot {
            name: name.to_owned(),
            created: container.created,
            expires: None,
            scheduled: false,
            record: container.clone(),
        });
    };
    let snapshot: InstanceSnapshot = parse(text, &directory.join(DOCUMENT).display().to_string())?;
    Ok(InstanceSnapshot { name: name.to_owned(), ..snapshot })
}

/// The layer into which a tree of the archive was written.
fn own_files(trees: &BTreeMap<PathBuf, u32>, directory: &Path) -> Result<Files> {
    let present = trees.get(directory).copied();
    let present = present.ok_or_else(|| invalid(&format!("{}/rootfs is missing", directory.display())))?;
    Ok(Files::Layers { present, private: vec![] })
}

fn parse<T: DeserializeOwned>(text: &str, path: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| invalid(&format!("{path}: {error}")))
}

fn invalid(why: &str) -> Error {
    Error::Invalid { what: "backup".into(), why: why.into() }
}
