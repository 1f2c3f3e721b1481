//! The mounts of a container's root file system, in the mount namespace of whoever makes them.

use std::path::PathBuf;

use hull_storage::overlay::Overlay;

use crate::engine::Engine;
use crate::error::Result;
use crate::records::record::{MountKind, MountRecord, Record};
use crate::rootfs::{etc, mountpoints};

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
        // Unmounting an overlay syncs the whole file system its upper lies on, unless nobody will read it again
        // (overlayfs.rst, "Volatile mount").
        volatile: record.options.auto_remove,
        userxattr: hull_sys::process::in_user_namespace(),
    };
    let rootfs = rootfs(engine, record);
    overlay.mount_at(&rootfs)?;
    etc::mount(engine, record)?;
    let volumes = engine.volumes();
    let copied = |mount: &&MountRecord| is_new && mount.kind == MountKind::Volume && mount.copy_up;
    for mount in record.mounts.iter().filter(copied) {
        if let Some(name) = &mount.name {
            volumes.copy_up(name, &rootfs, &mount.destination)?;
        }
    }
    Ok(())
}

/// A volatile overlay marks its work directory, and the kernel mounts no such directory again, for the machine may have
/// gone down in between (overlayfs.rst, "Volatile mount"). It has not: we are still here.
pub(crate) fn allow_remount(engine: &Engine, record: &Record) -> Result<()> {
    let marks = engine.root().container_dir(&record.id).join("work/work/incompat");
    Ok(hull_storage::tree::remove_tree(&marks)?)
}

/// Teardown goes on past errors: the namespace's end unmounts what could not be unmounted here.
pub(crate) fn unmount_root(engine: &Engine, record: &Record) {
    let rootfs = rootfs(engine, record);
    for mounted in [rootfs, etc::directory(engine, record)] {
        let _ = nix::mount::umount2(&mounted, nix::mount::MntFlags::MNT_DETACH);
    }
}
