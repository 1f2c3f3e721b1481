//! The configuration keys of a container.

use crate::error::{Error, Result};
use crate::rlimit;
use crate::value::Value;

/// When a running container gets a new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// At once.
    Live,
    /// At the next start.
    Start,
    /// Processes that `exec` starts get it at once, and the container's own processes at the next start.
    Exec,
    /// Nothing is applied: hull reads the value when it needs it.
    Stored,
}

/// A key. A name that ends with `.*` stands for all keys that begin with the part before the star.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub value: Value,
    pub effect: Effect,
    pub about: &'static str,
}

const fn key(name: &'static str, value: Value, effect: Effect, about: &'static str) -> Key {
    Key { name, value, effect, about }
}

const ANY: Value = Value::Integer(i64::MIN, i64::MAX);
const COUNT: Value = Value::Integer(0, i64::MAX);
const PRIORITY: Value = Value::Integer(0, 10);

/// All keys, in the order of their names.
pub const TABLE: &[Key] = &[
    key("boot.autostart", Value::Bool, Effect::Stored, "Start it when the machine starts"),
    key(
        "boot.autostart.delay",
        COUNT,
        Effect::Stored,
        "Seconds to wait after its start before the next one's",
    ),
    key("boot.autostart.priority", ANY, Effect::Stored, "The highest starts first"),
    key(
        "boot.host_shutdown_timeout",
        COUNT,
        Effect::Stored,
        "Seconds until it is killed when the machine stops",
    ),
    key("boot.stop.priority", ANY, Effect::Stored, "The highest stops first"),
    key("cloud-init.network-config", Value::Yaml, Effect::Start, "Network configuration for cloud-init"),
    key("cloud-init.user-data", Value::UserData, Effect::Start, "User data for cloud-init"),
    key("cloud-init.vendor-data", Value::UserData, Effect::Start, "Vendor data for cloud-init"),
    key("environment.*", Value::Text, Effect::Exec, "A variable of the environment"),
    key("image.*", Value::Text, Effect::Stored, "A property of the image that it was made from"),
    key("limits.cpu", Value::Cpus, Effect::Live, "How many CPUs (2), or which (0-1,3)"),
    key(
        "limits.cpu.allowance",
        Value::Allowance,
        Effect::Live,
        "A share of CPU time (50%), or a quota (25ms/100ms)",
    ),
    key(
        "limits.cpu.priority",
        PRIORITY,
        Effect::Live,
        "Which container of the same share gets more CPU time",
    ),
    key("limits.disk.priority", PRIORITY, Effect::Live, "How much of a busy disk it gets"),
    key("limits.hugepages.1GB", Value::Size, Effect::Live, "Memory in huge pages of 1 GiB"),
    key("limits.hugepages.1MB", Value::Size, Effect::Live, "Memory in huge pages of 1 MiB"),
    key("limits.hugepages.2MB", Value::Size, Effect::Live, "Memory in huge pages of 2 MiB"),
    key("limits.hugepages.64KB", Value::Size, Effect::Live, "Memory in huge pages of 64 KiB"),
    key("limits.kernel.*", Value::Rlimit, Effect::Start, "A resource limit of its processes (setrlimit(2))"),
    key("limits.memory", Value::Amount, Effect::Live, "Memory: a size, or a percentage of the machine's"),
    key(
        "limits.memory.enforce",
        Value::OneOf(&["hard", "soft"]),
        Effect::Live,
        "soft: more while the machine has some",
    ),
    key("limits.memory.swap", Value::Bool, Effect::Live, "Whether its memory may be swapped"),
    key("limits.memory.swap.priority", PRIORITY, Effect::Live, "The highest is swapped last"),
    key("limits.processes", COUNT, Effect::Live, "Processes and threads"),
    key("linux.sysctl.*", Value::Text, Effect::Start, "A sysctl of its namespaces"),
    key("raw.idmap", Value::Idmap, Effect::Start, "Ids of the host that it has, too (both 1000 1000)"),
    key(
        "security.idmap.base",
        Value::Integer(0, u32::MAX as i64),
        Effect::Start,
        "The first id of the host that it has",
    ),
    key(
        "security.idmap.isolated",
        Value::Bool,
        Effect::Stored,
        "Ids of its own, which a system container has without it, too",
    ),
    key("security.idmap.size", Value::Integer(1, u32::MAX as i64), Effect::Start, "How many ids it has"),
    key("security.nesting", Value::Bool, Effect::Start, "Containers within it: volumes for their images"),
    key(
        "security.privileged",
        Value::Bool,
        Effect::Start,
        "Without a user namespace: its root is the machine's",
    ),
    key("security.protection.delete", Value::Bool, Effect::Stored, "rm refuses to remove it"),
    key(
        "security.syscalls.allow",
        Value::Syscalls,
        Effect::Start,
        "The only system calls that it has, each on a line",
    ),
    key(
        "security.syscalls.deny",
        Value::Syscalls,
        Effect::Start,
        "System calls that are refused, each on a line",
    ),
    key(
        "security.syscalls.deny_compat",
        Value::Bool,
        Effect::Start,
        "Refuse the system calls of 32-bit programs",
    ),
    key(
        "security.syscalls.deny_default",
        Value::Bool,
        Effect::Start,
        "Refuse the system calls that are refused by default",
    ),
    key("snapshots.expiry", Value::Expiry, Effect::Stored, "When its snapshots are removed (1w 2d)"),
    key("snapshots.pattern", Value::Text, Effect::Stored, "The names of scheduled snapshots"),
    key(
        "snapshots.schedule",
        Value::Schedule,
        Effect::Stored,
        "When snapshots are taken (@daily, or cron's fields)",
    ),
    key(
        "snapshots.schedule.stopped",
        Value::Bool,
        Effect::Stored,
        "Whether snapshots are taken while it is stopped",
    ),
    key("user.*", Value::Text, Effect::Stored, "Anything, for yourself"),
    key("user.meta-data", Value::Text, Effect::Start, "More meta data for cloud-init"),
    key(
        "user.network-config",
        Value::Yaml,
        Effect::Start,
        "Network configuration for cloud-init, by its older name",
    ),
    key("user.user-data", Value::UserData, Effect::Start, "User data for cloud-init, by its older name"),
    key("user.vendor-data", Value::UserData, Effect::Start, "Vendor data for cloud-init, by its older name"),
    key(
        "volatile.*",
        Value::Text,
        Effect::Stored,
        "What was noted about it, such as its state at the last shutdown",
    ),
];

