//! The mounts of a container's root file system, in the mount namespace of the calling process.

use std::path::PathBuf;

use hull_storage::overlay::Overlay;

use crate::engine::Engine;
use crate::error::Result;
use crate::records::record::{MountKind, MountRecord, Record};
use crate::rootfs::{etc_files, mountpoints};

/// Where the container's root file system is mounted while it runs.
pub(crate) fn rootfs(engine: &Engine, record: &Record) -> PathBuf {
    engine.root().container_run_dir(&record.id).join("rootfs")
}

/// Mounts the container's overlay in the monitor's mount namespace and fills its empty volumes.
pub(crate) fn mount_root(engine: &Engine, record: &Record) -> Result<()> {
    let directory = engine.root().container_dir(&record.id);
    // docker's rule: an empty volume takes what the image has when its container is new, and never again.
    let is_new = !directory.join("work/work").exists();
    let layers = record.layers.iter().rev().map(|layer| engine.root().data().join(layer));
    let overlay = Overlay {
        lowers: layers.chain([mountpoints::ensure(engine.root())?]).collect(),
        upper: directory.join("upper"),
        work: directory.join("work"),
        // Unmounting an overlay syncs the whole file system of its upper directory, unless it is mounted as volatile
        // (overlayfs.rst, "Volatile mount"). With --rm nothing will read it again.
        volatile: record.options.auto_remove,
        userxattr: hull_sys::id_map::in_user_namespace(),
    };
    let rootfs = rootfs(engine, record);
    overlay.mount_at(&rootfs)?;
    etc_files::mount(engine, record)?;
    let volumes = engine.volumes();
    let copied = |mount: &&MountRecord| is_new && mount.kind == MountKind::Volume && mount.copy_up;
    for mount in record.mounts.iter().filter(copied) {
        if let Some(name) = &mount.name {
            volumes.copy_up(name, &rootfs, &mount.destination)?;
        }
    }
    Ok(())
}

/// Lets a volatile overlay be mounted again. The kernel marks its work directory and refuses to mount that again, because
/// the machine may have gone down in between (overlayfs.rst, "Volatile mount"). While the monitor lives, it has not.
pub(crate) fn allow_remount(engine: &Engine, record: &Record) -> Result<()> {
    let marks = engine.root().container_dir(&record.id).join("work/work/incompat");
    Ok(hull_storage::tree::remove_tree(&marks)?)
}

/// Ignores errors: the end of the mount namespace unmounts what could not be unmounted here.
pub(crate) fn unmount_root(engine: &Engine, record: &Record) {
    let rootfs = rootfs(engine, record);
    for mounted in [rootfs, etc_files::directory(engine, record)] {
        let _ = nix::mount::umount2(&mounted, nix::mount::MntFlags::MNT_DETACH);
    }
}
