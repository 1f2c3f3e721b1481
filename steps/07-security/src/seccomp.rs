//! A filter for system calls: a program in BPF, which the kernel runs before each of them.
//!
//! It sees the call's number, architecture and arguments, but cannot follow a pointer: it can
//! refuse `mount`, and not the mount of one path (seccomp(2)). The kernel does what it returns. It
//! cannot be removed again, and every program that the process starts has it too.
//!
//! Containers share the host's kernel, with its bugs. Usual programs make few of its 450 calls;
//! those listed here are tools of root, or have been used to break out. (hull lists the allowed
//! calls, as docker does, so that a future call is refused. That list is ten times as long.)
//!
//! Capabilities restrict by privilege, a filter by call, and before any check of the kernel's own:
//! a call that is refused here cannot reach a bug behind it.

// For a system call that nix does not wrap, and a closure that runs after the fork.
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

/// From linux/audit.h: the machine's number with the bits for 64-bit and little-endian.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCHITECTURE: u32 = 0xc000_00f3;

/// Refused, whatever the arguments. Some of these need a capability that has gone already. They
/// stand here for the day on which somebody finds a way around that, and for whoever keeps one:
/// docker leaves them out of the list of what is allowed for the same reason.
const REFUSED: [i64; 45] = [
    // Mounts and namespaces: the tree and the labels are settled.
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
    // Opens a file by its number on the disk, outside of any root: a way out of docker in 2014.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // The kernel itself.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    // Large and recent parts of the kernel.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    // What no namespace separates: keys, clocks, swap, quotas, accounting.
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
    // Access to other processes' memory.
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
];

/// Confines a program that `enter` starts, by the default lists. Joining namespaces brings neither
/// the filter nor the smaller capability sets along, so without this the entering program would
/// have the privileges that the container has lost.
pub fn by_default(program: &mut Command) -> Result<()> {
    confine(program, &Value::Null)
}

/// Confines `program`: first the capabilities, because dropping them takes calls that a filter may
/// refuse. It happens in the child between fork and execve (Command::pre_exec), in the order in
/// which it was registered: the image's user, the capabilities, the filter.
pub fn confine(program: &mut Command, config: &Value) -> Result<()> {
    let keep = config["keep"].is_array().then(|| words(&config["keep"]));
    capabilities::limit(program, keep)?;
    filter(
        program,
        match config["denied"].as_str() {
            // Ends the whole process with SIGSYS.
            Some("kill") => libc::SECCOMP_RET_KILL_PROCESS,
            // Allows the call and logs it: dmesg, or the audit log.
            Some("log") => libc::SECCOMP_RET_LOG,
            _ => error(libc::EPERM),
        },
    );
    Ok(())
}

/// Skips the call and returns this errno. EPERM is what programs expect of a call they may not
/// make, and many go on without it. Killing would be safer against an attacker and worse for an
/// honest program that only tries.
fn error(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

/// Loads the filter as the last step before the execve, because what the filter refuses may be
/// needed until then. execve itself must be allowed.
fn filter(program: &mut Command, denied: u32) {
    let code = code(denied);
    let load = move || load(&code).map_err(|error| io::Error::other(format!("{error:#}")));
    // SAFETY: this process has one thread, so no lock is held in the forked child.
    unsafe { program.pre_exec(load) };
}

/// Loads the filter. A process can have several; the strictest answer counts.
fn load(code: &[sock_filter]) -> Result<()> {
    // A set-user-ID program inherits the filter of its caller, and one that lies to it ("setuid has
    // succeeded") could make it a tool of the attacker. So, without CAP_SYS_ADMIN, a filter takes
    // no_new_privs: from then on no execve grants privileges.
    nix::sys::prctl::set_no_new_privs().context("prctl(PR_SET_NO_NEW_PRIVS)")?;
    report::trace("prctl(PR_SET_NO_NEW_PRIVS)");
    // The kernel verifies the program: jumps go forward and stay inside, every path ends with a
    // return, so it always ends.
    let program = sock_fprog { len: code.len() as u16, filter: code.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `len` instructions, which is how many there are.
    let loaded =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    Errno::result(loaded).context("seccomp(SECCOMP_SET_MODE_FILTER)")?;
    report::trace(format!("seccomp(SECCOMP_SET_MODE_FILTER, {} instructions)", code.len()));
    Ok(())
}

/// Loads 32 bits of `seccomp_data` into the accumulator. BPF was made in 1992 to select packets for
/// tcpdump: an accumulator, and jumps that go forward only. Instead of a packet it is given a
/// struct of the call's number, architecture, instruction pointer and six arguments.
fn load_word(offset: usize) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset as u32, 0, 0)
}

/// Returns what to do about the call; an errno is in the lower 16 bits.
fn ret(what: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, what, 0, 0)
}

/// Continues with the next instruction if the comparison holds, and otherwise skips `otherwise`
/// instructions, at most 255.
fn skip_unless(comparison: u32, value: u32, otherwise: u8) -> sock_filter {
    instruction(BPF_JMP | comparison | BPF_K, value, 0, otherwise)
}

/// One instruction of eight bytes: operation, operand, and how many instructions to skip if it
/// holds or not. The kernel compiles them to machine code where it can.
fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

/// The whole filter: one comparison for each refused call, a few hundred nanoseconds per call in
/// all. Longer lists are searched as a tree.
fn code(denied: u32) -> Vec<sock_filter> {
    // The layout of seccomp_data is part of the kernel's interface.
    let (number, arguments) = (offset_of!(seccomp_data, nr), offset_of!(seccomp_data, args));
    let allow = libc::SECCOMP_RET_ALLOW;
    // The architecture comes first: on x86-64 a program can also make the calls of 32-bit x86,
    // which have other numbers.
    let mut code = vec![
        // A number means nothing without its architecture: 101 is ptrace on x86-64 and ioperm on
        // 32-bit x86.
        load_word(offset_of!(seccomp_data, arch)),
        instruction(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        ret(libc::SECCOMP_RET_KILL_PROCESS),
        load_word(number),
    ];
    // The calls of the x32 ABI report the architecture x86-64 and set a bit in the number.
    if cfg!(target_arch = "x86_64") {
        code.extend([skip_unless(BPF_JGE, 0x4000_0000, 1), ret(error(libc::ENOSYS))]);
    }
    // Each comparison is followed by its return, or skips it.
    for call in REFUSED {
        code.extend([skip_unless(BPF_JEQ, call as u32, 1), ret(denied)]);
    }
    // Its flags are behind a pointer, out of the filter's sight. After ENOSYS ("no such call")
    // glibc falls back to clone; after EPERM it would give up.
    code.extend([skip_unless(BPF_JEQ, libc::SYS_clone3 as u32, 1), ret(error(libc::ENOSYS))]);
    // A new user namespace gives all capabilities inside it, which makes more of the kernel
    // reachable.
    code.extend([
        skip_unless(BPF_JEQ, libc::SYS_clone as u32, 4),
        load_word(arguments),
        // clone has its flags in an argument, of which the lower half is enough.
        skip_unless(BPF_JSET, libc::CLONE_NEWUSER as u32, 1),
        ret(denied),
        ret(allow),
    ]);
    // TIOCSTI simulates typing on the terminal: the host's shell would read it after the container
    // has ended.
    code.extend([
        skip_unless(BPF_JEQ, libc::SYS_ioctl as u32, 4),
        load_word(arguments + 8),
        // The second argument of an ioctl is its operation.
        skip_unless(BPF_JEQ, libc::TIOCSTI as u32, 1),
        ret(denied),
        ret(allow),
    ]);
    code.push(ret(allow));
    code
}
