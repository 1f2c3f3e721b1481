//! Keeps the tests of a lesson apart from the machine, so that an attack in a test cannot hurt it.
//!
//! A lesson's tests run programs as root, and some of them attack the host on purpose. [`isolate`] therefore moves the
//! whole test program into namespaces of its own before its first line runs:
//!
//! ```text
//! the test program     waits, then removes the cgroups and the directory          on the machine
//! └─ process 1         reaps processes whose parent has ended                     in the lab
//!    └─ the tests      and everything that they start                             in the lab
//! ```
//!
//! In the lab all files of the machine are read-only. The tests can write to one new directory, which `TMPDIR` names,
//! and to a tmpfs on /dev/shm and one on [`WRITABLE`]. `/proc` shows the processes of the lab only. `/sys/fs/cgroup`
//! shows one cgroup of each hierarchy as if it were the root (see subtree.rs). What stays shared: devices, and settings
//! of the kernel in `/proc/sys` that belong to no namespace.
//!
//! The lab stops mistakes and the attacks of the lessons. It cannot hold root who wants to leave it: a process with
//! all capabilities can make a read-only mount writable again.
//!
//! An unprivileged user may not make these namespaces, and needs them less: the tests can then write only to what
//! belongs to that user.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, Uid, fork};

use crate::PREFIX;
use crate::subtree::Subtree;

/// A directory of root's in which root may write, also in the lab. Everything else in /usr is read-only there, so a
/// lesson that forgets to make /usr read-only can be seen here alone.
pub const WRITABLE: &str = "/usr/src";

/// Set in the environment of everything in the lab, so that a test program which is executed again there does not make
/// a second lab.
const MARK: &str = "LESSON_LAB";

/// Runs [`isolate`] before `main`, and so before the test harness starts a thread: a program with several threads cannot
/// be moved. For the top of a `tests/lesson.rs`.
#[macro_export]
macro_rules! isolated {
    () => {
        // The C library calls the functions of this section before main.
        #[used]
        #[allow(unsafe_code)]
        #[unsafe(link_section = ".init_array")]
        static ISOLATE: extern "C" fn() = {
            extern "C" fn isolate() {
                $crate::isolate();
            }
            isolate
        };
    };
}

/// Whether the tests run in the lab. Without root they do not.
pub fn is_isolated() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Moves this process into the lab if it is root's: returns in a child that is in the lab, and ends with its exit code
/// outside. This process may have one thread only.
pub fn isolate() {
    if !Uid::effective().is_root() || is_isolated() {
        return;
    }
    // Only children are in the new PID namespace, and the first of them is its process 1. A test program that is itself
    // executed in a container may not make one. There it goes on without, and gets no lab.
    if unshare(CloneFlags::CLONE_NEWPID).is_ok() {
        enter().unwrap_or_else(|error| fail(&error));
    }
}

fn fail(error: &std::io::Error) -> ! {
    eprintln!("the lab for this test cannot be made: {error}");
    std::process::exit(1);
}

/// The process outside stays here until the lab has ended. The other one returns, in the lab.
fn enter() -> std::io::Result<()> {
    remove_those_of_the_dead(&std::env::temp_dir());
    let directory = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
    fs::create_dir(&directory)?;
    fs::set_permissions(&directory, PermissionsExt::from_mode(0o1777))?;
    let subtree = Subtree::create()?;
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => begin(&directory, &subtree),
        ForkResult::Parent { child } => {
            let code = wait_for_end(child);
            subtree.remove();
            // Directories that a test has not removed itself are evidence, and stay.
            let _ = fs::remove_dir(&directory);
            std::process::exit(code);
        }
    }
}

/// Removes the directories of test programs that were killed. Only root's own ones: others may plant links in them.
fn remove_those_of_the_dead(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_roots = entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == 0);
        // One with our own process id is of a program that had it before, as it happens in containers.
        let is_old = crate::is_of_the_dead(&entry.file_name())
            || entry.file_name() == *format!("{PREFIX}{}", std::process::id());
        if is_roots && is_old {
            crate::remove_tree(&entry.path());
        }
    }
}

/// In process 1 of the lab: prepares it, and starts the process that returns.
fn begin(directory: &Path, subtree: &Subtree) -> std::io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    subtree.join()?;
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWCGROUP
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC,
    )?;
    subtree.leave_the_root_empty()?;
    prepare_mounts(directory, subtree)?;
    // SAFETY: nobody else reads the environment, because this process has one thread.
    unsafe {
        std::env::set_var("TMPDIR", directory);
        std::env::set_var(MARK, "1");
    }
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        // The lab ends with the tests, also if process 1 is killed.
        ForkResult::Child => Ok(()),
        // The kernel then ends every other process in the lab.
        ForkResult::Parent { child } => std::process::exit(wait_for_end(child)),
    }
}

/// Waits for `child`, and for every other process whose parent has ended. Returns its exit code as a shell would.
fn wait_for_end(child: Pid) -> i32 {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => return code,
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => return 128 + signal as i32,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return 1,
        }
    }
}

fn prepare_mounts(directory: &Path, subtree: &Subtree) -> std::io::Result<()> {
    let change = |flags| mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | flags, None::<&str>);
    change(MsFlags::MS_PRIVATE)?;
    set_read_only(Path::new("/"), true)?;
    writable(directory, directory)?;
    for (from, to) in subtree.places() {
        writable(from, to)?;
    }
    // A mount of its own: /proc shows the PID namespace of the process that mounted it.
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), plain, None::<&str>)?;
    for (place, mode) in [(WRITABLE, "mode=755"), ("/dev/shm", "mode=1777")] {
        if Path::new(place).is_dir() {
            mount(Some("tmpfs"), place, Some("tmpfs"), MsFlags::empty(), Some(mode))?;
        }
    }
    Ok(())
}

/// Shows the directory `from` at `to`, and lets root write there.
fn writable(from: &Path, to: &Path) -> std::io::Result<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    set_read_only(to, false)
}

/// Sets or clears the read-only flag of a mount; when set, of all mounts below it too. mount_setattr(2), Linux 5.12.
fn set_read_only(at: &Path, read_only: bool) -> std::io::Result<()> {
    let path = std::ffi::CString::new(at.as_os_str().as_encoded_bytes())?;
    let flag = libc::MOUNT_ATTR_RDONLY;
    let (attr_set, attr_clr) = if read_only { (flag, 0) } else { (0, flag) };
    let attr = libc::mount_attr { attr_set, attr_clr, propagation: 0, userns_fd: 0 };
    let below = if read_only { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path ends in a zero byte, and `attr` is as long as we say.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            below,
            &raw const attr,
            size_of_val(&attr),
        )
    };
    Errno::result(done)?;
    Ok(())
}
