//! Writes each entry of a layer twice: as a file of the layer's directory, and as a member of its tar.

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hull_image::members::shown;
use hull_image::packing::{Content, Entry, Kind, Packer};
use hull_storage::tree::open_beneath;
use hull_sys::sparse::HoleWriter;
use hull_sys::tree::{Created, Metadata, Policy, create_file, path_of};
use nix::errno::Errno;
use nix::libc;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Timespec, Timestamps};

use super::Written;
use crate::error::IoContext;
use crate::{Error, Result};

/// path_resolution(7), without the terminating zero: a longer path cannot be used in a container.
pub(super) const LONGEST_PATH: usize = 4095;

/// The layer's own symlinks lead nowhere.
const INSIDE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// The names that a layer's tar gives whiteouts (image-spec, layer.md).
const WHITEOUT: &[u8] = b".wh.";

pub(super) struct Layer<'a> {
    root: OwnedFd,
    /// `None` if the tar is made of the directory later, because entries may be replaced.
    packer: Option<Packer<&'a mut dyn Write>>,
    /// The directory that is being filled.
    current: Option<(PathBuf, OwnedFd)>,
    /// Directories get their times last, because each file that is created in them changes these.
    directories: BTreeMap<PathBuf, Timestamps>,
    rootless: bool,
    /// What times are at most.
    latest: Option<i64>,
    /// The time of what is created.
    now: Timespec,
    written: Written,
}

impl<'a> Layer<'a> {
    pub(super) fn new(directory: &Path, tar: Option<&'a mut dyn Write>, latest: Option<i64>) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(directory, flags, Mode::empty());
        let root = root.context(|| format!("open {}", directory.display()))?;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = Timespec { tv_sec: since.as_secs() as i64, tv_nsec: since.subsec_nanos().into() };
        Ok(Self {
            root,
            packer: tar.map(Packer::new),
            current: None,
            directories: BTreeMap::new(),
            rootless: hull_sys::id_map::in_user_namespace(),
            latest,
            now: clamped(now, latest),
            written: Written::default(),
        })
    }

    pub(super) fn now(&self) -> Timespec {
        self.now
    }

    /// A directory that no source and no layer below has.
    pub(super) fn created(&self, path: &Path, (uid, gid): (u32, u32)) -> Entry {
        let (path, modified) = (path.to_owned(), self.now);
        Entry { path, kind: Kind::Directory, uid, gid, mode: 0o755, modified, attributes: vec![] }
    }

    /// The root is in no tar: it is as in the layers below, or a plain directory of root's.
    pub(super) fn set_root(&mut self, entry: &Entry) -> Result<()> {
        let policy = LayerPolicy { rootless: self.rootless };
        let set = Created::Open(self.root.as_fd()).set(&metadata(entry, None), &policy);
        set.context(|| "make the root of the layer".into())?;
        self.directories.insert(PathBuf::new(), times(clamped(entry.modified, self.latest)));
        Ok(())
    }

    pub(super) fn put(&mut self, mut entry: Entry, mut content: Content<'_>) -> Result<()> {
        let action = || format!("write {} to the layer", shown(&entry.path));
        check_path(&entry.path)?;
        entry.modified = clamped(entry.modified, self.latest);
        let (parent, name) = split(&entry.path);
        self.enter(parent).context(action)?;
        self.written.entries += 1;
        if let Kind::File { size } = entry.kind {
            self.written.bytes += size;
            return self.file(&entry, size, &name, &mut content).context(action);
        }
        self.create(&entry, &name).context(action)?;
        match &mut self.packer {
            Some(packer) => packer.put(&entry, Content::None).context(action),
            None => Ok(()),
        }
    }

