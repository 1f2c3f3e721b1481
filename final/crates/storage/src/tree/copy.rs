//! `cp -a`: content, holes, owner, mode, times, extended attributes, hard links and devices.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_sys::tree::{Created, Exact, ExactInLayer, Metadata, Policy, create_file, path_of};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

use super::walk::{Identity, OnError, Visitor, as_path, identity, parent_of, walk};
use crate::error::{Error, IoContext, Result};

/// Copies the directory `source` to the directory `target`, which is created if it is missing and must be empty
/// otherwise. Mounts in the source are not entered: their mount points become empty directories.
pub fn copy_tree(source: &Path, target: &Path) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened =
        rustix::fs::open(source, flags, Mode::empty()).context(|| format!("copy {}", source.display()))?;
    copy_directory(opened, source, target)
}

/// [`copy_tree`] of an overlay's upper directory. The copy is an upper directory, too: opaque directories stay opaque.
/// Whiteouts are device nodes, which [`copy_tree`] copies anyway.
pub fn copy_layer(source: &Path, target: &Path) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened =
        rustix::fs::open(source, flags, Mode::empty()).context(|| format!("copy {}", source.display()))?;
    copy_with(opened, source, target, (&|uid, gid| (uid, gid), true))
}

/// [`copy_tree`] with other owners: `owner` gives the user and group of a copy from those of its original.
pub fn copy_tree_as(source: &Path, target: &Path, owner: &dyn Fn(u32, u32) -> (u32, u32)) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened =
        rustix::fs::open(source, flags, Mode::empty()).context(|| format!("copy {}", source.display()))?;
    copy_with(opened, source, target, (owner, false))
}

/// [`copy_tree`] of an open directory. `source` is the name that errors show.
pub(crate) fn copy_directory(opened: OwnedFd, source: &Path, target: &Path) -> Result<()> {
    copy_with(opened, source, target, (&|uid, gid| (uid, gid), false))
}

/// Gives the user and group of a copy from those of its original.
type OwnerOf<'a> = &'a dyn Fn(u32, u32) -> (u32, u32);

fn copy_with(
    opened: OwnedFd,
    source: &Path,
    target: &Path,
    (owner, is_layer): (OwnerOf<'_>, bool),
) -> Result<()> {
    let context = || format!("copy to {}", target.display());
    match rustix::fs::mkdir(target, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error).context(context),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = rustix::fs::open(target, flags, Mode::empty()).context(context)?;
    let current = top.try_clone().context(context)?;
    let mut copier = Copier { top, current, levels: Vec::new(), linked: HashMap::new(), owner, is_layer };
    let original = opened.try_clone().context(context)?;
    walk(opened, &mut copier, OnError::Stop).map_err(|failure| Error::Io {
        action: format!("copy {}", source.join(failure.path).display()),
        source: failure.error,
    })?;
    copier.directory_metadata(original.as_fd(), copier.top.as_fd()).context(context)
}

/// Gives an open file or directory the owner, mode, attributes and times of another one.
pub fn copy_metadata(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    copy_metadata_as(from, to, &|uid, gid| (uid, gid), &Exact)
}

fn copy_metadata_as(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    owner: OwnerOf<'_>,
    policy: &impl Policy,
) -> io::Result<()> {
    let attributes = hull_sys::fs::xattrs(from)?;
    let stat = rustix::fs::fstat(from)?;
    let (uid, gid) = owner(stat.st_uid, stat.st_gid);
    Created::Open(to).set(&Metadata { uid, gid, ..Metadata::of(&stat, &attributes) }, policy)
}

pub(super) struct Copier<'a> {
    pub(super) top: OwnedFd,
    /// The copy of the directory that the walk is in.
    pub(super) current: OwnedFd,
    /// The directories above it: the name of each one's copy, and the identity of the copy that this name is in.
    pub(super) levels: Vec<(CString, Identity)>,
    /// For each file with several names, the path of its first copy below the top.
    pub(super) linked: HashMap<Identity, PathBuf>,
    pub(super) owner: OwnerOf<'a>,
    /// The tree is an overlay's upper directory, and so is its copy.
    pub(super) is_layer: bool,
}

