//! Mounting image files on the host.
//!
//! ```text
//! <run root>/pools/                  a private mount, so that mounts in it do not appear in other mount namespaces
//!                  named/<pool>      a pool that is an image file
//!                  roots/<id>        the files of a container that has a size
//!                  volumes/<pool>/<volume>   the files of a volume that has a size
//! ```
//! An image is mounted when it is first used, and no mount survives a reboot. A monitor's mount namespace begins as a
//! copy of the host's one. The monitor detaches all of these mounts ([`forget`]) and mounts only what its container needs,
//! so that no container keeps the pool of another one busy.

use std::path::{Path, PathBuf};

use hull_storage::directory::names_in;
use hull_storage::lock::Lock;
use hull_storage::pools::PoolDir;
use hull_storage::pools::image::Image;
use hull_storage::root::Root;
use nix::mount::{MntFlags, MsFlags};

use super::record::{self, Driver, Pool};
use crate::error::{Error, IoContext, Result};

/// The beginning of the mount point of a volume that is being made. The pid of its maker follows.
const NEW: &str = ".new-";

fn directory(root: &Root) -> PathBuf {
    root.run().join("pools")
}

/// Where a pool that is an image is mounted.
fn of_pool(root: &Root, name: &str) -> PathBuf {
    directory(root).join("named").join(name)
}

/// Where the image with a container's files is mounted.
pub(super) fn of_root(root: &Root, id: &str) -> PathBuf {
    directory(root).join("roots").join(id)
}

/// The ids of the containers whose images are mounted.
pub(super) fn roots(root: &Root) -> Result<Vec<String>> {
    crate::records::find::directories(&of_root(root, ""))
}

/// Where the image with a volume's data is mounted.
pub(super) fn of_volume(root: &Root, pool: &str, volume: &str) -> PathBuf {
    directory(root).join("volumes").join(pool).join(volume)
}

/// Where the image of a volume that this process makes is mounted.
pub(super) fn of_new_volume(root: &Root, pool: &str) -> PathBuf {
    of_volume(root, pool, &format!("{NEW}{}", std::process::id()))
}

/// Where the image with the files of a copy is mounted that this process makes.
pub(super) fn of_new_root(root: &Root) -> PathBuf {
    of_root(root, &format!("{NEW}{}", std::process::id()))
}

/// Whether this is the mount point of an image whose maker was killed. Another process may have got the pid since. Then
/// the mount stays until that process has ended, too.
fn is_lost(name: &str) -> bool {
    name.strip_prefix(NEW).is_some_and(|pid| !Path::new("/proc").join(pid).exists())
}

/// Unmounts the images of containers and volumes whose maker was killed.
pub(super) fn release_lost(root: &Root) -> Result<()> {
    let roots = of_root(root, "");
    if roots.exists() {
        for name in names_in(&roots)?.iter().filter(|name| is_lost(name)) {
            release(root, &of_root(root, name))?;
        }
    }
    let volumes = directory(root).join("volumes");
    if !volumes.exists() {
        return Ok(());
    }
    for pool in names_in(&volumes)? {
        let names = names_in(&volumes.join(&pool))?;
        if names.is_empty() {
            release(root, &volumes.join(&pool))?;
        }
        for name in names.iter().filter(|name| is_lost(name)) {
            release(root, &of_volume(root, &pool, name))?;
        }
    }
    Ok(())
}

/// The pool that a path below a mounted image belongs to, and the volume if the image is that of a volume.
pub(super) fn owner_of(root: &Root, path: &Path) -> Option<(String, Option<String>)> {
    let below = path.strip_prefix(directory(root)).ok()?;
    let mut names = below.iter().map(|name| name.to_str());
    let (group, pool) = (names.next()??, names.next()??.to_owned());
    match group {
        "named" => Some((pool, None)),
        "volumes" => Some((pool, Some(names.next()??.to_owned()))),
        _ => None,
    }
}

