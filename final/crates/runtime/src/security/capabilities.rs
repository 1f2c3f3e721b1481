//! Capabilities (capabilities(7)): from the names of config.json to what the kernel holds for a thread.
//!
//! A capability that the kernel does not know, or that this process does not hold, cannot be given. It is left out with
//! a warning, because the OCI's specification says "SHOULD NOT fail" (runtime-spec, config.md, "Linux Process").

use std::collections::BTreeSet;

use hull_sys::security::{self, CapabilitySets};
use nix::errno::Errno;

use crate::error::{Result, Step};
use crate::spec::Capabilities;

/// linux/capability.h: the index is the number.
const NAMES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The five sets of a thread, a bit for each capability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sets {
    bounding: u64,
    effective: u64,
    permitted: u64,
    inheritable: u64,
    ambient: u64,
}

/// The bit of CAP_SYS_ADMIN.
const SYS_ADMIN: u64 = 1 << 21;

/// True for a name that capabilities(7) has: `CAP_CHOWN`.
pub fn is_known(name: &str) -> bool {
    number(name).is_some()
}

/// Every name that capabilities(7) has.
pub fn known() -> &'static [&'static str] {
    NAMES
}

/// Warnings about capabilities that a process does not get: unknown names, and ambient ones that are not both permitted
/// and inheritable. The texts are runc's, because scripts compare them.
pub fn warnings(asked: &Capabilities) -> Vec<String> {
    let sets = [&asked.bounding, &asked.effective, &asked.permitted, &asked.inheritable, &asked.ambient];
    let unknown: BTreeSet<&str> =
        sets.into_iter().flatten().map(String::as_str).filter(|name| !is_known(name)).collect();
    let unknown: Vec<&str> = unknown.into_iter().collect();
    let ignored = format!("ignoring unknown or unavailable capabilities: [{}]", unknown.join(" "));
    let base = bits(&asked.permitted) & bits(&asked.inheritable);
    let is_lost = |name: &&String| number(name).is_some_and(|number| base & 1 << number == 0);
    let lost = asked.ambient.iter().filter(is_lost);
    let lost = lost.map(|name| format!("can't raise ambient capability {name}: {}", Errno::EPERM.desc()));
    (!unknown.is_empty()).then_some(ignored).into_iter().chain(lost).collect()
}

/// Every capability that can be given: those in this process's bounding set.
pub fn all() -> Vec<String> {
    let held = caps::read(None, caps::CapSet::Bounding).unwrap_or_default();
    let held = held.iter().fold(0, |set, capability| set | 1 << capability.index());
    NAMES
        .iter()
        .enumerate()
        .filter(|(number, _)| held & 1_u64 << number != 0)
        .map(|(_, n)| n.to_string())
        .collect()
}