impl Visitor for Copier<'_> {
    fn open(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Option<OwnedFd>> {
        let child = match hull_sys::fs::open_subdirectory(dir, name, OFlags::RDONLY) {
            // A mount covers the directory's content, so the copy is an empty directory.
            Err(nix::errno::Errno::EXDEV) => None,
            child => Some(child?),
        };
        rustix::fs::mkdirat(&self.current, name, Mode::RWXU)?;
        if child.is_some() {
            let copy = hull_sys::fs::open_subdirectory(&self.current, name, OFlags::RDONLY)?;
            self.levels.push((name.to_owned(), identity(self.current.as_fd())?));
            self.current = copy;
        }
        Ok(child)
    }

    fn file(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let key = (stat.st_dev, stat.st_ino);
        if stat.st_nlink > 1 {
            if let Some(first) = self.linked.get(&key)
                && rustix::fs::linkat(&self.top, first, &self.current, name, AtFlags::empty()).is_ok()
            {
                return Ok(());
            }
            let mut path: PathBuf = self.levels.iter().map(|(name, _)| as_path(name)).collect();
            path.push(as_path(name));
            self.linked.insert(key, path);
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.regular(dir, name),
            kind => self.special(dir, name, kind, &stat),
        }
    }

    fn leave(&mut self, _dir: BorrowedFd<'_>, _name: &CStr, child: BorrowedFd<'_>) -> io::Result<()> {
        // Last, because writing into the directory needs its temporary mode and changes its times.
        self.directory_metadata(child, self.current.as_fd())?;
        let (_, above) = self.levels.pop().expect("opened before it is left");
        self.current = parent_of(self.current.as_fd(), above)?;
        Ok(())
    }
}

