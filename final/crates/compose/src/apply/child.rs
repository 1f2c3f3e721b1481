//! Work that a process which starts containers must not do itself: what starts a thread, or changes a mount namespace.

use std::io::{Read, Write};

use hull_engine::Report;
use hull_sys::process::{Fork, exit_now, fork, set_parent_death_signal};
use nix::libc::SIGKILL;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::error::{Error, Result};

/// Runs `work` in a child, and returns its error. The child ends with this process.
pub fn in_child(what: &str, work: impl FnOnce() -> hull_engine::Result<()>) -> Result<()> {
    let failed = |error: std::io::Error| Error::Invalid(format!("{what}: {error}"));
    let (mut reader, mut writer) = std::io::pipe().map_err(failed)?;
    let child = match fork().map_err(|errno| failed(errno.into()))? {
        Fork::Parent { pid } => Pid::from_raw(pid),
        Fork::Child => {
            drop(reader);
            let _ = set_parent_death_signal(SIGKILL);
            let done = work();
            // If nobody reads it any more, nobody needs it.
            let _ = done.as_ref().map_err(|error| writer.write_all(Report::encode(error).as_bytes()));
            exit_now(i32::from(done.is_err()))
        }
    };
    drop(writer);
    let mut text = String::new();
    let read = reader.read_to_string(&mut text);
    match waitpid(child, None).map_err(|errno| failed(errno.into()))? {
        WaitStatus::Exited(_, 0) => Ok(()),
        WaitStatus::Exited(..) if read.is_ok() => {
            Err(Error::Engine { what: what.to_owned(), source: Report::decode(&text).into() })
        }
        status => Err(failed(std::io::Error::other(format!("its process ended early: {status:?}")))),
    }
}
