//! Work with threads, in a process of its own.

use std::io::{Read, Write};
use std::os::fd::AsFd;

use hull_sys::Kind;
use hull_sys::process::{Fork, SingleThreaded, exit_now, fork, pidfd_open, reap, set_parent_death_signal};
use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext, Result};

/// What the child tells of its failure.
#[derive(Serialize, Deserialize)]
struct Failure {
    /// [`Kind::name`].
    kind: String,
    text: String,
}

/// Does `work` in a child. A process that clones a container has never had a thread, and unpacking has some: a fork is a copy of
/// the calling thread alone, so a lock that another one holds would stay locked in the copy for ever. Where there are threads
/// already nobody is going to clone, and the work is done in place.
pub(crate) fn in_child(work: impl FnOnce() -> Result<()>) -> Result<()> {
    if SingleThreaded::check().is_err() {
        return work();
    }
    let (mut reader, mut writer) = std::io::pipe().context(|| "make a pipe".into())?;
    let pid = match fork().context(|| "fork".into())? {
        Fork::Parent { pid } => pid,
        Fork::Child => {
            drop(reader);
            // Nobody waits for the layers of a caller that was killed.
            let _ = set_parent_death_signal(nix::libc::SIGKILL);
            let Err(error) = work() else { exit_now(0) };
            let failure = Failure { kind: error.kind().name().to_owned(), text: error.to_string() };
            let _ = serde_json::to_vec(&failure).map(|told| writer.write_all(&told));
            exit_now(1)
        }
    };
    drop(writer);
    // Before it is collected: until then the pid is the child's.
    let child = pidfd_open(pid).context(|| "watch the process that unpacks".into())?;
    let mut told = Vec::new();
    let read = reader.read_to_end(&mut told);
    match reap(child.as_fd()).context(|| "wait for the process that unpacks".into())? {
        0 => Ok(()),
        code => {
            read.context(|| "hear from the process that unpacks".into())?;
            let Ok(Failure { kind, text }) = serde_json::from_slice(&told) else {
                let text = format!("unpacking was cut short: exit code {code}");
                return Err(Error::Child { kind: Kind::Kernel, text });
            };
            Err(Error::Child { kind: Kind::from_name(&kind).unwrap_or(Kind::Kernel), text })
        }
    }
}
