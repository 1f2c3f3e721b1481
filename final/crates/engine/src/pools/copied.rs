//! The files of a container that is copied into a pool, until they are complete.
//!
//! They are made in a staging directory beside their future place. With a size and without subvolumes that directory has
//! an image file, which is mounted while it is filled, and again at its own place when the copy is used.

use std::path::{Path, PathBuf};

use hull_storage::directory::make_dirs;
use hull_storage::pools::image::Image;
use hull_storage::root::Root;
use hull_storage::staging::Staging;

use super::mount;
use super::place::{IMAGE, outer_home};
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::writable::{Files, Writable};

/// What [`Copied::finish`] leaves: the directory with the complete files, and where it belongs.
pub(crate) struct Complete {
    pub staged: Staging,
    pub target: PathBuf,
    /// Whether it has an image file instead of layers.
    pub is_image: bool,
}

/// The files of a copy that is being made.
pub(crate) struct Copied<'a> {
    // It is unmounted before the staging directory is removed.
    mounted: Option<Mounted<'a>>,
    staged: Staging,
    target: PathBuf,
    home: PathBuf,
}

/// The image of a copy, mounted until this is dropped.
struct Mounted<'a> {
    root: &'a Root,
    path: PathBuf,
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // If this fails, a listing unmounts it when this process has ended.
        let _ = mount::release(self.root, &self.path);
    }
}

impl<'a> Copied<'a> {
    /// Begins the files of the container `id`, which are to be where `writable` says.
    pub(crate) fn begin(engine: &'a Engine, id: &str, writable: &Writable) -> Result<Self> {
        let root = engine.root();
        let target = outer_home(root, id, writable)?;
        let staged = Staging::new(target.parent().unwrap_or(Path::new("/")))?;
        let size = writable.pool.as_ref().and_then(|place| place.size);
        let Some(bytes) = size.filter(|_| matches!(writable.files, Files::Layers { .. })) else {
            let home = staged.path().to_owned();
            return Ok(Self { mounted: None, staged, target, home });
        };
        let image = Image::of_size(staged.path().join(IMAGE), bytes);
        engine.make_image(&image, bytes)?;
        let path = mount::of_new_root(root);
        let mounted = Some(Mounted { root, path: path.clone() });
        mount::ensure(root, &image, &path)?;
        make_dirs(&path.join("containers"), 0o711)?;
        let home = path.join("containers").join(id);
        make_dirs(&home, 0o710)?;
        Ok(Self { mounted, staged, target, home })
    }

    /// The directory in which the layers are made.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Unmounts the image, which writes it to the disk.
    pub(crate) fn finish(self) -> Result<Complete> {
        let Self { mounted, staged, target, .. } = self;
        let is_image = mounted.is_some();
        if let Some(mounted) = mounted {
            mount::release(mounted.root, &mounted.path)?;
        }
        Ok(Complete { staged, target, is_image })
    }
}

impl Complete {
    /// Moves the image into the container's directory, which exists already.
    pub(crate) fn put_image(&self) -> Result<()> {
        let to = self.target.join(IMAGE);
        std::fs::rename(self.staged.path().join(IMAGE), &to).context(|| format!("make {}", to.display()))
    }
}