fn number(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

fn bits(names: &[String]) -> u64 {
    names.iter().filter_map(|name| number(name)).fold(0, |set, number| set | 1 << number)
}

/// The requested sets, reduced to what can be given. They are empty if config.json has none.
pub(crate) fn parse(asked: Option<&Capabilities>) -> Result<Sets> {
    let Some(asked) = asked else { return Ok(Sets::default()) };
    let held = security::capabilities().step(|| "read our own capabilities".into())?.permitted;
    let permitted = bits(&asked.permitted) & held;
    let inheritable = bits(&asked.inheritable) & held;
    Ok(Sets {
        bounding: bits(&asked.bounding),
        // The kernel's rules: effective is a subset of permitted, and ambient is a subset of permitted and of
        // inheritable.
        effective: bits(&asked.effective) & permitted,
        permitted,
        inheritable,
        ambient: bits(&asked.ambient) & permitted & inheritable,
    })
}

/// Whether this process holds CAP_SETGID.
pub(crate) fn may_set_groups() -> bool {
    let setgid = bits(&["CAP_SETGID".to_owned()]);
    security::capabilities().is_ok_and(|held| held.effective & setgid != 0)
}

/// Drops all other capabilities from the bounding set. This needs CAP_SETPCAP, so it is done before the user changes.
pub(crate) fn limit_bounding(sets: &Sets) -> Result<()> {
    for number in (0..u64::BITS).filter(|number| sets.bounding & 1 << number == 0) {
        match security::drop_bounding(number) {
            // Past the last capability that this kernel has.
            Err(Errno::EINVAL) => break,
            result => result.step(|| {
                let name = NAMES.get(number as usize).copied().unwrap_or("an unnamed capability");
                format!("drop {name} from the bounding set")
            })?,
        }
    }
    Ok(())
}

/// Sets the other four sets. This is done after the user has changed, because that change empties some of them.
pub(crate) fn apply(sets: &Sets) -> Result<()> {
    let Sets { effective, permitted, inheritable, .. } = *sets;
    // This also lowers ambient ones that are no longer both permitted and inheritable (capabilities(7)).
    set(CapabilitySets { effective, permitted, inheritable })?;
    raise_ambient(sets)
}

/// Like [`apply`], but CAP_SYS_ADMIN stays permitted if this process holds it. It has no effect until [`raise_admin`].
pub(crate) fn apply_keeping_admin(sets: &Sets) -> Result<()> {
    let Sets { effective, permitted, inheritable, .. } = *sets;
    let held = security::capabilities().step(|| "read our own capabilities".into())?.permitted;
    set(CapabilitySets { effective, permitted: permitted | held & SYS_ADMIN, inheritable })?;
    raise_ambient(sets)
}

/// Makes CAP_SYS_ADMIN effective again, which [`apply_keeping_admin`] has kept permitted. execve(2) drops it unless the
/// program is to have it, because it is neither ambient nor in the bounding set.
pub(crate) fn raise_admin(sets: &Sets) -> Result<()> {
    let permitted = security::capabilities().step(|| "read our own capabilities".into())?.permitted;
    let effective = sets.effective | permitted & SYS_ADMIN;
    set(CapabilitySets { effective, permitted, inheritable: sets.inheritable })
}

/// Keeps only CAP_SYS_ADMIN, if this process holds it, also across an execve(2) by root.
pub(crate) fn keep_admin_only() -> Result<()> {
    limit_bounding(&Sets::default())?;
    let held = security::capabilities().step(|| "read our own capabilities".into())?.permitted & SYS_ADMIN;
    set(CapabilitySets { effective: held, permitted: held, inheritable: 0 })
}

fn raise_ambient(sets: &Sets) -> Result<()> {
    for number in (0..u64::BITS).filter(|number| sets.ambient & 1 << number != 0) {
        security::raise_ambient(number).step(|| format!("raise ambient {}", NAMES[number as usize]))?;
    }
    Ok(())
}

fn set(sets: CapabilitySets) -> Result<()> {
    security::set_capabilities(&sets).step(|| "set the capabilities".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::defaults;

    #[test]
    fn numbers_are_those_of_the_kernel() {
        for (name, expected) in [("CAP_CHOWN", 0), ("CAP_SYS_ADMIN", 21), ("CAP_CHECKPOINT_RESTORE", 40)] {
            assert_eq!(number(name), Some(expected), "{name}");
        }
        assert!(!is_known("CAP_NONSENSE") && !is_known("chown"));
    }

    #[test]
    fn what_is_not_given_is_said() {
        let list = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let asked = Capabilities {
            bounding: list(&["CAP_KILL", "CAP_OF_TOMORROW"]),
            permitted: list(&["CAP_KILL", "CAP_OF_TOMORROW", "CAP_CHOWN"]),
            inheritable: list(&["CAP_KILL"]),
            ambient: list(&["CAP_KILL", "CAP_CHOWN"]),
            ..Capabilities::default()
        };
        let said = warnings(&asked);
        assert_eq!(said[0], "ignoring unknown or unavailable capabilities: [CAP_OF_TOMORROW]");
        assert_eq!(said[1], "can't raise ambient capability CAP_CHOWN: Operation not permitted");
        assert!(said.len() == 2 && warnings(&Capabilities::default()).is_empty());
    }

    #[test]
    fn dockers_fourteen_are_the_mask_that_proc_shows_in_its_containers() {
        let names: Vec<String> = defaults::CAPABILITIES.iter().map(|name| name.to_string()).collect();
        assert_eq!((names.len(), bits(&names)), (14, 0xa804_25fb));
    }

    #[test]
    fn what_we_do_not_hold_is_left_out_and_subsets_stay_subsets() {
        let all = NAMES.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let asked = Capabilities {
            bounding: all.clone(),
            effective: all.clone(),
            permitted: vec!["CAP_KILL".into(), "CAP_NONSENSE".into()],
            inheritable: vec![],
            ambient: all,
        };
        let sets = parse(Some(&asked)).unwrap();
        assert_eq!(sets.effective & !sets.permitted, 0);
        assert_eq!(sets.permitted & !bits(&["CAP_KILL".into()]), 0);
        assert_eq!(sets.ambient, 0);
        assert_eq!(parse(None).unwrap(), Sets::default());
    }
}
