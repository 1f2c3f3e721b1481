//! One base for all, and changes of its own for each: reading goes through a stack, writing to a
//! copy on top.
//!
//! ```text
//! DIR/lower/    what is there to begin with, never written to     (or the directories of --rootfs, the first on top)
//! DIR/upper/    what has been changed, and nothing else
//! DIR/work/     the kernel's workbench: a file is copied up here and then renamed into upper, so that none is ever half
//! DIR/merged/   where all of it is seen as one; mounted on the inside alone
//! ```
//!
//! Changes in merged are recorded in upper in a few ways (Documentation/filesystems/overlayfs.rst):
//!
//! | in merged | in upper |
//! |---|---|
//! | a new file | the file |
//! | a lower file is written to, or its mode changed | the whole file, copied up first |
//! | a lower file or directory is deleted | a whiteout of its name: a character device 0,0 |
//! | a directory is made where one was deleted | a directory with the mark "opaque": look no further down |
//!
//! Most new directories are marked opaque too, which spares the kernel looking into the lower ones.
//!
//! Why not copy the base for each container? A copy takes time and space in proportion to its size.
//! An overlay takes one mount, and a file that several containers read is in memory once.

// For extended attributes, which nix does not wrap.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::{self, DirBuilder, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};

use crate::report;
use crate::supervisor::Supervisor;

/// The directories of an overlay. Dropping it removes those that were created for it. Their owner
/// matters: an overlay checks access twice, for the process that asks, and in the layers for the
/// process that mounted it.
pub struct Overlay {
    /// The uppermost first.
    pub lowers: Vec<PathBuf>,
    /// The directory of upper, work and merged.
    pub dir: PathBuf,
    _scratch: Option<Scratch>,
}

/// A directory that is removed with this program. upper may hold any file, so a supervisor
/// (supervisor.rs) removes it, as it does with cgroups: files do not go with a process.
pub struct Scratch {
    pub dir: PathBuf,
    _supervisor: Supervisor,
}

/// A changed path, as `--diff` shows it: A for added, C for changed, D for deleted. There is no log
/// of changes: upper is the change. `docker diff` reads it in the same way.
struct Change {
    letter: char,
    /// The path inside the container.
    path: PathBuf,
    /// What it is on disk.
    kind: String,
}

/// Prepares the directories, outside the container. A directory given by `changes` stays; otherwise
/// one is created and removed. While an overlay is mounted, its lower and upper directories must
/// not be changed from outside: what is then seen inside is undefined (overlayfs.rst, "Changes to
/// underlying filesystems").
pub fn prepare(lowers: Vec<PathBuf>, changes: Option<&Path>, name: &str) -> Result<Overlay> {
    let (dir, scratch) = match changes {
        Some(dir) => {
            make(dir)?;
            // An absolute path, because the child changes its working directory and root.
            let dir = dir.canonicalize().with_context(|| format!("realpath({})", dir.display()))?;
            if is_overlay(&dir)? {
                return Err(Errno::EINVAL)
                    .context("hint: it is on an overlay, as everything in a container is, and one overlay does not hold the\n      \
                              changes of another: take a directory on a volume or a tmpfs, /dev/shm for instance")
                    .with_context(|| format!("--changes {}", dir.display()));
            }
            (dir, None)
        }
        None => {
            let scratch = scratch(name)?;
            (scratch.dir.clone(), Some(scratch))
        }
    };
    let overlay = Overlay { lowers, dir, _scratch: scratch };
    // upper and work have to be on one file system, because the kernel renames files from one to
    // the other. work has to be empty, and only the kernel may use it.
    for name in ["upper", "work", "merged"] {
        make(&overlay.dir.join(name))?;
    }
    report::trace(format!("mkdir({}), and in it upper, work and merged", overlay.dir.display()));
    // The root directory of merged has the mode of upper.
    let open = Permissions::from_mode(0o755);
    fs::set_permissions(overlay.dir.join("upper"), open).context("chmod(upper)")?;
    Ok(overlay)
}

