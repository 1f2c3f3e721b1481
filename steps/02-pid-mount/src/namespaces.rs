//! Namespaces: made with clone(2), looked at in /proc/PID/ns, entered with setns(2).
//!
//! A namespace is a label on a process: "of all hostnames in this kernel, I mean that one". Children inherit the labels.
//! The kernel keeps a namespace for as long as a process carries it, so the last one to end takes it away: there is
//! nothing here to clean up but the process.
//!
//! Two calls make namespaces. unshare(2) moves the caller itself, as examples/bare.rs does; clone(2) makes a
//! child that is born in them. It is clone here because somebody has to stay outside: to wait and tell how it
//! ended, to do what the inside has not the power for, and to undo what does not go by itself.

// Calls that Rust cannot check, or that nix has no name for. Each says why it is sound.
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

/// All there are, by their names in /proc/PID/ns. A namespace nobody asks for is shared with the parent.
const KINDS: [(&str, i32); 8] = [
    // Which ids there are, and over what the capabilities of whoever is in it count. Each of the others is
    // owned by one of these.
    ("user", libc::CLONE_NEWUSER),
    // Hostname and NIS domain name: what uname(2) says. The name is that of its struct, "UNIX time-sharing system".
    ("uts", libc::CLONE_NEWUTS),
    // Process numbers, from 1 again. Whoever is outside has a number of their own for the same process.
    ("pid", libc::CLONE_NEWPID),
    // Mounts. It was the first kind, and nobody thought of a second: hence a flag that says no more than "new
    // namespace".
    ("mnt", libc::CLONE_NEWNS),
    // Shared memory, semaphores and message queues: what processes find by a key and not by a file.
    ("ipc", libc::CLONE_NEWIPC),
    // Which cgroup is shown as the top one. What it limits does not change.
    ("cgroup", libc::CLONE_NEWCGROUP),
    // Links, addresses, routes, ports, packet filters.
    ("net", libc::CLONE_NEWNET),
    // How far the clocks that count from the start of the machine are shifted. The date is everybody's.
    ("time", libc::CLONE_NEWTIME),
];

/// A process that exists in its namespaces and waits on the sync pipe. Dropped before [`Child::release`], it is gone.
/// A pid is all that we have of it, and it is enough: until its parent has waited for it, the kernel gives that
/// number to nobody else.
pub struct Child {
    pid: Pid,
    /// The writing end of a pipe; the child reads the other one.
    sync_pipe: Option<File>,
}

/// Clones a child into new namespaces. Once released it is this program again, as `child config`.
/// Why the sync pipe? The child exists from the moment of the clone, but part of what makes it a container can be
/// done only from outside, and only then. What must not happen before that waits, and a pipe is the simplest
/// thing to wait for: read(2) sleeps until there is a byte, or until every writer is gone.
pub fn spawn(flags: CloneFlags, config: &Value) -> Result<Child> {
    // CLOEXEC: after the re-exec nobody but us may hold an end, or the end of file below would never come.
    let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).context("pipe2")?;
    let (mut reader, writer) = (File::from(reader), File::from(writer));
    let mut sync_pipe = Some(writer);
    // clone(2) wants to know where the child's stack is to be, even if, as here, it gets a copy of all memory.
    let mut stack = vec![0; 256 * 1024];
    let body = Box::new(|| {
        // The child has copies of both ends: of the writing one it must not keep its own.
        drop(sync_pipe.take());
        let Err(error) = wait_and_exec(&mut reader, config);
        report::failure(&error);
        125
    });
    // SIGCHLD is what a child says to its parent when it ends. Without it a plain waitpid(2) would not even see this one.
    // SAFETY: without CLONE_VM this is a fork: the child runs on a copy of `stack` and of everything else, and this
    // process has one thread, so no lock was held by another one at that moment.
    let pid = unsafe { nix::sched::clone(body, &mut stack, flags, Some(libc::SIGCHLD)) }
        .with_context(|| format!("clone({})", names(flags)))?;
    report::trace(format!("clone({}) = {pid}", names(flags)));
    Ok(Child { pid, sync_pipe })
}

