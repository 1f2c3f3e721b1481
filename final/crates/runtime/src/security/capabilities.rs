//! The five sets of capabilities(7).

use hull_sys::security::{self, CapabilitySets};

use crate::error::{Error, Result, Step};
use crate::spec::Capabilities;

/// By number.
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

/// Those this process could give away: the kernel's, as far as our own bounding set goes.
pub fn all() -> Vec<String> {
    let held = caps::read(None, caps::CapSet::Bounding).unwrap_or_default();
    let held: Vec<String> = held.iter().map(|capability| capability.to_string()).collect();
    NAMES.iter().filter(|name| held.iter().any(|held| held == *name)).map(|name| name.to_string()).collect()
}

pub fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// A bit for each capability of a set.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    bounding: u64,
    ambient: u64,
    own: CapabilitySets,
}

pub(crate) fn parse(capabilities: Option<&Capabilities>) -> Result<Sets> {
    let Some(capabilities) = capabilities else { return Ok(Sets::default()) };
    let bits = |names: &[String]| {
        names.iter().try_fold(0, |bits, name| match NAMES.iter().position(|known| known == name) {
            Some(number) => Ok(bits | 1 << number),
            None => Err(Error::Invalid(format!("unknown capability {name:?}"))),
        })
    };
    Ok(Sets {
        bounding: bits(&capabilities.bounding)?,
        ambient: bits(&capabilities.ambient)?,
        own: CapabilitySets {
            effective: bits(&capabilities.effective)?,
            permitted: bits(&capabilities.permitted)?,
            inheritable: bits(&capabilities.inheritable)?,
        },
    })
}

/// Everything outside the bounding set is gone for good.
pub(crate) fn limit_bounding(sets: &Sets) -> Result<()> {
    for number in (0..64).filter(|number| sets.bounding & (1 << number) == 0) {
        match security::drop_bounding(number) {
            // Past the last capability that this kernel has.
            Err(nix::errno::Errno::EINVAL) => break,
            result => result.step(|| format!("drop capability {number} from the bounding set"))?,
        }
    }
    Ok(())
}

pub(crate) fn apply(sets: &Sets) -> Result<()> {
    security::set_capabilities(&sets.own).step(|| "set the capabilities".into())?;
    for number in (0..64).filter(|number| sets.ambient & (1 << number) != 0) {
        security::raise_ambient(number).step(|| format!("raise the ambient capability {number}"))?;
    }
    Ok(())
}
