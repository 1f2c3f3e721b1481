//! Makes the n-th system call of a command and its children fail, by ptrace(2).
//!
//! The call is not made, and its caller gets an errno, as on a machine that has run out of something.

use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::outcome::{eventually, wrapped};

/// How the command ended.
#[derive(Debug)]
pub struct Injected {
    pub code: i32,
    /// Calls that could have been made to fail.
    pub calls: usize,
    /// The number of the one that was.
    pub failed: Option<u64>,
}

/// Calls that are not made to fail: the C library aborts if they do, or they cannot fail, or they read the time.
#[cfg(target_arch = "x86_64")]
const SPARED: &[libc::c_long] = &[
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_arch_prctl,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_prlimit64,
    libc::SYS_readlink,
    libc::SYS_getrandom,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_sched_getaffinity,
    libc::SYS_poll,
    libc::SYS_futex,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_umask,
    // "These functions are always successful": getpid(2), gettid(2), getuid(2), getgid(2). rustix relies on that.
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
];

/// Runs `command` with its `nth` call failing with `errno`; if it makes fewer calls, none fails. It runs in a
/// thread of its own, because the tracing ends with the thread.
pub fn run(command: &Command, nth: usize, errno: Errno) -> Injected {
    // It stops until it is traced.
    let mut stopped = wrapped(&["sh", "-c", "kill -STOP $$; exec \"$@\"", "sh"], command);
    stopped.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    std::thread::scope(|scope| scope.spawn(|| trace(&mut stopped, nth, errno)).join().expect("no panic"))
}

fn trace(command: &mut Command, nth: usize, errno: Errno) -> Injected {
    let main = Pid::from_raw(command.spawn().expect("sh is installed").id() as i32);
    let state = || std::fs::read_to_string(format!("/proc/{main}/stat")).unwrap_or_default();
    eventually("it has stopped", || state().contains(") T "));
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC;
    ptrace::seize(main, options).expect("root may trace");
    nix::sys::signal::kill(main, Signal::SIGCONT).expect("own child");
    let mut tracer = Tracer { main, nth, errno, calls: 0, failing: None, failed: None, counts: false };
    let code = loop {
        if let Some(code) = tracer.step() {
            break code;
        }
    };
    Injected { code, calls: tracer.calls, failed: tracer.failed }
}

struct Tracer {
    main: Pid,
    nth: usize,
    errno: Errno,
    calls: usize,
    /// The process that is in the failing call.
    failing: Option<Pid>,
    failed: Option<u64>,
    /// From the execve(2) of the command on.
    counts: bool,
}

impl Tracer {
    /// The exit code, when the command has ended.
    fn step(&mut self) -> Option<i32> {
        // Only this thread's children: other tests have some too.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let status = waitpid(None, Some(flags)).expect("there is a child");
        match status {
            WaitStatus::Exited(pid, code) if pid == self.main => return Some(code),
            WaitStatus::Signaled(pid, signal, _) if pid == self.main => return Some(128 + signal as i32),
            WaitStatus::PtraceSyscall(pid) => {
                self.at_call(pid);
                go(pid, None);
            }
            WaitStatus::PtraceEvent(pid, _, event) => {
                self.counts |= pid == self.main && event == libc::PTRACE_EVENT_EXEC;
                go(pid, None);
            }
            WaitStatus::Stopped(pid, signal) => go(pid, Some(signal)),
            _ => {}
        }
        None
    }

    #[cfg(target_arch = "x86_64")]
    fn at_call(&mut self, pid: Pid) {
        let Ok(info) = ptrace::syscall_info(pid) else { return };
        // It may have been killed meanwhile.
        let Ok(mut registers) = ptrace::getregs(pid) else { return };
        let is_entry = info.op == libc::PTRACE_SYSCALL_INFO_ENTRY;
        if is_entry && self.counts && !SPARED.contains(&(registers.orig_rax as libc::c_long)) {
            self.calls += 1;
            if self.calls == self.nth {
                self.failing = Some(pid);
                self.failed = Some(registers.orig_rax);
                registers.orig_rax = u64::MAX;
                let _ = ptrace::setregs(pid, registers);
            }
        } else if !is_entry && self.failing == Some(pid) {
            self.failing = None;
            registers.rax = -i64::from(self.errno as i32) as u64;
            let _ = ptrace::setregs(pid, registers);
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn at_call(&mut self, _: Pid) {}
}

fn go(pid: Pid, signal: Option<Signal>) {
    let _ = ptrace::syscall(pid, signal);
}
