//! Options of netlink sockets, see netlink(7).

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;

/// Switches on an option of the level `SOL_NETLINK`, such as `NETLINK_EXT_ACK` (Linux 4.12).
pub fn enable_netlink_option(socket: BorrowedFd<'_>, option: i32) -> nix::Result<()> {
    let on: libc::c_int = 1;
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads one int, which outlives the call; the descriptor is borrowed for it.
    let set = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_NETLINK, option, (&raw const on).cast(), size)
    };
    Errno::result(set).map(drop)
}
