//! A layer: a tar of what has changed, unpacked into a directory that overlay can take as a lower
//! one.
//!
//! ```text
//! bytes ──▶ sha256, the digest ──▶ gunzip ──▶ sha256, the diff ID ──▶ tar ──▶ files
//! ```
//!
//! Both hashes are computed while the layer is read: the manifest names the first, the
//! configuration the second. A layer is used only if both match.
//!
//! Deletions are entries too: `.wh.NAME` deletes NAME, `.wh..wh..opq` hides everything that lower
//! layers have in that directory. They are converted to overlay's own marks (overlay.rs).
//!
//! Unpacking is an attack surface, because the names in the tar are untrusted. Each is resolved
//! beneath the layer's directory, and the kernel refuses a path that leaves it by `..` or by a link
//! (openat2(2), RESOLVE_BENEATH).

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

/// Counts what could not be unpacked as it is in the image.
#[derive(Default)]
/// With a single id all files get one owner, and devices cannot be created.
pub struct Lost {
    /// Files whose owner has no id here.
    pub owners: usize,
    pub devices: usize,
}

/// Unpacks a layer into `directory`, which exists and is empty. It is read once and not stored
/// first: a layer may be larger than the memory, and writing it to disk and reading it back would
/// be slow.
pub fn unpack(bytes: impl Read, blob: &Blob, diff_id: &str, directory: &Path, lost: &mut Lost) -> Result<()> {
    // A chain of readers. One byte more than the announced size is allowed, to notice a longer
    // blob.
    let mut compressed = Hashed::new(bytes.take(blob.size + 1));
    let mut plain = Hashed::new(match blob.kind.rsplit(['.', '+']).next() {
        // A gzip file may consist of several members (bgzip, estargz); a plain decoder would stop
        // after the first.
        Some("gzip") => Box::new(MultiGzDecoder::new(&mut compressed)) as Box<dyn Read>,
        Some("tar") => Box::new(&mut compressed),
        Some("zstd") => {
            return Err(anyhow!("it is compressed by zstd, and this lesson reads gzip and plain tar alone"))
                .context(
                    "hint: hull pull unpacks it; or have a copy made of it, and run DIRECTORY:TAG:\n      \
                          skopeo copy --dest-compress-format gzip docker://IMAGE oci:DIRECTORY:TAG",
                );
        }
        _ => bail!("it is of type {:?}, and this lesson unpacks tar and gzip alone", blob.kind),
    });
    let applied = apply(&mut plain, directory, lost);
    // The hashes cover everything, so the rest is read too: two zero blocks end a tar, and most
    // writers pad it to 10 KiB.
    let rest = io::copy(&mut plain, &mut io::sink()).context("read the layer");
    let found = plain.digest();
    // A wrong hash is reported before other errors, because it is their likely cause.
    io::copy(&mut compressed, &mut io::sink()).context("read the layer")?;
    compare(&blob.digest, &compressed.digest()).context("the layer's bytes")?;
    applied?;
    rest?;
    compare(diff_id, &found).context("the layer's tar")
}

/// A layer's directory while it is being filled. Layers are unpacked separately and never merged.
struct Layer<'a> {
    /// The directory, held open; all names are resolved beneath it.
    root: OwnedFd,
    /// Directories get their modes and times last: a read-only one could not be filled, and filling
    /// it changes its time.
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
        // A later entry may have replaced it.
        if fs::symlink_metadata(&at).is_ok_and(|found| found.is_dir()) {
            fs::set_permissions(&at, Permissions::from_mode(mode)).context("chmod")?;
            set_time(&at, time)?;
        }
    }
    Ok(())
}

