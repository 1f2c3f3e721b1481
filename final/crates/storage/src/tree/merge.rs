//! Merging several layers of an overlay into one, without copying: its files are hard links to those of the layers.
//!
//! ```text
//! new   a  b/  (b opaque)        merged   a      a link to that of the new layer
//! old   a  b/x c                          b/     as in the new layer, still opaque: layers below may have one, too
//!                                         c      a link to that of the old layer
//! ```

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use hull_sys::tree::{Created, ExactInLayer, Metadata, is_opaque_mark};
use nix::errno::Errno;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};

use super::extract::open_beneath;
use super::walk::as_path;
use crate::error::{IoContext, Result};

/// Fills `target`, an empty directory on the same file system, with the merged content of `layers`, of which the newest
/// is the first. Whiteouts and opaque directories are kept, because they also hide files of layers below the oldest.
pub fn merge_layers(layers: &[PathBuf], target: &Path) -> Result<()> {
    let context = || format!("merge {} layers into {}", layers.len(), target.display());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |path: &PathBuf| {
        rustix::fs::open(path, flags, Mode::empty()).context(|| format!("open {}", path.display()))
    };
    let merger =
        Merger { layers: layers.iter().map(open).collect::<Result<_>>()?, target: open(&target.to_owned())? };
    merger.run().context(context)
}

struct Merger {
    layers: Vec<OwnedFd>,
    target: OwnedFd,
}

/// A directory of the result, and the layers that have it, the newest first.
type Directory = (PathBuf, Vec<usize>);

impl Merger {
    fn run(&self) -> io::Result<()> {
        let mut pending: Vec<Directory> = vec![(PathBuf::new(), (0..self.layers.len()).collect())];
        let mut made = Vec::new();
        while let Some(directory) = pending.pop() {
            self.fill(&directory, &mut pending)?;
            made.push(directory);
        }
        // Metadata are set last, and from the inside out, because making an entry changes a directory's times.
        made.iter().rev().try_for_each(|directory| self.set_metadata(directory))
    }

    fn fill(&self, (path, layers): &Directory, pending: &mut Vec<Directory>) -> io::Result<()> {
        let target = beneath(&self.target, path)?;
        let mut sources = BTreeMap::new();
        let mut names: BTreeMap<CString, Vec<usize>> = BTreeMap::new();
        for layer in layers {
            let source = beneath(&self.layers[*layer], path)?;
            for entry in Dir::read_from(&source)? {
                let name = entry?.file_name().to_owned();
                if name.as_c_str() != c"." && name.as_c_str() != c".." {
                    names.entry(name).or_default().push(*layer);
                }
            }
            sources.insert(*layer, source);
        }
        for (name, layers) in names {
            let newest = &sources[&layers[0]];
            let stat = rustix::fs::statat(newest, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            if !is_directory(&stat) {
                link(newest, &target, &name, &stat)?;
                continue;
            }
            let mut parts = Vec::new();
            for layer in layers {
                let found = rustix::fs::statat(&sources[&layer], &name, AtFlags::SYMLINK_NOFOLLOW)?;
                if !is_directory(&found) {
                    break;
                }
                parts.push(layer);
                let opened = hull_sys::fs::open_subdirectory(&sources[&layer], &name, OFlags::RDONLY)?;
                if opaque_mark(&opened)?.is_some() {
                    break;
                }
            }
            rustix::fs::mkdirat(&target, &name, Mode::RWXU)?;
            pending.push((path.join(as_path(&name)), parts));
        }
        Ok(())
    }

    fn set_metadata(&self, (path, layers): &Directory) -> io::Result<()> {
        let newest = beneath(&self.layers[layers[0]], path)?;
        let mut attributes = hull_sys::fs::xattrs(&newest)?;
        if let (Some(last), None) = (layers.get(1..).and_then(<[usize]>::last), opaque_mark(&newest)?) {
            attributes.extend(opaque_mark(&beneath(&self.layers[*last], path)?)?);
        }
        let stat = rustix::fs::fstat(&newest)?;
        Created::Open(beneath(&self.target, path)?.as_fd())
            .set(&Metadata::of(&stat, &attributes), &ExactInLayer)
    }
}

fn link(source: &OwnedFd, target: &OwnedFd, name: &CStr, stat: &Stat) -> io::Result<()> {
    match rustix::fs::linkat(source, name, target, name, AtFlags::empty()) {
        // The kernel itself links whiteouts to each other, up to the file system's limit.
        Err(rustix::io::Errno::MLINK) if stat.st_rdev == 0 => {
            let kind = FileType::from_raw_mode(stat.st_mode);
            Ok(rustix::fs::mknodat(target, name, kind, Mode::from_raw_mode(stat.st_mode & 0o7777), 0)?)
        }
        linked => Ok(linked?),
    }
}

fn beneath(top: &OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open_beneath(top, path, flags, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn opaque_mark(directory: &OwnedFd) -> io::Result<Option<(CString, Vec<u8>)>> {
    let attributes = hull_sys::fs::xattrs(directory)?;
    Ok(attributes.into_iter().find(|(name, _)| is_opaque_mark(name.to_bytes())))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::testing::{Scratch, as_root};

    #[test]
    fn the_newest_counts_and_what_it_hides_stays_hidden() {
        as_root("the_newest_counts_and_what_it_hides_stays_hidden", || {
            let scratch = Scratch::new();
            let [new, old, merged] = ["new", "old", "merged"].map(|name| scratch.path().join(name));
            for directory in [new.join("opaque"), new.join("both"), old.join("opaque"), old.join("both")] {
                fs::create_dir_all(directory).unwrap();
            }
            fs::create_dir(&merged).unwrap();
            let mark = |path: &Path| {
                let opened = fs::File::open(path).unwrap();
                hull_sys::fs::set_xattr(&opened, c"trusted.overlay.opaque", b"y").unwrap();
            };
            mark(&new.join("opaque"));
            mark(&old.join("both"));
            for (path, text) in [("a", "new"), ("both/n", "n")] {
                fs::write(new.join(path), text).unwrap();
            }
            for (path, text) in
                [("a", "old"), ("b", "old"), ("gone", "x"), ("opaque/x", "x"), ("both/o", "o")]
            {
                fs::write(old.join(path), text).unwrap();
            }
            let directory = fs::File::open(&new).unwrap();
            rustix::fs::mknodat(&directory, "gone", FileType::CharacterDevice, Mode::empty(), 0).unwrap();
            fs::set_permissions(new.join("both"), fs::Permissions::from_mode(0o1770)).unwrap();
            merge_layers(&[new.clone(), old.clone()], &merged).unwrap();

            let text = |path: &str| fs::read_to_string(merged.join(path)).unwrap();
            assert_eq!((text("a").as_str(), text("b").as_str()), ("new", "old"));
            assert_eq!((text("both/n").as_str(), text("both/o").as_str()), ("n", "o"));
            let meta = |path: &str| fs::symlink_metadata(merged.join(path)).unwrap();
            assert_eq!(meta("gone").rdev(), 0);
            assert!(meta("gone").mode() & libc::S_IFMT == libc::S_IFCHR && !merged.join("opaque/x").exists());
            assert_eq!(meta("both").mode() & 0o7777, 0o1770);
            assert_eq!(meta("b").ino(), fs::metadata(old.join("b")).unwrap().ino());
            let is_opaque = |path: &str| {
                let opened = OwnedFd::from(fs::File::open(merged.join(path)).unwrap());
                opaque_mark(&opened).unwrap().is_some()
            };
            assert!(is_opaque("opaque") && is_opaque("both") && !is_opaque(""));
        });
    }
}
