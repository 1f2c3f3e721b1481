//! Work in a child process, because it starts threads or changes the mount namespace: the calling process is going to clone
//! containers, and a process that clones must have a single thread. Monitors, which are forks of the caller, are also spared
//! what the work leaves in its memory.

use std::io::{Read, Write};

use hull_sys::process::{Fork, exit_now, fork, set_parent_death_signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::error::{Error, IoContext, Report, Result};

/// Runs `work` in a child, which ends with this process, and waits for it. The text that it returns comes back, or the
/// report of its error.
pub fn in_child(what: &str, work: impl FnOnce() -> Result<String>) -> Result<Result<String, Report>> {
    let (mut reader, mut writer) = std::io::pipe().context(|| "create a pipe".into())?;
    let child = match fork().context(|| format!("fork a process to {what}"))? {
        Fork::Parent { pid } => Pid::from_raw(pid),
        Fork::Child => {
            drop(reader);
            // A caller that was killed does not wait for it. Without the signal the work would continue.
            let _ = set_parent_death_signal(libc::SIGKILL);
            let done = work();
            let text = done.as_ref().map_or_else(Report::encode, String::clone);
            let written = writer.write_all(text.as_bytes());
            exit_now(i32::from(done.is_err() || written.is_err()))
        }
    };
    drop(writer);
    let mut text = String::new();
    let read = reader.read_to_string(&mut text);
    match waitpid(child, None).context(|| format!("wait for the process that is to {what}"))? {
        WaitStatus::Exited(_, 0) => {
            read.context(|| format!("read what came of the attempt to {what}"))?;
            Ok(Ok(text))
        }
        WaitStatus::Exited(..) => Ok(Err(Report::decode(&text))),
        status => Err(Error::Io {
            action: what.to_owned(),
            source: std::io::Error::other(format!("its process ended early: {status:?}")),
        }),
    }
}
