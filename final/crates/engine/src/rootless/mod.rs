//! The user namespace in which an unprivileged user's containers run: user_namespaces(7).
//!
//! All of a user's hull processes share one user namespace. In different ones, one command could not join, signal or
//! read what another command made. A namespace exists as long as a process is in it, so the monitors keep it alive:
//!
//! ```text
//! <run>/userns.json    the processes known to be in it; a command joins the first one that is alive
//! <run>/userns.lock    held from reading that file until this process is in the namespace and recorded
//! ```
//! The mount namespace is each process's own: no other process needs a monitor's overlay. `idmap` maps the ids, `ids` tells
//! which are mapped.

mod idmap;
mod ids;
mod range;

pub(crate) use ids::{all_subordinate_ids, check_own_subordinate_ids, is_mapped, subordinate_ids};
pub use ids::{more_ids_hint, one_id_hint};
pub(crate) use range::IdRange;

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use hull_storage::lock::Lock;
use hull_storage::process_id::ProcessId;
use hull_sys::mount::enter_slave_namespace;
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use rustix::process::{DumpableBehavior, geteuid, set_dumpable_behavior};
use rustix::thread::CapabilitySet;
use serde::{Deserialize, Serialize};

use crate::error::{Detail, Obstacle, UserNamespaceError};
use crate::search_path::SearchPath;

/// Whether this process, or the one that it was forked from, entered the shared namespace.
static ENTERED: AtomicBool = AtomicBool::new(false);

type Result<T> = std::result::Result<T, UserNamespaceError>;

/// Content of `userns.json`.
#[derive(Default, Serialize, Deserialize)]
struct Holders {
    holders: Vec<ProcessId>,
}

/// Makes an unprivileged user root of the namespace that all of the user's hull processes share. Does nothing for root
/// with root's capabilities.
///
/// Called before the store is read, because most of its files belong to ids of the namespace. The caller must be
/// single-threaded: a process with several threads cannot enter a user namespace (setns(2), unshare(2)).
pub fn enter(run: &Path, programs: &SearchPath) -> Result<()> {
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
    // If the program's file may be executed but not read, the process is not dumpable and /proc/self belongs to root.
    // Then its ids could not be mapped, and no later command could join it (ptrace(2), "access mode checking").
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(failed("become dumpable"))?;
    let mut holders = load(run)?;
    let mut mounts = Ok(());
    if join_any(&holders)? {
        mounts = enter_slave_namespace();
    } else {
        // A process has all rights in its new namespace even before ids are mapped, so it can unshare mounts.
        idmap::enter_new(programs, || mounts = enter_slave_namespace())
            .map_err(|(step, source)| failed(step)(source))?;
    }
    mounts.map_err(failed("create a mount namespace"))?;
    become_root()?;
    ENTERED.store(true, Ordering::Relaxed);
    holders.push(ProcessId::of_self().map_err(storage)?);
    store(run, holders)
}

/// Whether this process is in the namespace that an unprivileged user's hull processes share.
pub fn has_entered() -> bool {
    ENTERED.load(Ordering::Relaxed)
}

/// Whether this process entered the namespace before it re-executed itself.
fn is_noted(run: &Path) -> bool {
    let noted = hull_storage::file::read_json::<Holders>(&run.join("userns.json")).ok().flatten();
    let Holders { holders } = noted.unwrap_or_default();
    let pid = std::process::id() as i32;
    holders.iter().any(|holder| holder.pid == pid)
        && ProcessId::of_self().is_ok_and(|own| holders.contains(&own))
}

/// Records the calling process as one that keeps the namespace alive. A monitor calls this first, because the command
/// that forked it ends earlier. Does nothing if no namespace was entered.
pub fn register_holder(run: &Path) -> Result<()> {
    if !has_entered() {
        return Ok(());
    }
    let _lock = Lock::exclusive(&run.join("userns.lock")).map_err(storage)?;
    let mut holders = load(run)?;
    holders.push(ProcessId::of_self().map_err(storage)?);
    store(run, holders)
}

/// User id 0 is not enough: in an outer container it may lack CAP_SYS_ADMIN, and could not even mount.
pub fn is_root() -> bool {
    let capable = rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN));
    geteuid().is_root() && capable
}

/// Enters a new user namespace in which only the caller's own id is mapped, to root.
pub(crate) fn enter_with_one_id() -> std::result::Result<(), String> {
    let (uid, gid) = (geteuid().as_raw(), rustix::process::getegid().as_raw());
    idmap::enter_alone(uid, gid, || {}).map_err(|(step, error)| format!("{step}: {error}"))
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

/// False if none of them is alive.
fn join_any(holders: &[ProcessId]) -> Result<bool> {
    for holder in holders {
        match join(holder) {
            Ok(()) => return Ok(true),
            // It has ended meanwhile. An exiting process loses its namespaces before it disappears.
            Err(Errno::ESRCH) => {}
            Err(errno) => return Err(failed(format!("join the one of process {}", holder.pid))(errno)),
        }
    }
    Ok(false)
}

fn join(holder: &ProcessId) -> nix::Result<()> {
    let pidfd = hull_sys::process::pidfd_open(holder.pid)?;
    // The descriptor cannot come to mean another process. If the holder is alive after it was opened, it is the holder's.
    if !holder.is_alive() {
        return Err(Errno::ESRCH);
    }
    setns(pidfd.as_fd(), CloneFlags::CLONE_NEWUSER)
}

/// After the mapping this process already has user id 0, unless it had several ids. The ones that are not mapped are
/// replaced here.
fn become_root() -> Result<()> {
    nix::unistd::setresgid(0.into(), 0.into(), 0.into()).map_err(failed("become group 0"))?;
    nix::unistd::setresuid(0.into(), 0.into(), 0.into()).map_err(failed("become user 0"))
}

fn storage(error: hull_storage::Error) -> UserNamespaceError {
    let (kind, detail) = (error.kind(), Detail::of_storage(&error));
    UserNamespaceError {
        step: "prepare the run directory".into(),
        source: io::Error::other(error),
        kind,
        detail,
    }
}

fn failed<E: Into<io::Error>>(step: impl Into<String>) -> impl FnOnce(E) -> UserNamespaceError {
    move |error| {
        let source = error.into();
        let kind = hull_sys::Kind::from_io(&source);
        UserNamespaceError {
            step: step.into(),
            kind,
            detail: obstacle(&source).map(Detail::UserNamespace),
            source,
        }
    }
}

/// The usual reasons why a machine refuses a user namespace, the most likely one first.
fn obstacle(error: &io::Error) -> Option<Obstacle> {
    let setting =
        |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default().trim().to_owned();
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EUSERS) => match setting("user/max_user_namespaces").as_str() {
            "0" => Some(Obstacle::LimitIsZero),
            _ => Some(Obstacle::LimitReached),
        },
        Some(libc::EPERM | libc::EACCES) => {
            if setting("kernel/apparmor_restrict_unprivileged_userns") == "1" {
                Some(Obstacle::AppArmor)
            } else if setting("kernel/unprivileged_userns_clone") == "0" {
                Some(Obstacle::RootOnly)
            } else if filtered() {
                Some(Obstacle::SeccompFilter)
            } else {
                Some(Obstacle::Unknown)
            }
        }
        _ => None,
    }
}

/// `Seccomp: 2` in proc_pid_status(5): system calls pass through a filter.
fn filtered() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    mode.is_some_and(|mode| mode.trim() == "2")
}

#[cfg(test)]
mod tests;
