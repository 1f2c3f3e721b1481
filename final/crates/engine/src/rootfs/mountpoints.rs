//! The mountpoint layer, which lies below every image: the mount points that each container needs and an image may lack.
//!
//! Without it, each start would create them in the container's writable layer, file by file. As the lowest layer it is
//! visible only where the image has nothing.

use std::path::PathBuf;

use hull_storage::directory::make_dirs;
use hull_storage::root::Root;
use hull_storage::staging::Staging;

use crate::error::{IoContext, Result};

const DIRECTORIES: [&str; 5] = ["dev", "etc", "proc", "sys", "tmp"];
const FILES: [&str; 3] = ["etc/hostname", "etc/hosts", "etc/resolv.conf"];

/// Returns the layer's directory, which is made when a root is used for the first time.
pub(crate) fn ensure(root: &Root) -> Result<PathBuf> {
    let path = root.data().join("skeleton");
    if path.exists() {
        return Ok(path);
    }
    let staged = Staging::new(root.data())?;
    let context = || format!("make {}", path.display());
    for name in DIRECTORIES {
        make_dirs(&staged.path().join(name), if name == "tmp" { 0o1777 } else { 0o755 })?;
    }
    for name in FILES {
        std::fs::write(staged.path().join(name), "").context(context)?;
    }
    // As in docker: programs that read /etc/mtab see the container's mounts.
    std::os::unix::fs::symlink("/proc/mounts", staged.path().join("etc/mtab")).context(context)?;
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(staged.path(), PermissionsExt::from_mode(0o755)).context(context)?;
    // If another command has published the same layer meanwhile, that one is used.
    staged.publish(&path)?;
    Ok(path)
}
