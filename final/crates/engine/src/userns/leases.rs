//! Which container has which ids of the host.
//!
//! ```text
//! <data>/ids/lock           held while ids are chosen
//!            <container>    the ids of one container, written before the container is made, and removed after it
//! ```
//! A lease belongs to a container that exists, or to the living process that makes or removes it. All others are what a
//! killed command has left. The next command that chooses ids removes them.

use std::path::PathBuf;

use hull_storage::directory::{make_dirs, names_in};
use hull_storage::file;
use hull_storage::lock::Lock;
use hull_storage::process_id::ProcessId;
use hull_storage::root::Root;
use serde::{Deserialize, Serialize};

use crate::error::{IoContext, Result};
use crate::records::record::Record;
use crate::records::userns::IdMaps;
use crate::rootless::IdRange as Range;

/// The ids of one container.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// The process that makes the container.
    maker: ProcessId,
    pub users: Vec<Range>,
    pub groups: Vec<Range>,
}

/// All leases, locked.
pub(crate) struct Leases<'a> {
    root: &'a Root,
    _lock: Lock,
    pub users: Vec<Range>,
    pub groups: Vec<Range>,
}

impl<'a> Leases<'a> {
    /// Waits for other commands that choose ids, and reads all leases.
    pub(crate) fn lock(root: &'a Root) -> Result<Self> {
        let directory = directory(root);
        make_dirs(&directory, 0o700)?;
        let lock = Lock::exclusive_within(&directory.join("lock"), None)?;
        let mut leases = Self { root, _lock: lock, users: vec![], groups: vec![] };
        for container in names_in(&directory)? {
            // A file that is being written has a name with a dot.
            if container == "lock" || container.contains('.') {
                continue;
            }
            if let Some(lease) = leases.valid(&container)? {
                leases.users.extend(lease.users);
                leases.groups.extend(lease.groups);
            }
        }
        Ok(leases)
    }

    /// The container's lease. `None` if nothing has these ids any more: it is removed then.
    fn valid(&self, container: &str) -> Result<Option<Lease>> {
        let path = directory(self.root).join(container);
        let exists = || self.root.container_dir(container).exists();
        match file::read_json::<Lease>(&path) {
            Ok(Some(lease)) if lease.maker.is_alive() || exists() => Ok(Some(lease)),
            Ok(None) => Ok(None),
            // The container's record has the same ids.
            Err(hull_storage::Error::Damaged { .. }) if exists() => {
                let maps = Record::load(self.root, container)?.id_maps;
                Ok(maps.map(|maps| lease(&maps)).transpose()?)
            }
            Ok(Some(_)) | Err(hull_storage::Error::Damaged { .. }) => {
                release(self.root, container)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Leases the ids to a container.
    pub(crate) fn add(self, container: &str, maps: &IdMaps) -> Result<()> {
        let path = directory(self.root).join(container);
        Ok(file::write_json_atomic(&path, &lease(maps)?)?)
    }
}

fn lease(maps: &IdMaps) -> Result<Lease> {
    let ranges = |maps: &[hull_runtime::spec::IdMapping]| {
        maps.iter().map(|map| Range { start: map.host_id, count: map.size }).collect()
    };
    Ok(Lease { maker: ProcessId::of_self()?, users: ranges(&maps.uids), groups: ranges(&maps.gids) })
}

fn directory(root: &Root) -> PathBuf {
    root.data().join("ids")
}

/// Called when the container does not exist any more. A container without ids of its own has no lease.
pub(crate) fn release(root: &Root, container: &str) -> Result<()> {
    let path = directory(root).join(container);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