impl Layer<'_> {
    /// Creates one entry. An existing file is removed first: writing to it could go through a link,
    /// or change a file that has another name too.
    fn add(&mut self, entry: &mut Entry<'_, &mut dyn Read>, path: &Path) -> Result<()> {
        // From here on the path is relative and without `..`.
        let path = relative(path)?;
        // `./`, which many tars begin with, is the layer's directory itself.
        let Some(name) = path.file_name().map(OsStr::to_owned) else { return Ok(()) };
        let (_held, at) = self.target(&path)?;
        if let Some(hidden) = name.as_bytes().strip_prefix(b".wh.") {
            return self.whiteout(&at, OsStr::from_bytes(hidden));
        }
        let header = entry.header();
        let (kind, mode, time) = (header.entry_type(), header.mode()? & 0o7777, header.mtime()?);
        let was_whiteout = clear(&at, kind.is_dir()).context("unlink")?;
        match kind {
            // An existing directory comes from an earlier entry, and its content stays.
            EntryType::Directory => {
                match DirBuilder::new().mode(0o700).create(&at) {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    made => made.context("mkdir")?,
                }
                if was_whiteout {
                    set_attribute(&at, opaque(), b"y")?;
                }
                self.directories.push((path, mode, time));
            }
            // Its target does not matter: only the container follows it, from its own root.
            EntryType::Symlink => symlink(link_target(entry)?, &at).context("symlink")?,
            EntryType::Link => {
                // A hard link names its target by path, which is untrusted as well.
                let (_held, from) = self.target(&relative(&link_target(entry)?)?)?;
                // It is the same file, so owner and mode are set already.
                return fs::hard_link(from, &at).context("link");
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                // Always a new file: opening an existing one could follow a link.
                let options = File::options().write(true).create_new(true).mode(0o600).clone();
                let mut file = options.open(&at).context("create")?;
                io::copy(entry, &mut file).context("write")?;
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                let (major, minor) =
                    (header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0));
                let file = match kind {
                    EntryType::Char => SFlag::S_IFCHR,
                    EntryType::Block => SFlag::S_IFBLK,
                    _ => SFlag::S_IFIFO,
                };
                match mknod(&at, file, Mode::S_IRUSR, makedev(major.into(), minor.into())) {
                    // No user namespace may create a device, which would give access to hardware.
                    Err(Errno::EPERM) => {
                        self.lost.devices += 1;
                        return Ok(());
                    }
                    made => made.context("mknod")?,
                }
            }
            _ => {
                report::trace(format!("left out {}: an entry of type {kind:?}", path.display()));
                return Ok(());
            }
        }
        self.finish(entry, &at, kind, mode, time)
    }

    /// Sets owner, attributes, mode and time. The owner first, because changing it clears the
    /// set-user-ID bit. The path starts at a held descriptor, and its last component was just
    /// created and is not followed.
    fn finish(
        &mut self,
        entry: &mut Entry<'_, &mut dyn Read>,
        at: &Path,
        kind: EntryType,
        mode: u32,
        time: u64,
    ) -> Result<()> {
        // Numeric ids, because the user names in a tar are those of the machine that made it.
        let (uid, gid) = (entry.header().uid()? as u32, entry.header().gid()? as u32);
        if !has_one_id() {
            lchown(at, Some(uid), Some(gid)).context("lchown")?;
        } else if uid != 0 || gid != 0 {
            self.lost.owners += 1;
        }
        // Extended attributes are in PAX records before the header ("length key=value"), by the
        // name of the first tar that wrote them.
        for record in entry.pax_extensions()?.into_iter().flatten() {
            let record = record?;
            let Some(attribute) = record.key_bytes().strip_prefix(b"SCHILY.xattr.") else { continue };
            // Not overlay's own marks; and file capabilities only as root.
            let is_fine = attribute.starts_with(b"user.") && !attribute.starts_with(b"user.overlay.");
            if is_fine || (attribute == b"security.capability" && !has_one_id()) {
                set_attribute(at, &CString::new(attribute)?, record.value_bytes())?;
            }
        }
        // Directories are done last, and links have no mode.
        if kind.is_dir() || kind.is_symlink() {
            return Ok(());
        }
        fs::set_permissions(at, Permissions::from_mode(mode)).context("chmod")?;
        set_time(at, time)
    }

    /// Resolves an entry's path: its parent directory, held open, and the target in it. Missing
    /// parents are created. Checking the path and using it later is not safe, because an earlier
    /// entry may have made a link on it; only the kernel can check and open in one step.
    fn target(&self, path: &Path) -> Result<(OwnedFd, PathBuf)> {
        let (parent, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
        // RESOLVE_IN_ROOT would resolve `..` and absolute links inside the layer, as chroot does;
        // neither belongs into a layer, so both are refused. Magic links are those in /proc/PID/fd.
        let beneath = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how =
            OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).resolve(beneath);
        let dot = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let held = match openat2(self.root.as_fd(), dot, how) {
            // Create the parent, whose own path is resolved in the same way.
            Err(Errno::ENOENT) => {
                let (_held, at) = self.target(parent)?;
                clear(&at, true).context("unlink")?;
                DirBuilder::new()
                    .mode(0o755)
                    .create(&at)
                    .with_context(|| format!("mkdir({})", parent.display()))?;
                return self.target(path);
            }
            Err(Errno::EXDEV) => {
                return Err(Errno::EXDEV).context("it would lead out of the layer's directory");
            }
            held => held.with_context(|| format!("openat2({}, RESOLVE_BENEATH)", parent.display()))?,
        };
        // By descriptor, so that the path is not resolved again.
        let at = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd())).join(name);
        Ok((held, at))
    }

    /// Converts a whiteout of the image format to overlay's. A tar has no entry for "deleted", so
    /// images use the names of aufs, docker's first union file system.
    fn whiteout(&mut self, at: &Path, hidden: &OsStr) -> Result<()> {
        let directory = at.parent().unwrap_or(at);
        if hidden == ".wh..opq" {
            return set_attribute(&directory.join("."), opaque(), b"y");
        }
        if hidden.as_bytes().starts_with(b".wh.") {
            // aufs's own bookkeeping.
            return Ok(());
        }
        if matches!(hidden.as_bytes(), b"" | b"." | b"..") {
            bail!("a whiteout of nothing");
        }
        let at = directory.join(hidden);
        match fs::symlink_metadata(&at) {
            // This layer has its own directory of that name, so the whiteout is about the lower
            // one.
            Ok(found) if found.is_dir() => set_attribute(&at, opaque(), b"y"),
            Ok(_) => Ok(()),
            // Device 0,0 can be created without privileges.
            Err(_) => mknod(&at, SFlag::S_IFCHR, Mode::empty(), makedev(0, 0)).context("mknod(c, 0, 0)"),
        }
    }
}

