//! A directory tree as entries. The container may change the tree at any time. Each file is therefore first held by an
//! `O_PATH` descriptor, which opens no device and no FIFO. It is opened for reading only if it is a regular file.

use std::collections::HashMap;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use hull_storage::tree::open_beneath;
use hull_sys::tree::describes_content;
use nix::errno::Errno;
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec};

use super::entry::{Content, Entry, Kind, Sink, shown};
use super::view::{Source, is_kernels, kind};
use crate::error::{Error, IoContext, Result};

/// Which part of a tree is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everything, volumes included.
    Everything,
    /// Without the content of mounts. Their mount points are empty directories.
    OneMount,
    /// An overlay's upper directory in the form of a layer: the kernel's marks become whiteout files.
    /// overlayfs.rst, "whiteouts and opaque directories"; image-spec, layer.md, "Whiteouts".
    Layer,
}

/// Sends `source` to the sink as `name`. With an empty name the content of the directory is sent.
pub(super) fn send(source: &Source, name: &Path, scope: Scope, sink: &mut dyn Sink) -> Result<()> {
    let mut sender = Sender { sink, linked: HashMap::new(), source, name, scope };
    let stat = rustix::fs::fstat(&source.fd).context(|| format!("look at {}", source.shown))?;
    match kind(&stat) {
        FileType::Directory => sender.tree(),
        FileType::Socket => Err(Error::Invalid {
            what: format!("source {}", source.shown),
            why: "a socket is nothing without the program that made it".into(),
        }),
        _ => sender.file(&source.fd, Path::new(""), &stat),
    }
}

struct Sender<'a> {
    sink: &'a mut dyn Sink,
    /// Device and inode of each file with several links, and the path of the first one.
    linked: HashMap<(u64, u64), PathBuf>,
    source: &'a Source,
    name: &'a Path,
    scope: Scope,
}

