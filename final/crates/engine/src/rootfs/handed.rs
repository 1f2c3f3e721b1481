//! The sources of a step's mounts that its builder has handed over ([`crate::records::handed`]), and images.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use hull_storage::writable_layer::WritableLayer;
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};

use super::forward;
use super::source_paths::{directory, is_directory, make_directory, path};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::mountpoints;
use crate::records::handed::{HandedSource, Metadata};
use crate::records::record::Record;

/// Makes the source of mount `index`, which is number `number` of what was handed over.
pub(super) fn prepare(engine: &Engine, record: &Record, index: usize, number: usize) -> Result<()> {
    let source = record.handed.as_ref().and_then(|handed| handed.sources.get(number));
    let source = source
        .ok_or_else(|| Error::Unsupported("the step of a build can be started by its builder only".into()))?;
    let mount = Handed { engine, record, index };
    match source {
        HandedSource::Tree { root, part, hidden } => mount.tree(root, part, hidden),
        HandedSource::Layers { directories, part } => mount.layers(directories, part),
        HandedSource::Content { bytes, metadata } => mount.content(&bytes.0, *metadata),
        HandedSource::Socket { opened, metadata } => {
            forward::listen(&path(engine, record, index), opened.as_fd())?;
            mount.set_metadata(*metadata)
        }
    }
}

/// Mounts the image of mount `index`. What was written to it in an earlier run is gone.
pub(super) fn image(engine: &Engine, record: &Record, index: usize) -> Result<()> {
    let mount = Handed { engine, record, index };
    if record.mapped_ids().is_some() {
        let destination = record.mounts[index].destination.display();
        let why = "a container with a user namespace of its own cannot mount an image";
        return Err(Error::Unsupported(format!("mount at {destination}: {why}")));
    }
    let extras = &record.mounts[index].extras;
    let container = engine.root().container_dir(&record.id);
    hull_storage::tree::remove_tree(&container.join("overlays").join(index.to_string()))?;
    mount.layers(&extras.layers, extras.subpath.as_deref().unwrap_or(Path::new("")))
}

struct Handed<'a> {
    engine: &'a Engine,
    record: &'a Record,
    index: usize,
}

impl Handed<'_> {
    fn target(&self) -> PathBuf {
        path(self.engine, self.record, self.index)
    }

    fn about(&self, verb: &str) -> String {
        format!("{verb} the mount at {}", self.record.mounts[self.index].destination.display())
    }

    /// Where the whole tree is mounted of which the mount is a part.
    fn whole(&self) -> PathBuf {
        directory(self.engine, self.record).join(format!("{}.tree", self.index))
    }

    fn tree(&self, root: &OwnedFd, part: &Path, hidden: &[PathBuf]) -> Result<()> {
        let context = || self.about("attach");
        let whole = self.whole();
        let point = match is_directory(root).context(context)? {
            true => make_directory(&whole)?,
            false => OwnedFd::from(File::create_new(&whole).context(context)?),
        };
        hull_sys::mount::attach(root, &point).context(context)?;
        drop(point);
        let discards = self.record.mounts[self.index].extras.overlay;
        if (!discards && hidden.is_empty()) || !whole.is_dir() {
            return self.bind_part(&whole, part);
        }
        let over = self.writable();
        over.create()?;
        for path in hidden {
            hide(&whole, over.upper(), path).context(|| format!("hide {}", path.display()))?;
        }
        // An overlay needs the path only while it is mounted, so it can be mounted over its own lower directory.
        over.overlay(vec![whole.clone()], true).mount_at(&whole)?;
        self.bind_part(&whole, part)
    }

    fn layers(&self, directories: &[PathBuf], part: &Path) -> Result<()> {
        let lowers = match directories {
            [] => vec![mountpoints::empty(self.engine.root())?],
            _ => directories.iter().rev().map(|path| self.engine.root().data().join(path)).collect(),
        };
        // What is written is discarded with the container's directory.
        let whole = self.whole();
        self.writable().overlay(lowers, true).mount_at(&whole)?;
        self.bind_part(&whole, part)
    }

    /// The changes to the mount, which end with the step.
    fn writable(&self) -> WritableLayer {
        let container = self.engine.root().container_dir(&self.record.id);
        WritableLayer::of(&container.join("overlays").join(self.index.to_string()))
    }

    /// The tree may be hostile, so the part is looked up once, beneath the root, and held by descriptor.
    fn bind_part(&self, whole: &Path, part: &Path) -> Result<()> {
        let context = || self.about("bind the source of");
        let root = rustix::fs::open(whole, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).context(context)?;
        let part: PathBuf = part.components().filter(|part| *part != Component::RootDir).collect();
        let source = match part.as_os_str().is_empty() {
            true => root,
            false => {
                let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
                hull_sys::fs::openat2(&root, &part, OFlags::PATH, Mode::empty(), resolve).map_err(
                    |errno| {
                        let what = format!("source {:?} of a mount", part.display());
                        Error::Invalid { what, why: errno.desc().to_lowercase() }
                    },
                )?
            }
        };
        let tree = hull_sys::mount::clone_tree(&source, c"", true).context(context)?;
        let target = self.target();
        let point = match is_directory(&source).context(context)? {
            true => make_directory(&target)?,
            false => OwnedFd::from(File::create_new(&target).context(context)?),
        };
        hull_sys::mount::attach(&tree, &point).context(context)
    }

    fn content(&self, bytes: &[u8], metadata: Metadata) -> Result<()> {
        let context = || self.about("write the file of");
        let file = File::options().write(true).create_new(true).mode(0o600).open(self.target());
        file.and_then(|mut file| file.write_all(bytes)).context(context)?;
        self.set_metadata(metadata)
    }

    fn set_metadata(&self, Metadata { uid, gid, mode }: Metadata) -> Result<()> {
        let target = self.target();
        let context = || self.about("set owner and mode of");
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::fs::chownat(CWD, &target, Some(uid), Some(gid), AtFlags::empty()).context(context)?;
        rustix::fs::chmod(&target, Mode::from_raw_mode(mode & 0o7777)).context(context)
    }
}

/// Makes a whiteout for `path` in the upper directory. The directories above it keep the metadata that they have in the
/// lower one.
fn hide(lower: &Path, upper: &Path, path: &Path) -> std::io::Result<()> {
    let Some(name) = path.file_name() else { return Ok(()) };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut below = rustix::fs::open(lower, flags, Mode::empty())?;
    let mut above = rustix::fs::open(upper, flags, Mode::empty())?;
    for directory in path.parent().into_iter().flat_map(Path::components) {
        let Component::Normal(directory) = directory else { continue };
        below = rustix::fs::openat(&below, directory, flags, Mode::empty())?;
        match rustix::fs::mkdirat(&above, directory, Mode::from_raw_mode(0o700)) {
            Err(rustix::io::Errno::EXIST) => {
                above = rustix::fs::openat(&above, directory, flags, Mode::empty())?;
            }
            made => {
                made?;
                above = rustix::fs::openat(&above, directory, flags, Mode::empty())?;
                hull_storage::tree::copy_metadata(below.as_fd(), above.as_fd())?;
            }
        }
    }
    // overlayfs.rst, "whiteouts and opaque directories".
    let device = rustix::fs::makedev(0, 0);
    match rustix::fs::mknodat(&above, name, FileType::CharacterDevice, Mode::empty(), device) {
        Err(rustix::io::Errno::EXIST) => Ok(()),
        made => Ok(made?),
    }
}
