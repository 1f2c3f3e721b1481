//! Containers share one base, and each keeps its changes in a directory of its own. A read looks
//! through a stack of directories; a write goes to the one on top.
//!
//! ```text
//! DIR/lower/    the base: what is there at the start, never written to   (or the directories of --rootfs, the first on top)
//! DIR/upper/    the changes, and nothing else
//! DIR/work/     used by the kernel: it copies a file here and then renames it into upper, so that upper never has half a file
//! DIR/merged/   shows all of them as one tree; mounted inside the container only
//! ```
//!
//! This is how a change in merged is recorded in upper (Documentation/filesystems/overlayfs.rst):
//!
//! | in merged | in upper |
//! |---|---|
//! | a new file | the file |
//! | a lower file is written to, or its mode changed | the whole file, copied up first |
//! | a lower file or directory is deleted | a whiteout of its name: a character device 0,0 |
//! | a directory is made where one was deleted | a directory with the mark "opaque": look no further down |
//!
//! The kernel marks most new directories opaque too: it then need not look for them in the lower
//! directories.
//!
//! Why not copy the base for each container? A copy takes time and space in proportion to its size.
//! An overlay takes one mount, and a file that several containers read is in memory only once.

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

/// Files to try changes on. They are in a directory /lesson of the base, beside the files of the
/// skeleton.
const LESSON: [(&str, &str); 4] = [
    ("lesson/change-me", "one byte more, and all of this is copied\n"),
    ("lesson/delete-me", "a whiteout will say that this file is deleted\n"),
    ("lesson/directory/one", "1\n"),
    ("lesson/directory/two", "2\n"),
];

/// The directories of an overlay. Dropping this value removes those that were created for it. Their
/// owner matters, because an overlay checks access twice: in merged for the process that asks, and
/// in the layers for the process that mounted the overlay.
pub struct Overlay {
    /// The uppermost lower directory comes first.
    pub lowers: Vec<PathBuf>,
    /// The directory in which upper, work and merged are.
    pub dir: PathBuf,
    _scratch: Option<Scratch>,
}

/// A directory that is removed when this program ends. Files stay when a process ends, as cgroups
/// do, so a supervisor (supervisor.rs) removes them.
pub struct Scratch {
    pub dir: PathBuf,
    _supervisor: Supervisor,
}

/// A changed path, as `--diff` shows it: A for added, C for changed, D for deleted. Nobody keeps a
/// log of changes, because upper holds them all. `docker diff` reads upper in the same way.
pub struct Change {
    pub letter: char,
    /// The path inside the container.
    pub path: PathBuf,
    /// What the entry of upper is on disk.
    kind: String,
}

/// Prepares the directories, outside the container. A directory given by `changes` stays; otherwise
/// one is created, and removed at the end. While an overlay is mounted, nothing else may change its
/// lower and upper directories: what the container then sees is undefined (overlayfs.rst, "Changes
/// to underlying filesystems").
pub fn prepare(lowers: Vec<PathBuf>, changes: Option<&Path>, name: &str) -> Result<Overlay> {
    let overlay = match changes {
        Some(dir) => Overlay { lowers, dir: keep(dir)?, _scratch: None },
        None => {
            let scratch = scratch(name)?;
            Overlay { lowers, dir: scratch.dir.clone(), _scratch: Some(scratch) }
        }
    };
    make_three(&overlay.dir)?;
    report::trace(format!("mkdir({}), and in it upper, work and merged", overlay.dir.display()));
    Ok(overlay)
}

/// Creates the three directories that the mount needs, beside the lower ones.
pub fn make_three(dir: &Path) -> Result<()> {
    // upper and work have to be on one file system, because the kernel renames files from work to
    // upper. work has to be empty, and only the kernel may use it.
    for name in ["upper", "work", "merged"] {
        make(&dir.join(name))?;
    }
    // The root directory of merged gets its mode from upper, and every user in the container has to
    // get through it.
    let open = Permissions::from_mode(0o755);
    fs::set_permissions(dir.join("upper"), open).context("chmod(upper)")
}

/// Creates the directory of `--changes`, if it is missing, and returns its absolute path, because
/// the child changes its working directory and root.
fn keep(dir: &Path) -> Result<PathBuf> {
    make(dir)?;
    let dir = dir.canonicalize().with_context(|| format!("realpath({})", dir.display()))?;
    if is_overlay(&dir)? {
        return Err(Errno::EINVAL)
            .context("hint: this directory is on an overlay, as everything in a container is, and an overlay cannot\n      \
                      hold the changes of another one: use a directory on a volume or a tmpfs, for instance /dev/shm")
            .with_context(|| format!("--changes {}", dir.display()));
    }
    Ok(dir)
}

