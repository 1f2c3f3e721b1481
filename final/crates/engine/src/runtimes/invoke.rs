//! One run of a runtime: it ends in a limited time, and what it prints is read to the end and kept in part.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use hull_sys::process::{self, Fork};
use nix::libc;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions};

use crate::error::{IoContext, Result};

/// How much of the output's end is kept for an error message.
const KEPT: usize = 4096;

/// How a run ended.
pub(super) enum End {
    Exited(u8),
    TimedOut,
}

/// A pipe that is emptied while the runtime runs, so that the runtime never waits for its reader.
pub(super) struct Drain {
    pipe: Option<OwnedFd>,
    tail: Vec<u8>,
}

impl Drain {
    /// A second read end of the pipe that has `writer` for its other end: opening a pipe's entry in /proc/PID/fd gives
    /// any end of it (pipe(7)).
    pub(super) fn of(writer: &OwnedFd) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let pipe = rustix::fs::open(hull_sys::fs::fd_path(writer), flags, Mode::empty())
            .context(|| "open the other end of a pipe".into())?;
        Ok(Self { pipe: Some(pipe), tail: Vec::new() })
    }

    /// Reads what is there.
    fn read(&mut self) {
        let mut buffer = [0; 4096];
        while let Some(pipe) = &self.pipe {
            match rustix::io::read(pipe, &mut buffer) {
                Ok(length) if length > 0 => {
                    self.tail.extend_from_slice(&buffer[..length]);
                    let excess = self.tail.len().saturating_sub(KEPT);
                    self.tail.drain(..excess);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // The end of the file, or an error that reading again would give again.
                Ok(_) | Err(_) => self.pipe = None,
            }
        }
    }

    /// The end of what was printed.
    pub(super) fn text(&mut self) -> String {
        self.read();
        String::from_utf8_lossy(&self.tail).into_owned()
    }
}

/// Runs `command` to its end, but not longer than `limit`. It dies with this process, and it has a process group of its
/// own, so that its children can be killed with it. It does not see the mounts `hidden`.
pub(super) fn run(
    mut command: Command,
    hidden: &[PathBuf],
    drains: &mut [&mut Drain],
    limit: Duration,
) -> Result<End> {
    let parent = rustix::process::getpid();
    let program = command.get_program().to_owned();
    let child = match process::fork().context(|| "fork".into())? {
        Fork::Child => {
            // If this fails, the runtime says what is wrong with what it sees.
            let _ = hide(hidden);
            let bound = process::set_parent_death_signal(libc::SIGKILL);
            let grouped = nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
            // If the parent died before the first call, its signal does not come.
            if bound.is_ok() && grouped.is_ok() && rustix::process::getppid() == Some(parent) {
                let error = command.exec();
                // By now stderr is the command's.
                let _ = writeln!(std::io::stderr(), "cannot execute {}: {error}", program.display());
            }
            process::exit_now(127)
        }
        Fork::Parent { pid } => pid,
    };
    // This process's copies of the descriptors that the runtime was given.
    drop(command);
    let pidfd = process::pidfd_open(child).context(|| "watch the runtime".into())?;
    let ended = wait(&pidfd, drains, Instant::now() + limit);
    if !matches!(ended, Ok(true)) || !has_succeeded(&pidfd) {
        // What it has started would go on by itself. The group's number cannot be reused before its leader is reaped.
        let _ = killpg(Pid::from_raw(child), Signal::SIGKILL);
        // It may not have come to its group yet.
        let _ = process::pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL);
    }
    let code = process::reap(pidfd.as_fd()).context(|| "read the runtime's exit status".into())?;
    drains.iter_mut().for_each(|drain| drain.read());
    Ok(if ended? { End::Exited(code) } else { End::TimedOut })
}

/// Empties the pipes until the process has ended. False if the deadline comes first.
fn wait(pidfd: &OwnedFd, drains: &mut [&mut Drain], deadline: Instant) -> Result<bool> {
    let context = || "wait for the runtime".to_owned();
    loop {
        drains.iter_mut().for_each(|drain| drain.read());
        if hull_sys::wait::until_readable(pidfd, Some(Duration::ZERO)).context(context)? {
            return Ok(true);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let pipes = drains.iter().filter_map(|drain| drain.pipe.as_ref());
        let fds: Vec<_> = pipes.map(AsFd::as_fd).chain([pidfd.as_fd()]).collect();
        hull_sys::wait::until_any_readable(&fds, Some(left)).context(context)?;
    }
}

/// Whether a process that has ended, and is not reaped, has exited with 0.
fn has_succeeded(pidfd: &OwnedFd) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let status = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), options);
    matches!(status, Ok(Some(status)) if status.exit_status() == Some(0))
}

/// Unmounts in a mount namespace of the calling process's own.
fn hide(mounts: &[PathBuf]) -> nix::Result<()> {
    if mounts.is_empty() {
        return Ok(());
    }
    hull_sys::mount::enter_slave_namespace()?;
    mounts.iter().try_for_each(|mount| umount2(mount, MntFlags::MNT_DETACH))
}
