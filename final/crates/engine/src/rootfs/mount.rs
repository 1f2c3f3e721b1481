//! The mounts of a container's root file system, in the mount namespace of the calling process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hull_storage::LayerIds;
use hull_storage::overlay::Overlay;
use hull_storage::pools::subvolume;
use hull_storage::tree::{copy_tree_as, remove_tree};
use hull_storage::writable_layer::WritableLayer;

use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::mountpoints;
use crate::records::record::{MountKind, MountRecord, Record};
use crate::records::userns::IdMaps;
use crate::records::writable::start_mark;
use crate::rootfs::{etc_files, host_mount, sources};

/// The mount point of the container's root file system while it runs.
pub(crate) fn rootfs(engine: &Engine, record: &Record) -> PathBuf {
    engine.root().container_run_dir(&record.id).join("rootfs")
}

/// The layers below the one that the container writes to, the highest first: its own older layers, then the image's.
fn lowers(engine: &Engine, record: &Record) -> Result<Vec<PathBuf>> {
    let mut lowers: Vec<PathBuf> =
        record.private_layers(engine.root()).iter().map(|layer| layer.upper().to_owned()).collect();
    match record.copied_ids() {
        Some(maps) => lowers.push(copied_image(engine, record, maps)?),
        None => lowers.extend(image_layers(engine, record)?),
    }
    Ok(lowers)
}

/// All layers of a container's root, the highest first, or its one subvolume.
pub(crate) fn layers_of(engine: &Engine, record: &Record) -> Result<Vec<PathBuf>> {
    if let Some(subvolume) = record.subvolume(engine.root()) {
        return Ok(vec![subvolume]);
    }
    let upper = record.writable_layer(engine.root()).map(|layer| layer.upper().to_owned());
    Ok(upper.into_iter().chain(lowers(engine, record)?).collect())
}

/// What becomes the root: an overlay, or a subvolume as it is.
enum Source {
    Overlay(Overlay, WritableLayer),
    Subvolume(PathBuf),
}

impl Source {
    fn of(engine: &Engine, record: &Record) -> Result<Self> {
        crate::pools::place::ensure(engine, record)?;
        if let Some(subvolume) = record.subvolume(engine.root()) {
            return Ok(Self::Subvolume(subvolume));
        }
        let layer = record.writable_layer(engine.root()).ok_or_else(|| {
            Error::Unsupported(format!("container {} has neither a layer nor a subvolume", record.name))
        })?;
        // Unmounting an overlay syncs the whole file system of its upper directory, unless it is mounted as volatile
        // (overlayfs.rst, "Volatile mount"). With --rm nothing will read it again.
        let overlay = layer.overlay(lowers(engine, record)?, record.options.auto_remove);
        Ok(Self::Overlay(overlay, layer))
    }

    fn mount_at(&self, target: &Path, ids: Option<LayerIds>) -> Result<()> {
        match self {
            Self::Overlay(overlay, _) => Overlay { ids, ..overlay.clone() }.mount_at(target)?,
            Self::Subvolume(path) => subvolume::mount_at(path, target, ids.as_ref())?,
        }
        Ok(())
    }

    /// Whether the container writes to this layer.
    fn is_at(&self, layer: &WritableLayer) -> bool {
        matches!(self, Self::Overlay(_, own) if own.upper() == layer.upper())
    }

    /// Mounts the root of a container that does not run, for a command that reads it.
    fn mount_to_look(&self, target: &Path) -> Result<()> {
        match self {
            Self::Overlay(overlay, layer) => {
                layer.overlay_to_look(overlay.lowers.clone()).mount_at(target)?;
            }
            Self::Subvolume(path) => subvolume::mount_at(path, target, None)?,
        }
        Ok(())
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
    Source::of(engine, record)?.mount_to_look(target)
}

/// Mounts what a start would mount, in the mount namespace of a command that looks at a container that does not run.
pub(crate) fn mount_to_look(engine: &Engine, record: &Record) -> Result<()> {
    crate::pools::volumes::ensure_sources(engine, record)?;
    let is_new = start_mark(engine.root(), &record.id).first_mounted().is_none();
    let rootfs = rootfs(engine, record);
    if !share_hosts_mount(engine, record, &rootfs)? {
        Source::of(engine, record)?.mount_to_look(&rootfs)?;
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
    let mark = start_mark(engine.root(), &record.id);
    // docker's rule: an empty volume takes what the image has when its container is new, and never again.
    let is_new = mark.first_mounted().is_none();
    let rootfs = rootfs(engine, record);
    let is_shared = share_hosts_mount(engine, record, &rootfs)?;
    host_mount::forget(engine.root());
    crate::pools::mount::forget(engine.root());
    crate::pools::volumes::ensure_sources(engine, record)?;
    if is_shared && record.mapped_ids().is_some() {
        return Err(Error::Unsupported(format!(
            "container {} is mounted on the host, where its files have the image's ids: hull unmount {0} comes first",
            record.name
        )));
    }
    let source = Source::of(engine, record)?;
    if is_new && !source.is_at(&mark) {
        // The kernel makes this directory only where the overlay has its work directory.
        mark.note_mounted()?;
    }
    if is_shared {
        if let Source::Overlay(_, layer) = &source {
            layer.note_mounted()?;
        }
        etc_files::mount(engine, record)?;
        return fill_volumes(engine, record, &rootfs, is_new);
    }
    let Some(maps) = record.mapped_ids() else {
        source.mount_at(&rootfs, None)?;
        etc_files::mount(engine, record)?;
        return fill_volumes(engine, record, &rootfs, is_new);
    };
    let fills = is_new && record.mounts.iter().any(|mount| mount.kind == MountKind::Volume && mount.copy_up);
    if fills {
        // A volume has the ids of the image, which the layers have on the disk.
        source.mount_at(&rootfs, None)?;
        fill_volumes(engine, record, &rootfs, is_new)?;
        nix::mount::umount(&rootfs).context(|| format!("unmount {}", rootfs.display()))?;
        if let Source::Overlay(Overlay { volatile: true, .. }, layer) = &source {
            layer.allow_remount()?;
        }
    }
    let namespace = Arc::new(hull_runtime::user_namespace(&maps.uids, &maps.gids)?);
    source.mount_at(&rootfs, Some(LayerIds { namespace, root: maps.root() }))?;
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
    match record.writable_layer(engine.root()) {
        Some(layer) => Ok(layer.allow_remount()?),
        None => Ok(()),
    }
}

/// Ignores errors: the end of the mount namespace unmounts what could not be unmounted here.
pub(crate) fn unmount_root(engine: &Engine, record: &Record) {
    sources::release(engine, record);
    let rootfs = rootfs(engine, record);
    for mounted in [rootfs, etc_files::directory(engine, record)] {
        let _ = nix::mount::umount2(&mounted, nix::mount::MntFlags::MNT_DETACH);
    }
}
