//! One base for all, and changes of its own for each: reading goes through a stack, writing to a copy on top.
//!
//! ```text
//! DIR/lower/    what is there to begin with, never written to     (or the directories of --rootfs, the first on top)
//! DIR/upper/    what has been changed, and nothing else
//! DIR/work/     the kernel's workbench: a file is copied up here and then renamed into upper, so that none is ever half
//! DIR/merged/   where all of it is seen as one; mounted on the inside alone
//! ```
//!
//! What happens in merged is written down in upper in a few ways (Documentation/filesystems/overlayfs.rst):
//!
//! | in merged | in upper |
//! |---|---|
//! | a new file | the file |
//! | a lower file is written to, or its mode changed | the whole file, copied up first |
//! | a lower file or directory is deleted | a whiteout of its name: a character device 0,0 |
//! | a directory is made where one was deleted | a directory with the mark "opaque": look no further down |
//!
//! A directory that is new altogether is mostly marked too. It need not be; it spares the kernel the look.
//!
//! Why not copy the base for each container? A copy takes as long as the base is large, and so does each on the
//! disk. A stack takes one mount, and a file that two containers only read is in memory once.

// Extended attributes, which nix has no call for.
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

/// To be changed: the lesson's own files, beside those of the skeleton.
const LESSON: [(&str, &str); 4] = [
    ("lesson/change-me", "one byte more, and all of this is copied\n"),
    ("lesson/delete-me", "and something will be made to say so\n"),
    ("lesson/directory/one", "1\n"),
    ("lesson/directory/two", "2\n"),
];

/// The directories of a stack. Dropped, those that were made for it are gone.
/// Whose the directories are matters: an overlay checks access twice, once as on any file system for whoever
/// asks, and once below, in the layers, for whoever mounted it.
pub struct Overlay {
    /// The top one first.
    pub lowers: Vec<PathBuf>,
    /// Where upper, work and merged are.
    pub dir: PathBuf,
    _scratch: Option<Scratch>,
}

/// A directory that goes when we do.
/// Upper may hold anything that a program has made, so it is removed by a supervisor (supervisor.rs), as cgroups are:
/// the kernel removes no files for those who have ended.
pub struct Scratch {
    pub dir: PathBuf,
    _supervisor: Supervisor,
}

/// An entry of upper, as `--diff` shows it: A for added, C for changed, D for deleted.
/// There is no log of changes, and none is needed: what is in upper is the change. `docker diff` reads it the same way.
struct Change {
    letter: char,
    /// As seen inside.
    path: PathBuf,
    /// How it is on disk.
    kind: String,
}

/// On the outside. With `changes` the directory is the caller's and stays, otherwise it is made and goes.
/// While they are mounted, nobody is to touch the lower and upper directories from outside. It is not
/// forbidden; what is seen inside is then undefined (overlayfs.rst, "Changes to underlying filesystems").
pub fn prepare(lowers: Vec<PathBuf>, changes: Option<&Path>, name: &str) -> Result<Overlay> {
    let (dir, scratch) = match changes {
        Some(dir) => {
            make(dir)?;
            // What the child is told has to mean the same after it has gone elsewhere.
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
    // Upper and work in one file system: rename(2) works in no other case. And work has to be empty, and is the
    // kernel's alone.
    for name in ["upper", "work", "merged"] {
        make(&overlay.dir.join(name))?;
    }
    report::trace(format!("mkdir({}), and in it upper, work and merged", overlay.dir.display()));
    // The root of merged is that of upper.
    let open = Permissions::from_mode(0o755);
    fs::set_permissions(overlay.dir.join("upper"), open).context("chmod(upper)")?;
    Ok(overlay)
}

/// Makes one where there is room, and first the one who removes it.
/// In $TMPDIR, or else in /tmp: changes are worth no more than anything there.
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
    // As with cgroups the one who removes is there before that which is to be removed.
    let supervisor = Supervisor::start(std::slice::from_ref(&dir), remove)?;
    DirBuilder::new().mode(0o700).create(&dir).with_context(|| format!("mkdir({})", dir.display()))?;
    Ok(Scratch { dir, _supervisor: supervisor })
}

/// What nobody can guess. In /tmp anybody may make anything, a link to a directory of ours for instance, by the name that
/// we are about to use.
/// The kernel makes a new one for each reader of this file; eight digits of it are enough.
fn secret() -> Result<String> {
    let uuid = "/proc/sys/kernel/random/uuid";
    let text = fs::read_to_string(uuid).with_context(|| format!("read {uuid}"))?;
    Ok(text.split('-').next().unwrap_or_default().to_owned())
}

/// Each file system says what kind it is by a number of its own.
/// An upper on an overlay is EINVAL: it has to keep marks of its own, and the overlay below would take these
/// for its own.
fn is_overlay(dir: &Path) -> Result<bool> {
    let kind = statfs(dir).with_context(|| format!("statfs({})", dir.display()))?.filesystem_type();
    Ok(kind == OVERLAYFS_SUPER_MAGIC)
}

/// For us alone: what is in there may be files of any mode, and belongs to whoever is root in the container.
fn make(dir: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("mkdir({})", dir.display()))
}

