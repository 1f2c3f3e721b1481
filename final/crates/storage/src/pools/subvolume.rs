//! Roots of containers on btrfs.
//!
//! An image's files are written once into a subvolume. A container's root is a writable snapshot of it, which is made
//! in milliseconds and shares every block that the container does not change. Ids on the disk are 0-based, as in
//! layers, and a mount maps them.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_sys::btrfs;
use rustix::fs::{Mode, OFlags};

use super::open_directory;
use crate::directory::{make_dirs, names_in};
use crate::error::{Error, IoContext, Result};
use crate::mapped_layers::LayerIds;
use crate::overlay::LayersView;
use crate::staging::Staging;
use crate::tree::{copy_directory, remove_tree};

/// The directory in which a subvolume is, and its name there.
fn place(path: &Path) -> Result<(File, CString)> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::Refused { path: path.to_owned(), why: "it is no place for a subvolume".into() });
    };
    let name = CString::new(name.as_bytes())
        .map_err(|_| Error::Refused { path: path.to_owned(), why: "it has a zero byte in it".into() })?;
    Ok((open_directory(parent)?, name))
}

/// Whether there is a subvolume at this path.
pub fn exists(path: &Path) -> bool {
    File::open(path).is_ok_and(|opened| btrfs::is_subvolume(&opened))
}

/// Makes an empty subvolume.
pub fn create(path: &Path) -> Result<()> {
    let (parent, name) = place(path)?;
    btrfs::create_subvolume(&parent, &name).context(|| format!("make the subvolume {}", path.display()))
}

/// Makes a writable snapshot. Subvolumes within the source become empty directories: btrfs does not copy them.
pub fn snapshot(source: &Path, path: &Path) -> Result<()> {
    let opened = open_directory(source)?;
    let (parent, name) = place(path)?;
    let made = btrfs::snapshot(&opened, &parent, &name);
    made.context(|| format!("make the snapshot {} of {}", path.display(), source.display()))
}

/// Mounts a subvolume as a container's root at `target`, which is created if it is missing, with the ids of the container.
pub fn mount_at(path: &Path, target: &Path, ids: Option<&LayerIds>) -> Result<()> {
    let context = || format!("mount the subvolume {} at {}", path.display(), target.display());
    make_dirs(target, 0o755)?;
    let tree = hull_sys::mount::clone_tree(open_directory(path)?, c"", false).context(context)?;
    if let Some(ids) = ids {
        hull_sys::mount::map_ids(&tree, &*ids.namespace, false).context(context)?;
        // As on an overlay: a user namespace may not make device nodes, and those of an image must have no effect.
        hull_sys::mount::set_attributes(&tree, libc::MOUNT_ATTR_NODEV, 0, 0, false).context(context)?;
    }
    hull_sys::mount::attach(&tree, open_directory(target)?).context(context)
}

/// Removes a subvolume and what is in it. A missing one is no error, and a directory is removed as well.
pub fn remove(path: &Path) -> Result<()> {
    if !exists(path) {
        return remove_tree(path);
    }
    let (parent, name) = place(path)?;
    match btrfs::delete_subvolume(&parent, &name) {
        Ok(()) => Ok(()),
        // A program in the container may have made subvolumes within this one. rmdir(2) removes empty subvolumes.
        Err(nix::errno::Errno::ENOTEMPTY) => remove_tree(path),
        Err(errno) => Err(errno).context(|| format!("remove the subvolume {}", path.display())),
    }
}

/// Removes a directory that has subvolumes up to three levels below it. Removing these file by file would take long.
pub fn remove_all(directory: &Path) -> Result<()> {
    if !open_directory(directory).is_ok_and(|opened| btrfs::is_btrfs(&opened)) {
        return remove_tree(directory);
    }
    for name in names_in(directory)? {
        let below = directory.join(name);
        let is_directory = below.symlink_metadata().is_ok_and(|meta| meta.is_dir());
        if is_directory && !exists(&below) {
            for name in names_in(&below)? {
                let deeper = below.join(name);
                match exists(&deeper) {
                    true => remove(&deeper)?,
                    false if deeper.symlink_metadata().is_ok_and(|meta| meta.is_dir()) => {
                        names_in(&deeper)?.iter().try_for_each(|name| remove(&deeper.join(name)))?;
                    }
                    false => {}
                }
            }
        }
        remove(&below)?;
    }
    remove_tree(directory)
}

/// The file that says which layers an image has.
const LAYERS: &str = "layers.json";

/// Limits the bytes that a subvolume refers to, including those that it shares with its image. `None` lifts the limit.
pub fn limit(path: &Path, bytes: Option<u64>) -> Result<()> {
    let opened = open_directory(path)?;
    let context = || format!("limit the size of {}", path.display());
    if bytes.is_some() {
        btrfs::enable_quotas(&opened).context(context)?;
    }
    match btrfs::limit(&opened, bytes) {
        // Quotas were never on, so there is no limit to lift.
        Err(nix::errno::Errno::ENOTCONN | nix::errno::Errno::EINVAL) if bytes.is_none() => Ok(()),
        done => done.context(context),
    }
}

/// Writes layers, top first, as one tree into a subvolume, unless it exists. `images` is the pool's directory of such
/// subvolumes, and `key` is the name for these layers. `empty` is an empty directory for [`LayersView`].
pub fn write_image(images: &Path, key: &str, layers: &[PathBuf], empty: &Path) -> Result<PathBuf> {
    let root = image(images, key);
    if exists(&root) {
        return Ok(root);
    }
    let staging = Staging::new(images)?;
    let staged = staging.path().join("root");
    write(&staged, layers, empty)?;
    crate::file::write_json_atomic(&staging.path().join(LAYERS), &layers)?;
    // A crash of the machine must not leave half an image that looks whole.
    rustix::fs::syncfs(open_directory(&staged)?).context(|| format!("sync {}", staged.display()))?;
    // If another command has written the same image meanwhile, its image is used.
    staging.publish(&images.join(key))?;
    Ok(root)
}

/// Writes layers, top first, as one tree into a new subvolume.
pub fn write(path: &Path, layers: &[PathBuf], empty: &Path) -> Result<()> {
    let view = LayersView::mount(layers, empty)?;
    create(path)?;
    let source = readable(view.as_fd()).context(|| format!("open {}", empty.display()))?;
    copy_directory(source, Path::new("the layers"), path)
}

/// Removes the images that have lost a layer, from which no container can be made any more. The caller makes sure that
/// no image is being written.
pub fn remove_lost_images(images: &Path) -> Result<()> {
    // A directory whose name begins with a dot belongs to a command that writes or wrote an image.
    for key in names_in(images)?.into_iter().filter(|key| !key.starts_with('.')) {
        let directory = images.join(&key);
        let layers = crate::file::read_json::<Vec<PathBuf>>(&directory.join(LAYERS))?;
        if layers.is_some_and(|layers| layers.iter().all(|layer| layer.exists())) {
            continue;
        }
        // This file goes first, so that after a kill the next call removes the rest.
        crate::file::remove(&directory.join(LAYERS))?;
        remove(&image(images, &key))?;
        remove_tree(&directory)?;
    }
    Ok(())
}

/// The subvolume with an image's files.
pub fn image(images: &Path, key: &str) -> PathBuf {
    images.join(key).join("root")
}

fn readable(directory: impl AsFd) -> rustix::io::Result<OwnedFd> {
    const HERE: &CStr = c".";
    rustix::fs::openat(directory, HERE, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}
