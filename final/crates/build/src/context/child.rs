//! Work that needs threads, such as looking up names of hosts: a process that clones containers must have none.

use std::io::{Read, Write};
use std::os::fd::AsFd;

use hull_sys::Kind;
use hull_sys::process::{
    Fork, SingleThreaded, exit_now, fork, kill_and_reap, pidfd_open, reap, set_parent_death_signal,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::IoContext;
use crate::{Error, Result};

#[derive(Serialize, Deserialize)]
enum Outcome<T> {
    Done(T),
    /// [`Kind::name`], and the text.
    Failed(String, String),
}

/// Does `work` in a child process, which is killed if this process ends. A process that has threads already is not going
/// to clone a container, and does the work itself.
pub(super) fn in_child<T: Serialize + DeserializeOwned>(
    what: &str,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    if SingleThreaded::check().is_err() {
        return work();
    }
    let (mut reader, mut writer) = std::io::pipe().context(|| "make a pipe".into())?;
    let pid = match fork().context(|| "fork".into())? {
        Fork::Parent { pid } => pid,
        Fork::Child => {
            drop(reader);
            let _ = set_parent_death_signal(nix::libc::SIGKILL);
            let outcome = match work() {
                Ok(done) => Outcome::Done(done),
                Err(error) => Outcome::Failed(error.kind().name().into(), error.to_string()),
            };
            let sent = serde_json::to_vec(&outcome).is_ok_and(|message| writer.write_all(&message).is_ok());
            exit_now(if sent { 0 } else { 1 })
        }
    };
    drop(writer);
    let child = pidfd_open(pid).context(|| format!("watch the process that is to {what}"))?;
    let mut message = Vec::new();
    if let Err(error) = reader.read_to_end(&mut message) {
        let _ = kill_and_reap(child.as_fd());
        return Err(error).context(|| format!("hear from the process that is to {what}"));
    }
    let code = reap(child.as_fd()).context(|| format!("wait for the process that is to {what}"))?;
    match serde_json::from_slice(&message) {
        Ok(Outcome::Done(done)) => Ok(done),
        Ok(Outcome::Failed(kind, text)) => {
            Err(Error::Worker { kind: Kind::from_name(&kind).unwrap_or(Kind::Kernel), text })
        }
        Err(_) => {
            let text = format!("cannot {what}: the process that does it was cut short: exit code {code}");
            Err(Error::Worker { kind: Kind::Kernel, text })
        }
    }
}
