//! Checkpoint and restore with CRIU (criu.org), the only program that the runtime executes.
//!
//! ```text
//! criu      the program and its worker           wire     the encoding of requests
//! dump      saving a container                   restore  restoring one
//! outside   resources of the host that a container uses: mounts, namespaces, stdin, stdout and stderr
//! ```
//! CRIU freezes the container's cgroup, writes every process, namespace, mount and open file of it into an image
//! directory, and restores them from there. Resources of the host can be neither saved nor restored: they are saved as
//! names, and the restored container gets the resources that the new bundle and caller have under these names.

mod criu;
mod dump;
mod outside;
mod restore;
mod wire;

use std::fs::{DirBuilder, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::libc;

use crate::error::{Result, Step};
use criu::Answer;
use wire::Message;

pub use crate::error::CheckpointError as Error;
pub use criu::Criu;
pub use dump::{Dump, dump};
pub use restore::{Restore, Restored, restore};

/// The options that saving and restoring share.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory of the images.
    pub images: PathBuf,
    /// The directory for logs, if not that of the images.
    pub work: Option<PathBuf>,
    /// Include established TCP connections.
    pub tcp_established: bool,
    /// Include UNIX sockets that are connected to processes outside.
    pub ext_unix_sk: bool,
    /// Accept a session leader or a terminal outside the container.
    pub shell_job: bool,
    pub file_locks: bool,
    /// Remove memory pages from the parent image that this one replaces.
    pub auto_dedup: bool,
    /// Restore the network namespace empty, for a hook to set up.
    pub empty_network: bool,
    pub cgroups: CgroupMode,
}

/// How CRIU saves and restores cgroups (`criu_cg_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CgroupMode {
    Ignore = 0,
    /// Restore the limits of the cgroups that CRIU itself makes, below the container's own.
    #[default]
    Soft = 3,
    Full = 4,
    Strict = 5,
}

/// Field numbers of `criu_opts` in CRIU's rpc.proto.
mod field {
    pub const IMAGES: u32 = 1;
    pub const PID: u32 = 2;
    pub const LEAVE_RUNNING: u32 = 3;
    pub const EXT_UNIX_SK: u32 = 4;
    pub const TCP_ESTABLISHED: u32 = 5;
    pub const EVASIVE_DEVICES: u32 = 6;
    pub const SHELL_JOB: u32 = 7;
    pub const FILE_LOCKS: u32 = 8;
    pub const LOG_LEVEL: u32 = 9;
    pub const LOG_FILE: u32 = 10;
    pub const NOTIFY: u32 = 12;
    pub const ROOT: u32 = 13;
    pub const PARENT: u32 = 14;
    pub const TRACK_MEMORY: u32 = 15;
    pub const AUTO_DEDUP: u32 = 16;
    pub const WORK: u32 = 17;
    pub const MOUNT: u32 = 23;
    pub const MANAGE_CGROUPS: u32 = 24;
    pub const CGROUP_ROOT: u32 = 25;
    pub const SIBLING: u32 = 26;
    pub const INHERIT: u32 = 27;
    pub const CGROUP_MODE: u32 = 34;
    pub const EXTERNAL: u32 = 37;
    pub const EMPTY: u32 = 38;
    pub const JOIN: u32 = 39;
    pub const FREEZER: u32 = 44;
    pub const ORPHAN_TERMINAL: u32 = 50;
}

/// The level that CRIU's developers ask for in bug reports.
const LOG_LEVEL: u64 = 4;

/// The directories of a request. CRIU opens them through the descriptors of this process, so they stay open.
struct Directories {
    images: File,
    work: Option<File>,
    log: PathBuf,
}

impl Directories {
    fn open(options: &Options, log: &str) -> Result<Self> {
        let open = |path: &Path| File::open(path).step(|| format!("open {}", path.display()));
        let made = options.work.as_deref().map(|work| make(work).and_then(|()| open(work))).transpose()?;
        let logs = options.work.as_ref().unwrap_or(&options.images);
        Ok(Self { images: open(&options.images)?, work: made, log: logs.join(log) })
    }

    /// The error that the log or the answer reports.
    fn failure(&self, verb: &'static str, answer: &Answer) -> Error {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let logged = criu::last_errors(&String::from_utf8_lossy(&log));
        let said = logged.or_else(|| answer.said.clone()).unwrap_or_else(|| "it does not say why".into());
        Error::Failed { verb, said, log: self.log.clone() }
    }
}

/// Makes a directory unless it exists. The images hold all data of the container, so only the owner may read them.
fn make(directory: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.step(|| format!("create {}", directory.display())),
    }
}

/// The fields that requests to save and to restore share.
fn request(options: &Options, directories: &Directories, root: &Path) -> Message {
    let mut message = Message::default();
    message.number(field::IMAGES, directories.images.as_raw_fd() as u64);
    if let Some(work) = &directories.work {
        message.number(field::WORK, work.as_raw_fd() as u64);
    }
    message.number(field::LOG_LEVEL, LOG_LEVEL);
    let log = directories.log.file_name().unwrap_or_default();
    message.bytes(field::LOG_FILE, log.as_encoded_bytes());
    message.bytes(field::ROOT, root.as_os_str().as_encoded_bytes());
    message.flag(field::NOTIFY, true);
    message.flag(field::ORPHAN_TERMINAL, true);
    message.flag(field::TCP_ESTABLISHED, options.tcp_established);
    message.flag(field::EXT_UNIX_SK, options.ext_unix_sk);
    message.flag(field::SHELL_JOB, options.shell_job);
    message.flag(field::FILE_LOCKS, options.file_locks);
    message.flag(field::AUTO_DEDUP, options.auto_dedup);
    if options.empty_network {
        message.number(field::EMPTY, libc::CLONE_NEWNET as u64);
    }
    // CGROUP_MODE has no effect without the older MANAGE_CGROUPS.
    message.flag(field::MANAGE_CGROUPS, true);
    message.number(field::CGROUP_MODE, options.cgroups as u64);
    message
}
