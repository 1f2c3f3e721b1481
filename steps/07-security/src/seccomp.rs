//! A seccomp filter: a small program that the kernel runs before each system call of a process.
//!
//! The filter gets the number of the call, the architecture and the arguments, and returns what the
//! kernel should do: allow the call, return an error, or kill the process (seccomp(2)). It cannot
//! follow a pointer. So a filter can refuse every `mount`, but it cannot refuse only the mount of
//! one path. A filter cannot be removed, and every process that the program starts has the filter
//! too.
//!
//! All containers share the host's kernel and its bugs. The kernel has about 360 system calls, and
//! most programs need few of them. The filter runs before the kernel's own code, so a refused call
//! cannot reach a bug in that code. Capabilities do not prevent that, because the kernel checks
//! them later.
//!
//! This step lists the refused calls. hull and docker list the allowed calls, so they refuse a call
//! that only a future kernel has. Their list is ten times as long.

// For a system call that nix does not wrap, and a closure that runs between fork and execve.
#![allow(unsafe_code)]

use std::io;
use std::mem::offset_of;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use libc::{
    BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, seccomp_data, sock_filter,
    sock_fprog,
};
use nix::errno::Errno;
use serde_json::Value;

use crate::options::words;
use crate::{capabilities, report};

/// The architecture's number in linux/audit.h: the machine, and bits for 64-bit and little-endian.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCHITECTURE: u32 = 0xc000_00f3;

/// Calls that are refused with all arguments. Some of them also need a capability that the program
/// does not have. The filter is a second protection: it still works if a bug gives the capability
/// back, or if the user keeps the capability (`--keep`).
const REFUSED: [i64; 45] = [
    // Mounts and namespaces: the container already has its own.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    // These calls open a file by its number on the disk, even outside the root. They were a way out
    // of docker in 2014.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // Changes to the kernel: its modules, another kernel, a restart, programs in the kernel.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    // Large and recent parts of the kernel, in which many bugs were found.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    // Inherited keys, the time of day, swap, quotas, accounting, the kernel's log: no namespace
    // separates these.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_acct,
    libc::SYS_vhangup,
    libc::SYS_syslog,
    // Access to the memory of other processes.
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
];

/// Confines a program that `enter` starts. A process that joins namespaces gets neither the filter
/// nor the smaller sets of capabilities. Without this call it would have the privileges that the
/// container's own processes lost.
pub fn by_default(program: &mut Command) -> Result<()> {
    confine(program, &Value::Null)
}

/// Confines `program`. The work happens in the child between fork and execve (Command::pre_exec), in
/// this order: the image's user, the capabilities, the filter. The filter is last, because it may
/// refuse a call that the others need.
pub fn confine(program: &mut Command, config: &Value) -> Result<()> {
    let keep = config["keep"].is_array().then(|| words(&config["keep"]));
    capabilities::limit(program, keep)?;
    let denied = match config["denied"].as_str() {
        // Ends the whole process with the signal SIGSYS.
        Some("kill") => libc::SECCOMP_RET_KILL_PROCESS,
        // Allows the call, and writes a line to the kernel's log (dmesg) or to the audit log.
        Some("log") => libc::SECCOMP_RET_LOG,
        _ => error(libc::EPERM),
    };
    filter(program, denied);
    Ok(())
}

/// The answer that skips the call and returns this error number. Programs expect EPERM for a call
/// that they may not make, and many continue without the call. To kill the program would stop an
/// attacker more safely, but it would also end a harmless program that only tries a call.
pub fn error(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

/// Makes `program` load the filter as the last action before the execve. So the filter must allow
/// execve.
fn filter(program: &mut Command, denied: u32) {
    let code = code(denied);
    let load = move || load(&code).map_err(|error| io::Error::other(format!("{error:#}")));
    // SAFETY: this process has one thread, so no lock is held in the forked child.
    unsafe { program.pre_exec(load) };
}

/// Loads the filter. A process can have several filters, and the strictest answer counts.
pub fn load(code: &[sock_filter]) -> Result<()> {
    // A set-user-ID program inherits the filter of its caller. A hostile filter could deceive it,
    // for example with the answer "setuid succeeded". So the kernel takes a filter only from a
    // process that has CAP_SYS_ADMIN or no_new_privs: with no_new_privs no execve adds privileges.
    nix::sys::prctl::set_no_new_privs().context("prctl(PR_SET_NO_NEW_PRIVS)")?;
    report::trace("prctl(PR_SET_NO_NEW_PRIVS)");
    // The kernel checks the filter: each jump goes forward, and each path ends with a return. So
    // every filter ends.
    let program = sock_fprog { len: code.len() as u16, filter: code.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `len` instructions, which is the number of instructions in the
    // array.
    let loaded =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    Errno::result(loaded).context("seccomp(SECCOMP_SET_MODE_FILTER)")?;
    report::trace(format!("seccomp(SECCOMP_SET_MODE_FILTER, {} instructions)", code.len()));
    Ok(())
}

/// Loads 32 bits of `seccomp_data` into the register. The kernel fills this struct for each call: the
/// number, the architecture, the instruction pointer and six arguments.
fn load_word(offset: usize) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset as u32, 0, 0)
}

