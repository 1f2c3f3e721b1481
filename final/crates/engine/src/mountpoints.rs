//! The mountpoint layer, which lies below every image: the mount points that each container needs and an image may lack.
//!
//! Without it, each start would create them in the container's writable layer, file by file. As the lowest layer it is
//! visible only where the image has nothing.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use hull_storage::directory::make_dirs;
use hull_storage::root::Root;
use hull_storage::staging::Staging;

use crate::error::{IoContext, Result};
use crate::records::record::Record;

const DIRECTORIES: [&str; 5] = ["dev", "etc", "proc", "sys", "tmp"];
const FILES: [&str; 3] = ["etc/hostname", "etc/hosts", "etc/resolv.conf"];

/// Of the step of a build: only what is mounted in each step, because RUN may make the rest.
const DIRECTORIES_OF_STEP: [&str; 4] = ["dev", "etc", "proc", "sys"];
const FILES_OF_STEP: [&str; 2] = ["etc/hosts", "etc/resolv.conf"];

/// Returns the layer's directory, which is made when a root is used for the first time.
pub(crate) fn ensure(root: &Root, record: &Record) -> Result<PathBuf> {
    match record.is_step() {
        true => make(root, "skeleton-of-steps", &DIRECTORIES_OF_STEP, &FILES_OF_STEP, None),
        // As in docker: programs that read /etc/mtab see the container's mounts.
        false => make(root, "skeleton", &DIRECTORIES, &FILES, Some(("/proc/mounts", "etc/mtab"))),
    }
}

/// A layer with nothing in it.
pub(crate) fn empty(root: &Root) -> Result<PathBuf> {
    make(root, "skeleton-of-nothing", &[], &[], None)
}

fn make(
    root: &Root,
    name: &str,
    directories: &[&str],
    files: &[&str],
    link: Option<(&str, &str)>,
) -> Result<PathBuf> {
    let path = root.data().join(name);
    if path.exists() {
        return Ok(path);
    }
    let staged = Staging::new(root.data())?;
    let at = |name: &str| -> PathBuf { staged.path().join(name) };
    let context = || format!("make {}", path.display());
    for name in directories {
        make_dirs(&at(name), if *name == "tmp" { 0o1777 } else { 0o755 })?;
    }
    for name in files {
        std::fs::write(at(name), "").context(context)?;
    }
    if let Some((target, name)) = link {
        symlink(target, at(name)).context(context)?;
    }
    let mode = PermissionsExt::from_mode(0o755);
    std::fs::set_permissions::<&Path>(staged.path(), mode).context(context)?;
    // If another command has published the same layer meanwhile, that one is used.
    staged.publish(&path)?;
    Ok(path)
}
