//! `archive` of docker's API: files of a container as a tar, out and in, and what a file is.
//!
//! A path is one in the container, absolute or from its root. A symlink at its end is sent as a symlink, and followed to a
//! directory that a tar is unpacked into.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use hull_docker::time;
use hull_docker::wire::container::PathStat;
use hull_image::packing::Packer;
use hull_storage::tree::Replace;
use nix::errno::Errno;
use nix::libc;
use rustix::fs::{FileType, Stat};

use super::entry::finish;
use super::extractor::{Extractor, Owner, Privileges, Rules};
use super::path::Found;
use super::tree::{self, Scope};
use super::unpack;
use super::view::{Destination, View, kind};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::spec::user::{self, UserFiles};

/// How a tar is unpacked into a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArchiveOptions {
    /// `noOverwriteDirNonDir`: a directory does not replace a file, nor a file a directory.
    pub keeps_types: bool,
    /// `copyUIDGID`: the files belong to the container's user, whatever the tar says.
    pub owned_by_user: bool,
}

/// Go's bits for the types of files (`fs.FileMode`).
const GO_TYPES: [(FileType, u32); 6] = [
    (FileType::Directory, 1 << 31),
    (FileType::Symlink, 1 << 27),
    (FileType::BlockDevice, 1 << 26),
    (FileType::CharacterDevice, 1 << 26 | 1 << 21),
    (FileType::Fifo, 1 << 25),
    (FileType::Socket, 1 << 24),
];

/// The kernel's bits beside the permissions, and Go's.
const GO_BITS: [(u32, u32); 3] =
    [(libc::S_ISUID, 1 << 23), (libc::S_ISGID, 1 << 22), (libc::S_ISVTX, 1 << 20)];

impl Engine {
    /// What a path of a container is.
    ///
    /// The calling process mounts a stopped container in a new mount namespace, in which it stays, so it should end
    /// afterwards. This is true of all functions here.
    pub fn stat_path(&self, name: &str, path: &Path) -> Result<PathStat> {
        self.in_container(name, path, None, |view, path| stat(view, name, path))
    }

    /// Sends a file or a directory as a tar. `begin` gets what the path is, once nothing but reading can fail, and
    /// returns where the tar goes, which is handed back.
    pub fn archive_out<W: Write>(
        &self,
        name: &str,
        path: &Path,
        begin: impl FnOnce(&PathStat) -> std::io::Result<W>,
    ) -> Result<W> {
        self.in_container(name, path, Some("archive-path"), |view, path| {
            let source = view.source(path, false).map_err(|error| missing(error, name, path))?;
            let found = stat(view, name, path)?;
            // docker's client replaces the dot by the name of its target.
            let base = if found.name == "/" { "" } else { found.name.as_str() };
            let mut to = begin(&found).context(|| "begin the tar".into())?;
            let mut packer = Packer::new(&mut to);
            tree::send(&source, Path::new(base), Scope::Everything, &mut packer)?;
            finish(packer)?;
            Ok(to)
        })
    }

    /// Unpacks a tar, which may be compressed, into a directory.
    pub fn archive_in(
        &self,
        name: &str,
        path: &Path,
        from: &mut dyn Read,
        options: ArchiveOptions,
    ) -> Result<()> {
        self.in_container(name, path, Some("extract-to-dir"), |view, path| {
            let at = view.destination(path).map_err(|error| missing(error, name, path))?;
            let Destination { found, directory, shown, .. } = at;
            match found {
                Found::Directory => {}
                Found::Nothing => return Err(no_such_path(name, path)),
                Found::File => {
                    let why = "extraction point is not a directory".into();
                    return Err(Error::Invalid { what: format!("destination {shown}"), why });
                }
            }
            let owner = match options.owned_by_user {
                true => self.owner(name, view)?,
                false => Owner::KeepIfMapped,
            };
            let rules = Rules {
                owner,
                privileges: Privileges::WithAcls,
                existing_directories: true,
                through_symlinks: true,
                replaces: if options.keeps_types { Replace::Files } else { Replace::Trees },
            };
            view.as_creator(|| {
                let mut extractor = Extractor::new(directory, &shown, rules)?.with_ids(view.ids.clone());
                unpack::unpack_any(from, &mut extractor)?;
                extractor.finish()
            })
        })
    }