impl Copier<'_> {
    fn directory_metadata(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
        match self.is_layer {
            true => copy_metadata_as(from, to, self.owner, &ExactInLayer),
            false => copy_metadata_as(from, to, self.owner, &Exact),
        }
    }

    fn regular(&self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        // NONBLOCK: if a FIFO has taken the file's name, opening it must not wait for a writer.
        let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut from: File = rustix::fs::openat(dir, name, read, Mode::empty())?.into();
        let mut to = create_file(self.current.as_fd(), OsStr::from_bytes(name.to_bytes()))?;
        hull_sys::fs::copy_content(&mut from, &mut to)?;
        copy_metadata_as(from.as_fd(), to.as_fd(), self.owner, &Exact)
    }

    fn special(&self, dir: BorrowedFd<'_>, name: &CStr, kind: FileType, stat: &Stat) -> io::Result<()> {
        let to = self.current.as_fd();
        let is_symlink = kind == FileType::Symlink;
        if is_symlink {
            rustix::fs::symlinkat(rustix::fs::readlinkat(dir, name, Vec::new())?, to, name)?;
        } else {
            rustix::fs::mknodat(to, name, kind, Mode::RUSR | Mode::WUSR, stat.st_rdev)?;
        }
        let name = OsStr::from_bytes(name.to_bytes());
        let attributes = hull_sys::fs::xattrs_at(&path_of(dir, name))?;
        let created = Created::Named { directory: to, name, is_symlink };
        let (uid, gid) = (self.owner)(stat.st_uid, stat.st_gid);
        created.set(&Metadata { uid, gid, ..Metadata::of(stat, &attributes) }, &Exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scratch, as_root};
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    #[test]
    fn content_links_modes_and_times_are_the_same() {
        let scratch = Scratch::new();
        let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
        fs::create_dir_all(from.join("a/read-only")).unwrap();
        fs::write(from.join("a/read-only/file"), "content").unwrap();
        fs::hard_link(from.join("a/read-only/file"), from.join("twin")).unwrap();
        symlink("/nowhere", from.join("a/link")).unwrap();
        fs::set_permissions(from.join("a/read-only/file"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::set_permissions(from.join("a/read-only"), fs::Permissions::from_mode(0o555)).unwrap();
        File::open(from.join("a")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        copy_tree(&from, &to).unwrap();

        assert_eq!(fs::read_to_string(to.join("a/read-only/file")).unwrap(), "content");
        assert_eq!(fs::read_link(to.join("a/link")).unwrap(), Path::new("/nowhere"));
        let meta = |path: &str| fs::symlink_metadata(to.join(path)).unwrap();
        assert_eq!(meta("a/read-only").mode() & 0o7777, 0o555);
        assert_eq!(meta("a/read-only/file").mode() & 0o7777, 0o4751);
        assert_eq!(meta("a").modified().unwrap(), std::time::UNIX_EPOCH);
        assert_eq!(meta("twin").ino(), meta("a/read-only/file").ino());
        crate::tree::remove_tree(&from).unwrap();
    }

    #[test]
    fn only_the_copy_of_a_layer_keeps_its_marks() {
        as_root("only_the_copy_of_a_layer_keeps_its_marks", || {
            let scratch = Scratch::new();
            let from = scratch.path().join("from");
            fs::create_dir_all(from.join("opaque")).unwrap();
            let opaque = File::open(from.join("opaque")).unwrap();
            hull_sys::fs::set_xattr(&opaque, c"trusted.overlay.opaque", b"y").unwrap();
            hull_sys::fs::set_xattr(&opaque, c"trusted.overlay.origin", b"y").unwrap();
            let top = File::open(&from).unwrap();
            rustix::fs::mknodat(&top, "gone", FileType::CharacterDevice, Mode::empty(), 0).unwrap();
            let marks = |name: &str| {
                let copied = hull_sys::fs::xattrs(File::open(scratch.path().join(name)).unwrap()).unwrap();
                copied.into_iter().filter(|(name, _)| name.to_bytes().starts_with(b"trusted.")).count()
            };
            copy_layer(&from, &scratch.path().join("layer")).unwrap();
            copy_tree(&from, &scratch.path().join("tree")).unwrap();
            assert_eq!((marks("layer/opaque"), marks("tree/opaque")), (1, 0));
            let whiteout = fs::symlink_metadata(scratch.path().join("layer/gone")).unwrap();
            assert_eq!((whiteout.rdev(), whiteout.mode() & 0o7777), (0, 0));
        });
    }

    #[test]
    fn a_hole_stays_a_hole() {
        let scratch = Scratch::new();
        let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
        fs::create_dir(&from).unwrap();
        let file = File::create(from.join("sparse")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"end", 64 << 20).unwrap();
        copy_tree(&from, &to).unwrap();
        let copy = fs::read(to.join("sparse")).unwrap();
        assert_eq!((copy.len(), &copy[64 << 20..]), ((64 << 20) + 3, &b"end"[..]));
        assert!(fs::metadata(to.join("sparse")).unwrap().blocks() * 512 < 1 << 20);
    }

    #[test]
    fn owners_devices_and_attributes_are_the_same() {
        as_root("owners_devices_and_attributes_are_the_same", || {
            let scratch = Scratch::new();
            let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
            fs::create_dir(&from).unwrap();
            fs::write(from.join("file"), "x").unwrap();
            std::os::unix::fs::chown(from.join("file"), Some(1234), Some(4321)).unwrap();
            let file = File::open(from.join("file")).unwrap();
            // A file capability: gone at the next chown, so the order matters.
            let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            hull_sys::fs::set_xattr(&file, c"security.capability", &capability).unwrap();
            hull_sys::fs::set_xattr(&file, c"user.note", b"kept").unwrap();
            let dir = File::open(&from).unwrap();
            let null = rustix::fs::makedev(1, 3);
            rustix::fs::mknodat(&dir, "null", FileType::CharacterDevice, Mode::from_raw_mode(0o666), null)
                .unwrap();
            rustix::fs::mknodat(&dir, "fifo", FileType::Fifo, Mode::from_raw_mode(0o622), 0).unwrap();
            copy_tree(&from, &to).unwrap();

            let meta = |path: &str| fs::symlink_metadata(to.join(path)).unwrap();
            assert_eq!((meta("file").uid(), meta("file").gid()), (1234, 4321));
            let attributes = hull_sys::fs::xattrs(File::open(to.join("file")).unwrap()).unwrap();
            assert!(
                attributes.contains(&(c"security.capability".into(), capability.to_vec())),
                "{attributes:?}"
            );
            assert!(attributes.contains(&(c"user.note".into(), b"kept".to_vec())), "{attributes:?}");
            assert_eq!(meta("null").rdev(), null);
            let original = fs::symlink_metadata(from.join("fifo")).unwrap();
            assert_eq!(meta("fifo").mode(), original.mode());
        });
    }
}
