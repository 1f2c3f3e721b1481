//! Capabilities: root's privileges in 41 parts. A program in a container needs few of them.
//!
//! A process has five sets of capabilities (capabilities(7)). When a call needs a capability, the
//! kernel checks the *effective* set. A process may move a capability from its *permitted* set to
//! its effective set. The *bounding* set limits what an execve can add to the permitted set, for
//! root and for program files that have capabilities. With the *inheritable* and *ambient* sets, a
//! user other than root can keep capabilities across an execve.
//!
//! A capability that is not in the bounding set is lost for good, for the process and for every
//! process that it starts. (A process in a new user namespace has all capabilities again, but only
//! for things that belong to that namespace.)

// For a closure that runs between fork and execve.
#![allow(unsafe_code)]

use std::collections::HashSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use caps::{CapSet, Capability, CapsHashSet};

use crate::report;

/// Docker's list without CAP_MKNOD. Docker also has a device cgroup, which limits the devices that a
/// container can open. This step has no device cgroup, so CAP_MKNOD would give access to the disk.
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

/// Parses a name without CAP_. capabilities(7) lists what each capability permits: the list for
/// SYS_ADMIN is several pages long.
pub fn parse(name: &str) -> Option<Capability> {
    format!("CAP_{}", name.to_uppercase()).parse().ok()
}

/// Restricts `program` to the capabilities in `keep`, or to the usual ones. This function reduces
/// three of the five sets, and `give_up` reduces the other two later.
pub fn limit(program: &mut Command, keep: Option<Vec<String>>) -> Result<()> {
    let names = keep.unwrap_or_else(|| USUAL.map(String::from).into());
    let keep: CapsHashSet = names.iter().filter_map(|name| parse(name)).collect();
    // Inside another container the bounding set may be smaller than 41 already.
    let bounding = caps::read(None, CapSet::Bounding).context("prctl(PR_CAPBSET_READ)")?;
    let gone: HashSet<_> = bounding.difference(&keep).collect();
    // A separate call drops each capability, and the call needs CAP_SETPCAP.
    for capability in &gone {
        caps::drop(None, CapSet::Bounding, **capability)
            .with_context(|| format!("prctl(PR_CAPBSET_DROP, {capability})"))?;
    }
    report::trace(format!("prctl(PR_CAPBSET_DROP), {} times   left: {}", gone.len(), names.join(" ")));
    // Both sets are empty unless the caller filled them, as systemd does with AmbientCapabilities=.
    caps::clear(None, CapSet::Ambient).context("prctl(PR_CAP_AMBIENT_CLEAR_ALL)")?;
    caps::clear(None, CapSet::Inheritable).context("capset(inheritable)")?;
    // The change to the image's user needs CAP_SETUID, so the other sets are reduced after it.
    let rest = move || give_up(&keep).map_err(|error| io::Error::other(format!("{error:#}")));
    // SAFETY: this process has one thread, so no lock is held in the forked child.
    unsafe { program.pre_exec(rest) };
    Ok(())
}

/// Reduces the effective and the permitted set, just before the execve. For root, an execve fills
/// both sets from the bounding set again. For another user, an execve adds no capability.
fn give_up(keep: &CapsHashSet) -> Result<()> {
    // If the process changed from root to another user, both sets are already empty.
    let left: CapsHashSet = caps::read(None, CapSet::Permitted)?.intersection(keep).copied().collect();
    // The effective set comes first, because it must stay a subset of the permitted set.
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &left).with_context(|| format!("capset({set:?})"))?;
    }
    report::trace(format!("capset(effective, permitted)   {} of them", left.len()));
    Ok(())
}
