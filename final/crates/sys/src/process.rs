//! Processes: fork, clone3, descriptors for them, and what prctl(2) sets.

use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::sched::CloneFlags;
use nix::sys::signal::SigSet;
use rustix::process::{WaitId, WaitIdOptions};

/// In which process a fork or a clone has returned.
#[derive(Debug)]
pub enum Fork {
    Parent { pid: i32 },
    Child,
}

/// Proof that this process has one thread, so that after a fork no lock is held by a thread that the child does not
/// have. Functions that cannot check it themselves take it as an argument. No thread may be started between the check
/// and its use.
#[derive(Debug, Clone, Copy)]
pub struct SingleThreaded(());

impl SingleThreaded {
    /// `EDEADLK` if there are other threads. A joined thread may take a moment to end, so this waits up to 0.1 s.
    pub fn check() -> nix::Result<Self> {
        for _ in 0..1000 {
            // This changes nothing with one thread, and fails with more (unshare(2)).
            match nix::sched::unshare(CloneFlags::CLONE_THREAD) {
                Ok(()) => return Ok(Self(())),
                Err(Errno::EINVAL) => {}
                // An outer container's policy forbids the call.
                Err(_) if count_threads()? == 1 => return Ok(Self(())),
                Err(_) => {}
            }
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
        Err(Errno::EDEADLK)
    }
}

/// Counts threads by the number of links of the directory, which is two and one for each thread (fs/proc/base.c,
/// proc_task_getattr). Reading the directory would take a descriptor, which processes in a container could see.
fn count_threads() -> nix::Result<u64> {
    match std::fs::metadata("/proc/self/task") {
        Ok(threads) => Ok(std::os::unix::fs::MetadataExt::nlink(&threads).saturating_sub(2)),
        Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))),
    }
}

/// True if [`fork`], [`clone3`] or [`fork_sibling`] made this process: most of its descriptors are then owned by values
/// of the parent that are never dropped here.
static IS_FORKED: AtomicBool = AtomicBool::new(false);

fn forked(pid: libc::c_long) -> Fork {
    match pid {
        0 => {
            IS_FORKED.store(true, Ordering::Relaxed);
            Fork::Child
        }
        pid => Fork::Parent { pid: pid as i32 },
    }
}

/// fork(2), in a process with one thread: the child may use everything the parent could.
pub fn fork() -> nix::Result<Fork> {
    SingleThreaded::check()?;
    // SAFETY: there is no other thread that could hold a lock.
    Errno::result(unsafe { libc::fork() }).map(|pid| forked(pid.into()))
}

/// linux/sched.h; libc has it in a type too narrow for it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Options of clone3(2) that a plain fork lacks.
#[derive(Debug, Default)]
pub struct Clone3<'a> {
    /// Flags such as `CLONE_NEW*`.
    pub flags: u64,
    /// The child starts in this cgroup v2 directory (`CLONE_INTO_CGROUP`, Linux 5.7).
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Whether the child becomes a sibling: a child of this process's parent (`CLONE_PARENT`).
    pub sibling: bool,
}

/// In which process [`clone3`] has returned. The parent also gets a pidfd of the child.
#[derive(Debug)]
pub enum Cloned {
    Parent { pid: i32, pidfd: OwnedFd },
    Child,
}

/// clone3(2) without sharing memory, in a process with one thread: a fork into other namespaces. Linux 5.3.
pub fn clone3(request: &Clone3<'_>) -> nix::Result<Cloned> {
    SingleThreaded::check()?;
    let mut pidfd: libc::c_int = -1;
    // SAFETY: clone_args is plain data for which zero is a valid value everywhere.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = request.flags | libc::CLONE_PIDFD as u64;
    args.pidfd = &raw mut pidfd as u64;
    if request.sibling {
        // A sibling ends with the same signal as this process. The kernel refuses another one.
        args.flags |= libc::CLONE_PARENT as u64;
    } else {
        args.exit_signal = libc::SIGCHLD as u64;
    }
    if let Some(cgroup) = request.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: no stack and no CLONE_VM: the child runs on a copy of this one, as after fork(2), and there is no other
    // thread. `args` and `pidfd` outlive the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    match forked(Errno::result(pid)?) {
        Fork::Child => Ok(Cloned::Child),
        // SAFETY: the kernel has just put a new descriptor there, which nobody else owns.
        Fork::Parent { pid } => Ok(Cloned::Parent { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }),
    }
}

