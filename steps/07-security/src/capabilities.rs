//! Capabilities: root's power in 41 pieces, most of which no program in a container needs.
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
//! So what is not in the bounding set is gone for good, for the process and for all that it starts.

// A closure for after the fork.
#![allow(unsafe_code)]

use std::collections::HashSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use caps::{CapSet, Capability, CapsHashSet};

use crate::report;

/// Docker's list, but for CAP_MKNOD. With that goes a device cgroup which says what devices can be opened; here there is
/// none, and the disk that the host is on is a device.
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

/// By its name without CAP_.
/// capabilities(7) lists what each lets one do; of SYS_ADMIN that is several pages.
pub fn parse(name: &str) -> Option<Capability> {
    format!("CAP_{}", name.to_uppercase()).parse().ok()
}

/// Leaves `program` these and no others; without a list the usual ones.
/// In two steps, because two of the sets are needed until the very end and two are not.
pub fn limit(program: &mut Command, keep: Option<Vec<String>>) -> Result<()> {
    let names = keep.unwrap_or_else(|| USUAL.map(String::from).into());
    let keep: CapsHashSet = names.iter().filter_map(|name| parse(name)).collect();
    // Ours may be smaller than all there are already: inside another container it is.
    let bounding = caps::read(None, CapSet::Bounding).context("prctl(PR_CAPBSET_READ)")?;
    let gone: HashSet<_> = bounding.difference(&keep).collect();
    // One at a time, and CAP_SETPCAP is needed for it: this set can only shrink.
    for capability in &gone {
        caps::drop(None, CapSet::Bounding, **capability)
            .with_context(|| format!("prctl(PR_CAPBSET_DROP, {capability})"))?;
    }
    report::trace(format!("prctl(PR_CAPBSET_DROP), {} times   left: {}", gone.len(), names.join(" ")));
    // Empty by default; whoever started us may have filled them, as systemd does with AmbientCapabilities=.
    caps::clear(None, CapSet::Ambient).context("prctl(PR_CAP_AMBIENT_CLEAR_ALL)")?;
    caps::clear(None, CapSet::Inheritable).context("capset(inheritable)")?;
    // The others not before the user is the image's: to become that takes CAP_SETUID, whether it is kept or not.
    let rest = move || give_up(&keep).map_err(|error| io::Error::other(format!("{error:#}")));
    // SAFETY: there is one thread, and so no lock that another one could have held when this process was forked.
    unsafe { program.pre_exec(rest) };
    Ok(())
}

/// In the last moment before the execve.
/// An execve as root makes both sets as large as the bounding set, so that for root this changes nothing that
/// the execve would not. It counts for whoever is not root, and for what runs between here and there.
fn give_up(keep: &CapsHashSet) -> Result<()> {
    // Whoever is not root has lost them already, all of them, to setuid.
    let left: CapsHashSet = caps::read(None, CapSet::Permitted)?.intersection(keep).copied().collect();
    // In this order: what is effective has to be permitted.
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &left).with_context(|| format!("capset({set:?})"))?;
    }
    report::trace(format!("capset(effective, permitted)   {} of them", left.len()));
    Ok(())
}