const VIRTUAL_MACHINE: &str = "it is a virtual machine's, and hull has containers only";
const RAW: &str = "hull reads no configuration of LXC, AppArmor or QEMU";
const SUPERVISOR: &str = "it takes a process that answers system calls for the container, and hull has none";

/// Keys of LXD that hull does not have, by their beginnings, and why.
const LACKING: &[(&str, &str)] = &[
    ("agent.", VIRTUAL_MACHINE),
    ("boot.debug_edk2", VIRTUAL_MACHINE),
    ("cluster.", "hull works on one machine"),
    ("limits.memory.hugepages", VIRTUAL_MACHINE),
    ("limits.network.priority", "limit the nic instead: limits.ingress and limits.egress of the device"),
    ("linux.kernel_modules", "load them on the machine: /etc/modules-load.d"),
    ("migration.", "containers move while they are stopped"),
    ("nvidia.", "give it a device of type gpu"),
    ("raw.apparmor", RAW),
    ("raw.lxc", RAW),
    ("raw.qemu", RAW),
    ("raw.seccomp", "use security.syscalls.deny and security.syscalls.allow"),
    ("security.agent.", VIRTUAL_MACHINE),
    ("security.csm", VIRTUAL_MACHINE),
    ("security.devlxd", "there is no /dev/lxd in a container of hull"),
    ("security.protection.shift", "files are never shifted: their ids are mapped when they are mounted"),
    ("security.secureboot", VIRTUAL_MACHINE),
    ("security.sev", VIRTUAL_MACHINE),
    ("security.syscalls.intercept.", SUPERVISOR),
];