/// clone(2) like fork(2), but the child becomes a sibling: its parent is this process's parent (`CLONE_PARENT`).
/// Seccomp policies that allow fork(2) allow it, while docker's refuses clone3(2).
pub fn fork_sibling(_: SingleThreaded) -> nix::Result<Fork> {
    let flags = FORK_SIBLING_FLAGS;
    // SAFETY: no stack and no CLONE_VM: the child runs on a copy of this one, as after fork(2), and there is no other
    // thread. The null pointers are for what the flags do not ask for.
    Errno::result(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) }).map(forked)
}

/// The first argument of clone(2) in [`fork_sibling`], by which a filter can recognize it.
pub const FORK_SIBLING_FLAGS: u64 = (libc::CLONE_PARENT | libc::SIGCHLD) as u64;

/// True for a child of this process that has not been reaped.
pub fn is_child(pid: i32) -> bool {
    let Some(pid) = rustix::process::Pid::from_raw(pid) else { return false };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    rustix::process::waitid(WaitId::Pid(pid), options).is_ok()
}

/// Overwrites and removes the environment that this process was started with. A process in a container can be inspected
/// from inside, and the caller's variables may hold secrets.
pub fn forget_environment(_: SingleThreaded) {
    // SAFETY: there is no other thread; `environ` is null or an array of C strings that ends with a null pointer, which std
    // and the C library only reach through it.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let length = libc::strlen(*entry);
            std::slice::from_raw_parts_mut((*entry).cast::<u8>(), length).fill(0);
            *entry = std::ptr::null_mut();
            entry = entry.add(1);
        }
        environ = std::ptr::null_mut();
    }
}

unsafe extern "C" {
    static mut environ: *mut *mut libc::c_char;
}

/// `_exit`(2), which runs neither the exit handlers nor flushes the buffers that the child has copied from its parent.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; nothing runs after it.
    unsafe { libc::_exit(code) }
}

/// pidfd_open(2), Linux 5.3.
pub fn pidfd_open(pid: i32) -> nix::Result<OwnedFd> {
    // SAFETY: takes two integers and returns a new descriptor or -1.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: as above: the descriptor is ours alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// pidfd_send_signal(2), Linux 5.1.
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> nix::Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is borrowed for the call and no siginfo is passed.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, none, 0) };
    Errno::result(sent).map(drop)
}