/// Creates a directory in $TMPDIR or /tmp, after it has started the supervisor that removes it.
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

/// A random part of a name. Everybody can write to /tmp. A user who could guess the name would
/// create it first, as a link to another directory. The kernel makes a new UUID for each read of
/// this file; eight digits of it are enough.
fn secret() -> Result<String> {
    let uuid = "/proc/sys/kernel/random/uuid";
    let text = fs::read_to_string(uuid).with_context(|| format!("read {uuid}"))?;
    Ok(text.split('-').next().unwrap_or_default().to_owned())
}

/// Whether a directory is on an overlay, by the number of its file system. Such a directory cannot
/// be upper: the kernel refuses it with EINVAL.
fn is_overlay(dir: &Path) -> Result<bool> {
    let kind = statfs(dir).with_context(|| format!("statfs({})", dir.display()))?.filesystem_type();
    Ok(kind == OVERLAYFS_SUPER_MAGIC)
}

/// Creates a directory that only this user can open, because it may hold set-user-ID programs that
/// root of the container has made.
fn make(dir: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("mkdir({})", dir.display()))
}

impl Overlay {
    /// Adds the base of this program, for a user who has given no `--rootfs`. `fill` is called if the
    /// base is new.
    pub fn add_lower(&mut self, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let lower = self.dir.join("lower");
        if !lower.exists() {
            make(&lower)?;
            fill(&lower)?;
            for (name, text) in LESSON {
                let path = lower.join(name);
                fs::create_dir_all(lower.join("lesson/directory")).context("mkdir(lesson)")?;
                fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            }
        }
        // At the bottom of the stack, if there are others.
        self.lowers.push(lower);
        Ok(())
    }

    /// Reports the changes: in the trace, and as a list on stdout if `list` is set.
    pub fn report_changes(&self, list: bool) -> Result<()> {
        let mut changes = Vec::new();
        self.collect(Path::new(""), &mut changes)
            .with_context(|| format!("read {}/upper", self.dir.display()))?;
        // readdir(3) returns entries in no particular order.
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

    /// Collects the entries of upper below the path `below`. A directory in upper need not have
    /// changed itself: a changed file needs its parent directory there, with the owner, mode and
    /// times of the lower one.
    pub fn collect(&self, below: &Path, changes: &mut Vec<Change>) -> io::Result<()> {
        let directory = self.dir.join("upper").join(below);
        for entry in fs::read_dir(&directory)? {
            let path = below.join(entry?.file_name());
            let upper = directory.join(path.file_name().unwrap_or_default());
            let found = fs::symlink_metadata(&upper)?;
            let letter = self.letter(&path, &found);
            changes.push(Change { letter, path: Path::new("/").join(&path), kind: kind(&upper, &found) });
            // A program may have made its own directory unreadable.
            if found.is_dir() && self.collect(&path, changes).is_err() {
                report::trace(format!("cannot look into {}", upper.display()));
            }
        }
        Ok(())
    }

    /// The letter of an entry of upper: A for added, C for changed, D for deleted.
    pub fn letter(&self, path: &Path, found: &Metadata) -> char {
        // The whiteout comes first, because the path that it deletes is in a lower directory too.
        match (is_whiteout(found), self.is_in_a_lower(path)) {
            (true, _) => 'D',
            (false, true) => 'C',
            (false, false) => 'A',
        }
    }

    /// Whether the lower directories show this path. The first that has the name decides, and what
    /// it has may be a whiteout.
    fn is_in_a_lower(&self, path: &Path) -> bool {
        let found = self.lowers.iter().find_map(|lower| fs::symlink_metadata(lower.join(path)).ok());
        found.is_some_and(|found| !is_whiteout(&found))
    }
}

/// Whether this is a whiteout: a character device with the numbers 0,0. No driver has these numbers,
/// so the mark cannot be mistaken for a device, and since Linux 5.8 creating it takes no privilege.
pub fn is_whiteout(found: &Metadata) -> bool {
    found.file_type().is_char_device() && found.rdev() == 0
}

/// What an entry of upper is on disk, for the trace. Copy-up copies the whole file, even if one byte
/// or only the mode changes. (With metacopy=on, which only root can use, the data stays in the lower
/// directory until a program writes to the file.)
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

/// The name of the attribute that marks this directory as opaque, if it has one. An extended
/// attribute (xattr(7)) is a pair of name and value, and the prefix of the name says who may set it.
/// `trusted.` is reserved to root of the machine, so that nobody else can forge the mark.
pub fn opaque_mark(path: &Path) -> Option<&'static str> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    [c"trusted.overlay.opaque", c"user.overlay.opaque"].into_iter().find_map(|name| {
        let mut value = 0_u8;
        // SAFETY: both strings end in a zero byte, and the kernel may write one byte, which is what
        // `value` has room for.
        let length = unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), (&raw mut value).cast(), 1) };
        (length == 1 && value == b'y').then(|| name.to_str().ok()).flatten()
    })
}

