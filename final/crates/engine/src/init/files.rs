//! Writing files of a system before a process of it runs: its identity, its templates, and cloud-init's seed.
//!
//! Any part of a path may be a symlink of the image or of the container. A directory is resolved beneath the root, and a symlink at
//! the end is replaced and not followed.

use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use hull_sys::fs::open_in_root;
use hull_sys::{fs_ids, tree};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::error::{Error, IoContext, Result};
use crate::records::record::Record;

/// Every user may read a new file, and only root may change it.
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);
const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o755);

/// The mounted root of a system, in which the container's root writes.
pub(crate) struct Files(OwnedFd);

impl Files {
    /// Calls `write` with the ids of the container's root: the kernel makes files on idmapped layers only for ids that are
    /// mapped, and the files of an unprivileged user's container have the container's ids on the disk.
    pub(crate) fn with<T>(
        record: &Record,
        rootfs: &Path,
        write: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<T> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(rootfs, flags, Mode::empty());
        let files = Self(root.context(|| format!("open {}", rootfs.display()))?);
        match record.id_maps.as_ref().map(|maps| maps.root()) {
            Some((uid, gid)) => fs_ids::with(uid, gid, || write(&files))
                .context(|| "take the ids of the container's root".into())?,
            None => write(&files),
        }
    }

    /// A directory, if it is there.
    fn directory(&self, path: &Path) -> Option<OwnedFd> {
        open_in_root(&self.0, path, OFlags::RDONLY | OFlags::DIRECTORY).ok()
    }

    /// A directory, which is created with those above it if it is missing.
    fn make_directory(&self, path: &Path) -> Result<OwnedFd> {
        let (mut directory, mut done) =
            (self.0.try_clone().context(|| "open the root".into())?, PathBuf::new());
        for name in path.components().filter_map(|part| match part {
            std::path::Component::Normal(name) => Some(name),
            _ => None,
        }) {
            done.push(name);
            let open = || open_in_root(&self.0, &done, OFlags::RDONLY | OFlags::DIRECTORY);
            directory = match open() {
                Err(nix::errno::Errno::ENOENT) => {
                    rustix::fs::mkdirat(&directory, name, DIRECTORY_MODE)
                        .context(|| format!("create the directory {} of the container", done.display()))?;
                    open()
                }
                opened => opened,
            }
            .context(|| format!("open the directory {} of the container", done.display()))?;
        }
        Ok(directory)
    }

    /// The mode of a regular file. A symlink is none.
    fn mode(&self, path: &Path) -> Option<Mode> {
        let (parent, name) = parts(path)?;
        let stat = rustix::fs::statat(self.directory(parent)?, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
            .then(|| Mode::from_raw_mode(stat.st_mode))
    }

    /// Whether there is a regular file. A symlink is none.
    pub(crate) fn has_file(&self, path: &Path) -> bool {
        self.mode(path).is_some()
    }

    pub(crate) fn has_directory(&self, path: &Path) -> bool {
        self.directory(path).is_some()
    }

    /// Writes a new file, which replaces what is at `path` and keeps the mode of a file there. Missing directories are
    /// created.
    pub(crate) fn put(&self, path: &Path, content: &[u8]) -> Result<()> {
        let context = || format!("write {} of the container", path.display());
        let Some((parent, name)) = parts(path) else {
            return Err(Error::Invalid { what: path.display().to_string(), why: "it names no file".into() });
        };
        let mode = self.mode(path).unwrap_or(FILE_MODE) & !(Mode::SUID | Mode::SGID | Mode::SVTX);
        let directory = self.make_directory(parent)?;
        let new = format!(".{}.hull", name.to_string_lossy());
        // A killed start may have left this file.
        let _ = rustix::fs::unlinkat(&directory, &new, AtFlags::empty());
        let mut file = tree::create_file(directory.as_fd(), OsStr::new(&new)).context(context)?;
        let written = rustix::fs::fchmod(&file, mode)
            .map_err(std::io::Error::from)
            .and_then(|()| file.write_all(content))
            .and_then(|()| Ok(rustix::fs::renameat(&directory, &new, &directory, name)?));
        if written.is_err() {
            let _ = rustix::fs::unlinkat(&directory, &new, AtFlags::empty());
        }
        written.context(context)
    }

    /// Removes a file, if there is one.
    pub(crate) fn remove(&self, path: &Path) -> Result<()> {
        let Some((parent, name)) = parts(path) else { return Ok(()) };
        let Some(directory) = self.directory(parent) else { return Ok(()) };
        match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error).context(|| format!("remove {} of the container", path.display())),
        }
    }
}

fn parts(path: &Path) -> Option<(&Path, &OsStr)> {
    Some((path.parent()?, path.file_name()?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn files(root: &Path) -> Files {
        Files(fs::File::open(root).unwrap().into())
    }

    #[test]
    fn links_of_an_image_lead_nowhere() {
        let (outside, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(root.path().join("etc")).unwrap();
        let secret = outside.path().join("secret");
        fs::write(&secret, "the host's").unwrap();
        symlink(&secret, root.path().join("etc/hostname")).unwrap();
        let files = files(root.path());
        assert!(!files.has_file(Path::new("/etc/hostname")));
        files.put(Path::new("/etc/hostname"), b"box\n").unwrap();
        assert_eq!(fs::read_to_string(&secret).unwrap(), "the host's");
        assert_eq!(fs::read_to_string(root.path().join("etc/hostname")).unwrap(), "box\n");
        symlink(outside.path(), root.path().join("var")).unwrap();
        assert!(files.put(Path::new("/var/lib/seed"), b"").is_err());
        assert!(files.put(Path::new("/../../var/hostname"), b"").is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_keeps_its_mode_and_directories_are_made() {
        let root = tempfile::tempdir().unwrap();
        let files = files(root.path());
        let path = root.path().join("a/b/file");
        files.put(Path::new("/a/b/file"), b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4750)).unwrap();
        files.put(Path::new("/a/b/file"), b"two").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o750);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(root.path().join("a/b")).unwrap().count(), 1);
        assert!(files.put(Path::new("/a/b"), b"").is_err(), "a directory");
        assert_eq!(fs::read_dir(root.path().join("a")).unwrap().count(), 1, "nothing is left");
        files.remove(Path::new("/a/b/file")).unwrap();
        files.remove(Path::new("/no/file")).unwrap();
        assert!(!path.exists());
    }
}