/// The pool's directory. The pool may be unmounted.
pub(super) fn dir_of(root: &Root, pool: &Pool) -> PoolDir {
    PoolDir::new(match pool.driver {
        Driver::Image => of_pool(root, &pool.name),
        Driver::Dir | Driver::Btrfs => pool.source.clone(),
    })
}

/// The image of a pool that is kept in an image file.
pub(super) fn image_of(pool: &Pool) -> Option<Image> {
    pool.file_system.map(|file_system| Image { file: pool.source.clone(), file_system })
}

/// Opens a pool for use: mounts it if it is an image, and makes sure that the directory is the pool's.
pub(crate) fn open(root: &Root, name: &str) -> Result<PoolDir> {
    open_pool(root, &record::find(root, name)?)
}

pub(super) fn open_pool(root: &Root, pool: &Pool) -> Result<PoolDir> {
    let dir = dir_of(root, pool);
    if pool.is_default() {
        return Ok(dir);
    }
    let unavailable = |why: String| Error::PoolUnavailable { pool: pool.name.clone(), why };
    if let Some(image) = image_of(pool) {
        ensure(root, &image, dir.path()).map_err(|error| unavailable(error.to_string()))?;
    }
    match dir.is_of(&pool.id) {
        Ok(true) => Ok(dir),
        Ok(false) => {
            let shown = dir.path().display();
            Err(unavailable(format!("{shown} has no files of the pool: its disk may not be mounted")))
        }
        Err(error) => Err(unavailable(error.to_string())),
    }
}

/// Mounts an image, unless it is mounted.
pub(super) fn ensure(root: &Root, image: &Image, target: &Path) -> Result<()> {
    if hull_sys::mount::is_mount_point(target) {
        return Ok(());
    }
    let _lock = lock(root)?;
    prepare(root)?;
    Ok(image.mount_at(target)?)
}

/// Unmounts an image that nothing uses, and removes its mount point. The mount point also goes if nothing is mounted on
/// it: a command may have been killed before it mounted.
pub(super) fn release(root: &Root, target: &Path) -> Result<()> {
    if !target.exists() {
        return Ok(());
    }
    let _lock = lock(root)?;
    Image::unmount(target, false)?;
    // The directories above go with the last mount. remove_dir fails while there are others.
    let directory = directory(root);
    let volumes = directory.join("volumes");
    let of_one_pool = target.parent().filter(|parent| parent.starts_with(&volumes));
    let groups = of_one_pool.into_iter().map(Path::to_owned);
    for group in groups.chain([volumes.clone(), of_pool(root, ""), of_root(root, "")]) {
        let _ = std::fs::remove_dir(group);
    }
    if std::fs::read_dir(&directory).is_ok_and(|mut entries| entries.next().is_none()) {
        forget(root);
        let _ = std::fs::remove_dir(&directory);
    }
    Ok(())
}

/// The lock of the process that mounts or unmounts. Without it two processes could attach two loop devices to one file,
/// which would destroy its file system.
fn lock(root: &Root) -> Result<Lock> {
    Ok(Lock::exclusive(&root.run().join("pools.lock"))?)
}

/// Makes the directory that has all of these mounts a private mount.
fn prepare(root: &Root) -> Result<()> {
    let directory = directory(root);
    if hull_sys::mount::is_mount_point(&directory) {
        return Ok(());
    }
    hull_storage::directory::make_dirs(&directory, 0o711)?;
    let context = || format!("make {} a mount", directory.display());
    let none = None::<&str>;
    nix::mount::mount(Some(&directory), &directory, none, MsFlags::MS_BIND, none).context(context)?;
    nix::mount::mount(none, &directory, none, MsFlags::MS_PRIVATE, none).context(context)
}

/// Detaches all of these mounts from the mount namespace of a monitor.
pub(crate) fn forget(root: &Root) {
    // Fails where nothing is mounted, which is usual.
    let _ = nix::mount::umount2(&directory(root), MntFlags::MNT_DETACH);
}
