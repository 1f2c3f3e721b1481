//! How an ordinary user becomes root of what is theirs: user_namespaces(7).
//!
//! All of a user's live hull processes share one user namespace, or else one command could not join, signal or read
//! what another one made. Nothing pins a namespace but the processes in it, so the monitors are what keeps it:
//!
//! ```text
//! <run>/userns.json    the processes known to be in it; the first live one is joined
//! <run>/userns.lock    held from the look at that file until we are in the namespace and written down
//! ```
//! The mount namespace is each process's own: a monitor's overlay is nobody else's business.

mod idmap;
mod ids;

pub(crate) use idmap::is_installed;
pub use ids::one_id_hint;
pub(crate) use ids::{Kind, is_mapped, more_ids_hint};

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use hull_storage::lock::Lock;
use hull_storage::process_id::ProcessId;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use rustix::process::{DumpableBehavior, geteuid, set_dumpable_behavior};
use rustix::thread::CapabilitySet;
use serde::{Deserialize, Serialize};

/// Whether this process, or the one that it was forked from, entered the shared namespace.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// A step of entering that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot enter a user namespace: {step}: {source}")]
pub struct Error {
    step: String,
    source: io::Error,
    hint: Option<String>,
}

impl Error {
    /// What the reader can do next.
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

type Result<T> = std::result::Result<T, Error>;

/// Content of `userns.json`.
#[derive(Default, Serialize, Deserialize)]
struct Holders {
    holders: Vec<ProcessId>,
}

/// Makes an ordinary user root of the namespace they share with their other hull processes. Who is root already, with
/// the capabilities that go with it, stays where they are.
///
/// Comes before the first look at the store, most of whose files belong to ids of the namespace. The caller must be
/// single-threaded: the kernel gives a user namespace to whole processes only.
pub fn enter(run: &Path) -> Result<()> {
    if has_entered() {
        return Ok(());
    }
    if is_root() {
        ENTERED.store(is_noted(run), Ordering::Relaxed);
        return Ok(());
    }
    // Checked before anything is written there: even a lock file must not be made in another user's directory.
    let run = &hull_storage::root::private_directory(run, 0o700).map_err(storage)?;
    let _lock = Lock::exclusive(&run.join("userns.lock")).map_err(storage)?;
    // Else /proc/self belongs to root, and neither could we be mapped nor could a later command join us (ptrace(2),
    // "access mode checking"). So it is when the program's file may be executed and not read.
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(failed("become dumpable"))?;
    let mut holders = load(run)?;
    if join_any(&holders)? {
        own_mounts()?;
    } else {
        // The new namespace has the rights to unshare mounts before its ids are mapped.
        let mut own = Ok(());
        idmap::enter_new(|| own = own_mounts()).map_err(|(step, source)| failed(step)(source))?;
        own?;
    }
    become_root()?;
    ENTERED.store(true, Ordering::Relaxed);
    holders.push(ProcessId::of_self().map_err(storage)?);
    store(run, holders)
}

fn own_mounts() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(failed("unshare the mount namespace"))?;
    // What the host mounts later still arrives; what we mount stays here.
    let flags = MsFlags::MS_SLAVE | MsFlags::MS_REC;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).map_err(failed("make / a slave mount"))
}

/// Whether this process is in the namespace that an ordinary user's hull processes share.
pub fn has_entered() -> bool {
    ENTERED.load(Ordering::Relaxed)
}

/// Whether this very process entered the namespace before it executed its program once more.
fn is_noted(run: &Path) -> bool {
    let noted = hull_storage::file::read_json::<Holders>(&run.join("userns.json")).ok().flatten();
    let Holders { holders } = noted.unwrap_or_default();
    let pid = std::process::id() as i32;
    holders.iter().any(|holder| holder.pid == pid)
        && ProcessId::of_self().is_ok_and(|own| holders.contains(&own))
}

