//! Trying something in a child process, whose namespaces and mounts end with it.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use hull_sys::process::{Fork, exit_now, fork, kill_and_reap, pidfd_open, set_parent_death_signal};
use hull_sys::wait::until_readable;

use super::reason::text;
use super::{Attempt, Check, Patient, Tried, network, programs};

/// The time after which a check counts as stuck. The slowest checks load a module of the kernel.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) fn attempt(check: &Check, patient: &Patient) -> Tried {
    let (mut said, mut say) = std::io::pipe().map_err(text)?;
    let pid = match fork().map_err(text)? {
        Fork::Parent { pid } => pid,
        Fork::Child => {
            drop(said);
            let _ = set_parent_death_signal(libc::SIGKILL);
            let why = run(check, patient).err().unwrap_or_default();
            let written = say.write_all(format!("{DONE}{why}").as_bytes());
            exit_now(i32::from(written.is_err()))
        }
    };
    drop(say);
    let child: OwnedFd = pidfd_open(pid).map_err(text)?;
    let in_time = until_readable(&child, Some(LIMIT)).map_err(text)?;
    kill_and_reap(child.as_fd()).map_err(text)?;
    if !in_time {
        return Err(format!("the attempt did not end within {} seconds", LIMIT.as_secs()));
    }
    let mut why = String::new();
    said.read_to_string(&mut why).map_err(text)?;
    match why.strip_prefix(DONE) {
        Some("") => Ok(()),
        Some(why) => Err(why.to_owned()),
        None => Err("the attempt ended early".into()),
    }
}

/// The first character of what the child writes. A child that was killed writes nothing, which must not count as a
/// success.
const DONE: char = '+';

fn run(check: &Check, patient: &Patient) -> Tried {
    match check.attempt {
        Attempt::Plain(attempt) => attempt(patient),
        Attempt::Named(attempt) => attempt(check.name),
        Attempt::Program => programs::has(patient, &[check.name]),
        Attempt::Privileged(attempt) => become_privileged().and_then(|()| attempt(patient)),
        Attempt::Link(make) => become_privileged().and_then(|()| network::in_own_namespace(make)),
    }
}

fn become_privileged() -> Tried {
    match crate::rootless::is_root() {
        true => Ok(()),
        false => crate::rootless::enter_with_one_id().map_err(|why| format!("no user namespace: {why}")),
    }
}