    /// Removes an entry of the directory, with all that is in it. It may be missing.
    pub(super) fn remove(&mut self, path: &Path) -> Result<()> {
        let action = || format!("replace {} in the layer", shown(path));
        let (parent, name) = split(path);
        match self.enter(parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entered => entered.context(action)?,
        }
        match rustix::fs::unlinkat(self.directory(), &name, AtFlags::empty()) {
            Err(rustix::io::Errno::NOENT) => Ok(()),
            // The error of unlink(2) for a directory depends on the file system.
            Err(rustix::io::Errno::ISDIR | rustix::io::Errno::PERM) => {
                let target = path_of(self.directory().as_fd(), &name);
                let removed = hull_storage::tree::remove_tree(&target);
                // A directory that is entered next may have been in it.
                self.current = None;
                Ok(removed?)
            }
            removed => removed.context(action),
        }
    }

    /// Marks a directory of the layer, so that nothing of the layers below shows through it.
    pub(super) fn set_opaque(&mut self, path: &Path) -> Result<()> {
        let name = if self.rootless { c"user.overlay.opaque" } else { c"trusted.overlay.opaque" };
        self.enter(path).context(|| format!("open {} of the layer", shown(path)))?;
        hull_sys::fs::set_xattr(self.directory(), name, b"y")
            .context(|| format!("mark {} of the layer as opaque", shown(path)))
    }

    /// Whether the layer has an entry.
    pub(super) fn has(&self, path: &Path) -> bool {
        open_beneath(&self.root, path, OFlags::PATH | OFlags::NOFOLLOW, INSIDE).is_ok()
    }

    /// Opens the directory of an entry, which has been written before.
    fn enter(&mut self, path: &Path) -> io::Result<()> {
        if self.current.as_ref().is_none_or(|(current, _)| current != path) {
            let opened = open_beneath(&self.root, path, OFlags::RDONLY | OFlags::DIRECTORY, INSIDE)?;
            self.current = Some((path.to_owned(), opened));
        }
        Ok(())
    }

    fn directory(&self) -> &OwnedFd {
        self.current.as_ref().map_or(&self.root, |(_, directory)| directory)
    }

    /// The content is read once: what goes into the tar is written to the file meanwhile.
    fn file(&mut self, entry: &Entry, size: u64, name: &OsStr, content: &mut Content<'_>) -> io::Result<()> {
        let file = self.replacing(name, |directory| create_file(directory.as_fd(), name))?;
        let from: &mut dyn Read = match content {
            Content::None => &mut io::empty(),
            Content::File(file) => *file,
            Content::Stream(stream) => *stream,
        };
        let mut copy = Copy { from, to: HoleWriter::new(&file) };
        match &mut self.packer {
            Some(packer) => packer.put(entry, Content::Stream(&mut copy))?,
            None => {
                let copied = io::copy(&mut (&mut copy).take(size), &mut io::sink())?;
                if copied < size {
                    return Err(io::Error::other("it became shorter while it was read"));
                }
            }
        }
        copy.to.flush()?;
        let policy = LayerPolicy { rootless: self.rootless };
        Created::Open(file.as_fd()).set(&metadata(entry, Some(times(entry.modified))), &policy)
    }

    /// Creates an entry; where entries may be replaced, one that has its name goes.
    fn replacing<T>(
        &self,
        name: &OsStr,
        make: impl Fn(&OwnedFd) -> rustix::io::Result<T>,
    ) -> rustix::io::Result<T> {
        match make(self.directory()) {
            Err(rustix::io::Errno::EXIST) if self.packer.is_none() => {
                rustix::fs::unlinkat(self.directory(), name, AtFlags::empty())?;
                make(self.directory())
            }
            made => made,
        }
    }

