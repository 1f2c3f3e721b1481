//! Image files, mounted on the host.
//!
//! ```text
//! <run root>/pools/                  a mount of its own, private, so that no other mount namespace gets what is mounted in it
//!                  named/<pool>      a pool that is an image file
//!                  roots/<id>        the files of a container with a size of its own
//!                  volumes/<pool>/<volume>   those of a volume with one
//! ```
//! Nothing is mounted before it is used, and all of it is gone after a reboot. A monitor's mount namespace begins as a copy of the
//! host's one: it detaches everything ([`forget`]) and mounts only what its container needs, so that no container holds the pool of another.

use std::path::{Path, PathBuf};

use hull_storage::directory::names_in;
use hull_storage::lock::Lock;
use hull_storage::pools::PoolDir;
use hull_storage::pools::image::Image;
use hull_storage::root::Root;
use nix::mount::{MntFlags, MsFlags};

use super::record::{self, Driver, Pool};
use crate::error::{Error, IoContext, Result};

/// Before the number of the process that makes a volume.
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

/// Unmounts the images of volumes whose maker was killed.
pub(super) fn release_lost_volumes(root: &Root) -> Result<()> {
    let volumes = directory(root).join("volumes");
    for pool in names_in(&volumes)? {
        let names = names_in(&volumes.join(&pool))?;
        if names.is_empty() {
            release(root, &volumes.join(&pool))?;
        }
        for name in names {
            // After a while another process may have the number, and this waits for its end, too.
            let maker = name.strip_prefix(NEW);
            if maker.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                release(root, &of_volume(root, &pool, &name))?;
            }
        }
    }
    Ok(())
}

/// The pool that a path of a mounted image is in, and the volume, if the path is one's own image.
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

/// The pool's directory, whether it is mounted or not.
pub(super) fn dir_of(root: &Root, pool: &Pool) -> PoolDir {
    PoolDir::new(match pool.driver {
        Driver::Image => of_pool(root, &pool.name),
        Driver::Dir | Driver::Btrfs => pool.source.clone(),
    })
}

/// The image of a pool that is one.
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

/// Unmounts an image that nothing uses. Where a killed command has only made the directory, that goes.
pub(super) fn release(root: &Root, target: &Path) -> Result<()> {
    if !target.exists() {
        return Ok(());
    }
    let _lock = lock(root)?;
    Image::unmount(target, false)?;
    // With the last one, the directory goes too.
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

/// Held by the process that mounts or unmounts: two loop devices on one file would destroy its file system.
fn lock(root: &Root) -> Result<Lock> {
    Ok(Lock::exclusive(&root.run().join("pools.lock"))?)
}

/// Makes the directory of the mounts a private mount.
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

/// Detaches all of it from a monitor's own mount namespace.
pub(crate) fn forget(root: &Root) {
    // Fails where nothing is mounted, which is usual.
    let _ = nix::mount::umount2(&directory(root), MntFlags::MNT_DETACH);
}
