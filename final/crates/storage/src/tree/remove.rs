//! `rm -rf` that never enters a mount.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};

use super::walk::{Failure, OnError, Visitor, walk};
use crate::error::{Error, IoContext, Result};

/// Removes `path` and everything in it. A missing path is not an error.
///
/// A mount below is not entered. After everything else has been removed, the first entry that could not be is reported.
pub fn remove_tree(path: &Path) -> Result<()> {
    let refused = || Error::Refused { path: path.to_owned(), why: "it has no name to remove".into() };
    let (parent, name) = path.parent().zip(path.file_name()).ok_or_else(refused)?;
    let name = CString::new(name.as_bytes()).map_err(|_| refused())?;
    let parent = match open_parent(parent) {
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        parent => parent.context(|| format!("remove {}", path.display()))?,
    };
    let mut remover = Remover;
    let outcome = match open_to_empty(parent.as_fd(), &name) {
        Ok(top) => walk(top, &mut remover, OnError::GoOn)
            .and_then(|()| unlink(parent.as_fd(), &name, AtFlags::REMOVEDIR).map_err(Failure::from)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A symlink to a directory is removed like a file.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTDIR | libc::ELOOP)) => {
            remover.file(parent.as_fd(), &name).map_err(Failure::from)
        }
        Err(error) => Err(Failure::from(error)),
    };
    outcome.map_err(|failure| explain(path, failure))
}

fn open_parent(parent: &Path) -> rustix::io::Result<OwnedFd> {
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    rustix::fs::open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn explain(top: &Path, failure: Failure) -> Error {
    let path = if failure.path.as_os_str().is_empty() { top.to_owned() } else { top.join(failure.path) };
    match failure.error.raw_os_error() {
        Some(libc::EXDEV | libc::EBUSY) => {
            Error::Refused { path, why: "cannot remove it: something is mounted there".into() }
        }
        _ => Error::Io { action: format!("remove {}", path.display()), source: failure.error },
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { path: Default::default(), error }
    }
}

struct Remover;

impl Visitor for Remover {
    fn open(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Option<OwnedFd>> {
        open_to_empty(dir, name).map(Some)
    }

    fn file(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        unlink(dir, name, AtFlags::empty())
    }

    fn leave(&mut self, dir: BorrowedFd<'_>, name: &CStr, _child: BorrowedFd<'_>) -> io::Result<()> {
        unlink(dir, name, AtFlags::REMOVEDIR)
    }
}

/// Opens a directory and makes its content removable.
fn open_to_empty(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let child = match hull_sys::fs::open_subdirectory(dir, name, OFlags::RDONLY) {
        // An unprivileged user's own directory may not be readable. Root never gets this error.
        Err(nix::errno::Errno::EACCES) => {
            let handle = hull_sys::fs::open_subdirectory(dir, name, OFlags::PATH)?;
            rustix::fs::chmod(hull_sys::fs::fd_path(&handle), Mode::RWXU)?;
            hull_sys::fs::open_subdirectory(dir, name, OFlags::RDONLY)?
        }
        child => child?,
    };
    // The directory may be readable but not writable or searchable. Root needs neither, and if chmod(2) fails, the
    // removal reports why.
    if !Mode::from_raw_mode(rustix::fs::fstat(&child)?.st_mode).contains(Mode::RWXU) {
        let _ = rustix::fs::fchmod(&child, Mode::RWXU);
    }
    Ok(child)
}

fn unlink(dir: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, name, flags) {
        // Another process is removing the same tree.
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scratch, in_mount_namespace};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_tree_goes_and_what_its_symlinks_point_to_stays() {
        let scratch = Scratch::new();
        let (tree, outside) = (scratch.path().join("tree"), scratch.path().join("outside"));
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        symlink(&outside, tree.join("a/link")).unwrap();
        symlink(&outside, scratch.path().join("top")).unwrap();
        remove_tree(&tree).unwrap();
        remove_tree(&scratch.path().join("top")).unwrap();
        remove_tree(&scratch.path().join("never/was")).unwrap();
        assert!(outside.join("kept").exists());
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_tree_deeper_than_any_path_or_descriptor_table_is_removed() {
        let scratch = Scratch::new();
        let tree = scratch.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let mut dir: OwnedFd = fs::File::open(&tree).unwrap().into();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&dir, "deeper", Mode::RWXU).unwrap();
            dir = rustix::fs::openat(&dir, "deeper", OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn directories_closed_to_their_owner_are_opened_and_removed() {
        let scratch = Scratch::new();
        let tree = scratch.path().join("tree");
        for mode in [0o000, 0o300, 0o500] {
            let dir = tree.join(format!("{mode:o}"));
            fs::create_dir_all(dir.join("sub")).unwrap();
            fs::write(dir.join("file"), "").unwrap();
            fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
        }
        // Without capabilities, which are a thread's own, modes bind root as they do anybody else.
        let removed = std::thread::scope(|scope| {
            let remove = || {
                let none = rustix::thread::CapabilitySet::empty();
                let sets =
                    rustix::thread::CapabilitySets { effective: none, permitted: none, inheritable: none };
                rustix::thread::set_capabilities(None, sets).unwrap();
                assert!(fs::read_dir(tree.join("0")).is_err(), "the test must be held up by the mode");
                remove_tree(&tree)
            };
            scope.spawn(remove).join().unwrap()
        });
        removed.unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn a_mount_below_is_reported_and_not_entered() {
        in_mount_namespace("a_mount_below_is_reported_and_not_entered", |scratch| {
            let (tree, outside) = (scratch.path().join("tree"), scratch.path().join("outside"));
            fs::create_dir_all(tree.join("a/mounted")).unwrap();
            fs::write(tree.join("a/file"), "x").unwrap();
            fs::create_dir(&outside).unwrap();
            fs::write(outside.join("kept"), "x").unwrap();
            // A bind mount from the same file system: st_dev alone would not tell.
            let nothing = None::<&str>;
            let flags = nix::mount::MsFlags::MS_BIND;
            nix::mount::mount(Some(&outside), &tree.join("a/mounted"), nothing, flags, nothing).unwrap();
            let error = remove_tree(&tree).unwrap_err().to_string();
            assert!(
                error.ends_with("tree/a/mounted: cannot remove it: something is mounted there"),
                "{error}"
            );
            assert!(outside.join("kept").exists());
            assert!(!tree.join("a/file").exists(), "the rest goes all the same");
            nix::mount::umount(&tree.join("a/mounted")).unwrap();
            remove_tree(&tree).unwrap();
        });
    }
}
