//! The system calls for capabilities and seccomp filters.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;

/// The sets of capset(2), a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CapabilitySets {
    pub effective: u64,
    pub permitted: u64,
    pub inheritable: u64,
}

const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// capset(2) on this thread.
pub fn set_capabilities(sets: &CapabilitySets) -> nix::Result<()> {
    let header = Header { version: VERSION_3, pid: 0 };
    let half = |shift: u32| Data {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    // SAFETY: version 3 reads one header and two data structures, which outlive the call.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    Errno::result(done).map(drop)
}

/// capget(2) of this thread.
pub fn capabilities() -> nix::Result<CapabilitySets> {
    let header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 reads one header and writes two data structures; all outlive the call.
    let done = unsafe { libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()) };
    Errno::result(done)?;
    let whole = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    Ok(CapabilitySets {
        effective: whole(data[0].effective, data[1].effective),
        permitted: whole(data[0].permitted, data[1].permitted),
        inheritable: whole(data[0].inheritable, data[1].inheritable),
    })
}

/// Drops a capability from the bounding set: no later execve(2) can bring it back.
pub fn drop_bounding(capability: u32) -> nix::Result<()> {
    // SAFETY: integers only.
    let done = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, u64::from(capability), 0, 0, 0) };
    Errno::result(done).map(drop)
}

/// Raises an ambient capability, which must be permitted and inheritable. Linux 4.3.
pub fn raise_ambient(capability: u32) -> nix::Result<()> {
    let (raise, number) = (libc::PR_CAP_AMBIENT_RAISE as u64, u64::from(capability));
    // SAFETY: integers only.
    Errno::result(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, number, 0, 0) }).map(drop)
}

/// One instruction of a classic BPF program: `sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

/// seccomp(2) `SECCOMP_SET_MODE_FILTER`: loads a filter, which applies to every later system call and cannot be
/// removed.
pub fn load_filter(program: &[Instruction], flags: u64) -> nix::Result<()> {
    set_filter(program, flags).map(drop)
}

/// [`load_filter`] for a filter that notifies an agent (`SECCOMP_RET_USER_NOTIF`, Linux 5.0). Returns the descriptor
/// over which the agent answers.
pub fn load_filter_with_listener(program: &[Instruction], flags: u64) -> nix::Result<OwnedFd> {
    let fd = set_filter(program, flags | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)?;
    // SAFETY: with this flag the kernel returns a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn set_filter(program: &[Instruction], flags: u64) -> nix::Result<i32> {
    let length = u16::try_from(program.len()).map_err(|_| Errno::E2BIG)?;
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: `Instruction` has the layout of sock_filter; the kernel copies the program and writes to none of it.
    let done =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) };
    Errno::result(done).map(|value| value as i32)
}

/// Answers the next notification of a filter (seccomp_unotify(2)): the system call fails with this errno. This is the agent's
/// side, which tests need.
pub fn refuse_next(listener: BorrowedFd<'_>, errno: i32) -> nix::Result<()> {
    // SAFETY: both are plain data for which zero is a valid value, as the kernel demands of the first.
    let (mut question, mut answer): (libc::seccomp_notif, libc::seccomp_notif_resp) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let fd = listener.as_raw_fd();
    // SAFETY: the kernel writes one structure of this layout, which outlives the call.
    Errno::result(unsafe { libc::ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &raw mut question) })?;
    answer.id = question.id;
    answer.error = -errno;
    // SAFETY: the kernel reads one structure of this layout, which outlives the call.
    Errno::result(unsafe { libc::ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &raw const answer) }).map(drop)
}

// linux/seccomp.h: SECCOMP_IOWR(0, struct seccomp_notif) and SECCOMP_IOWR(1, struct seccomp_notif_resp).
const SECCOMP_IOCTL_NOTIF_RECV: libc::Ioctl = request(0, size_of::<libc::seccomp_notif>());
const SECCOMP_IOCTL_NOTIF_SEND: libc::Ioctl = request(1, size_of::<libc::seccomp_notif_resp>());

/// `_IOWR('!', number, …)` of asm-generic/ioctl.h.
const fn request(number: libc::Ioctl, size: usize) -> libc::Ioctl {
    3 << 30 | (size as libc::Ioctl) << 16 | (b'!' as libc::Ioctl) << 8 | number
}
