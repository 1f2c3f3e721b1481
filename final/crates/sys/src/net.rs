//! What sockets need beside rustix: options of netlink(7), addresses of unix(7).

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use rustix::fs::{Mode, OFlags};
use rustix::net::SocketAddrUnix;

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

/// Reads an option whose value is a structure, which may say in its beginning what is asked for; its length.
pub fn read_option(socket: BorrowedFd<'_>, level: i32, option: i32, value: &mut [u8]) -> nix::Result<usize> {
    let mut size = libc::socklen_t::try_from(value.len()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the kernel reads and writes at most `size` bytes of the buffer, which is borrowed for the call.
    let read = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, option, value.as_mut_ptr().cast(), &raw mut size)
    };
    Errno::result(read).map(|_| size as usize)
}

/// Calls `action` with an address for the socket at `path`, whose length does not matter: `sun_path` holds 107 bytes
/// (unix(7)), so the socket is named through a descriptor of its directory.
pub fn with_socket_address<T>(
    path: &Path,
    action: impl FnOnce(&SocketAddrUnix) -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    let name = path.file_name().and_then(OsStr::to_str).ok_or(rustix::io::Errno::INVAL)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(parent, flags, Mode::empty())?;
    action(&SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))?)
}