/// pidfd_getfd(2), Linux 5.6: a duplicate of another process's descriptor. The caller may have to be able to ptrace(2) it.
pub fn pidfd_getfd(pidfd: BorrowedFd<'_>, number: i32) -> nix::Result<OwnedFd> {
    // SAFETY: takes three integers and returns a new descriptor or -1.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) })?;
    // SAFETY: as above: the descriptor is ours alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Kills a child with SIGKILL and reaps it. Returns its exit code, as [`reap`] does.
pub fn kill_and_reap(child: BorrowedFd<'_>) -> nix::Result<u8> {
    match pidfd_send_signal(child, libc::SIGKILL) {
        // It has ended already, and may still have to be reaped.
        Err(Errno::ESRCH) | Ok(()) => reap(child),
        Err(errno) => Err(errno),
    }
}

/// Waits for a child and reaps it. Returns its exit code, or 128 plus the number of the signal that ended it, as a shell does.
/// waitpid of nix would fail for a real-time signal, because nix has none.
pub fn reap(child: BorrowedFd<'_>) -> nix::Result<u8> {
    loop {
        match rustix::process::waitid(WaitId::PidFd(child), WaitIdOptions::EXITED) {
            Err(rustix::io::Errno::INTR) | Ok(None) => {}
            Err(errno) => return Err(Errno::from_raw(errno.raw_os_error())),
            Ok(Some(status)) => {
                let signal = status.terminating_signal().map(|signal| 128 + signal);
                return Ok(status.exit_status().or(signal).unwrap_or(255) as u8);
            }
        }
    }
}

/// sigwaitinfo(2): the number of the next pending signal of `signals`, which are blocked.
pub fn wait_for_signal(signals: &SigSet) -> nix::Result<i32> {
    // SAFETY: the set is borrowed for the call, and a null siginfo asks for none.
    Errno::result(unsafe { libc::sigwaitinfo(signals.as_ref(), std::ptr::null_mut()) })
}

/// setns(2): enters those namespaces of a process that `flags` name, all or none. By pidfd since Linux 5.8.
pub fn setns(fd: BorrowedFd<'_>, flags: i32) -> nix::Result<()> {
    // SAFETY: the descriptor is borrowed for the call.
    Errno::result(unsafe { libc::setns(fd.as_raw_fd(), flags) }).map(drop)
}

/// close_range(2), Linux 5.9: closes the descriptors from `first` to `last`, including those that a caller or a library has opened.
///
/// Only in a forked process, where most owners are the parent's and are never dropped; `EPERM` in others. Descriptors
/// that the process has opened itself and still owns must not be in the range.
pub fn close_range(first: u32, last: u32) -> nix::Result<()> {
    if !IS_FORKED.load(Ordering::Relaxed) {
        return Err(Errno::EPERM);
    }
    // SAFETY: numbers only; their owners are not run any more, as demanded above.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// Closes the descriptors from `first` on, except `kept`; see [`close_range`].
pub fn close_all_but(first: u32, kept: &[BorrowedFd<'_>]) -> nix::Result<()> {
    let mut kept: Vec<u32> = kept.iter().map(|fd| fd.as_raw_fd().unsigned_abs()).collect();
    kept.sort_unstable();
    let mut next = first;
    for number in kept.into_iter().filter(|number| *number >= first) {
        if next < number {
            close_range(next, number - 1)?;
        }
        next = number + 1;
    }
    close_range(next, u32::MAX)
}

/// Marks the descriptors from `first` on close-on-exec (`CLOSE_RANGE_CLOEXEC`, Linux 5.11).
pub fn cloexec_from(first: u32) -> nix::Result<()> {
    // SAFETY: only sets a flag on each descriptor.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Errno::result(done).map(drop)
}

/// Takes a descriptor that this process inherited under a number agreed with its caller. `EBADF` if it is not open, and
/// `EBUSY` if it is close-on-exec, as all descriptors opened here are: then it has an owner already.
pub fn take_inherited_fd(number: i32) -> nix::Result<OwnedFd> {
    // SAFETY: asks for the flags of a number, which need not be open.
    let flags = Errno::result(unsafe { libc::fcntl(number, libc::F_GETFD) })?;
    if number <= libc::STDERR_FILENO || flags & libc::FD_CLOEXEC != 0 {
        return Err(Errno::EBUSY);
    }
    // SAFETY: sets the flag of an open descriptor.
    Errno::result(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: it is open and was inherited, and is taken once, for it is close-on-exec from here on.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Duplicates `fd` to the descriptor `number`, which stays open over execve(2). Fails with `EBUSY` if that is open already.
pub fn place_fd(fd: BorrowedFd<'_>, number: i32) -> nix::Result<()> {
    if fd.as_raw_fd() == number {
        return rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())
            .map_err(|errno| Errno::from_raw(errno.raw_os_error()));
    }
    // SAFETY: asks for the flags of a number, which need not be open.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0 {
        return Err(Errno::EBUSY);
    }
    // SAFETY: two numbers, and no descriptor is open at the second.
    Errno::result(unsafe { libc::dup2(fd.as_raw_fd(), number) }).map(drop)
}

/// execve(2) with its arguments prepared beforehand, because a seccomp filter loaded in between may allow no other
/// call, not even to allocate memory.
#[derive(Debug)]
pub struct Execve {
    path: CString,
    args: Pointers,
    env: Pointers,
}

impl Execve {
    pub fn new(path: CString, args: Vec<CString>, env: Vec<CString>) -> Self {
        Self { path, args: Pointers::new(args), env: Pointers::new(env) }
    }

    /// Returns only on failure.
    pub fn call(&self) -> Errno {
        // SAFETY: a C string and two arrays of C strings, each array ending with a null pointer; all live as long as self.
        unsafe { libc::execve(self.path.as_ptr(), self.args.array.as_ptr(), self.env.array.as_ptr()) };
        Errno::last()
    }
}

/// C strings, and the array of pointers to them that ends with a null pointer.
#[derive(Debug)]
struct Pointers {
    array: Vec<*const libc::c_char>,
    _owned: Vec<CString>,
}

impl Pointers {
    fn new(owned: Vec<CString>) -> Self {
        let array = owned.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect();
        Self { array, _owned: owned }
    }
}

fn prctl(option: i32, argument: u64) -> nix::Result<()> {
    // SAFETY: the options used here take integers only.
    Errno::result(unsafe { libc::prctl(option, argument, 0, 0, 0) }).map(drop)
}

/// Makes this process the parent of its orphaned descendants (`PR_SET_CHILD_SUBREAPER`).
pub fn set_child_subreaper() -> nix::Result<()> {
    prctl(libc::PR_SET_CHILD_SUBREAPER, 1)
}

/// Lets a program end with the thread that starts it: the kernel kills it when that thread ends. The files that it makes
/// have the usual modes, whatever umask(2) this process has.
pub fn run_as_helper(command: &mut std::process::Command) -> &mut std::process::Command {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and execve the child makes two system calls, which take no lock and allocate nothing.
    unsafe {
        command.pre_exec(|| {
            libc::umask(0o022);
            Ok(set_parent_death_signal(libc::SIGKILL)?)
        })
    }
}

/// Asks the kernel to send `signal` to this process when its parent thread ends (`PR_SET_PDEATHSIG`).
pub fn set_parent_death_signal(signal: i32) -> nix::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, signal as u64)
}

/// Makes every later execve(2) grant no privileges (`PR_SET_NO_NEW_PRIVS`).
pub fn set_no_new_privileges() -> nix::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Keeps the permitted capabilities over the next change of user (`PR_SET_KEEPCAPS`).
pub fn set_keep_capabilities(keep: bool) -> nix::Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, u64::from(keep))
}

