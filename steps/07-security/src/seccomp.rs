//! A filter for system calls: a program in BPF, which the kernel runs before each of them.
//!
//! It sees the number of the call, its architecture and the arguments that are numbers, but cannot follow a pointer: so it
//! can refuse `mount`, and not the mount of one path (seccomp(2)). What it answers is done. It cannot be taken off again,
//! and whatever the program starts has it too.
//!
//! A container has the host's kernel, with every bug in it. Most of its 450 calls no usual program makes; those listed here
//! are root's tools, or have been the way out before. (hull lists what is allowed, as docker does, so that a call which
//! does not exist yet is refused. That list is ten times as long.)
//!
//! Capabilities ask who somebody is. This asks what they do, and before any of the kernel's own checks: a call
//! that is refused here cannot reach a bug behind it.

// A system call without a name in nix, and a closure for after the fork.
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

/// As in linux/audit.h: the machine, 64 bits, little end first.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCHITECTURE: u32 = 0xc000_00f3;

/// Refused, whatever the arguments.
/// Some of these need a capability that has gone already. They stand here for the day on which somebody finds a
/// way around that, and for whoever keeps one: docker leaves them out of the list of what is allowed for the
/// same reason.
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
    // A file by its number on the disk, whatever tree it is in: a way out of docker in 2014.
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
    // Much code, much of it new.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    // Not in any namespace: keys, clocks, swap, quotas, accounting.
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
    // Other processes' memory, and where it is.
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
];

/// The usual capabilities and calls, for who comes by `enter`.
/// `enter` joins namespaces, and these bring no filter and no smaller sets along: whoever forgot it here would
/// hand the one who enters the power that the container has lost.
pub fn usual(program: &mut Command) -> Result<()> {
    confine(program, &Value::Null)
}

/// Takes from `program` what it shall not have: capabilities first, for to drop them takes calls that a filter may refuse.
/// In the child between fork and execve (Command::pre_exec), in the order in which they were put there: the
/// image's user, then the capabilities, then the filter.
pub fn confine(program: &mut Command, config: &Value) -> Result<()> {
    let keep = config["keep"].is_array().then(|| words(&config["keep"]));
    capabilities::limit(program, keep)?;
    filter(
        program,
        match config["denied"].as_str() {
            // SIGSYS, to all of its threads.
            Some("kill") => libc::SECCOMP_RET_KILL_PROCESS,
            // It is done, and told: dmesg, or the audit log.
            Some("log") => libc::SECCOMP_RET_LOG,
            _ => error(libc::EPERM),
        },
    );
    Ok(())
}

/// The call is not made, and its caller is told this.
/// EPERM is what a program knows as "you may not", and it goes on or says so. To be killed is clearer for an
/// attacker's code and worse for an honest program that was only asking.
fn error(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

/// Gives `program` the filter, as the last thing before it begins: what the filter refuses, nobody needs after that.
/// From here to the execve only what the filter lets through can be done; execve itself must not be on the list.
fn filter(program: &mut Command, denied: u32) {
    let code = code(denied);
    let load = move || load(&code).map_err(|error| io::Error::other(format!("{error:#}")));
    // SAFETY: there is one thread, and so no lock that another one could have held when this process was forked.
    unsafe { program.pre_exec(load) };
}

/// A filter is never taken away. A second one is asked as well, and of two answers the stricter one counts.
fn load(code: &[sock_filter]) -> Result<()> {
    // Whoever starts a set-user-ID program gives it their filter, and one that lies to it ("setuid has worked") could
    // make it a tool. So without CAP_SYS_ADMIN a filter takes this promise first: no execve gives any privilege.
    nix::sys::prctl::set_no_new_privs().context("prctl(PR_SET_NO_NEW_PRIVS)")?;
    report::trace("prctl(PR_SET_NO_NEW_PRIVS)");
    // The kernel checks it before it takes it: all jumps forward and inside, every way ends with an answer. So
    // it always ends.
    let program = sock_fprog { len: code.len() as u16, filter: code.as_ptr().cast_mut() };
    // SAFETY: the kernel copies as many instructions as we say there are.
    let loaded =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    Errno::result(loaded).context("seccomp(SECCOMP_SET_MODE_FILTER)")?;
    report::trace(format!("seccomp(SECCOMP_SET_MODE_FILTER, {} instructions)", code.len()));
    Ok(())
}

/// Loads a number of the call into the one register, or what follows it into the upper or lower half.
/// BPF was made in 1992 to pick packets for tcpdump: an accumulator, and jumps that go forward only. Where it
/// had a packet it has seccomp_data here, a struct of number, architecture, instruction pointer and six arguments.
fn look_at(offset: usize) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset as u32, 0, 0)
}

