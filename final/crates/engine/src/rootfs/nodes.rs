//! The device nodes that a container's devices ask for.
//!
//! They are made at each start, on a small file system that is mounted on the run directory in the monitor's mount
//! namespace, so a killed monitor leaves nothing of them. They are bound into the container, even if it could make
//! nodes itself: the container cannot remove a node that is a mount point.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::mount::MsFlags;
use rustix::fs::{CWD, FileType, Gid, Mode, Uid, makedev};

use super::source_paths::{is_mount, node_path, nodes_directory};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::mount_extras::Node;
use crate::records::record::{MountRecord, Record};

/// Makes the nodes of all mounts that are device nodes, in the caller's mount namespace. Existing nodes are made again,
/// because their devices may have other numbers by now.
pub(crate) fn prepare(engine: &Engine, record: &Record) -> Result<()> {
    for mount in &record.mounts {
        if let Some(node) = &mount.extras.node {
            make(engine, record, mount, node)?;
        }
    }
    Ok(())
}

/// Makes a node. Does nothing if its source is missing and optional.
pub(crate) fn make(engine: &Engine, record: &Record, mount: &MountRecord, node: &Node) -> Result<()> {
    let path = node_path(engine, record, mount);
    let Some((major, minor)) = numbers(mount, node)? else {
        return Ok(hull_storage::file::remove(&path)?);
    };
    mount_directory(&nodes_directory(engine, record))?;
    hull_storage::file::remove(&path)?;
    let context = || format!("make the device node {}", path.display());
    let kind = if node.is_block { FileType::BlockDevice } else { FileType::CharacterDevice };
    // mknod(2) applies the umask, so the mode is set afterwards.
    rustix::fs::mknodat(CWD, &path, kind, Mode::from_raw_mode(0o600), makedev(major, minor))
        .context(context)?;
    let (uid, gid) = match &record.id_maps {
        Some(maps) => maps.outside_of(node.uid, node.gid)?,
        None => (node.uid, node.gid),
    };
    rustix::fs::chown(&path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).context(context)?;
    rustix::fs::chmod(&path, Mode::from_raw_mode(node.mode)).context(context)
}

/// The numbers of a node. `None` if its source is missing and optional.
pub(crate) fn numbers(mount: &MountRecord, node: &Node) -> Result<Option<(u32, u32)>> {
    if node.numbers.is_some() {
        return Ok(node.numbers);
    }
    let source = &mount.source;
    let found = match std::fs::metadata(source) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && mount.extras.optional => {
            return Ok(None);
        }
        found => found.context(|| format!("use device {}", source.display()))?,
    };
    let kind = found.file_type();
    let (is_right, wanted) = match node.is_block {
        true => (kind.is_block_device(), "block"),
        false => (kind.is_char_device(), "character"),
    };
    if !is_right {
        let why = format!("it is no {wanted} device");
        return Err(Error::Invalid { what: format!("source {}", source.display()), why });
    }
    Ok(Some((rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev()))))
}

/// Mounts the file system for the nodes. On /run itself they could not be opened: most machines mount it with `nodev`.
fn mount_directory(directory: &Path) -> Result<()> {
    hull_storage::directory::make_dirs(directory, 0o700)?;
    if is_mount(directory) {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    nix::mount::mount(
        Some("tmpfs"),
        directory,
        Some("tmpfs"),
        flags,
        Some("size=64k,nr_inodes=1024,mode=700"),
    )
    .context(|| format!("mount a file system at {}", directory.display()))
}