/// Ends the filter with this answer. An error number is in the lower 16 bits of the answer.
pub fn ret(what: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, what, 0, 0)
}

/// Compares the register with a value. If the comparison is false, the next `skip` instructions are
/// skipped, at most 255.
pub fn skip_unless(comparison: u32, value: u32, skip: u8) -> sock_filter {
    instruction(BPF_JMP | comparison | BPF_K, value, 0, skip)
}

/// One instruction, eight bytes: the operation, its value, and how many instructions to skip if a
/// comparison is true (`jt`) and if it is false (`jf`).
fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

/// Answers `what` to one call. The register holds the number of the call. If it is another call,
/// the answer is skipped.
pub fn answer(call: i64, what: u32) -> [sock_filter; 2] {
    [skip_unless(BPF_JEQ, call as u32, 1), ret(what)]
}

/// The whole filter. Its parts follow one another, and a part that knows the answer returns it. The
/// filter takes a few hundred nanoseconds for each call. Longer filters use a tree of comparisons.
fn code(denied: u32) -> Vec<sock_filter> {
    let mut code = architecture();
    code.extend(other_numbers());
    code.extend(REFUSED.into_iter().flat_map(|call| answer(call, denied)));
    // The flags of clone3 are behind a pointer, so the filter cannot read them. ENOSYS means "the
    // kernel has no such call": the C library then uses clone. After EPERM it would give up.
    code.extend(answer(libc::SYS_clone3, error(libc::ENOSYS)));
    // A new user namespace gives a process all capabilities inside it, and so access to more code
    // of the kernel.
    code.extend(with_argument(
        libc::SYS_clone,
        0,
        skip_unless(BPF_JSET, libc::CLONE_NEWUSER as u32, 1),
        denied,
    ));
    // TIOCSTI puts characters into the terminal's input. The host's shell would run them as a
    // command after the container ended.
    code.extend(with_argument(libc::SYS_ioctl, 1, skip_unless(BPF_JEQ, libc::TIOCSTI as u32, 1), denied));
    code.push(ret(libc::SECCOMP_RET_ALLOW));
    code
}

/// Kills a process that calls in another architecture: on x86-64 a program can also use the system
/// calls of 32-bit x86, and these calls have other numbers. Number 101 is ptrace on x86-64, and
/// ioperm on 32-bit x86. Then the filter loads the number of the call.
pub fn architecture() -> Vec<sock_filter> {
    vec![
        load_word(offset_of!(seccomp_data, arch)),
        // If the architecture is ours, skip the next instruction.
        instruction(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        ret(libc::SECCOMP_RET_KILL_PROCESS),
        load_word(offset_of!(seccomp_data, nr)),
    ]
}

/// Refuses the calls of x32, a third set of numbers on x86-64. For these calls, the kernel reports
/// the architecture x86-64, and bit 30 of the number is set.
pub fn other_numbers() -> Vec<sock_filter> {
    if cfg!(target_arch = "x86_64") {
        vec![skip_unless(BPF_JGE, 0x4000_0000, 1), ret(error(libc::ENOSYS))]
    } else {
        vec![]
    }
}

/// Refuses a call with some values of an argument: `is_refused` compares the lower half of the
/// argument, and skips the answer `denied`.
pub fn with_argument(call: i64, argument: usize, is_refused: sock_filter, denied: u32) -> [sock_filter; 5] {
    [
        skip_unless(BPF_JEQ, call as u32, 4),
        // Each argument has 64 bits, and `args` is an array of all six arguments.
        load_word(offset_of!(seccomp_data, args) + 8 * argument),
        is_refused,
        ret(denied),
        // The register now holds the argument, so no later part could compare the number. This part
        // has to answer.
        ret(libc::SECCOMP_RET_ALLOW),
    ]
}
