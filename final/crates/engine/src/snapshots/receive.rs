//! A container from an archive: hull's ([`super::backup`]), or LXD's. The archive may be hostile: what its records say about
//! places, ids and layers of this machine is not used.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use hull_image::config::RunConfig;
use hull_storage::names;
use hull_storage::staging::Staging;
use serde::de::DeserializeOwned;

use super::backup::{CONTAINER, DOCUMENT, INDEX, MACHINE_ID, SNAPSHOTS};
use super::store::{InstanceSnapshot, check_name};
use crate::containers::create::Base;
use crate::copy::backup::read;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::gc::removal::{Remains, remove_files};
use crate::records::ids::random_id;
use crate::records::options::CreateOptions;
use crate::records::record::{Kind, MountKind, Record};
use crate::records::writable::{Files, Writable, layer};

impl Engine {
    /// Makes a container of an archive. Its name is the one in the archive, unless another is given.
    pub fn import_backup(&self, from: impl Read, name: Option<&str>) -> Result<Record> {
        let _uses = self.lock_in_use()?;
        let staged = Staging::new(&self.root().containers_dir())?;
        let mut trees: BTreeMap<PathBuf, u32> = BTreeMap::new();
        let documents = read(from, &mut |directory| {
            let number = u32::try_from(trees.len()).unwrap_or(u32::MAX - 1) + 1;
            let made = layer(staged.path(), number);
            made.create()?;
            // Its root directory is the archive's.
            made.note_mounted()?;
            trees.insert(directory.to_owned(), number);
            Ok(made.upper().to_owned())
        })?;
        let id = random_id()?;
        let mut record = self.received(&documents, &id)?;
        record.writable.files = own_files(&trees, Path::new(CONTAINER))?;
        let wanted = name.map_or_else(|| record.name.clone(), str::to_owned);
        names::claim(self.root(), &wanted, &id)?;
        record.name = wanted;
        let made = self.settle_received(&mut record, &documents, &trees, staged);
        match made {
            Ok(()) => {
                Event::container(&record, "create").emit(self);
                Ok(record)
            }
            Err(error) => {
                let removed = remove_files(self, Remains::of(&record, true).without_event());
                Err(error.with_undo(removed))
            }
        }
    }

    fn settle_received(
        &self,
        record: &mut Record,
        documents: &BTreeMap<PathBuf, String>,
        trees: &BTreeMap<PathBuf, u32>,
        staged: Staging,
    ) -> Result<()> {
        self.give_ids(record)?;
        let record = &*record;
        for mount in record.mounts.iter().filter(|mount| mount.kind == MountKind::Volume) {
            if let Some(name) = &mount.name {
                self.ensure_volume(
                    name,
                    (&mount.extras.labels, &mount.extras.driver_options),
                    mount.anonymous,
                )?;
            }
        }
        for directory in trees.keys().filter(|directory| directory.starts_with(SNAPSHOTS)) {
            let snapshot = snapshot(record, documents, directory)?;
            let files = own_files(trees, directory)?;
            let writable = Writable { pool: None, files };
            let kept = Record { writable, ..sanitized(snapshot.record, &record.id)? };
            InstanceSnapshot { record: kept, ..snapshot }.store_in(&staged.path().join("snapshots"))?;
        }
        if let Some(machine_id) = documents.get(&Path::new(CONTAINER).join(MACHINE_ID)) {
            let id = machine_id.trim();
            if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(invalid("backup/container/machine-id is none"));
            }
            let path = staged.path().join(MACHINE_ID);
            hull_storage::file::write_atomic(&path, format!("{id}\n").as_bytes(), 0o644)?;
        }
        record.store(staged.path())?;
        match staged.publish(&self.root().container_dir(&record.id))? {
            true => Ok(()),
            false => Err(Error::Unsupported(format!("container {} exists", record.id))),
        }
    }

    fn received(&self, documents: &BTreeMap<PathBuf, String>, id: &str) -> Result<Record> {
        if let Some(text) = documents.get(&Path::new(CONTAINER).join(DOCUMENT)) {
            let record = sanitized(parse(text, "backup/container/hull.json")?, id)?;
            return own_volumes(record);
        }
        let Some(text) = documents.get(Path::new(INDEX)) else {
            return Err(invalid("it has neither backup/index.yaml nor backup/container/hull.json"));
        };
        self.of_lxd(text, id)
    }

    /// LXD's archives say less: the container gets the options of a system container.
    fn of_lxd(&self, index: &str, id: &str) -> Result<Record> {
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
        // LXD's own notes, of another machine.
        config.retain(|key, _| !key.starts_with("volatile.") && !key.starts_with("image."));
        options.instance.config = config;
        let devices = container["devices"].as_object().into_iter().flatten();
        let devices = devices.map(|(name, device)| (name.clone(), texts(device)));
        // The disk at / is the pool's part, and this container is in no pool.
        options.instance.devices =
            devices.filter(|(_, device)| device.get("path").is_none_or(|path| path != "/")).collect();
        crate::init::apply(&mut options)?;
        let _profiles = self.configure(&mut options)?;
        let base = Base { config: RunConfig::default(), ..Base::default() };
        let record = self.plan_on(&options, base, id.to_owned())?;
        let name = index["name"].as_str().unwrap_or_default().to_owned();
        Ok(Record { name, ..record })
    }
}

/// The record without what belongs to the machine that it comes from.
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
    for network in &mut record.options.networks {
        (network.ip, network.ip6, network.mac) = (None, None, None);
    }
    // An image's layers are directories of the machine.
    if record.mounts.iter().any(|mount| mount.kind == MountKind::Image) {
        return Err(invalid("its container has a mount of an image, which an archive does not hold"));
    }
    Ok(record)
}

fn own_volumes(mut record: Record) -> Result<Record> {
    record.mounts.iter_mut().try_for_each(super::copy::own_volume)?;
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

/// The layer that a tree of the archive has become.
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
