//! stdin, stdout and stderr of a program without a terminal: ours, which it has to be able to open again as /dev/stdout and
//! the like. That takes files that are its own (pipe(7): mode 0600), under the id that it has on the host.
//!
//! What is only a pipe is given to it. The files of who called us stay theirs while we are there to copy: the program gets
//! a pipe then. Where nobody is left to copy, a file is given as well, as runc does; a terminal never is.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};
use hull_runtime::Stdio;
use hull_runtime::spec::{NamespaceKind, Spec};
use rustix::fs::{FileType, Gid, Stat, Uid};
use rustix::pipe::PipeFlags;

/// What the program writes to, and where it goes.
pub struct Copied {
    pub from: OwnedFd,
    pub to: BorrowedFd<'static>,
}

/// The program's, and what is ours to copy.
pub fn of(spec: &Spec, uid: u32, foreground: bool) -> Result<(Stdio, Vec<Copied>)> {
    let inherited = (Stdio::Inherit { stdin: true }, Vec::new());
    let Some(owner) = on_the_host(spec, uid).filter(|_| nix::unistd::geteuid().is_root()) else {
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
        // One after the other, as they are written.
        Some(first) if is_same(stdout, stderr)? => Some(first.try_clone().context("cannot share a pipe")?),
        _ => (!is_kept[1]).then(|| pipe(stderr, owner, &mut copied)).transpose()?,
    };
    Ok((Stdio::Fds { stdin: None, stdout: first, stderr: second }, copied))
}

/// True when the program can have it as it is, or as it has become by this.
fn give(fd: BorrowedFd<'_>, owner: Uid, foreground: bool) -> Result<bool> {
    let stat = look(fd)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    // A socket cannot be opened again at all, and a file would be emptied by who opens it to write.
    let is_copied = foreground && matches!(kind, FileType::RegularFile | FileType::Socket);
    if is_null(&stat) || (stat.st_uid == owner.as_raw() && !is_copied) {
        return Ok(true);
    }
    if is_copied || !matches!(kind, FileType::Fifo | FileType::RegularFile) {
        return Ok(false);
    }
    // On a file system that cannot it stays as it is.
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

/// None where it has none, or a user namespace that is joined does not say.
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
    let (one, other) = (look(one)?, look(other)?);
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

fn is_null(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_char_device()
        && (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)) == (1, 3)
}

fn look(fd: impl AsFd) -> Result<Stat> {
    rustix::fs::fstat(fd).context("cannot look at stdin, stdout and stderr")
}
