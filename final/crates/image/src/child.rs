//! Runs work that needs threads in a child process.

use std::io::{Read, Write};
use std::os::fd::AsFd;

use hull_sys::Kind;
use hull_sys::process::{Fork, SingleThreaded, exit_now, fork, pidfd_open, reap, set_parent_death_signal};
use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext, Result};

/// The message of a child that has failed.
#[derive(Serialize, Deserialize)]
struct Failure {
    /// [`Kind::name`].
    kind: String,
    text: String,
}

/// Does `work` in a child process. Unpacking uses threads, but a process that clones a container must never have had
/// any: clone(2) copies only the calling thread, so a lock that another thread holds stays locked in the copy for ever.
/// A process that has threads already is not going to clone a container, and does the work itself.
pub fn in_child(work: impl FnOnce() -> Result<()>) -> Result<()> {
    if SingleThreaded::check().is_err() {
        return work();
    }
    let (mut reader, mut writer) = std::io::pipe().context(|| "make a pipe".into())?;
    let pid = match fork().context(|| "fork".into())? {
        Fork::Parent { pid } => pid,
        Fork::Child => {
            drop(reader);
            // If the caller is killed, nobody needs the layers.
            let _ = set_parent_death_signal(nix::libc::SIGKILL);
            let Err(error) = work() else { exit_now(0) };
            let failure = Failure { kind: error.kind().name().to_owned(), text: error.to_string() };
            let _ = serde_json::to_vec(&failure).map(|message| writer.write_all(&message));
            exit_now(1)
        }
    };
    drop(writer);
    // Opened before the child is reaped: until then the pid belongs to the child.
    let child = pidfd_open(pid).context(|| "watch the process that unpacks".into())?;
    let mut message = Vec::new();
    let read = reader.read_to_end(&mut message);
    match reap(child.as_fd()).context(|| "wait for the process that unpacks".into())? {
        0 => Ok(()),
        code => {
            read.context(|| "read from the process that unpacks".into())?;
            let Ok(Failure { kind, text }) = serde_json::from_slice(&message) else {
                let text = format!("unpacking was cut short: exit code {code}");
                return Err(Error::Child { kind: Kind::Kernel, text });
            };
            Err(Error::Child { kind: Kind::from_name(&kind).unwrap_or(Kind::Kernel), text })
        }
    }
}
