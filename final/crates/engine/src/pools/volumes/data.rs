//! Where a volume's files are: in a directory, a subvolume or an image file.

use std::path::{Path, PathBuf};

use hull_storage::directory::make_dirs;
use hull_storage::pools::image::Image;
use hull_storage::pools::subvolume;
use hull_storage::staging;

use super::{Place, limited};
use crate::engine::Engine;
use crate::error::Result;
use crate::pools::mount;
use crate::records::record::Record;

const IMAGE: &str = "data.img";

pub(super) enum Data {
    Directory(PathBuf),
    Subvolume(PathBuf),
    Image { image: Image, mounted: PathBuf },
}

impl Data {
    /// Finds out how the files of a volume are kept.
    pub(super) fn of(engine: &Engine, place: &Place, name: &str) -> Self {
        let dir = place.dir(name);
        let file = dir.join(IMAGE);
        if place.has_subvolumes {
            return Self::Subvolume(dir.join("_data"));
        }
        match file.exists() {
            true => {
                let mounted = mount::of_volume(engine.root(), &place.pool.name, name);
                let size = std::fs::metadata(&file).map_or(0, |meta| meta.len());
                Self::Image { image: Image::of_size(file, size), mounted }
            }
            false => Self::Directory(dir.join("_data")),
        }
    }

    /// The path of the files. Those of an image are visible there after [`Self::open`].
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Directory(path) | Self::Subvolume(path) | Self::Image { mounted: path, .. } => path,
        }
    }

    /// Makes the files visible, and returns their path.
    pub(super) fn open(&self, engine: &Engine) -> Result<PathBuf> {
        if let Self::Image { image, mounted } = self {
            mount::ensure(engine.root(), image, mounted)?;
        }
        Ok(self.path().to_owned())
    }

    /// Unmounts the volume's image, if it has one.
    pub(super) fn close(&self, engine: &Engine) -> Result<()> {
        match self {
            Self::Image { mounted, .. } => mount::release(engine.root(), mounted),
            Self::Directory(_) | Self::Subvolume(_) => Ok(()),
        }
    }

    pub(super) fn resize(&self, engine: &Engine, size: Option<u64>) -> Result<()> {
        match (self, size) {
            (Self::Subvolume(path), size) => Ok(subvolume::limit(path, size)?),
            (Self::Image { image, mounted }, Some(bytes)) => {
                self.open(engine)?;
                Ok(image.resize(mounted, bytes)?)
            }
            (Self::Image { .. }, None) => {
                Err(super::invalid("size", "the volume was made with one, and keeps one"))
            }
            (Self::Directory(_), _) => {
                Err(super::invalid("size", "the volume was made without one; a copy with a size has one"))
            }
        }
    }
}

/// Makes the files of a new volume in its staged directory.
pub(super) fn make(
    engine: &Engine,
    place: &Place,
    staged: &Path,
    size: Option<u64>,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let data = staged.join("_data");
    if place.has_subvolumes {
        fill(&data)?;
        // A copy has the mode of its original.
        make_directory(place, &data)?;
        return limited(&data, size);
    }
    let Some(bytes) = size else {
        fill(&data)?;
        // Any user of any container may have to pass through.
        return Ok(make_dirs(&data, 0o755)?);
    };
    if hull_sys::id_map::in_user_namespace() {
        return Err(super::invalid("size", "it takes root: the kernel gives nobody else a loop device"));
    }
    let image = Image::of_size(staged.join(IMAGE), bytes);
    engine.make_image(&image, bytes)?;
    let mounted = mount::of_new_volume(engine.root(), &place.pool.name);
    mount::ensure(engine.root(), &image, &mounted)?;
    // mkfs.ext4 makes it. The files of another volume that are copied may have a directory of this name.
    let _ = std::fs::remove_dir(mounted.join("lost+found"));
    // Before the files come, because a copy has the mode of its original.
    let filled = open_to_all(&mounted).and_then(|()| fill(&mounted));
    mount::release(engine.root(), &mounted)?;
    filled
}

/// Makes the directory for the files of a new volume, unless it is there.
pub(super) fn make_directory(place: &Place, data: &Path) -> Result<()> {
    if place.has_subvolumes && !data.exists() {
        subvolume::create(data)?;
        return open_to_all(data);
    }
    Ok(make_dirs(data, 0o755)?)
}

/// Opens a root directory that mkfs or btrfs has made for root only: any user of any container may have to pass
/// through. The directory of the volumes keeps the host's users out.
fn open_to_all(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    use crate::error::IoContext;
    let context = || format!("make {}", path.display());
    let meta = std::fs::metadata(path).context(context)?;
    if meta.permissions().mode() & 0o777 == 0o700 {
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).context(context)?;
    }
    Ok(())
}

/// Removes a volume with its snapshots.
pub(super) fn remove(engine: &Engine, place: &Place, name: &str) -> Result<()> {
    Data::of(engine, place, name).close(engine)?;
    let dir = place.dir(name);
    if place.has_subvolumes {
        // The record goes first: from now on the volume does not exist.
        hull_storage::file::remove(&dir.join("volume.json"))?;
        subvolume::remove(&dir.join("_data"))?;
        if dir.join("snapshots").exists() {
            subvolume::remove_all(&dir.join("snapshots"))?;
        }
    }
    Ok(staging::remove_whole(&dir)?)
}

/// Makes the files of the pool volumes visible that a container mounts. The path of a mount's source tells the pool and
/// the volume.
pub(crate) fn ensure_sources(engine: &Engine, record: &Record) -> Result<()> {
    for mount in &record.mounts {
        match mount::owner_of(engine.root(), &mount.source) {
            Some((pool, Some(volume))) => {
                let place = Place::open(engine, &pool)?;
                place.find(&volume)?;
                Data::of(engine, &place, &volume).open(engine)?;
            }
            Some((pool, None)) => drop(mount::open(engine.root(), &pool)?),
            None => {}
        }
    }
    Ok(())
}
