//! The ids of a container with a user namespace of its own: `--userns`, `--uidmap`, `--gidmap`, `--subuidname`,
//! `--subgidname`.
//!
//! ```text
//! maps    the ids that each mode gives        pool    free ranges for `auto`
//! unprivileged  of an unprivileged user
//! leases  which container has which ids: <data>/ids/<container>
//! ```
//! The ids are chosen once, by `create`, and are in the container's record. The files of layers, writable layers and volumes
//! keep the ids of the image on the disk, whatever the container's ids are: they are mapped when they are mounted
//! (`storage/src/mapped_layers.rs`).

pub(crate) mod leases;
mod maps;
mod pool;
mod unprivileged;

use hull_docker::flags::userns::Userns;
use hull_sys::id_map::Ids;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::options::NamespaceMode;
use crate::records::record::Record;

impl Engine {
    /// Gives a new container the ids of its user namespace, and leases them to it. Does nothing for a container in the
    /// engine's own user namespace.
    pub(crate) fn give_ids(&self, record: &mut Record) -> Result<()> {
        if !record.options.userns.is_host() {
            record.id_maps = maps::choose(self, record)?;
            run_as_user(record);
            check_pid_namespace(record)?;
        }
        check_mounts(record)
    }
}

/// A procfs shows the processes of a pid namespace, and mounting one takes rights over the user namespace that the pid namespace
/// belongs to (pid_namespaces(7)).
fn check_pid_namespace(record: &Record) -> Result<()> {
    let NamespaceMode::Container(other) = &record.options.pid else { return Ok(()) };
    match record.id_maps.is_some() && record.options.userns.container() != Some(other) {
        true => Err(Error::Invalid {
            what: "combination of options".into(),
            why: "--pid container: and --userns: the processes are the other container's, and so must the user namespace be (--userns container:)".into(),
        }),
        false => Ok(()),
    }
}

fn check_mounts(record: &Record) -> Result<()> {
    match record.mounts.iter().find(|mount| mount.extras.idmap && !record.maps_ids_of(mount)) {
        None => Ok(()),
        Some(mount) => Err(Error::Invalid {
            what: format!("option idmap of the mount at {}", mount.destination.display()),
            why: match record.id_maps {
                Some(_) if record.copied_ids().is_some() => {
                    "only root can map the ids of files (mount_setattr(2))".into()
                }
                Some(_) => "the ids of an overlay (option O) cannot be mapped".into(),
                None => "the container has no user namespace of its own (--userns)".into(),
            },
        }),
    }
}

/// podman's rule: a container of `keep-id` runs as the user, unless another is asked for.
fn run_as_user(record: &mut Record) {
    let options = &record.options;
    if let (Ok(Userns::KeepId(keep)), None) = (options.userns.mode(), &options.user) {
        let uid = keep.uid.unwrap_or_else(|| unprivileged::own(Ids::Users));
        let gid = keep.gid.unwrap_or_else(|| unprivileged::own(Ids::Groups));
        record.process.user = format!("{uid}:{gid}");
    }
}