/// In the child. Why exec the same program again? The copy of the parent's memory is gone, with whatever secrets were
/// in it, and the inside starts from a main() of its own, as it would in a program of any size or language.
/// There is one more reason to begin anew: here a program of many threads would have one of them, and the locks of all.
fn wait_and_exec(reader: &mut File, config: &Value) -> Result<std::convert::Infallible> {
    report::inside();
    // If our parent dies, so do we, even if it was killed with -9 and could not tell anybody; prctl(2).
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context("prctl(PR_SET_PDEATHSIG)")?;
    // One byte: go. None: the parent gave up, or died before the prctl above.
    if reader.read(&mut [0])? == 0 {
        bail!("the outside gave up before this container began");
    }
    // What is executed is the file itself, whatever has become of its name. `-v` has to be said again: nothing else of
    // what we know gets through an execve.
    let mut args = vec![c"/proc/self/exe".to_owned()];
    if report::is_verbose() {
        args.push(c"-v".to_owned());
    }
    args.extend([c"child".to_owned(), CString::new(config.to_string())?]);
    report::trace(format!("execve(/proc/self/exe, child '{config}')"));
    nix::unistd::execv(c"/proc/self/exe", &args).context("execve(/proc/self/exe)")
}

impl Child {
    /// As it is called out here. In a PID namespace of its own it will believe to be 1.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Releases the child through the sync pipe. From here on the child is the caller's to wait for.
    pub fn release(mut self) -> Result<Pid> {
        let mut sync_pipe = self.sync_pipe.take().context("the child has been released already")?;
        report::trace(format!("release {}: write(sync pipe)", self.pid));
        sync_pipe.write_all(b"!").context("write to the sync pipe")?;
        Ok(self.pid)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Still closed: the child reads the end of file and exits. Whoever makes a process has to wait for it.
        if self.sync_pipe.take().is_some() {
            let _ = waitpid(self.pid, None);
        }
    }
}

/// Of the UTS namespace that the caller is in, which is why it is called on the inside and nowhere else.
/// The kernel asks whether the caller has CAP_SYS_ADMIN in the user namespace that owns this UTS namespace.
/// That is why "root inside" suffices here, and why the same call outside is EPERM for an unprivileged user.
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

/// Joins every namespace of `pid` that is not ours already.
/// This is `nsenter`, and the heart of `docker exec`: a container is no object that one could be put into.
/// There are labels, and one takes on those of a process that has them.
pub fn enter(pid: i32) -> Result<()> {
    // SAFETY: no pointers, and the answer is checked.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    // By descriptor and not by number: a number could be another process's by the time of the setns.
    let pidfd = Errno::result(pidfd).with_context(|| format!("pidfd_open({pid})"))?;
    // SAFETY: the kernel has just given it to us, and nobody else knows it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
    // The same descriptor could also wait for the process, or kill it: it means this one and never a later one
    // of its number.
    let mut flags = CloneFlags::empty();
    // Two links that read the same are one namespace.
    for (kind, flag) in KINDS {
        let theirs = link(&pid.to_string(), kind)
            .context("hint: to look at a process so closely one has to be its user, or root")
            .with_context(|| format!("readlink(/proc/{pid}/ns/{kind})"))?;
        // setns into the user namespace one is in already is EINVAL.
        if Some(theirs) != link("self", kind).ok() {
            flags |= CloneFlags::from_bits_retain(flag);
        }
    }
    if flags.is_empty() {
        return Err(anyhow::anyhow!("process {pid} has no namespace that is not yours too"))
            .context("hint: the number of the process inside is what clone returned: see run -v");
    }
    // All at once: the kernel takes the user namespace first, so that its powers count for the others (setns(2)).
    nix::sched::setns(&pidfd, flags).with_context(|| format!("setns({pid}, {})", names(flags)))?;
    report::trace(format!("setns({pid}, {})", names(flags)));
    Ok(())
}

/// For the trace: which labels of `pid` differ from ours.
/// Who may not look into the other process gets no answer, and then the trace leaves that line out.
pub fn report_changes(pid: Pid) {
    for (kind, _) in KINDS {
        if let (Ok(ours), Ok(theirs)) = (link("self", kind), link(&pid.to_string(), kind)) {
            let change =
                if ours == theirs { "shared".into() } else { format!("-> {}  new", theirs.display()) };
            report::trace(format!("  /proc/{pid}/ns/{kind:<6}  {}  {change}", ours.display()));
        }
    }
}

/// A link such as `uts:[4026531838]`. The number names the namespace, and two processes with the same one share it.
/// It is the number of an inode, in a file system that the kernel has for nothing else. lsns(8) shows the same numbers.
fn link(pid: &str, kind: &str) -> std::io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/{kind}"))
}

/// As they are written in C, for the trace.
fn names(flags: CloneFlags) -> String {
    flags.iter_names().map(|(name, _)| name).collect::<Vec<_>>().join(" | ")
}
