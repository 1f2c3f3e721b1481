//! Sockets: options of netlink(7), and addresses and ancillary data of unix(7) that rustix does not cover.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

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

/// Reads an option whose value is a structure. The structure may select at its start what is read. Returns the length.
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

/// Connects to the socket at `path`, which may be longer than `sun_path`.
pub fn connect(path: &Path, kind: SocketType) -> rustix::io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    with_socket_address(path, |address| rustix::net::connect(&socket, address))?;
    Ok(socket)
}

/// sendmsg(2) of some bytes and a descriptor (`SCM_RIGHTS`, unix(7)), with `key` as the arguments that this call does
/// not have: a seccomp filter sees all six (seccomp(2)) and can recognize the call by them. Makes no other call.
pub fn send_fd_with_key(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fd: BorrowedFd<'_>,
    key: [u64; 3],
) -> nix::Result<()> {
    /// A header and a descriptor, aligned as the kernel has them.
    #[repr(C)]
    struct Rights {
        header: libc::cmsghdr,
        fd: libc::c_int,
    }
    // SAFETY: both are plain data for which zero is a valid value.
    let (mut message, mut rights): (libc::msghdr, Rights) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let mut slice = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    rights.header.cmsg_level = libc::SOL_SOCKET;
    rights.header.cmsg_type = libc::SCM_RIGHTS;
    rights.header.cmsg_len = (size_of::<libc::cmsghdr>() + size_of::<libc::c_int>()) as _;
    rights.fd = fd.as_raw_fd();
    message.msg_iov = &raw mut slice;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut rights).cast();
    message.msg_controllen = size_of::<Rights>() as _;
    let [first, second, third] = key;
    // SAFETY: the message, what it points to and both descriptors outlive the call, which only reads them; the numbers
    // that follow its three arguments it does not look at.
    let sent = unsafe {
        let (socket, message) = (socket.as_raw_fd(), &raw const message);
        libc::syscall(libc::SYS_sendmsg, socket, message, libc::MSG_NOSIGNAL, first, second, third)
    };
    match Errno::result(sent)? as usize == bytes.len() {
        true => Ok(()),
        false => Err(Errno::EMSGSIZE),
    }
}
