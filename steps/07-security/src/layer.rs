//! A layer is a tar of the files that it adds or changes. This module unpacks a layer into a
//! directory, which overlay uses as a lower directory.
//!
//! ```text
//! bytes ──▶ sha256, the digest ──▶ gunzip ──▶ sha256, the diff ID ──▶ tar ──▶ files
//! ```
//!
//! Both hashes are computed while the layer is read: the manifest contains the digest, and the
//! config contains the diff ID. A layer is used only if both match.
//!
//! A deletion is an entry too: the entry `.wh.NAME` deletes NAME, and `.wh..wh..opq` hides
//! everything that the lower layers have in that directory. Both become overlay's own marks
//! (overlay.rs).
//!
//! Unpacking is an attack surface, because a stranger chose the names in the tar. Each name is
//! looked up beneath the layer's directory: the kernel refuses a path that leaves the directory
//! through `..` or through a symbolic link (openat2(2), RESOLVE_BENEATH).

// For extended attributes, which nix does not wrap.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{
    DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink,
};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use flate2::read::MultiGzDecoder;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, makedev, mknod, utimensat};
use nix::sys::time::TimeSpec;
use tar::{Entry, EntryType};

use crate::digest::{Hashed, compare};
use crate::image::Blob;
use crate::{idmap, overlay, report};

/// The error for a path that leaves the layer's directory.
const LEAVES: &str = "its path leaves the layer's directory";

/// Counts the entries that could not be unpacked as they are in the image: a container with a
/// single id gives all files the same owner, and cannot create devices.
#[derive(Default)]
pub struct Lost {
    /// Files of users who have no id in this container.
    pub owners: usize,
    /// Devices that were left out.
    pub devices: usize,
}

/// Unpacks a layer into `directory`, which exists and is empty. The layer is read only once, and is
/// not stored first: it may be larger than the memory, and it would take longer to write it to disk
/// and to read it again.
pub fn unpack(bytes: impl Read, blob: &Blob, diff_id: &str, directory: &Path, lost: &mut Lost) -> Result<()> {
    // A chain of readers, each of which reads from the one before. The limit is one byte above the
    // announced size, so that a longer blob has another hash.
    let mut compressed = Hashed::new(bytes.take(blob.size + 1));
    let mut plain = Hashed::new(match blob.kind.rsplit(['.', '+']).next() {
        // A gzip file may consist of several members (bgzip, estargz). A plain decoder would stop
        // after the first member.
        Some("gzip") => Box::new(MultiGzDecoder::new(&mut compressed)) as Box<dyn Read>,
        Some("tar") => Box::new(&mut compressed),
        Some("zstd") => {
            return Err(anyhow!("it is compressed by zstd, and this step reads only gzip and plain tar"))
                .context(
                    "hint: hull pull reads zstd; or make a gzip copy, and run DIRECTORY:TAG:\n      \
                      skopeo copy --dest-compress-format gzip docker://IMAGE oci:DIRECTORY:TAG",
                );
        }
        _ => bail!("it is of type {:?}, and this step reads only gzip and plain tar", blob.kind),
    });
    let applied = apply(&mut plain, directory, lost);
    // The hashes cover all bytes, so the rest is read too: two blocks of zeros end a tar, and most
    // programs pad a tar to 10 KiB.
    let rest = io::copy(&mut plain, &mut io::sink()).context("read the layer");
    let found = plain.digest();
    // A wrong hash is reported before any other error, because wrong bytes are the likely cause.
    io::copy(&mut compressed, &mut io::sink()).context("read the layer")?;
    compare(&blob.digest, &compressed.digest()).context("the layer's bytes")?;
    applied?;
    rest?;
    compare(diff_id, &found).context("the layer's tar")
}

