//! The mounts of a container's root file system, in the mount namespace of the calling process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hull_storage::LayerIds;
use hull_storage::overlay::Overlay;
use hull_storage::tree::{copy_tree_as, remove_tree};

use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::record::{MountKind, MountRecord, Record};
use crate::records::userns::IdMaps;
use crate::rootfs::{etc_files, host_mount, mountpoints, sources};

/// The mount point of the container's root file system while it runs.
pub(crate) fn rootfs(engine: &Engine, record: &Record) -> PathBuf {
    engine.root().container_run_dir(&record.id).join("rootfs")
}

fn lowers(engine: &Engine, record: &Record) -> Result<Vec<PathBuf>> {
    match record.copied_ids() {
        Some(maps) => Ok(vec![copied_image(engine, record, maps)?]),
        None => image_layers(engine, record),
    }
}

fn image_layers(engine: &Engine, record: &Record) -> Result<Vec<PathBuf>> {
    let layers = record.layers.iter().rev().map(|layer| engine.root().data().join(layer));
    Ok(layers.chain([mountpoints::ensure(engine.root(), record)?]).collect())
}

/// The image's files with the container's owners, for an unprivileged user: only root can map the ids of files
/// (mount_setattr(2)). They are copied once, into the container's directory.
fn copied_image(engine: &Engine, record: &Record, maps: &IdMaps) -> Result<PathBuf> {
    let directory = engine.root().container_dir(&record.id);
    let copied = directory.join("copied");
    if copied.exists() {
        return Ok(copied);
    }
    let [copying, upper, work] =
        ["copying", "copying-upper", "copying-work"].map(|name| directory.join(name));
    let clear = || [&copying, &upper, &work].into_iter().try_for_each(|left| remove_tree(left));
    clear()?;
    let lowers = image_layers(engine, record)?;
    let rootfs = rootfs(engine, record);
    let image = Overlay {
        lowers,
        upper: upper.clone(),
        work: work.clone(),
        volatile: true,
        userxattr: true,
        ids: None,
    };
    image.mount_at(&rootfs)?;
    copy_tree_as(&rootfs, &copying, &|uid, gid| maps.outside_or_nobody(uid, gid))?;
    nix::mount::umount(&rootfs).context(|| format!("unmount {}", rootfs.display()))?;
    std::fs::rename(&copying, &copied)
        .context(|| format!("copy the image's files to {}", copied.display()))?;
    clear()?;
    Ok(copied)
}

/// Mounts the overlay of a container that does not run where the host sees it.
pub(crate) fn mount_for_host(engine: &Engine, record: &Record, target: &Path) -> Result<()> {
    let lowers = lowers(engine, record)?;
    Ok(engine.root().writable_layer(&record.id).overlay_to_look(lowers).mount_at(target)?)
}

/// Mounts what a start would mount, in the mount namespace of a command that looks at a container that does not run.
pub(crate) fn mount_to_look(engine: &Engine, record: &Record) -> Result<()> {
    let is_new = engine.root().writable_layer(&record.id).first_mounted().is_none();
    let rootfs = rootfs(engine, record);
    if !share_hosts_mount(engine, record, &rootfs)? {
        let lowers = lowers(engine, record)?;
        engine.root().writable_layer(&record.id).overlay_to_look(lowers).mount_at(&rootfs)?;
    }
    etc_files::mount(engine, record)?;
    fill_volumes(engine, record, &rootfs, is_new)
}

/// Where the host has the container's root mounted, that mount is shared: an upper directory is in one overlay only.
fn share_hosts_mount(engine: &Engine, record: &Record, rootfs: &Path) -> Result<bool> {
    let Some(tree) = host_mount::clone(engine.root(), &record.id)? else { return Ok(false) };
    let context = || format!("mount {}", rootfs.display());
    hull_storage::directory::make_dirs(rootfs, 0o755)?;
    let point = std::fs::File::open(rootfs).context(context)?;
    hull_sys::mount::attach(&tree, &point).context(context)?;
    Ok(true)
}

/// Mounts the container's overlay in the monitor's mount namespace and fills its empty volumes.
pub(crate) fn mount_root(engine: &Engine, record: &Record) -> Result<()> {
    let writable = engine.root().writable_layer(&record.id);
    // docker's rule: an empty volume takes what the image has when its container is new, and never again.
    let is_new = writable.first_mounted().is_none();
    let rootfs = rootfs(engine, record);
    let is_shared = share_hosts_mount(engine, record, &rootfs)?;
    host_mount::forget(engine.root());
    if is_shared && record.mapped_ids().is_some() {
        return Err(Error::Unsupported(format!(
            "container {} is mounted on the host, where its files have the image's ids: hull unmount {0} comes first",
            record.name
        )));
    }
    if is_shared {
        writable.note_mounted()?;
        etc_files::mount(engine, record)?;
        return fill_volumes(engine, record, &rootfs, is_new);
    }
    let lowers = lowers(engine, record)?;
    // Unmounting an overlay syncs the whole file system of its upper directory, unless it is mounted as volatile
    // (overlayfs.rst, "Volatile mount"). With --rm nothing will read it again.
    let volatile = record.options.auto_remove;
    let mut overlay = writable.overlay(lowers, volatile);
    let Some(maps) = record.mapped_ids() else {
        overlay.mount_at(&rootfs)?;
        etc_files::mount(engine, record)?;
        return fill_volumes(engine, record, &rootfs, is_new);
    };
    let fills = is_new && record.mounts.iter().any(|mount| mount.kind == MountKind::Volume && mount.copy_up);
    if fills {
        // A volume has the ids of the image, which the layers have on the disk.
        overlay.mount_at(&rootfs)?;
        fill_volumes(engine, record, &rootfs, is_new)?;
        nix::mount::umount(&rootfs).context(|| format!("unmount {}", rootfs.display()))?;
        if volatile {
            writable.allow_remount()?;
        }
    }
    let namespace = Arc::new(hull_runtime::user_namespace(&maps.uids, &maps.gids)?);
    overlay.ids = Some(LayerIds { namespace, root: maps.root() });
    overlay.mount_at(&rootfs)?;
    etc_files::mount(engine, record)?;
    match fills {
        true => Ok(()),
        false => sources::prepare(engine, record, None),
    }
}

fn fill_volumes(engine: &Engine, record: &Record, rootfs: &Path, is_new: bool) -> Result<()> {
    let volumes = engine.volumes();
    sources::prepare(engine, record, Some(rootfs).filter(|_| is_new))?;
    let is_plain = |mount: &MountRecord| mount.extras.subpath.is_none() && !mount.extras.has_driver_mount;
    let copied =
        |mount: &&MountRecord| is_new && mount.kind == MountKind::Volume && mount.copy_up && is_plain(mount);
    for mount in record.mounts.iter().filter(copied) {
        if let Some(name) = &mount.name {
            volumes.copy_up(name, rootfs, &mount.destination)?;
        }
    }
    Ok(())
}

/// Lets a volatile overlay be mounted again: while the monitor lives, the machine has not crashed.
pub(crate) fn allow_remount(engine: &Engine, record: &Record) -> Result<()> {
    Ok(engine.root().writable_layer(&record.id).allow_remount()?)
}

/// Ignores errors: the end of the mount namespace unmounts what could not be unmounted here.
pub(crate) fn unmount_root(engine: &Engine, record: &Record) {
    sources::release(engine, record);
    let rootfs = rootfs(engine, record);
    for mounted in [rootfs, etc_files::directory(engine, record)] {
        let _ = nix::mount::umount2(&mounted, nix::mount::MntFlags::MNT_DETACH);
    }
}
