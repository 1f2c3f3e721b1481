//! bpf(2), as far as cgroup v2 needs it: programs that decide which devices the processes of a cgroup may use.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;

/// One instruction of an eBPF program: `struct bpf_insn` of linux/bpf.h.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    pub code: u8,
    /// The source register in the high half, the destination in the low one.
    pub registers: u8,
    pub offset: i16,
    pub immediate: i32,
}

// linux/bpf.h: enum bpf_cmd, bpf_prog_type and bpf_attach_type.
const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// The programs of the cgroups above stay in effect.
const ALLOW_MULTI: u32 = 2;

// The leading fields of `union bpf_attr`, as many as each command reads.

#[repr(C)]
struct Load {
    kind: u32,
    length: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
}

#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

#[repr(C)]
struct Query {
    target: u32,
    kind: u32,
    flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

#[repr(C)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

/// # Safety
/// `T` has the layout that `command` expects at the start of `union bpf_attr`, and the addresses in it are valid.
unsafe fn bpf<T>(command: libc::c_int, attributes: &mut T) -> nix::Result<i32> {
    // SAFETY: the size is that of the attributes; the caller guarantees the rest.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    Errno::result(done).map(|value| value as i32)
}

/// Loads a program of type `BPF_PROG_TYPE_CGROUP_DEVICE`. Linux 4.15.
pub fn load_device_program(instructions: &[Instruction]) -> nix::Result<OwnedFd> {
    let length = u32::try_from(instructions.len()).map_err(|_| Errno::E2BIG)?;
    let mut load = Load {
        kind: TYPE_CGROUP_DEVICE,
        length,
        instructions: instructions.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
    };
    // SAFETY: `Instruction` has the layout of bpf_insn, there are `length` of them, the license ends with a zero.
    let fd = unsafe { bpf(PROG_LOAD, &mut load) }?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches `program` to `cgroup` instead of the programs attached before. Those are detached last, so that the cgroup
/// is never without a program.
pub fn replace_device_program(cgroup: BorrowedFd<'_>, program: &OwnedFd) -> nix::Result<()> {
    let before = attached(cgroup)?;
    change(PROG_ATTACH, cgroup, program.as_fd(), ALLOW_MULTI)?;
    before.iter().try_for_each(|old| change(PROG_DETACH, cgroup, old.as_fd(), 0))
}

fn change(
    command: libc::c_int,
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    flags: u32,
) -> nix::Result<()> {
    let mut attach = Attach {
        target: cgroup.as_raw_fd() as u32,
        program: program.as_raw_fd() as u32,
        kind: ATTACH_CGROUP_DEVICE,
        flags,
    };
    // SAFETY: both commands read this structure, which has no addresses.
    unsafe { bpf(command, &mut attach) }.map(drop)
}

fn attached(cgroup: BorrowedFd<'_>) -> nix::Result<Vec<OwnedFd>> {
    /// The kernel's limit on programs attached to one cgroup (`BPF_CGROUP_MAX_PROGS`).
    const MOST: usize = 64;
    let mut ids = [0_u32; MOST];
    let mut query = Query {
        target: cgroup.as_raw_fd() as u32,
        kind: ATTACH_CGROUP_DEVICE,
        flags: 0,
        attach_flags: 0,
        ids: ids.as_mut_ptr() as u64,
        count: MOST as u32,
        padding: 0,
    };
    // SAFETY: `ids` has room for `count` numbers and outlives the call.
    unsafe { bpf(PROG_QUERY, &mut query) }?;
    ids.iter().take(query.count as usize).map(|id| by_id(*id)).collect()
}

fn by_id(id: u32) -> nix::Result<OwnedFd> {
    // SAFETY: the command reads this structure, which has no addresses.
    let fd = unsafe { bpf(PROG_GET_FD_BY_ID, &mut ById { id, next: 0, flags: 0 }) }?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