/// Creates such a directory in $TMPDIR or /tmp, after starting the supervisor that removes it.
pub fn scratch(name: &str) -> Result<Scratch> {
    let mut place = std::env::temp_dir();
    if is_overlay(&place)? {
        report::say(format_args!(
            "note: {} is on an overlay: changes go to the tmpfs /dev/shm",
            place.display()
        ));
        place = "/dev/shm".into();
    }
    let dir = place.join(format!("{name}-{}", secret()?));
    // The supervisor is started first, as with cgroups.
    let supervisor = Supervisor::start(std::slice::from_ref(&dir), remove)?;
    DirBuilder::new().mode(0o700).create(&dir).with_context(|| format!("mkdir({})", dir.display()))?;
    Ok(Scratch { dir, _supervisor: supervisor })
}

/// A random part of a name. In /tmp anybody could create the directory first, or a link to another
/// one, if they knew its name. The kernel makes a new UUID for each read of this file; eight digits
/// of it are enough.
fn secret() -> Result<String> {
    let uuid = "/proc/sys/kernel/random/uuid";
    let text = fs::read_to_string(uuid).with_context(|| format!("read {uuid}"))?;
    Ok(text.split('-').next().unwrap_or_default().to_owned())
}

/// Whether a directory is on an overlay, by the number of its file system. Such a directory cannot
/// be upper (EINVAL): both overlays would use the same marks.
fn is_overlay(dir: &Path) -> Result<bool> {
    let kind = statfs(dir).with_context(|| format!("statfs({})", dir.display()))?.filesystem_type();
    Ok(kind == OVERLAYFS_SUPER_MAGIC)
}

/// Accessible to this user only: it may hold files of any mode, which belong to root of the
/// container.
fn make(dir: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("mkdir({})", dir.display()))
}

impl Overlay {
    /// Reports the changes by path: in the trace, and as a list on stdout if asked for.
    pub fn report_changes(&self, list: bool) -> Result<()> {
        let mut changes = Vec::new();
        self.collect(Path::new(""), &mut changes)
            .with_context(|| format!("read {}/upper", self.dir.display()))?;
        // readdir returns entries in no particular order.
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        for Change { letter, path, kind } in changes {
            report::trace(format!("upper{}   {kind}", path.display()));
            if list {
                // The reader may have closed the pipe.
                let _ = writeln!(io::stdout(), "{letter} {}", path.display());
            }
        }
        Ok(())
    }

    /// Collects the entries of upper. A directory there need not have changed itself: it has to
    /// exist for a changed file in it, and its owner, mode and times are copied up with it.
    fn collect(&self, below: &Path, changes: &mut Vec<Change>) -> io::Result<()> {
        let directory = self.dir.join("upper").join(below);
        for entry in fs::read_dir(&directory)? {
            let path = below.join(entry?.file_name());
            let upper = directory.join(path.file_name().unwrap_or_default());
            let found = fs::symlink_metadata(&upper)?;
            // The whiteout comes first: the path it deletes is in a lower directory as well.
            let letter = match (is_whiteout(&found), self.is_in_a_lower(&path)) {
                (true, _) => 'D',
                (false, true) => 'C',
                (false, false) => 'A',
            };
            changes.push(Change { letter, path: Path::new("/").join(&path), kind: kind(&upper, &found) });
            // A program may have made its own directory unreadable.
            if found.is_dir() && self.collect(&path, changes).is_err() {
                report::trace(format!("cannot look into {}", upper.display()));
            }
        }
        Ok(())
    }

    /// The uppermost lower directory with this name decides; it may have a whiteout there.
    fn is_in_a_lower(&self, path: &Path) -> bool {
        let found = self.lowers.iter().find_map(|lower| fs::symlink_metadata(lower.join(path)).ok());
        found.is_some_and(|found| !is_whiteout(&found))
    }
}

/// No device has the number 0,0, so the mark cannot be mistaken, and since Linux 5.8 creating it
/// takes no privilege.
fn is_whiteout(found: &Metadata) -> bool {
    found.file_type().is_char_device() && found.rdev() == 0
}

/// What an entry of upper is on disk, for the trace. Copy-up copies whole files, even for one byte
/// or a change of mode. (With metacopy=on, which only root can use, the data stays below until it
/// is written to.)
fn kind(path: &Path, found: &Metadata) -> String {
    match found.file_type() {
        _ if is_whiteout(found) => "whiteout: a character device 0,0".into(),
        kind if kind.is_dir() => match opaque_mark(path) {
            Some(mark) => format!("directory, opaque: {mark}=y"),
            None => "directory".into(),
        },
        kind if kind.is_symlink() => "link".into(),
        kind if kind.is_file() => format!("file, all {} bytes of it", found.len()),
        _ => "special file".into(),
    }
}