    fn create(&mut self, entry: &Entry, name: &OsStr) -> io::Result<()> {
        let is_directory = matches!(entry.kind, Kind::Directory);
        match &entry.kind {
            Kind::File { .. } => unreachable!("files have content"),
            Kind::Directory => match rustix::fs::mkdirat(self.directory(), name, Mode::RWXU) {
                Err(rustix::io::Errno::EXIST) if self.packer.is_none() => {}
                made => made?,
            },
            Kind::Symlink(target) => {
                self.replacing(name, |directory| rustix::fs::symlinkat(target, directory, name))?;
            }
            // A link has the metadata of its file.
            Kind::HardLink(target) => {
                let link = |directory: &OwnedFd| {
                    rustix::fs::linkat(&self.root, target, directory, name, AtFlags::empty())
                };
                return Ok(self.replacing(name, link)?);
            }
            Kind::Node { kind, device } => {
                let mode = Mode::RUSR | Mode::WUSR;
                self.replacing(name, |directory| rustix::fs::mknodat(directory, name, *kind, mode, *device))?;
            }
        }
        let is_symlink = matches!(entry.kind, Kind::Symlink(_));
        let created = Created::Named { directory: self.directory().as_fd(), name, is_symlink };
        let set = (!is_directory).then(|| times(entry.modified));
        created.set(&metadata(entry, set), &LayerPolicy { rootless: self.rootless })?;
        if is_directory {
            self.directories.insert(entry.path.clone(), times(entry.modified));
        }
        Ok(())
    }

    /// Sets the times of the directories, and ends the tar.
    pub(super) fn finish(self) -> Result<Written> {
        for (path, times) in &self.directories {
            let set = || -> io::Result<()> {
                let (parent, name) = split(path);
                let parent = open_beneath(&self.root, parent, OFlags::PATH | OFlags::DIRECTORY, INSIDE)?;
                Ok(rustix::fs::utimensat(&parent, &*name, times, AtFlags::SYMLINK_NOFOLLOW)?)
            };
            match set() {
                // It was replaced.
                Err(error) if self.packer.is_none() && is_missing(&error) => {}
                set => set.context(|| format!("set the time of {}", shown(path)))?,
            }
        }
        if let Some(packer) = self.packer {
            packer.finish().context(|| "write the layer's tar".into())?;
        }
        Ok(self.written)
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP))
}

/// A path that neither a container nor a layer's tar can have is refused.
fn check_path(path: &Path) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let name = path.file_name().unwrap_or_default().as_bytes();
    let why = match () {
        () if path.as_os_str().len() > LONGEST_PATH => "its path is longer than 4095 bytes",
        () if name.starts_with(WHITEOUT) => {
            "a layer cannot have a file whose name begins with .wh.: it would delete a file of the layers below"
        }
        () => return Ok(()),
    };
    Err(Error::Invalid { what: format!("file /{}", shown(path)), why: why.into() })
}

fn split(path: &Path) -> (&Path, OsString) {
    let name = path.file_name().unwrap_or(OsStr::new(".")).to_owned();
    (path.parent().unwrap_or(Path::new("")), name)
}

fn metadata(entry: &Entry, times: Option<Timestamps>) -> Metadata<'_> {
    Metadata { uid: entry.uid, gid: entry.gid, mode: entry.mode, attributes: &entry.attributes, times }
}

fn times(modified: Timespec) -> Timestamps {
    Timestamps { last_access: modified, last_modification: modified }
}

fn clamped(time: Timespec, latest: Option<i64>) -> Timespec {
    match latest {
        Some(latest) if time.tv_sec >= latest => Timespec { tv_sec: latest, tv_nsec: 0 },
        _ => time,
    }
}

/// Reads what it writes to a file.
struct Copy<'a> {
    from: &'a mut dyn Read,
    to: HoleWriter<&'a File>,
}

impl Read for Copy<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        self.to.write_all(&buffer[..length])?;
        Ok(length)
    }
}

struct LayerPolicy {
    rootless: bool,
}

impl Policy for LayerPolicy {
    fn owner_error(&self, uid: u32, gid: u32, error: Errno) -> io::Error {
        match error {
            Errno::EINVAL | Errno::EPERM if self.rootless => io::Error::other(format!(
                "the owner {uid}:{gid} has no id of this user's (/etc/subuid and /etc/subgid give them)"
            )),
            error => error.into(),
        }
    }

    /// docker ignores attributes that cannot be set: a file system may refuse user.*, and a user namespace trusted.*.
    fn ignores_attribute(&self, name: &CStr, error: Errno) -> bool {
        error == Errno::EPERM && (self.rootless || name.to_bytes().starts_with(b"user."))
    }
}