impl Sender<'_> {
    /// Depth first, in the order of names. Only paths are kept for what is still to be sent, so a deep, hostile tree
    /// exhausts neither the stack nor the descriptors.
    fn tree(&mut self) -> Result<()> {
        let mut pending = vec![PathBuf::new()];
        while let Some(path) = pending.pop() {
            match beneath(&self.source.fd, &path, OFlags::RDONLY | OFlags::DIRECTORY) {
                Ok(directory) => self.directory(&directory, &path, &mut pending)?,
                // It was removed or replaced after its name was read.
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) if !path.as_os_str().is_empty() => {}
                Err(errno) => return Err(errno).context(|| self.reading(&path)),
            }
        }
        Ok(())
    }

    fn directory(&mut self, directory: &OwnedFd, path: &Path, pending: &mut Vec<PathBuf>) -> Result<()> {
        let stat = rustix::fs::fstat(directory).context(|| self.reading(path))?;
        if self.sink.is_destination(&stat) {
            return Err(Error::Invalid {
                what: format!("destination, it is inside of the source: {}", self.shown(path)),
                why: "a directory cannot be copied into itself".into(),
            });
        }
        let attributes = hull_sys::fs::xattrs(directory).context(|| self.reading(path))?;
        let opaque = self.scope == Scope::Layer && self.is_opaque(path, &attributes)?;
        let entry = self.entry(path, Kind::Directory, &stat, attributes);
        self.sink.put(&entry, Content::None)?;
        if opaque {
            self.whiteout(&path.join(".wh..wh..opq"), &stat)?;
        }
        if self.scope == Scope::OneMount && !path.as_os_str().is_empty() && is_mount_point(directory) {
            return Ok(());
        }
        // A mount point is sent as an empty directory, as in an image.
        if is_kernels(directory) {
            return Ok(());
        }
        let mut subdirectories = Vec::new();
        for name in names(directory).context(|| self.reading(path))? {
            let below = path.join(OsStr::from_bytes(name.to_bytes()));
            self.check_name(&below)?;
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = match rustix::fs::openat(directory, &name, flags, Mode::empty()) {
                Err(rustix::io::Errno::NOENT) => continue,
                fd => fd.context(|| self.reading(&below))?,
            };
            let stat_below = rustix::fs::fstat(&fd).context(|| self.reading(&below))?;
            match kind(&stat_below) {
                FileType::Directory => subdirectories.push(below),
                // Left out, as by docker: a socket is of no use without the program that created it.
                FileType::Socket => {}
                _ if stat_below.st_dev != stat.st_dev && is_kernels(&fd) => {}
                _ => self.file(&fd, &below, &stat_below)?,
            }
        }
        pending.extend(subdirectories.into_iter().rev());
        Ok(())
    }

    /// Sends an entry that is not a directory.
    fn file(&mut self, fd: &OwnedFd, path: &Path, stat: &Stat) -> Result<()> {
        if self.scope == Scope::Layer && kind(stat) == FileType::CharacterDevice && stat.st_rdev == 0 {
            let name = [b".wh.", path.file_name().unwrap_or_default().as_bytes()].concat();
            return self.whiteout(&path.with_file_name(OsStr::from_bytes(&name)), stat);
        }
        if self.scope == Scope::OneMount && !path.as_os_str().is_empty() && is_mount_point(fd) {
            let entry = self.entry(path, Kind::File { size: 0 }, stat, vec![]);
            return self.sink.put(&entry, Content::None);
        }
        let identity = (stat.st_dev, stat.st_ino);
        if stat.st_nlink > 1
            && let Some(first) = self.linked.get(&identity)
        {
            let first = first.clone();
            let entry = self.entry(path, Kind::HardLink(first.clone()), stat, vec![]);
            if self.sink.link(&entry, &first)? {
                return Ok(());
            }
        }
        let entry = match kind(stat) {
            FileType::RegularFile => {
                // Opened by the descriptor's link in /proc, because the name may refer to another file by now.
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                let opened = rustix::fs::open(hull_sys::fs::fd_path(fd), flags, Mode::empty());
                let mut file = File::from(opened.context(|| self.reading(path))?);
                let attributes = hull_sys::fs::xattrs(&file).context(|| self.reading(path))?;
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                let entry = self.entry(path, Kind::File { size }, stat, attributes);
                self.sink.put(&entry, Content::File(&mut file))?;
                entry
            }
            // Neither has user attributes (xattr(7)).
            other => {
                let kind = match other {
                    FileType::Symlink => Kind::Symlink(target(fd).context(|| self.reading(path))?),
                    other => Kind::Node { kind: other, device: stat.st_rdev },
                };
                let entry = self.entry(path, kind, stat, vec![]);
                self.sink.put(&entry, Content::None)?;
                entry
            }
        };
        if stat.st_nlink > 1 {
            self.linked.insert(identity, entry.path);
        }
        Ok(())
    }

    /// In the tar of a layer, a file with the name of a whiteout deletes another one (image-spec, layer.md).
    fn check_name(&self, path: &Path) -> Result<()> {
        let name = path.file_name().unwrap_or_default().as_bytes();
        match self.scope == Scope::Layer && name.starts_with(b".wh.") && self.sink.refuses_whiteouts() {
            true => Err(Error::Invalid {
                what: format!("file /{}", shown(path)),
                why: "a layer cannot have a file whose name begins with .wh.: it would delete a file of the layers below"
                    .into(),
            }),
            false => Ok(()),
        }
    }

    fn whiteout(&mut self, path: &Path, stat: &Stat) -> Result<()> {
        let entry = self.entry(path, Kind::File { size: 0 }, stat, vec![]);
        self.sink.put(&entry, Content::None)
    }

    fn is_opaque(&self, path: &Path, attributes: &[(CString, Vec<u8>)]) -> Result<bool> {
        let mark = |name: &CString| {
            let name = name.to_bytes();
            let mark = name.strip_prefix(b"trusted.overlay.").or(name.strip_prefix(b"user.overlay."));
            mark.map(<[u8]>::to_vec)
        };
        let marks: Vec<Vec<u8>> = attributes.iter().filter_map(|(name, _)| mark(name)).collect();
        // A tar has no form for a redirected directory.
        match marks.iter().any(|mark| mark == b"redirect") {
            true => Err(Error::Unsupported(format!(
                "{} was renamed, which this kernel notes in a way that no layer can have (overlay.redirect_dir)",
                self.shown(path)
            ))),
            false => Ok(marks.iter().any(|mark| mark == b"opaque")),
        }
    }

    fn entry(&self, path: &Path, kind: Kind, stat: &Stat, attributes: Vec<(CString, Vec<u8>)>) -> Entry {
        // Joining an empty path would leave a slash at the end.
        let path = if path.as_os_str().is_empty() { self.name.to_owned() } else { self.name.join(path) };
        let (uid, gid) = self.source.ids.inside(stat.st_uid, stat.st_gid);
        let attributes = self.source.ids.attributes_inside(attributes);
        Entry {
            path,
            kind,
            uid,
            gid,
            mode: stat.st_mode & 0o7777,
            modified: Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as i64 },
            attributes: attributes
                .into_iter()
                .filter(|(name, _)| describes_content(name.to_bytes()))
                .collect(),
        }
    }

    fn reading(&self, path: &Path) -> String {
        format!("read {}", self.shown(path))
    }

    fn shown(&self, path: &Path) -> String {
        match path.as_os_str().is_empty() {
            true => self.source.shown.clone(),
            false => format!("{}/{}", self.source.shown.trim_end_matches('/'), shown(path)),
        }
    }
}

/// statx(2), `STATX_ATTR_MOUNT_ROOT`: Linux 5.8.
pub(super) fn is_mount_point(fd: &OwnedFd) -> bool {
    use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};
    let found = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::TYPE);
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Opens a path beneath a directory, or the directory itself, without following symlinks. Mounts are crossed, because a
/// volume is part of what the container sees.
pub(super) fn beneath(top: &OwnedFd, path: &Path, flags: OFlags) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    open_beneath(top, path, flags | OFlags::NOFOLLOW, resolve)
}

/// The target of a symlink that an `O_PATH` descriptor holds: readlinkat(2) with an empty path.
fn target(fd: &OwnedFd) -> io::Result<PathBuf> {
    let link = rustix::fs::readlinkat(fd, c"", Vec::new())?;
    Ok(OsString::from_vec(link.into_bytes()).into())
}

/// The names in a directory, sorted so that equal trees make equal tars.
fn names(directory: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if name.as_c_str() != c"." && name.as_c_str() != c".." {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}