/// Writes the calling process down as one that keeps the namespace. For the monitor, first thing: the command that
/// forked it ends sooner. Nothing to do where no namespace was entered.
pub fn register_holder(run: &Path) -> Result<()> {
    if !has_entered() {
        return Ok(());
    }
    let _lock = Lock::exclusive(&run.join("userns.lock")).map_err(storage)?;
    let mut holders = load(run)?;
    holders.push(ProcessId::of_self().map_err(storage)?);
    store(run, holders)
}

/// Root by name is not enough: in an outer container it may not even mount.
pub fn is_root() -> bool {
    let capable = rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN));
    geteuid().is_root() && capable
}

fn load(run: &Path) -> Result<Vec<ProcessId>> {
    let Holders { mut holders } = hull_storage::file::read_json::<Holders>(&run.join("userns.json"))
        .map_err(storage)?
        .unwrap_or_default();
    holders.retain(ProcessId::is_alive);
    Ok(holders)
}

fn store(run: &Path, holders: Vec<ProcessId>) -> Result<()> {
    hull_storage::file::write_json_atomic(&run.join("userns.json"), &Holders { holders }).map_err(storage)
}

/// False when none of them lives any more.
fn join_any(holders: &[ProcessId]) -> Result<bool> {
    for holder in holders {
        match join(holder) {
            Ok(()) => return Ok(true),
            // It ended since we looked. On its way out it has given up its namespaces before it can be seen to be gone.
            Err(Errno::ESRCH) => {}
            Err(errno) => return Err(failed(format!("join the one of process {}", holder.pid))(errno)),
        }
    }
    Ok(false)
}

fn join(holder: &ProcessId) -> nix::Result<()> {
    let pidfd = hull_sys::process::pidfd_open(holder.pid)?;
    // From here on the descriptor is that process for good: if it still was the holder, it is the holder we join.
    if !holder.is_alive() {
        return Err(Errno::ESRCH);
    }
    setns(pidfd.as_fd(), CloneFlags::CLONE_NEWUSER)
}

/// The mapping makes us id 0 by itself, unless we had several ids: then the ones that are not mapped go here.
fn become_root() -> Result<()> {
    nix::unistd::setresgid(0.into(), 0.into(), 0.into()).map_err(failed("become group 0"))?;
    nix::unistd::setresuid(0.into(), 0.into(), 0.into()).map_err(failed("become user 0"))
}

fn storage(error: hull_storage::Error) -> Error {
    let hint = error.hint();
    Error { step: "prepare the run directory".into(), source: io::Error::other(error), hint }
}

fn failed<E: Into<io::Error>>(step: impl Into<String>) -> impl FnOnce(E) -> Error {
    move |error| {
        let source = error.into();
        Error { step: step.into(), hint: hint(&source), source }
    }
}

/// The usual reasons why a machine refuses, in the order in which they are worth looking at.
fn hint(error: &io::Error) -> Option<String> {
    let setting =
        |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default().trim().to_owned();
    let refused = matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES));
    let text = if matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EUSERS)) {
        match setting("user/max_user_namespaces").as_str() {
            "0" => "this machine allows none: sysctl -w user.max_user_namespaces=15000 (as root)",
            _ => "there are too many of them, or too many in one another: see user_namespaces(7)",
        }
    } else if refused && setting("kernel/apparmor_restrict_unprivileged_userns") == "1" {
        "Ubuntu keeps them from programs without an AppArmor profile: give hull one with the rule \"userns,\", or \
         sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (as root)"
    } else if refused && setting("kernel/unprivileged_userns_clone") == "0" {
        "this machine keeps them for root: sysctl -w kernel.unprivileged_userns_clone=1 (as root)"
    } else if refused && filtered() {
        "a seccomp filter is in force, probably an outer container's: start that one with \
         --security-opt seccomp=unconfined"
    } else if refused {
        "run hull as root, or see user_namespaces(7) for what may forbid it"
    } else {
        return None;
    };
    Some(text.to_owned())
}

/// `Seccomp: 2` in proc_pid_status(5): system calls pass through a filter.
fn filtered() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    mode.is_some_and(|mode| mode.trim() == "2")
}

#[cfg(test)]
mod tests;