/// Finds the table's entry for a key.
pub fn find(name: &str) -> Result<&'static Key> {
    if let Some(key) = TABLE.iter().find(|key| key.name == name) {
        return Ok(key);
    }
    if let Some((_, why)) = LACKING.iter().find(|(beginning, _)| name.starts_with(beginning)) {
        return Err(Error::Unsupported { name: name.into(), why });
    }
    let of_family = |key: &&Key| {
        let rest = key.name.strip_suffix('*').and_then(|beginning| name.strip_prefix(beginning));
        rest.is_some_and(|rest| !rest.is_empty())
    };
    let key = TABLE.iter().find(of_family).ok_or_else(|| Error::unknown("key", name, names()))?;
    member(key, name).map(|()| key)
}

fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|key| key.name)
}

/// Refuses a key with a part that the star may not stand for.
fn member(key: &Key, name: &str) -> Result<()> {
    let rest = name.strip_prefix(key.name.trim_end_matches('*')).unwrap_or_default();
    let is_sane = name.chars().all(|character| !character.is_control() && !character.is_whitespace());
    match key.name {
        "limits.kernel.*" if !rlimit::NAMES.contains(&rest) => {
            Err(Error::unknown("resource limit", rest, rlimit::NAMES))
        }
        "environment.*" if rest.contains('=') => {
            Err(Error::invalid(format!("key {name:?}"), "a variable's name has no = in it"))
        }
        _ if !is_sane => Err(Error::invalid(format!("key {name:?}"), "a key has no spaces in it")),
        _ => Ok(()),
    }
}

/// Refuses a key that does not exist, and a value that the key does not accept.
pub fn check(name: &str, value: &str) -> Result<&'static Key> {
    let key = find(name)?;
    let refused = |why: String| Error::value(name, value, why);
    if value.contains('\0') {
        return Err(refused("it has a byte of zero in it".into()));
    }
    key.value.check(value).map_err(refused)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(TABLE.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn keys_are_found_by_name_and_by_family() {
        assert_eq!(find("limits.memory").unwrap().effect, Effect::Live);
        assert_eq!(find("limits.kernel.nofile").unwrap().name, "limits.kernel.*");
        assert_eq!(find("user.user-data").unwrap().effect, Effect::Start);
        assert_eq!(find("user.note").unwrap().effect, Effect::Stored);
        assert_eq!(find("environment.LANG").unwrap().effect, Effect::Exec);
    }

    #[test]
    fn a_slip_is_answered_with_the_key() {
        assert_eq!(find("limits.memry").unwrap_err().near(), Some("limits.memory"));
        assert_eq!(find("limits.kernel.nofiles").unwrap_err().near(), Some("nofile"));
        assert_eq!(find("colour").unwrap_err().near(), None);
        for wrong in ["user.", "environment.A=B", "user.a b"] {
            assert!(find(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_hull_lacks_says_why() {
        for name in ["raw.lxc", "security.secureboot", "security.syscalls.intercept.mknod", "nvidia.runtime"]
        {
            assert!(find(name).unwrap_err().is_unsupported(), "{name}");
        }
    }

    #[test]
    fn values_are_checked() {
        assert!(check("limits.memory", "1GiB").is_ok());
        let error = check("limits.memory", "1 gigabyte").unwrap_err().to_string();
        assert!(error.starts_with("invalid value \"1 gigabyte\" of limits.memory: a size is"), "{error}");
        assert!(check("user.x", "a\0b").is_err());
    }
}
