//! A layer: a tar of what has changed, unpacked into a directory that overlay can take as a lower one.
//!
//! ```text
//! bytes ──▶ sha256, the digest ──▶ gunzip ──▶ sha256, the diff ID ──▶ tar ──▶ files
//! ```
//!
//! Both hashes are computed as the bytes go by: the manifest names the first, the config the second, and a layer that has
//! not both right is never mounted.
//!
//! Deletions are entries too, in words of their own: `.wh.NAME` says that NAME is gone, `.wh..wh..opq` that all of the
//! directory's lower contents are. Here these become what overlay has for them (overlay.rs).
//!
//! Unpacking is an attack surface: the names in a tar are a stranger's. Each is looked up beneath the layer's directory,
//! and the kernel refuses one that leaves it, by `..` or through a link (openat2(2), RESOLVE_BENEATH).

// Extended attributes, which nix has no call for.
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

/// What could not be as it is in the image.
#[derive(Default)]
/// With one id there is one owner, and no device: what an unprivileged user has of an image is not all of it.
pub struct Lost {
    /// Files that belong to somebody for whom there is no id.
    pub owners: usize,
    pub devices: usize,
}

/// Unpacks into `directory`, which exists and is empty.
/// In one pass, and no copy of the compressed bytes is kept: a layer may be larger than the memory, and a disk
/// is slow to read what it has just written.
pub fn unpack(bytes: impl Read, blob: &Blob, diff_id: &str, directory: &Path, lost: &mut Lost) -> Result<()> {
    // Readers in readers: whoever reads from the last one moves bytes through all. One byte more than announced shows
    // that there is more.
    let mut compressed = Hashed::new(bytes.take(blob.size + 1));
    let mut plain = Hashed::new(match blob.kind.rsplit(['.', '+']).next() {
        // Multi: a gzip file may be several on end, as bgzip and estargz write it. A plain decoder stops after
        // the first and calls that the end.
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
    // A tar may go on behind its end, and the hashes are of everything.
    // Two blocks of zeroes end a tar. Most writers fill up to 10 KiB behind these, and every byte of it was hashed.
    let rest = io::copy(&mut plain, &mut io::sink()).context("read the layer");
    let found = plain.digest();
    // Broken bytes break more than a hash; the hash is the reason to give.
    io::copy(&mut compressed, &mut io::sink()).context("read the layer")?;
    compare(&blob.digest, &compressed.digest()).context("the layer's bytes")?;
    applied?;
    rest?;
    compare(diff_id, &found).context("the layer's tar")
}

/// The directory of a layer, while it is being filled.
/// Overlay takes as a lower what comes out here, so a layer is unpacked once and never merged with the others.
struct Layer<'a> {
    /// Held open: where all names begin, and what none of them leaves.
    root: OwnedFd,
    /// Their modes and times come last: one that forbids to write could not be filled, and filling changes the time.
    directories: Vec<(PathBuf, u32, u64)>,
    lost: &'a mut Lost,
}

/// In the order of the tar, which is the only one it can be read in.
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
        // A later entry may have put something else there.
        if fs::symlink_metadata(&at).is_ok_and(|found| found.is_dir()) {
            fs::set_permissions(&at, Permissions::from_mode(mode)).context("chmod")?;
            set_time(&at, time)?;
        }
    }
    Ok(())
}

