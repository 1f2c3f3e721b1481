//! stdin, stdout and stderr of a program without a terminal. The program inherits those of this process, and must be able
//! to open them again as /dev/stdout and so on. A pipe has mode 0600, so the program's user must own it, under the id that
//! the user has on the host.
//!
//! So the owner of a pipe is changed. A file of the caller keeps its owner if this process stays in the foreground: the
//! program gets a pipe instead, which this process copies to the file. Without such a process the owner of files is changed
//! too, as with runc. The owner of a terminal is never changed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};
use hull_runtime::Stdio;
use hull_runtime::spec::{NamespaceKind, Process, Spec};
use rustix::fs::{FileType, Gid, Stat, Uid};
use rustix::pipe::PipeFlags;

/// A pipe that the program writes to, and the descriptor to which its output is copied.
pub struct Copied {
    pub from: OwnedFd,
    pub to: BorrowedFd<'static>,
}

/// The streams of a container's process, and the pipes that the caller has to copy from. Without a console socket a
/// terminal is relayed by this process.
pub fn of_process(
    spec: &Spec,
    process: &Process,
    has_console_socket: bool,
    foreground: bool,
) -> Result<(Stdio, Vec<Copied>)> {
    match process.terminal {
        true if has_console_socket => Ok((Stdio::Terminal, Vec::new())),
        true => Ok((Stdio::PlainTerminal, Vec::new())),
        false => of(spec, process.user.uid, foreground),
    }
}

/// The streams of a process without a terminal.
pub fn of(spec: &Spec, uid: u32, foreground: bool) -> Result<(Stdio, Vec<Copied>)> {
    let inherited = (Stdio::Inherit { stdin: true }, Vec::new());
    let Some(owner) = on_the_host(spec, uid).filter(|_| rustix::process::geteuid().is_root()) else {
        return Ok(inherited);
    };
    give(rustix::stdio::stdin(), owner, true)?;
    let (stdout, stderr) = (rustix::stdio::stdout(), rustix::stdio::stderr());
    let is_kept = [give(stdout, owner, foreground)?, give(stderr, owner, foreground)?];
    if is_kept == [true, true] || !foreground {
        return Ok(inherited);
    }
    let mut copied = Vec::new();
    let first = (!is_kept[0]).then(|| pipe(stdout, owner, &mut copied)).transpose()?;
    let second = match &first {
        // One pipe for both, which keeps the order of the output.
        Some(first) if is_same(stdout, stderr)? => Some(first.try_clone().context("cannot share a pipe")?),
        _ => (!is_kept[1]).then(|| pipe(stderr, owner, &mut copied)).transpose()?,
    };
    Ok((Stdio::Fds { stdin: None, stdout: first, stderr: second }, copied))
}

/// Makes the program's user the owner if necessary and possible. True if the program can use `fd` itself.
fn give(fd: BorrowedFd<'_>, owner: Uid, foreground: bool) -> Result<bool> {
    let stat = status(fd)?;
    let is_null = hull_sys::fs::is_null_device(fd).context("cannot examine stdin, stdout and stderr")?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    // A socket cannot be opened again at all, and opening a file again as /dev/stdout would truncate it.
    let is_copied = foreground && matches!(kind, FileType::RegularFile | FileType::Socket);
    if is_null || (stat.st_uid == owner.as_raw() && !is_copied) {
        return Ok(true);
    }
    if is_copied || !matches!(kind, FileType::Fifo | FileType::RegularFile) {
        return Ok(false);
    }
    // Some file systems refuse to change owners.
    Ok(rustix::fs::fchown(fd, Some(owner), None).is_ok())
}

fn pipe(to: BorrowedFd<'static>, owner: Uid, copied: &mut Vec<Copied>) -> Result<OwnedFd> {
    let (from, end) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).context("cannot create a pipe")?;
    rustix::io::ioctl_fionbio(&from, true).context("cannot set up a pipe")?;
    rustix::fs::fchown(&end, Some(owner), None::<Gid>)
        .with_context(|| format!("cannot give a pipe to user {}", owner.as_raw()))?;
    copied.push(Copied { from, to });
    Ok(end)
}

/// The user's id on the host. `None` if it is not mapped, or if a joined user namespace does not tell its mapping.
fn on_the_host(spec: &Spec, uid: u32) -> Option<Uid> {
    let linux = spec.linux.as_ref();
    let is_mapped = linux
        .is_some_and(|linux| linux.namespaces.iter().any(|namespace| namespace.kind == NamespaceKind::User));
    if !is_mapped {
        return Some(Uid::from_raw(uid));
    }
    let in_map = |start: u32, size: u32| uid >= start && uid - start < size;
    let map = linux?.uid_mappings.iter().find(|map| in_map(map.container_id, map.size))?;
    Some(Uid::from_raw(map.host_id.checked_add(uid - map.container_id)?))
}

fn is_same(one: impl AsFd, other: impl AsFd) -> Result<bool> {
    let (one, other) = (status(one)?, status(other)?);
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

fn status(fd: impl AsFd) -> Result<Stat> {
    rustix::fs::fstat(fd).context("cannot examine stdin, stdout and stderr")
}