/// The name of the attribute that marks a directory as opaque. Extended attributes (xattr(7)) are
/// pairs of name and value; the prefix says who may set them. `trusted.` is reserved to root of the
/// machine, so nobody else can forge the mark.
fn opaque_mark(path: &Path) -> Option<&'static str> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    [c"trusted.overlay.opaque", c"user.overlay.opaque"].into_iter().find_map(|name| {
        let mut value = 0_u8;
        // SAFETY: both strings end in a zero byte, and no more than the one byte we have is asked
        // for.
        let length = unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), (&raw mut value).cast(), 1) };
        (length == 1 && value == b'y').then(|| name.to_str().ok()).flatten()
    })
}

/// Mounts the overlay, in the container's mount namespace, and returns the path of merged. Names
/// are looked up in the layers on access, and cached.
pub fn mount_at(dir: &Path, lowers: &[String]) -> Result<PathBuf> {
    let merged = dir.join("merged");
    let (upper, work) = (dir.join("upper"), dir.join("work"));
    let lowers: Vec<String> = lowers.iter().map(|lower| escape(lower)).collect();
    // mount(2) takes at most one page of options, which is enough for some forty lower directories.
    let mut options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lowers.join(":"),
        escape(&upper.to_string_lossy()),
        escape(&work.to_string_lossy())
    );
    if in_user_namespace() {
        // In a user namespace the marks are `user.` attributes; without userxattr `rm -r d; mkdir
        // d` fails with EIO, because the directory cannot be marked as opaque. Any user can set
        // these on their own files, so the kernel honours them only in an overlay mounted with this
        // option.
        options.push_str(",userxattr");
    }
    let call = format!("mount(overlay -> {}, {options})", merged.display());
    mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(options.as_str())).map_err(
        |errno| {
            let error = Error::new(errno);
            match hint(errno, &upper, &work) {
                Some(hint) => error.context(hint).context(call.clone()),
                None => error.context(call.clone()),
            }
        },
    )?;
    report::trace(call);
    Ok(merged)
}

/// A colon separates lower directories, and a comma options. Unescaped, a directory `a:b` would be
/// two layers, and `a,upperdir=/etc` an option that nobody asked for.
fn escape(path: &str) -> String {
    path.replace('\\', r"\\").replace(':', r"\:").replace(',', r"\,")
}

/// Whether this is not the initial user namespace, which maps every id to itself.
pub fn in_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().ne(["0", "0", "4294967295"])
}

/// The usual causes. The kernel names the real one in its log (dmesg), which not everybody may
/// read.
fn hint(errno: Errno, upper: &Path, work: &Path) -> Option<&'static str> {
    let device = |path| fs::metadata(path).map(|found| found.dev()).ok();
    match errno {
        Errno::EINVAL if device(upper) != device(work) => Some(
            "hint: upper and work are on different file systems, and what is made in the one is renamed into the other",
        ),
        Errno::EINVAL => {
            Some("hint: the file system of the changes may be none that holds an overlay's: NFS is not")
        }
        Errno::EPERM => Some("hint: overlays for unprivileged users came with Linux 5.11"),
        Errno::ENODEV => Some("hint: this kernel has no overlay file system: modprobe overlay"),
        Errno::EBUSY => Some("hint: another overlay has these directories: does it still run?"),
        _ => None,
    }
}

/// Removes a directory with everything in it. Each directory first gets a mode that lets its owner
/// in: `work/work` has none, and programs may create others. It goes by descriptor, because a dying
/// program could still replace a directory by a link to one of the host. A descriptor keeps
/// referring to the same directory, whatever becomes of its name. (rm -r has had this bug.)
fn remove(dir: &Path) -> io::Result<()> {
    // With O_NOFOLLOW and O_DIRECTORY a link fails with ENOTDIR, and the supervisor tries again.
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let opened = File::options().read(true).custom_flags(flags).open(dir)?;
    let held = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    fs::set_permissions(&held, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(&held)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            // The type is that of the directory entry: a link to a directory is removed, not
            // followed.
            true => remove(&entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    fs::remove_dir(dir)
}
