//! Namespaces: created with clone(2), seen in /proc/PID/ns, entered with setns(2).
//!
//! A namespace is one separate copy of something that processes share, such as the hostname. Each
//! process is in one namespace of each kind, and its children are in the same ones. The kernel
//! removes a namespace with the last process in it, so only the process has to be cleaned up.
//!
//! Two calls create namespaces. unshare(2) moves the caller itself, as examples/bare.rs does;
//! clone(2) creates a child in them. This program uses clone because a process has to stay outside.
//! That process does the work that needs privileges which the child lacks, waits for the child,
//! reports how it ended, and cleans up.

// For system calls that nix does not wrap. Each call says why it is sound.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use serde_json::Value;

use crate::report;

/// All kinds of namespaces, by their names in /proc/PID/ns. A child is in the same namespaces as its
/// parent, except for the kinds that clone is asked to create.
const KINDS: [(&str, i32); 8] = [
    // User and group ids, and what the capabilities of a process apply to. Every other namespace is
    // owned by a user namespace.
    ("user", libc::CLONE_NEWUSER),
    // Hostname and NIS domain name, as uname(2) returns them. UTS stands for "UNIX time-sharing
    // system", the name of the struct.
    ("uts", libc::CLONE_NEWUTS),
    // Process ids, counted from 1 again. The same process has another id in each outer namespace.
    ("pid", libc::CLONE_NEWPID),
    // Mounts. This was the first kind of namespace, which is why its flag only says "new
    // namespace".
    ("mnt", libc::CLONE_NEWNS),
    // System V and POSIX message queues, shared memory and semaphores, which processes find by a
    // key and not by a file.
    ("ipc", libc::CLONE_NEWIPC),
    // Which cgroup a process sees as the root of the tree. The limits are not affected.
    ("cgroup", libc::CLONE_NEWCGROUP),
    // Links, addresses, routes, ports, packet filters.
    ("net", libc::CLONE_NEWNET),
    // Offsets of the clocks that count from boot. The time of day is the same for all.
    ("time", libc::CLONE_NEWTIME),
];

/// A cloned process that waits on the sync pipe. Dropping it before [`Child::release`] ends it. The
/// pid identifies it safely: the kernel does not reuse the number until the parent has waited for
/// the process.
pub struct Child {
    pid: Pid,
    /// The write end; the child reads from the other one.
    sync_pipe: Option<File>,
}

/// Clones a child into new namespaces. Once released, the child executes this program again, as
/// `child config`. Why a sync pipe? The child exists from the clone on, but a part of its setup,
/// such as the id maps, can be done only from outside. The child must not continue before that is
/// done. A pipe is the simplest thing to wait for: read(2) sleeps until there is a byte, or until
/// every write end is closed.
pub fn spawn(flags: CloneFlags, config: &Value) -> Result<Child> {
    // CLOEXEC closes both ends in an execve. If another program kept a write end open, the reader
    // would never see the end of the file.
    let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).context("pipe2")?;
    let (mut reader, writer) = (File::from(reader), File::from(writer));
    let mut sync_pipe = Some(writer);
    // clone(2) takes the address of a stack for the child, even though this child gets a copy of
    // all memory.
    let mut stack = vec![0; 256 * 1024];
    let body = Box::new(|| {
        // The child has copies of both ends and must close its write end.
        drop(sync_pipe.take());
        let Err(error) = wait_and_exec(&mut reader, config);
        report::failure(&error);
        125
    });
    // The kernel sends the parent SIGCHLD when the child ends. Without this signal a plain
    // waitpid(2) does not see the child.
    // SAFETY: without CLONE_VM this is a fork: the child runs on copies of `stack` and of all other
    // memory, and this process has one thread, so no lock is held in the copy.
    let pid = unsafe { nix::sched::clone(body, &mut stack, flags, Some(libc::SIGCHLD)) }
        .with_context(|| format!("clone({})", names(flags)))?;
    report::trace(format!("clone({}) = {pid}", names(flags)));
    Ok(Child { pid, sync_pipe })
}

/// Runs in the child. Why does the child execute the same program again? The child has a copy of
/// the parent's memory, with any secrets in it, and execve replaces this copy. The setup of the
/// container then starts from a main() of its own. There is a second reason: in the copy of a
/// program with several threads only one thread runs, and the locks of the others stay locked.
pub fn wait_and_exec(reader: &mut File, config: &Value) -> Result<std::convert::Infallible> {
    report::inside();
    // Ask the kernel to kill this process when its parent dies, even if the parent was killed by
    // SIGKILL; prctl(2).
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context("prctl(PR_SET_PDEATHSIG)")?;
    // One byte means: continue. End of file means: the parent gave up, or died before the prctl above.
    if reader.read(&mut [0])? == 0 {
        bail!("the parent gave up before this container began");
    }
    // /proc/self/exe is the program's file, even if its name has changed. `-v` is repeated because
    // an execve passes on nothing but arguments, environment and open descriptors.
    let mut args = vec![c"/proc/self/exe".to_owned()];
    if report::is_verbose() {
        args.push(c"-v".to_owned());
    }
    args.extend([c"child".to_owned(), CString::new(config.to_string())?]);
    report::trace(format!("execve(/proc/self/exe, child '{config}')"));
    nix::unistd::execv(c"/proc/self/exe", &args).context("execve(/proc/self/exe)")
}