impl Overlay {
    /// A lower directory of our own, for who has brought none. `fill` is called if it is new.
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
        // On the bottom of the stack, if there were others.
        self.lowers.push(lower);
        Ok(())
    }

    /// What has been changed, by path: in the trace, and as a list on stdout for who has asked for it.
    pub fn report_changes(&self, list: bool) -> Result<()> {
        let mut changes = Vec::new();
        self.collect(Path::new(""), &mut changes)
            .with_context(|| format!("read {}/upper", self.dir.display()))?;
        // A directory is listed in no order at all.
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        for Change { letter, path, kind } in changes {
            report::trace(format!("upper{}   {kind}", path.display()));
            if list {
                // Somebody may have read enough.
                let _ = writeln!(io::stdout(), "{letter} {}", path.display());
            }
        }
        Ok(())
    }

    /// Upper read back. That it is there means that it has changed; the rest is what it was before.
    /// A directory in upper need not have changed itself: it has to be there for a changed file in it to have a
    /// place, and its owner, mode and times are copied up with it.
    fn collect(&self, below: &Path, changes: &mut Vec<Change>) -> io::Result<()> {
        let directory = self.dir.join("upper").join(below);
        for entry in fs::read_dir(&directory)? {
            let path = below.join(entry?.file_name());
            let upper = directory.join(path.file_name().unwrap_or_default());
            let found = fs::symlink_metadata(&upper)?;
            // In this order: a whiteout of something that was a lower file is a deletion, and that there was
            // one is why it is here.
            let letter = match (is_whiteout(&found), self.is_in_a_lower(&path)) {
                (true, _) => 'D',
                (false, true) => 'C',
                (false, false) => 'A',
            };
            changes.push(Change { letter, path: Path::new("/").join(&path), kind: kind(&upper, &found) });
            // A program may have taken from itself the right to look into its own directory.
            if found.is_dir() && self.collect(&path, changes).is_err() {
                report::trace(format!("cannot look into {}", upper.display()));
            }
        }
        Ok(())
    }

    /// The first of the lowers that knows the name decides, and it may say that there is no such thing.
    fn is_in_a_lower(&self, path: &Path) -> bool {
        let found = self.lowers.iter().find_map(|lower| fs::symlink_metadata(lower.join(path)).ok());
        found.is_some_and(|found| !is_whiteout(&found))
    }
}

/// Device 0,0 is nobody's, so the mark cannot be taken for anything else, and even those who may make no device may make
/// this one (Linux 5.8).
fn is_whiteout(found: &Metadata) -> bool {
    found.file_type().is_char_device() && found.rdev() == 0
}

/// How an entry of upper looks on disk, for the trace.
/// Copy-up is of whole files, whatever has changed: one byte of a gigabyte, or only the mode. (With metacopy=on
/// the kernel leaves the data where it is until it is written to; as root, and not by default.)
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

/// Root's marks are in `trusted.`, which only real root may read and write, and so only real root may forge.
/// Marks are extended attributes (xattr(7)): pairs of a name and a value beside a file's contents. The part in
/// front of the first dot says who may have them.
fn opaque_mark(path: &Path) -> Option<&'static str> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    [c"trusted.overlay.opaque", c"user.overlay.opaque"].into_iter().find_map(|name| {
        let mut value = 0_u8;
        // SAFETY: both strings end in a zero byte, and no more than the one byte we have is asked for.
        let length = unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), (&raw mut value).cast(), 1) };
        (length == 1 && value == b'y').then(|| name.to_str().ok()).flatten()
    })
}

/// On the inside, in a mount namespace of our own: the stack as one tree. Where it is.
/// Nothing is read at the mount but the tops of the directories. A name is looked up in each layer when
/// somebody asks for it, and the answer is kept.
pub fn mount_at(dir: &Path, lowers: &[String]) -> Result<PathBuf> {
    let merged = dir.join("merged");
    let (upper, work) = (dir.join("upper"), dir.join("work"));
    let lowers: Vec<String> = lowers.iter().map(|lower| escape(lower)).collect();
    // All of it is in one string, of which mount(2) takes a page: some forty lowers.
    let mut options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lowers.join(":"),
        escape(&upper.to_string_lossy()),
        escape(&work.to_string_lossy())
    );
    if in_user_namespace() {
        // Marks in `user.` instead of `trusted.`: without this `rm -r d; mkdir d` is EIO, for want of a way to say opaque.
        // Anybody may set those in `user.` on their own files, so the kernel believes them only in an overlay
        // that says so, and root's does not.
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

/// A colon ends a lower directory, and a comma an option.
/// Without it a directory called `a:b` is two layers, and one called `a,upperdir=/etc` something that nobody
/// has asked for.
fn escape(path: &str) -> String {
    path.replace('\\', r"\\").replace(':', r"\:").replace(',', r"\,")
}

/// The first one maps every id to itself; any other one has less to map.
/// Which user namespace counts is that of whoever mounts. Root of the machine is in the first one; an ordinary
/// user's container, and root in a container of somebody else's, are in another.
fn in_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().ne(["0", "0", "4294967295"])
}

/// The kernel says why in its log (dmesg), which not everybody may read. These are the usual reasons.
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

/// All of it. Directories first get a mode that lets their owner in: `work/work` has none, and a program may have made more
/// of those. By descriptor: a program that is only just dying could still put a link to the host where a directory was.
/// After root's containers this is root removing what a stranger has made. rm -r has been caught by that trick;
/// what is held by a descriptor is still the same directory, whatever has become of its name.
fn remove(dir: &Path) -> io::Result<()> {
    // O_NOFOLLOW and O_DIRECTORY: a link where the directory was is ENOTDIR, and the supervisor tries again.
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let opened = File::options().read(true).custom_flags(flags).open(dir)?;
    let held = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    fs::set_permissions(&held, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(&held)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            // By the kind that the directory's list says: a link to a directory is a link, and no way on.
            true => remove(&entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    fs::remove_dir(dir)
}
