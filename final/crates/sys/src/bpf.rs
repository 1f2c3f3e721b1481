//! eBPF programs for cgroups: load and attach, bpf(2).

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;

/// One eBPF instruction: `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    pub code: u8,
    /// Destination in the low four bits, source in the high ones.
    pub registers: u8,
    pub offset: i16,
    pub immediate: i32,
}

const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;

#[repr(C)]
#[derive(Default)]
struct LoadAttributes {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct AttachAttributes {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

/// Loads a `BPF_PROG_TYPE_CGROUP_DEVICE` program, Linux 4.15.
pub fn load_device_program(program: &[Instruction]) -> nix::Result<OwnedFd> {
    let attributes = LoadAttributes {
        program_type: TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(program.len()).map_err(|_| Errno::E2BIG)?,
        instructions: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        ..LoadAttributes::default()
    };
    let size = size_of::<LoadAttributes>();
    // SAFETY: the attributes and the program they point to outlive the call; the kernel verifies the program.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const attributes, size) };
    // SAFETY: a descriptor just made, owned by nobody else.
    Errno::result(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Attaches it to a cgroup v2 directory, beside what is attached above.
pub fn attach_device_program(cgroup: impl AsFd, program: impl AsFd) -> nix::Result<()> {
    let attributes = AttachAttributes {
        target: cgroup.as_fd().as_raw_fd() as u32,
        program: program.as_fd().as_raw_fd() as u32,
        kind: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    let size = size_of::<AttachAttributes>();
    // SAFETY: the attributes outlive the call and both descriptors are borrowed.
    let done = unsafe { libc::syscall(libc::SYS_bpf, PROG_ATTACH, &raw const attributes, size) };
    Errno::result(done).map(drop)
}