/// A layer's directory while it is being filled. Each layer has its own directory, and overlay
/// combines the directories.
struct Layer<'a> {
    /// The directory, held open. All names are looked up beneath it.
    root: OwnedFd,
    /// Path, mode and time of each directory. They are set at the end, because no file can be
    /// created in a read-only directory, and each new file changes the time of its directory.
    directories: Vec<(PathBuf, u32, u64)>,
    lost: &'a mut Lost,
}

/// Unpacks the entries in the order of the tar.
fn apply(tar: &mut dyn Read, directory: &Path, lost: &mut Lost) -> Result<()> {
    let root = File::open(directory).with_context(|| format!("open {}", directory.display()))?;
    let mut layer = Layer { root: root.into(), directories: Vec::new(), lost };
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().context("read the layer's tar")? {
        let mut entry = entry.context("read the layer's tar")?;
        let path = entry.path().context("read the layer's tar")?.into_owned();
        layer.add(&mut entry, &path).with_context(|| format!("the layer's {}", path.display()))?;
    }
    for (path, mode, time) in std::mem::take(&mut layer.directories).into_iter().rev() {
        let (_held, at) = layer.target(&path)?;
        // A later entry may have replaced the directory.
        if fs::symlink_metadata(&at).is_ok_and(|found| found.is_dir()) {
            fs::set_permissions(&at, Permissions::from_mode(mode)).context("chmod")?;
            set_time(&at, time)?;
        }
    }
    Ok(())
}