impl Child {
    /// The pid of the child outside. In a PID namespace of its own the child sees itself as 1.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Lets the child continue. From here on the caller has to wait for it.
    pub fn release(mut self) -> Result<Pid> {
        let mut sync_pipe = self.sync_pipe.take().context("the child has been released already")?;
        report::trace(format!("release {}: write(sync pipe)", self.pid));
        sync_pipe.write_all(b"!").context("write to the sync pipe")?;
        Ok(self.pid)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Not released: closing the pipe makes the child exit. A process has to be waited for, or
        // it stays as a zombie.
        if self.sync_pipe.take().is_some() {
            let _ = waitpid(self.pid, None);
        }
    }
}

/// Sets the hostname of the caller's UTS namespace, so it is called in the child only. The kernel
/// requires CAP_SYS_ADMIN in the user namespace that owns the UTS namespace. That is why it works
/// for "root inside" and fails with EPERM for an unprivileged user outside.
pub fn set_hostname(name: &str) -> Result<()> {
    let before = nix::unistd::gethostname().unwrap_or_default();
    nix::unistd::sethostname(name).map_err(|errno| {
        let error = anyhow::Error::new(errno);
        // __NEW_UTS_LEN in the kernel.
        let is_long = errno == Errno::EINVAL;
        let error = if is_long { error.context("hint: a hostname has at most 64 bytes") } else { error };
        error.context(format!("sethostname({name:?})"))
    })?;
    report::trace(format!("sethostname({name:?})   was {before:?}"));
    Ok(())
}

/// Joins every namespace of `pid` that this process is not in already. `nsenter` does the same, and
/// so does `docker exec`. The kernel does not know containers. It knows processes and the namespaces
/// that they are in, and a process can join the namespaces of another one.
pub fn enter(pid: i32) -> Result<()> {
    // SAFETY: no pointers, and the answer is checked.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    // Use a descriptor, because the pid could belong to another process when setns is called.
    let pidfd = Errno::result(pidfd).with_context(|| format!("pidfd_open({pid})"))?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
    // A pidfd always refers to this process, never to a later one with the same pid. It can also be
    // used to wait for the process or to signal it.
    let mut flags = CloneFlags::empty();
    // Two processes share a namespace if their links have the same text.
    for (kind, flag) in KINDS {
        let theirs = link(&pid.to_string(), kind)
            .context("hint: only the user of a process, and root, may look at its namespaces")
            .with_context(|| format!("readlink(/proc/{pid}/ns/{kind})"))?;
        // setns(2) fails with EINVAL if the caller is already in that user namespace.
        if Some(theirs) != link("self", kind).ok() {
            flags |= CloneFlags::from_bits_retain(flag);
        }
    }
    if flags.is_empty() {
        return Err(anyhow::anyhow!("process {pid} is in the same namespaces as this one"))
            .context("hint: the pid of the process inside is what clone returned: see run -v");
    }
    // In one call: the kernel joins the user namespace first, and its capabilities then count for
    // the others (setns(2)).
    nix::sched::setns(&pidfd, flags).with_context(|| format!("setns({pid}, {})", names(flags)))?;
    report::trace(format!("setns({pid}, {})", names(flags)));
    Ok(())
}

/// Traces which namespaces of `pid` differ from ours. A line is left out if /proc does not let us
/// read the link.
pub fn report_changes(pid: Pid) {
    for (kind, _) in KINDS {
        if let (Ok(ours), Ok(theirs)) = (link("self", kind), link(&pid.to_string(), kind)) {
            let change =
                if ours == theirs { "shared".into() } else { format!("-> {}  new", theirs.display()) };
            report::trace(format!("  /proc/{pid}/ns/{kind:<6}  {}  {change}", ours.display()));
        }
    }
}

/// A link such as `uts:[4026531838]`. The number is the inode that identifies the namespace, in the
/// kernel's file system nsfs; lsns(8) shows the same numbers.
fn link(pid: &str, kind: &str) -> std::io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/{kind}"))
}

/// The flags as they are written in C, for the trace.
fn names(flags: CloneFlags) -> String {
    flags.iter_names().map(|(name, _)| name).collect::<Vec<_>>().join(" | ")
}
