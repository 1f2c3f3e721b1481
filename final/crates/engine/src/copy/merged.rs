//! The files of an image's layers, without a container: into a directory of the host, or as a tar.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_image::packing::Packer;
use hull_storage::overlay::LayersView;
use hull_storage::tree::Replace;
use rustix::fs::{Dir, Mode, OFlags, Stat};

use super::entry::{Content, Entry, Sink};
use super::extractor::{Extractor, Owner, Privileges, Rules};
use super::tree::{self, Scope};
use super::view::View;
use super::{CopyTarget, entry};
use crate::engine::Engine;
use crate::error::{IoContext, Result};

/// One image's files.
#[derive(Debug, Clone)]
pub struct LayersToExport {
    /// The directory in the destination that gets them; empty for the destination itself.
    pub prefix: PathBuf,
    /// The directories of its layers, lowest first.
    pub layers: Vec<PathBuf>,
}

impl Engine {
    /// Writes the files of images into a directory, which is created if it is missing, or as a tar.
    ///
    /// In a directory the files belong to the caller and have no set-ID bits or capabilities: the image vouches for
    /// nobody. With `delete`, what is in the directory and in no image is removed.
    ///
    /// An unprivileged user's process enters a new mount namespace, in which it stays.
    pub fn export_layers(&self, images: &[LayersToExport], to: CopyTarget<'_>, delete: bool) -> Result<()> {
        match to {
            CopyTarget::Tar(to) => {
                let mut packer = Packer::new(to);
                let mut sink = Exported { sink: &mut packer, skip_root: true, paths: HashSet::new() };
                images.iter().try_for_each(|image| self.send_layers(image, &mut sink))?;
                entry::finish(packer)
            }
            CopyTarget::Host(path) => {
                let action = || format!("export to {}", entry::shown(path));
                std::fs::create_dir_all(path).context(action)?;
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let top = rustix::fs::open(path, flags, Mode::empty()).context(action)?;
                let again = top.try_clone().context(action)?;
                let mut extractor = Extractor::new(again, &entry::shown(path), as_caller())?;
                let mut sink = Exported { sink: &mut extractor, skip_root: false, paths: HashSet::new() };
                images.iter().try_for_each(|image| self.send_layers(image, &mut sink))?;
                let exported = sink.paths;
                extractor.finish()?;
                if delete { delete_others(&top, &exported).context(action) } else { Ok(()) }
            }
        }
    }

    pub(super) fn send_layers(&self, image: &LayersToExport, sink: &mut dyn Sink) -> Result<()> {
        if hull_sys::id_map::in_user_namespace() {
            // fsmount(2) wants rights over the mount namespace.
            hull_sys::mount::enter_slave_namespace().context(|| "create a mount namespace".into())?;
        }
        let layers: Vec<PathBuf> = image.layers.iter().rev().cloned().collect();
        let view = LayersView::mount(&layers, &self.root().run().join("build/empty"))?;
        let root = view.as_fd().try_clone_to_owned().context(|| "hold the result's files".into())?;
        let source = View::container(root, "result").source(Path::new("/"), false)?;
        tree::send(&source, &image.prefix, Scope::OneMount, sink)
    }
}

fn as_caller() -> Rules {
    let owner = Owner::Set(rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Rules {
        owner,
        privileges: Privileges::Dropped,
        existing_directories: false,
        through_symlinks: false,
        replaces: Replace::Files,
    }
}

/// Notes what is exported, on the way to a sink.
pub(super) struct Exported<'a, S: Sink> {
    pub sink: &'a mut S,
    /// A tar of BuildKit has no member for the root directory.
    pub skip_root: bool,
    pub paths: HashSet<PathBuf>,
}

impl<S: Sink> Sink for Exported<'_, S> {
    fn put(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        if self.skip_root {
            return if entry.path.as_os_str().is_empty() { Ok(()) } else { self.sink.put(entry, content) };
        }
        self.paths.insert(entry.path.clone());
        self.sink.put(entry, content)
    }

    fn link(&mut self, entry: &Entry, target: &Path) -> Result<bool> {
        self.paths.insert(entry.path.clone());
        self.sink.link(entry, target)
    }

    fn is_destination(&self, stat: &Stat) -> bool {
        self.sink.is_destination(stat)
    }
}

/// Removes what is beneath a directory and not in the list. No symlink is followed.
fn delete_others(top: &OwnedFd, keep: &HashSet<PathBuf>) -> std::io::Result<()> {
    let mut pending = vec![PathBuf::new()];
    while let Some(path) = pending.pop() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let directory = tree::beneath(top, &path, flags)?;
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let below = path.join(name);
            if !keep.contains(&below) {
                let gone = Path::new(&hull_sys::fs::fd_path(&directory)).join(name);
                hull_storage::tree::remove_tree(&gone).map_err(std::io::Error::other)?;
            } else if rustix::fs::statat(&directory, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| super::view::kind(&stat) == rustix::fs::FileType::Directory)
            {
                pending.push(below);
            }
        }
    }
    Ok(())
}
