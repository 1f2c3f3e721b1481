//! The file of a unix socket: made once, replaced when its server is dead, removed at the end.
//!
//! Connecting tells a dead server from a living one (`ECONNREFUSED`). A lock file beside the socket is held for that and for
//! what follows, so of two servers that begin at the same time one is told about the other. The lock file goes with the lock.

use std::fs::Metadata;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hull_storage::lock::Lock;
use hull_storage::process_id::ProcessId;
use hull_sys::fs::fd_path;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::fs::{AtFlags, Gid, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::error::{Error, Result};
use super::peer::Access;

/// How many connections wait for a worker before the kernel refuses more. The kernel's own limit is net.core.somaxconn.
pub(super) const BACKLOG: i32 = 4096;

/// How long another server may hold the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the workers of a dead server may take to end, and the pause between two looks at them.
const ORPHANS_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// A socket's file that this server has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// Makes a socket at a path, for its maker and root, and for this group if one is given.
pub(super) fn listen(path: &Path, group: Option<u32>) -> Result<(OwnedFd, SocketFile, Access)> {
    let address = SocketAddrUnix::new(path).map_err(|_| Error::TooLong { path: path.to_owned() })?;
    if path.parent().is_some_and(|directory| !directory.exists()) {
        return Err(Error::NoDirectory { path: path.to_owned() });
    }
    let _lock = FileLock::acquire(path)?;
    clear(path, &address)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(Error::at("make a socket for", path))?;
    rustix::net::bind(&socket, &address).map_err(Error::at("make the socket", path))?;
    // Nobody can connect before listen(2), whatever the modes are until then.
    let made = restrict(path, group).map_err(Error::at("set the owner and the modes of", path))?;
    rustix::net::listen(&socket, BACKLOG).map_err(Error::at("listen on", path))?;
    let file = SocketFile { path: path.to_owned(), identity: (made.dev(), made.ino()) };
    Ok((socket, file, Access::of_file(made.uid(), made.gid(), made.mode())))
}

/// Lets the owner of a new socket use it, and the group. The file is opened first, so a link that replaces it is not followed.
fn restrict(path: &Path, group: Option<u32>) -> std::io::Result<Metadata> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    if let Some(group) = group {
        let group = Some(Gid::from_raw(group));
        rustix::fs::chownat(&file, "", None, group, AtFlags::EMPTY_PATH)?;
    }
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    rustix::fs::chmod(fd_path(&file), Mode::from(mode))?;
    std::fs::File::from(file).metadata()
}

impl SocketFile {
    /// Removes the file, unless another server has put its own there.
    pub fn remove(&self) {
        // Without the lock the file stays, and the next server replaces it.
        let Ok(_lock) = FileLock::acquire(&self.path) else { return };
        let there = self.path.symlink_metadata().ok();
        if there.is_some_and(|there| (there.dev(), there.ino()) == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes the socket of a dead server. Nothing else is removed.
fn clear(path: &Path, address: &SocketAddrUnix) -> Result<()> {
    let there = match path.symlink_metadata() {
        Ok(there) => there,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::at("look at", path)(error)),
    };
    if !there.file_type().is_socket() {
        return Err(Error::NotASocket { path: path.to_owned() });
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let started = Instant::now();
    loop {
        let probe = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .map_err(Error::at("make a socket for", path))?;
        match rustix::net::connect(&probe, address) {
            Err(Errno::CONNREFUSED) => {
                return std::fs::remove_file(path)
                    .map_err(Error::at("remove the socket of a dead server,", path));
            }
            // The server's queue is full (EAGAIN), or it listens with another type of socket (EPROTOTYPE).
            Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => {
                let server = server_of(&probe);
                // A server that was killed leaves its workers behind until the kernel's signal has ended them, too.
                if server.is_some() || started.elapsed() > ORPHANS_TIMEOUT {
                    let server = server.unwrap_or_else(|| "another process".into());
                    return Err(Error::InUse { path: path.to_owned(), server });
                }
                std::thread::sleep(PAUSE);
            }
            Err(errno) => return Err(Error::at("see whether a server listens on", path)(errno)),
        }
    }
}

/// The process that called listen(2) on the other end (unix(7), `SO_PEERCRED`). `None` if it has ended, or is in another
/// pid namespace.
fn server_of(connected: &OwnedFd) -> Option<String> {
    let pid = getsockopt(connected, PeerCredentials).map_or(0, |peer| peer.pid());
    ProcessId::of(pid).ok().filter(ProcessId::is_alive)?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(format!("{} (pid {pid})", name.trim()))
}

/// The lock file beside a socket, held.
struct FileLock {
    path: PathBuf,
    _lock: Lock,
}

impl FileLock {
    fn acquire(socket: &Path) -> Result<Self> {
        let mut path = socket.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let lock = Lock::exclusive_within(&path, Some(LOCK_TIMEOUT))?;
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for FileLock {
    /// While the lock is held: a waiter sees that its file is gone, and makes another.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
