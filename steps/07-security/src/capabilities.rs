//! Capabilities: root's privileges in 41 parts, most of which no program in a container needs.
//!
//! A process has them in sets (capabilities(7)):
//!
//! | set | what is in it |
//! |---|---|
//! | effective | what counts when the kernel asks |
//! | permitted | what may be made effective |
//! | inheritable, ambient | what goes through an execve of somebody who is not root |
//! | bounding | what an execve can ever give, to root and by files with capabilities |
//!
//! What is not in the bounding set can never be regained, by the process or by any that it starts.

// For a closure that runs after the fork.
#![allow(unsafe_code)]

use std::collections::HashSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use caps::{CapSet, Capability, CapsHashSet};

use crate::report;

/// Docker's list without CAP_MKNOD. Docker grants that one together with a device cgroup, which
/// limits the devices that can be opened; here there is none, and the host's disk is a device.
pub const USUAL: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Parses a name without CAP_. capabilities(7) lists what each permits; for SYS_ADMIN that is
/// several pages.
pub fn parse(name: &str) -> Option<Capability> {
    format!("CAP_{}", name.to_uppercase()).parse().ok()
}

/// Restricts `program` to these capabilities, or to the usual ones. In two steps, because two of
/// the sets are needed until the execve.
pub fn limit(program: &mut Command, keep: Option<Vec<String>>) -> Result<()> {
    let names = keep.unwrap_or_else(|| USUAL.map(String::from).into());
    let keep: CapsHashSet = names.iter().filter_map(|name| parse(name)).collect();
    // The present set may be smaller than the full one, as in another container.
    let bounding = caps::read(None, CapSet::Bounding).context("prctl(PR_CAPBSET_READ)")?;
    let gone: HashSet<_> = bounding.difference(&keep).collect();
    // Each is dropped by a call of its own, which takes CAP_SETPCAP. The bounding set can only
    // shrink.
    for capability in &gone {
        caps::drop(None, CapSet::Bounding, **capability)
            .with_context(|| format!("prctl(PR_CAPBSET_DROP, {capability})"))?;
    }
    report::trace(format!("prctl(PR_CAPBSET_DROP), {} times   left: {}", gone.len(), names.join(" ")));
    // Empty by default, but the caller may have filled them, as systemd does with
    // AmbientCapabilities=.
    caps::clear(None, CapSet::Ambient).context("prctl(PR_CAP_AMBIENT_CLEAR_ALL)")?;
    caps::clear(None, CapSet::Inheritable).context("capset(inheritable)")?;
    // The other sets follow after the change to the image's user, which takes CAP_SETUID even if
    // that is not kept.
    let rest = move || give_up(&keep).map_err(|error| io::Error::other(format!("{error:#}")));
    // SAFETY: this process has one thread, so no lock is held in the forked child.
    unsafe { program.pre_exec(rest) };
    Ok(())
}

/// Sets the effective and permitted sets, just before the execve. An execve as root would set both
/// to the bounding set anyway; this counts for other users, and for the code between here and the
/// execve.
fn give_up(keep: &CapsHashSet) -> Result<()> {
    // setuid to a user other than root has cleared them already.
    let left: CapsHashSet = caps::read(None, CapSet::Permitted)?.intersection(keep).copied().collect();
    // In this order, because the effective set must be a subset of the permitted one.
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &left).with_context(|| format!("capset({set:?})"))?;
    }
    report::trace(format!("capset(effective, permitted)   {} of them", left.len()));
    Ok(())
}