/// The path without leading slashes, as tar(1) does it. `..` is refused.
fn relative(path: &Path) -> Result<PathBuf> {
    let mut relative = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => relative.push(name),
            Component::ParentDir => {
                return Err(Errno::EXDEV).context("it would lead out of the layer's directory");
            }
            _ => {}
        }
    }
    Ok(relative)
}

/// Removes an earlier entry of the same name; returns whether it was a whiteout. remove_dir_all
/// uses descriptors too and follows no link.
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

/// The target of a link, as it is written in the tar.
fn link_target(entry: &Entry<'_, &mut dyn Read>) -> Result<PathBuf> {
    Ok(entry.link_name()?.context("a link without a target")?.into_owned())
}

/// Whether all files get the same owner, because the container has a single id.
pub fn has_one_id() -> bool {
    idmap::is_needed() || overlay::in_user_namespace()
}

/// The attribute that marks a directory as opaque; see `userxattr` in overlay.rs for which overlay
/// reads which.
fn opaque() -> &'static CStr {
    if has_one_id() { c"user.overlay.opaque" } else { c"trusted.overlay.opaque" }
}

/// lsetxattr(2) sets it on a link itself and not on its target.
fn set_attribute(at: &Path, name: &CStr, value: &[u8]) -> Result<()> {
    let path = CString::new(at.as_os_str().as_bytes())?;
    // SAFETY: both strings end in a zero byte, and the value is as long as we say.
    let set = unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(set).with_context(|| format!("lsetxattr({name:?})"))?;
    Ok(())
}

/// Sets the time of the last change. Programs compare these: Python, to decide whether compiled
/// code is up to date.
fn set_time(at: &Path, seconds: u64) -> Result<()> {
    let time = TimeSpec::new(seconds.min(i64::MAX as u64) as i64, 0);
    utimensat(AT_FDCWD, at, &time, &time, UtimensatFlags::NoFollowSymlink).context("utimensat")
}
