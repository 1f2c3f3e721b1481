//! The socket on which a runtime sends the master of a container's terminal (`--console-socket`).

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hull_sys::net::with_socket_address;
use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
};

use crate::error::{IoContext, Result};

/// The longest path that every runtime can put into an address (`sun_path`, unix(7)).
const LONGEST: usize = 100;

/// How long a message may still be on its way when the runtime has ended.
const TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct ConsoleSocket {
    listener: OwnedFd,
    path: PathBuf,
    directory: OwnedFd,
}

impl ConsoleSocket {
    pub(super) fn listen(path: &Path) -> Result<Self> {
        let context = || format!("listen at {}", path.display());
        let _ = std::fs::remove_file(path);
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let listener = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .context(context)?;
        with_socket_address(path, |address| rustix::net::bind(&listener, address)).context(context)?;
        rustix::net::listen(&listener, 1).context(context)?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(parent, flags, Mode::empty()).context(context)?;
        Ok(Self { listener, path: path.to_owned(), directory })
    }

    /// The path for the runtime: a short one through a descriptor of this process if the real one is too long.
    pub(super) fn argument(&self) -> PathBuf {
        match (self.path.as_os_str().len() <= LONGEST, self.path.file_name()) {
            (false, Some(name)) => {
                let pid = rustix::process::getpid().as_raw_nonzero();
                let directory = format!("/proc/{pid}/fd/{}", self.directory.as_raw_fd());
                Path::new(&directory).join(name)
            }
            _ => self.path.clone(),
        }
    }

    /// The master that the runtime has sent.
    pub(super) fn receive(&self) -> Result<OwnedFd> {
        let missing = || std::io::Error::other("the runtime has sent none");
        let context = || "take over the terminal".to_owned();
        if !hull_sys::wait::until_readable(&self.listener, Some(TIMEOUT)).context(context)? {
            return Err(missing()).context(context);
        }
        let connection = rustix::net::accept_with(&self.listener, SocketFlags::CLOEXEC).context(context)?;
        if !hull_sys::wait::until_readable(&connection, Some(TIMEOUT)).context(context)? {
            return Err(missing()).context(context);
        }
        let mut name = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut name)];
        rustix::net::recvmsg(&connection, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
            .context(context)?;
        let mut sent = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        });
        let master = sent.next().and_then(|mut fds| fds.next());
        master.filter(|master| rustix::termios::isatty(master)).ok_or_else(missing).context(context)
    }
}

impl Drop for ConsoleSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
