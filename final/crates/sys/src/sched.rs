//! Scheduling of a process (CPU, disk, memory nodes), and its personality(2).

use nix::errno::Errno;
use nix::libc;

/// `struct sched_attr` of sched_setattr(2), as far as Linux 3.14 has it.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Set by [`set_attributes`].
    pub size: u32,
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    /// Nanoseconds, for `SCHED_DEADLINE`.
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

/// sched_setattr(2) on a process with one thread, or with 0 on this thread.
pub fn set_attributes(pid: i32, attributes: Attributes) -> nix::Result<()> {
    let attributes = Attributes { size: size_of::<Attributes>() as u32, ..attributes };
    // SAFETY: the kernel reads `size` bytes of a structure of its own layout, which outlives the call.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, pid, &raw const attributes, 0) };
    Errno::result(done).map(drop)
}

/// ioprio_set(2) on this thread: a class of linux/ioprio.h and a level in it.
pub fn set_io_priority(class: u32, level: u32) -> nix::Result<()> {
    const WHO_PROCESS: libc::c_int = 1;
    const CLASS_SHIFT: u32 = 13;
    let value = (class << CLASS_SHIFT | level) as libc::c_int;
    // SAFETY: integers only.
    Errno::result(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, value) }).map(drop)
}

/// set_mempolicy(2): a mode with its flags, and the numbers of the nodes.
pub fn set_memory_policy(mode: i32, nodes: &[u32]) -> nix::Result<()> {
    const BITS: usize = libc::c_ulong::BITS as usize;
    let highest = nodes.iter().max().map_or(0, |node| *node as usize);
    let mut mask: Vec<libc::c_ulong> = vec![0; highest / BITS + 1];
    for node in nodes.iter().map(|node| *node as usize) {
        mask[node / BITS] |= 1 << (node % BITS);
    }
    // The kernel reads one bit less than the length that it is given (set_mempolicy(2), "BUGS").
    let (address, length) = match nodes.is_empty() {
        true => (std::ptr::null(), 0),
        false => (mask.as_ptr(), mask.len() * BITS + 1),
    };
    // SAFETY: `mask` has the announced number of bits but the last, which the kernel does not read, and outlives the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, address, length) }).map(drop)
}

/// personality(2): the execution domain.
pub fn set_personality(persona: u64) -> nix::Result<()> {
    // SAFETY: an integer only.
    Errno::result(unsafe { libc::personality(persona as libc::c_ulong) }).map(drop)
}