impl Layer<'_> {
    /// Creates one entry. An existing file of the same name is removed first: writing to the file
    /// could follow a link, or change a file that has a second name.
    fn add(&mut self, entry: &mut Entry<'_, &mut dyn Read>, path: &Path) -> Result<()> {
        // From here on the path is relative and without `..`.
        let path = relative(path)?;
        // The entry `./`, with which many tars begin, is the layer's directory itself.
        let Some(name) = path.file_name().map(OsStr::to_owned) else { return Ok(()) };
        let (_held, at) = self.target(&path)?;
        if let Some(hidden) = name.as_bytes().strip_prefix(b".wh.") {
            return whiteout(&at, OsStr::from_bytes(hidden));
        }
        let is_directory = entry.header().entry_type().is_dir();
        let was_whiteout = clear(&at, is_directory).context("unlink")?;
        if !self.create(entry, &at)? {
            return Ok(());
        }
        if is_directory {
            // The layer deletes the lower directory and contains a new one. A whiteout and a
            // directory cannot have the same name, so the new directory hides the content of the
            // lower one.
            if was_whiteout {
                set_attribute(&at, opaque(), b"y")?;
            }
            let header = entry.header();
            self.directories.push((path, header.mode()? & 0o7777, header.mtime()?));
        }
        self.finish(entry, &at)
    }

    /// Creates the file of an entry. Returns whether its owner and mode are still to be set.
    fn create(&mut self, entry: &mut Entry<'_, &mut dyn Read>, at: &Path) -> Result<bool> {
        match entry.header().entry_type() {
            EntryType::Directory => make_directory(at).context("mkdir")?,
            // The link may have any target: only the container follows it, from the container's own
            // root.
            EntryType::Symlink => symlink(link_target(entry)?, at).context("symlink")?,
            EntryType::Link => {
                // A hard link names an existing file by its path, and a stranger chose that path too.
                let (_held, from) = self.target(&relative(&link_target(entry)?)?)?;
                fs::hard_link(from, at).context("link")?;
                // It is the same file as `from`, which has its owner and mode already.
                return Ok(false);
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                // The file must be new: opening an existing one could follow a link.
                let options = File::options().write(true).create_new(true).mode(0o600).clone();
                io::copy(entry, &mut options.open(at).context("create")?).context("write")?;
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => return self.make_device(entry, at),
            kind => {
                report::trace(format!("left out {}: an entry of type {kind:?}", at.display()));
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Creates a device or a named pipe. Returns whether it was created.
    fn make_device(&mut self, entry: &mut Entry<'_, &mut dyn Read>, at: &Path) -> Result<bool> {
        let header = entry.header();
        let (major, minor) = (header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0));
        let file = match header.entry_type() {
            EntryType::Char => SFlag::S_IFCHR,
            EntryType::Block => SFlag::S_IFBLK,
            _ => SFlag::S_IFIFO,
        };
        match mknod(at, file, Mode::S_IRUSR, makedev(major.into(), minor.into())) {
            // A device file gives access to hardware, so root of a user namespace cannot create
            // one.
            Err(Errno::EPERM) => {
                self.lost.devices += 1;
                Ok(false)
            }
            made => made.context("mknod").map(|()| true),
        }
    }

    /// Sets owner, attributes, mode and time. The owner comes first, because a change of the owner
    /// clears the set-user-ID bit. None of the calls follows a link in the last part of the path.
    fn finish(&mut self, entry: &mut Entry<'_, &mut dyn Read>, at: &Path) -> Result<()> {
        // The ids are numbers, because the user names in a tar are those of the machine that made
        // the tar.
        let (uid, gid) = (entry.header().uid()? as u32, entry.header().gid()? as u32);
        if !has_one_id() {
            lchown(at, Some(uid), Some(gid)).context("lchown")?;
        } else if uid != 0 || gid != 0 {
            self.lost.owners += 1;
        }
        // Extended attributes are in PAX records before the header ("length key=value"). The prefix
        // is from the first tar program that wrote them.
        for record in entry.pax_extensions()?.into_iter().flatten() {
            let record = record?;
            let Some(attribute) = record.key_bytes().strip_prefix(b"SCHILY.xattr.") else { continue };
            // An image must not forge overlay's marks, and only root may set file capabilities.
            let is_fine = attribute.starts_with(b"user.") && !attribute.starts_with(b"user.overlay.");
            if is_fine || (attribute == b"security.capability" && !has_one_id()) {
                set_attribute(at, &CString::new(attribute)?, record.value_bytes())?;
            }
        }
        let header = entry.header();
        // Directories get their mode at the end, and links have no mode.
        if header.entry_type().is_dir() || header.entry_type().is_symlink() {
            return Ok(());
        }
        fs::set_permissions(at, Permissions::from_mode(header.mode()? & 0o7777)).context("chmod")?;
        set_time(at, header.mtime()?)
    }

    /// Looks up the parent directory of an entry, and creates it if it is missing. Returns the
    /// parent, held open, and the entry's path in it.
    fn target(&self, path: &Path) -> Result<(OwnedFd, PathBuf)> {
        let (parent, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
        let held = match self.open_beneath(parent) {
            Err(Errno::ENOENT) => {
                // The missing parent has a parent too, which is looked up in the same way.
                let (_held, at) = self.target(parent)?;
                clear(&at, true).context("unlink")?;
                let made = DirBuilder::new().mode(0o755).create(&at);
                made.with_context(|| format!("mkdir({})", parent.display()))?;
                return self.target(path);
            }
            Err(Errno::EXDEV) => return Err(Errno::EXDEV).context(LEAVES),
            held => held.with_context(|| format!("openat2({}, RESOLVE_BENEATH)", parent.display()))?,
        };
        // This path starts at the descriptor, so the parent is not looked up a second time.
        let at = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd())).join(name);
        Ok((held, at))
    }

    /// Opens a directory of the layer. The kernel checks the path while it follows it: a check before
    /// the open would be useless, because an earlier entry may have put a link on the path.
    fn open_beneath(&self, directory: &Path) -> nix::Result<OwnedFd> {
        // The empty path is the layer's directory itself.
        let path = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        // BENEATH: the call fails with EXDEV if the path leaves the layer, through `..` or through
        // a link. NO_MAGICLINKS: it fails with ELOOP at links such as /proc/PID/cwd, which can lead
        // anywhere.
        let rules = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        openat2(self.root.as_fd(), path, OpenHow::new().flags(flags).resolve(rules))
    }
}

/// Converts a whiteout of the image format, `.wh.` and the name of the hidden file, to overlay's own
/// mark. A tar has no entry for "deleted", so images use the names of aufs, docker's first union
/// file system.
fn whiteout(at: &Path, hidden: &OsStr) -> Result<()> {
    let directory = at.parent().unwrap_or(at);
    match hidden.as_bytes() {
        // This directory hides everything that the lower layers have in it.
        b".wh..opq" => return set_attribute(&directory.join("."), opaque(), b"y"),
        b"" | b"." | b".." => bail!("a whiteout without the name of a file"),
        // aufs used these files for its own data.
        name if name.starts_with(b".wh.") => return Ok(()),
        _ => {}
    }
    let at = directory.join(hidden);
    match fs::symlink_metadata(&at) {
        // The layer has a new directory of that name, so the whiteout is about the lower one.
        Ok(found) if found.is_dir() => set_attribute(&at, opaque(), b"y"),
        // The layer has a new file of that name, which hides the lower one.
        Ok(_) => Ok(()),
        // Overlay's whiteout is the device 0,0, which everybody may create.
        Err(_) => mknod(&at, SFlag::S_IFCHR, Mode::empty(), makedev(0, 0)).context("mknod(c, 0, 0)"),
    }
}

/// The path of an entry without leading slashes, as tar(1) reads it. The function refuses a path
/// with `..`.
pub fn relative(path: &Path) -> Result<PathBuf> {
    let mut relative = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => relative.push(name),
            Component::ParentDir => {
                return Err(Errno::EXDEV).context(LEAVES);
            }
            _ => {}
        }
    }
    Ok(relative)
}

