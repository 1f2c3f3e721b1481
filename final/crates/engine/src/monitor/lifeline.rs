//! The socket between a monitor and the child that makes a health check. The child ends when it is closed, and tells by it
//! which program it has started: a number, which the monitor reads only if the child was killed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::error::{IoContext, Result};

/// The monitor's end.
pub(super) struct Lifeline(OwnedFd);

/// The child's end. It becomes readable when the monitor has closed its own.
pub(super) struct Monitor(OwnedFd);

impl Lifeline {
    pub(super) fn pair() -> Result<(Self, Monitor)> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .context(|| "create a socket pair".into())?;
        Ok((Self(ours), Monitor(theirs)))
    }

    /// Cancels the check. What the child has sent can still be read.
    pub(super) fn cut(&mut self) {
        // It fails only if the child has closed its end, and then there is nothing to cancel.
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Write);
    }

    /// The program that the child has told.
    pub(super) fn program(&self) -> Option<i32> {
        let mut bytes = [0; 4];
        let (_, length) = rustix::net::recv(&self.0, &mut bytes, RecvFlags::DONTWAIT).ok()?;
        (length == bytes.len()).then(|| i32::from_ne_bytes(bytes))
    }
}

impl Monitor {
    /// Tells which program was started.
    pub(super) fn tell(&self, program: i32) {
        // A monitor that has ended needs no pid: its container ends with it.
        let _ = rustix::net::send(&self.0, &program.to_ne_bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