/// Mounts the overlay, in the container's mount namespace, and returns the path of merged.
pub fn mount_at(dir: &Path, lowers: &[String]) -> Result<PathBuf> {
    let merged = dir.join("merged");
    let options = options(dir, lowers, in_user_namespace());
    let call = format!("mount(overlay -> {}, {options})", merged.display());
    mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(|errno| explain(errno, dir))
        .with_context(|| call.clone())?;
    report::trace(call);
    Ok(merged)
}

/// The options of the mount. mount(2) takes one page of them, which is enough for some forty lower
/// directories.
pub fn options(dir: &Path, lowers: &[String], in_user_namespace: bool) -> String {
    let lowers: Vec<String> = lowers.iter().map(|lower| escape(lower)).collect();
    let at = |name: &str| escape(&dir.join(name).to_string_lossy());
    let mut options =
        format!("lowerdir={},upperdir={},workdir={}", lowers.join(":"), at("upper"), at("work"));
    if in_user_namespace {
        // In a user namespace the marks are `user.` attributes. Without this option `rm -r d; mkdir
        // d` fails with EIO, because the kernel cannot mark the new directory as opaque. Every user
        // can set such attributes on their own files, so the kernel obeys them only in an overlay
        // that is mounted with this option.
        options.push_str(",userxattr");
    }
    options
}

/// A path as a part of the options. A colon separates lower directories, and a comma separates
/// options. Without the backslashes a directory called `a:b` would be two layers, `a` and `b`, and a
/// comma would begin an option that nobody has asked for.
pub fn escape(path: &str) -> String {
    path.replace('\\', r"\\").replace(':', r"\:").replace(',', r"\,")
}

/// Whether this process is in a user namespace other than the initial one. The initial one maps every
/// id to itself.
fn in_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().ne(["0", "0", "4294967295"])
}

/// Adds the usual cause to the error of the mount. The kernel writes the real one to its log (dmesg),
/// which not every user may read.
fn explain(errno: Errno, dir: &Path) -> Error {
    let device = |name| fs::metadata(dir.join(name)).map(|found| found.dev()).ok();
    let error = Error::new(errno);
    let hint = match errno {
        Errno::EINVAL if device("upper") != device("work") => {
            "hint: upper and work are on different file systems, but the kernel renames files from work to upper"
        }
        Errno::EINVAL => "hint: not every file system can hold the changes of an overlay: NFS cannot",
        Errno::EPERM => "hint: overlays for unprivileged users came with Linux 5.11",
        Errno::ENODEV => "hint: this kernel has no overlay file system: modprobe overlay",
        Errno::EBUSY => "hint: another overlay uses these directories: does its container still run?",
        _ => return error,
    };
    error.context(hint)
}

/// Removes a directory with everything in it. Each directory first gets a mode that lets its owner
/// in: `work/work` has the mode 0, and programs may have created others. The directory is opened
/// once and then used through its descriptor, because a dying program could still replace the name
/// by a link to a directory of the host. A descriptor keeps referring to the directory that was
/// opened. (remove_dir_all of the standard library had this bug once: CVE-2022-21658.)
fn remove(dir: &Path) -> io::Result<()> {
    // With O_NOFOLLOW and O_DIRECTORY, opening a link fails with ENOTDIR.
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let opened = File::options().read(true).custom_flags(flags).open(dir)?;
    let held = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    fs::set_permissions(&held, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(&held)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            // This is the type of the directory entry itself, so a link to a directory is removed and
            // not followed.
            true => remove(&entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    fs::remove_dir(dir)
}