    /// The ids of the user that the container's program runs as. As in dockerd, a container that names no user keeps those
    /// of the tar.
    fn owner(&self, name: &str, view: &View) -> Result<Owner> {
        let record = self.find(name)?;
        if record.process.user.is_empty() {
            return Ok(Owner::KeepIfMapped);
        }
        let files = UserFiles::of_running(view.root(), None)?;
        let user = user::resolve(&files, &record, &record.process.user)?;
        Ok(Owner::Set(user.uid, user.gid))
    }
}

fn stat(view: &View, name: &str, path: &Path) -> Result<PathStat> {
    let held = view.hold(path, false).map_err(|error| missing(error, name, path))?;
    let stat = rustix::fs::fstat(&held).context(|| format!("look at {}", view.shown(path)))?;
    let link_target = match kind(&stat) {
        FileType::Symlink => absolute(&view.resolved(path)?).display().to_string(),
        _ => String::new(),
    };
    let modified =
        std::time::Duration::new(u64::try_from(stat.st_mtime).unwrap_or(0), stat.st_mtime_nsec as u32);
    Ok(PathStat {
        name: base_name(path),
        size: stat.st_size,
        mode: go_mode(&stat),
        mtime: time::go_json(std::time::SystemTime::UNIX_EPOCH + modified),
        link_target,
    })
}

fn go_mode(stat: &Stat) -> u32 {
    let kind = kind(stat);
    let of_type = GO_TYPES.iter().find(|(own, _)| *own == kind).map_or(0, |(_, bits)| *bits);
    let others = GO_BITS.iter().filter(|(own, _)| stat.st_mode & own != 0).map(|(_, bits)| bits).sum::<u32>();
    stat.st_mode & 0o777 | of_type | others
}

/// Go's `filepath.Base` of the absolute path: `.` at the end counts, and slashes do not.
fn base_name(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let end = bytes.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let start = bytes[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    match &bytes[start..end] {
        b"" => "/".into(),
        name => OsStr::from_bytes(name).to_string_lossy().into_owned(),
    }
}

/// The path from the root, without `.` and `..`.
fn absolute(path: &Path) -> PathBuf {
    let mut absolute = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => absolute.push(name),
            Component::ParentDir => drop(absolute.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    absolute
}

/// An error of finding a path: that nothing is there is docker's sentence.
fn missing(error: Error, name: &str, path: &Path) -> Error {
    match &error {
        Error::Io { source, .. }
            if [Errno::ENOENT, Errno::ENOTDIR]
                .contains(&Errno::from_raw(source.raw_os_error().unwrap_or(0))) =>
        {
            no_such_path(name, path)
        }
        _ => error,
    }
}

fn no_such_path(name: &str, path: &Path) -> Error {
    Error::NoSuchPath { container: name.to_owned(), path: super::entry::shown(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_base_name_that_go_gives_it() {
        for (path, name) in [
            ("/etc/passwd", "passwd"),
            ("/etc/", "etc"),
            ("/etc/.", "."),
            ("etc", "etc"),
            ("/", "/"),
            ("//", "/"),
            (".", "."),
            ("/a/..", ".."),
        ] {
            assert_eq!(base_name(Path::new(path)), name, "{path}");
        }
    }

    #[test]
    fn a_path_from_the_root_leads_not_above_it() {
        for (path, expected) in [("a/../../b", "/b"), ("/a/./b/", "/a/b"), ("../..", "/")] {
            assert_eq!(absolute(Path::new(path)), Path::new(expected), "{path}");
        }
    }
}