impl Layer<'_> {
    /// Makes of an entry what it says.
    /// What is there already is removed first and made anew: to write into it would be to write through a link,
    /// or into a file that has another name too.
    fn add(&mut self, entry: &mut Entry<'_, &mut dyn Read>, path: &Path) -> Result<()> {
        // From here on the name is no longer the stranger's: it has no `..`, and begins at the layer's top.
        let path = relative(path)?;
        // `./`, which many tars begin with, is the directory itself.
        let Some(name) = path.file_name().map(OsStr::to_owned) else { return Ok(()) };
        let (_held, at) = self.target(&path)?;
        if let Some(hidden) = name.as_bytes().strip_prefix(b".wh.") {
            return self.whiteout(&at, OsStr::from_bytes(hidden));
        }
        let header = entry.header();
        let (kind, mode, time) = (header.entry_type(), header.mode()? & 0o7777, header.mtime()?);
        let was_whiteout = clear(&at, kind.is_dir()).context("unlink")?;
        match kind {
            // A directory that is there is another entry's with the same name, and what is in it stays.
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
            // Whatever it leads to: it is the container that will follow it, from its own root.
            EntryType::Symlink => symlink(link_target(entry)?, &at).context("symlink")?,
            EntryType::Link => {
                // In a tar a hard link names the other entry from the top, and could name anything.
                let (_held, from) = self.target(&relative(&link_target(entry)?)?)?;
                // The same file under another name; its owner and mode are there already.
                return fs::hard_link(from, &at).context("link");
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                // New, always: to open what is there could be to follow a link.
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
                    // A device gives access to hardware, so no user namespace may make one.
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

    /// Owner before mode: to change the owner takes the set-user-ID bit away.
    /// By path again, but one that begins at a descriptor and whose last name was made a moment ago, and not followed.
    fn finish(
        &mut self,
        entry: &mut Entry<'_, &mut dyn Read>,
        at: &Path,
        kind: EntryType,
        mode: u32,
        time: u64,
    ) -> Result<()> {
        // Numbers, and no names: the names in a tar are those of the machine that made it.
        let (uid, gid) = (entry.header().uid()? as u32, entry.header().gid()? as u32);
        if !has_one_id() {
            lchown(at, Some(uid), Some(gid)).context("lchown")?;
        } else if uid != 0 || gid != 0 {
            self.lost.owners += 1;
        }
        // What the header of 1988 has no room for stands in records before it: "length key=value". Attributes
        // go by the name of the tar that was first to write them.
        for record in entry.pax_extensions()?.into_iter().flatten() {
            let record = record?;
            let Some(attribute) = record.key_bytes().strip_prefix(b"SCHILY.xattr.") else { continue };
            // Not those with which overlay marks things; and what a program may do by being started is root's to say.
            let is_fine = attribute.starts_with(b"user.") && !attribute.starts_with(b"user.overlay.");
            if is_fine || (attribute == b"security.capability" && !has_one_id()) {
                set_attribute(at, &CString::new(attribute)?, record.value_bytes())?;
            }
        }
        // A directory's come last, and a link has none of its own.
        if kind.is_dir() || kind.is_symlink() {
            return Ok(());
        }
        fs::set_permissions(at, Permissions::from_mode(mode)).context("chmod")?;
        set_time(at, time)
    }

    /// Where an entry of this name goes, with the directory it is in held open. Those that lead there are made if no
    /// entry has come for them.
    /// To check the path first and to use it then is no way: a link that was made by an entry before is
    /// followed by the kernel and not by the check. Only the kernel can look and open in one step.
    fn target(&self, path: &Path) -> Result<(OwnedFd, PathBuf)> {
        let (parent, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
        // RESOLVE_IN_ROOT would stop `..` at the layer's top, and begin an absolute link there, as chroot does.
        // In a layer either is a lie, so it is refused. Magic links are those in /proc, which lead to what they
        // were opened on.
        let beneath = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how =
            OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).resolve(beneath);
        let dot = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let held = match openat2(self.root.as_fd(), dot, how) {
            // One at a time, from the top: each of them is looked up as carefully.
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
        // By descriptor, so that nothing of the path is looked up once more.
        let at = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd())).join(name);
        Ok((held, at))
    }

    /// Says in overlay's words what the image says in its own.
    /// A tar has no entry that says "not here", so images borrow the names that aufs had for it, docker's first
    /// union file system.
    fn whiteout(&mut self, at: &Path, hidden: &OsStr) -> Result<()> {
        let directory = at.parent().unwrap_or(at);
        if hidden == ".wh..opq" {
            return set_attribute(&directory.join("."), opaque(), b"y");
        }
        if hidden.as_bytes().starts_with(b".wh.") {
            // A note of aufs to itself.
            return Ok(());
        }
        if matches!(hidden.as_bytes(), b"" | b"." | b"..") {
            bail!("a whiteout of nothing");
        }
        let at = directory.join(hidden);
        match fs::symlink_metadata(&at) {
            // The layer has one of its own, and what it deletes is the lower one.
            Ok(found) if found.is_dir() => set_attribute(&at, opaque(), b"y"),
            Ok(_) => Ok(()),
            // To make this device no privilege is needed.
            Err(_) => mknod(&at, SFlag::S_IFCHR, Mode::empty(), makedev(0, 0)).context("mknod(c, 0, 0)"),
        }
    }
}

/// Without what tars put in front. `..` has no business in a layer.
/// Leading slashes are taken off, as tar(1) does it.
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

/// The later of two entries counts. Whether there was a whiteout.
/// remove_dir_all goes by descriptors too, and follows no link.
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

/// What a link leads to, as it is written.
fn link_target(entry: &Entry<'_, &mut dyn Read>) -> Result<PathBuf> {
    Ok(entry.link_name()?.context("a link without a target")?.into_owned())
}

/// Whether all files are to be one user's, since there is no other id in the container.
pub fn has_one_id() -> bool {
    idmap::is_needed() || overlay::in_user_namespace()
}

/// Overlay looks for the one or the other, by how it is mounted: see `userxattr` in overlay.rs.
/// Decided by who we are, once for all layers: an overlay that reads the one kind of mark takes the other for a
/// file's own.
fn opaque() -> &'static CStr {
    if has_one_id() { c"user.overlay.opaque" } else { c"trusted.overlay.opaque" }
}

/// The l in lsetxattr(2): on the link and not on what it leads to.
fn set_attribute(at: &Path, name: &CStr, value: &[u8]) -> Result<()> {
    let path = CString::new(at.as_os_str().as_bytes())?;
    // SAFETY: both strings end in a zero byte, and the value is as long as we say.
    let set = unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(set).with_context(|| format!("lsetxattr({name:?})"))?;
    Ok(())
}

/// When it was changed last. Programs compare these: Python for one, to know whether what it has compiled is still good.
fn set_time(at: &Path, seconds: u64) -> Result<()> {
    let time = TimeSpec::new(seconds.min(i64::MAX as u64) as i64, 0);
    utimensat(AT_FDCWD, at, &time, &time, UtimensatFlags::NoFollowSymlink).context("utimensat")
}
