//! Waiting for a descriptor, with a timeout.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Waits until a descriptor is readable, which for a pidfd means that the process has ended (pidfd_open(2)). Returns false
/// after the timeout. Without a timeout it waits without a limit.
pub fn until_readable(fd: impl AsFd, timeout: Option<Duration>) -> nix::Result<bool> {
    until_any_readable(&[fd.as_fd()], timeout)
}

/// Waits until any of several descriptors is readable.
pub fn until_any_readable(fds: &[BorrowedFd<'_>], timeout: Option<Duration>) -> nix::Result<bool> {
    let mut fds: Vec<_> = fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    // A deadline that cannot be represented means no timeout.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let left: Option<Timespec> = left.and_then(|left| left.try_into().ok());
        match poll(&mut fds, left.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(Errno::from_raw(errno.raw_os_error())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_comes_ends_the_wait_and_so_does_the_time() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        assert_eq!(until_readable(&reader, Some(Duration::ZERO)), Ok(false));
        assert_eq!(until_readable(&reader, Some(Duration::from_millis(5))), Ok(false));
        writer.write_all(b"x").unwrap();
        assert_eq!(until_readable(&reader, Some(Duration::MAX)), Ok(true));
        assert_eq!(until_readable(&reader, None), Ok(true));
    }
}