/// Ends the program: what is to be done about the call.
/// With the errno in its lower half, where there is one.
fn answer(what: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, what, 0, 0)
}

/// Goes on with the next instruction if the register fits, or else leaves out as many as `otherwise`.
/// Jumps count instructions and not bytes, and no more than 255 of them.
fn unless(comparison: u32, value: u32, otherwise: u8) -> sock_filter {
    instruction(BPF_JMP | comparison | BPF_K, value, 0, otherwise)
}

/// What to do, with which number, and how many instructions to leave out if it is so, or if it is not.
/// Eight bytes each; the kernel translates them to machine code as it loads them, where it can.
fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

/// The whole of it. A comparison for each call that is refused: as many as this are a few hundred nanoseconds a call. Longer
/// lists are sorted, and searched by halves.
fn code(denied: u32) -> Vec<sock_filter> {
    // Where these are in seccomp_data is fixed for ever: programs are compiled with it.
    let (number, arguments) = (offset_of!(seccomp_data, nr), offset_of!(seccomp_data, args));
    let allow = libc::SECCOMP_RET_ALLOW;
    // First of all: on x86-64 a program may make the calls of 32-bit x86 too, which have other numbers.
    let mut code = vec![
        // A number means nothing without its architecture: 101 is ptrace on x86-64 and ioperm on 32-bit x86.
        look_at(offset_of!(seccomp_data, arch)),
        instruction(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        look_at(number),
    ];
    // Their architecture reads as x86-64, so that the comparison above has not caught them.
    if cfg!(target_arch = "x86_64") {
        // And those of x32, which have a bit more.
        code.extend([unless(BPF_JGE, 0x4000_0000, 1), answer(error(libc::ENOSYS))]);
    }
    // Only the first that fits answers: each comparison is followed by its answer, or jumps over it.
    for call in REFUSED {
        code.extend([unless(BPF_JEQ, call as u32, 1), answer(denied)]);
    }
    // Its flags are behind a pointer. To "there is no such call" glibc answers with clone; to EPERM it would give up.
    code.extend([unless(BPF_JEQ, libc::SYS_clone3 as u32, 1), answer(error(libc::ENOSYS))]);
    // A new user namespace, in which one has all capabilities again, over less; but much of the kernel opens up.
    code.extend([
        unless(BPF_JEQ, libc::SYS_clone as u32, 4),
        look_at(arguments),
        // For clone the flags are an argument and so can be looked at: the lower half of it is enough.
        unless(BPF_JSET, libc::CLONE_NEWUSER as u32, 1),
        answer(denied),
        answer(allow),
    ]);
    // To type in the terminal's stead: what stands there after we end, the host's shell would run.
    code.extend([
        unless(BPF_JEQ, libc::SYS_ioctl as u32, 4),
        look_at(arguments + 8),
        // An ioctl is a call in a call: its second argument says which.
        unless(BPF_JEQ, libc::TIOCSTI as u32, 1),
        answer(denied),
        answer(allow),
    ]);
    code.push(answer(allow));
    code
}