/// Creates a directory. If an earlier entry has created it, its content stays.
fn make_directory(at: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(at) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Removes an earlier entry of the same name, and returns whether it was a whiteout. remove_dir_all
/// also works with descriptors, and follows no link.
fn clear(at: &Path, for_a_directory: bool) -> io::Result<bool> {
    let Ok(found) = fs::symlink_metadata(at) else { return Ok(false) };
    if found.is_dir() {
        if !for_a_directory {
            fs::remove_dir_all(at)?;
        }
        return Ok(false);
    }
    fs::remove_file(at)?;
    Ok(found.file_type().is_char_device() && found.rdev() == 0)
}

/// The target of a link, as it is in the tar.
fn link_target(entry: &Entry<'_, &mut dyn Read>) -> Result<PathBuf> {
    Ok(entry.link_name()?.context("a link without a target")?.into_owned())
}

/// Whether the container has a single id, so that all files get the same owner.
pub fn has_one_id() -> bool {
    idmap::is_needed() || overlay::in_user_namespace()
}

/// The attribute that marks a directory as opaque. Which of the two overlay reads depends on its
/// option `userxattr` (overlay.rs).
fn opaque() -> &'static CStr {
    if has_one_id() { c"user.overlay.opaque" } else { c"trusted.overlay.opaque" }
}

/// Sets an extended attribute. lsetxattr(2) does not follow a link.
fn set_attribute(at: &Path, name: &CStr, value: &[u8]) -> Result<()> {
    let path = CString::new(at.as_os_str().as_bytes())?;
    // SAFETY: both strings end in a zero byte, and the value is as long as we say.
    let set = unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(set).with_context(|| format!("lsetxattr({name:?})"))?;
    Ok(())
}

/// Sets the time of the last change. Programs compare such times. For example, Python uses them to
/// decide whether its compiled code is up to date.
fn set_time(at: &Path, seconds: u64) -> Result<()> {
    let time = TimeSpec::new(seconds.min(i64::MAX as u64) as i64, 0);
    utimensat(AT_FDCWD, at, &time, &time, UtimensatFlags::NoFollowSymlink).context("utimensat")
}