/// Sets whether other processes may ptrace(2) this one or read its files in /proc (`PR_SET_DUMPABLE`).
pub fn set_dumpable(dumpable: bool) -> nix::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, u64::from(dumpable))
}

/// Joins a new session keyring (keyctl(2)), without the caller's keys.
pub fn join_new_session_keyring() -> nix::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    let anonymous = std::ptr::null::<libc::c_char>();
    // SAFETY: a null name asks for an anonymous keyring; nothing is read from memory.
    let done = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, anonymous) };
    Errno::result(done).map(drop)
}

/// Brings `lo` up in the current network namespace (netdevice(7)).
pub fn loopback_up() -> nix::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|errno| Errno::from_raw(errno.raw_os_error()))?;
    // SAFETY: ifreq is plain data for which zero is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which outlives the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    Errno::result(done).map(drop)
}

/// Resets every standard signal to its default action, because execve(2) keeps ignored signals ignored.
pub fn default_signals() -> nix::Result<()> {
    for signal in nix::sys::signal::Signal::iterator() {
        use nix::sys::signal::{SigHandler, Signal, signal as set};
        if matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
            continue;
        }
        // SAFETY: the default action runs no code of ours.
        unsafe { set(signal, SigHandler::SigDfl) }?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_not_forked_and_closes_no_ranges() {
        // The test's own thread is the second.
        assert_eq!(fork().unwrap_err(), Errno::EDEADLK);
        assert_eq!(clone3(&Clone3::default()).unwrap_err(), Errno::EDEADLK);
        assert_eq!(close_range(1000, 1001), Err(Errno::EPERM));
    }

    #[test]
    fn threads_are_counted_without_a_descriptor() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || receiver.recv());
        assert!(count_threads().unwrap() > 1, "that one and the test's own");
        drop(sender);
        assert!(thread.join().unwrap().is_err());
    }

    #[test]
    fn a_descriptor_is_taken_once_and_none_is_replaced() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(take_inherited_fd(file.as_raw_fd()).unwrap_err(), Errno::EBUSY);
        let other = std::fs::File::open("/dev/null").unwrap();
        let placed = place_fd(std::os::fd::AsFd::as_fd(&file), other.as_raw_fd());
        assert_eq!(placed, Err(Errno::EBUSY));
        assert_eq!(take_inherited_fd(1 << 20).unwrap_err(), Errno::EBADF);
    }
}
