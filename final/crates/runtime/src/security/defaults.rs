//! docker's default capabilities, masked paths and device rules, which `hull run` uses.

use crate::spec::DeviceRule;

/// The capabilities of root in a container, in the order of their numbers (capabilities(7)).
pub const CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SYS_CHROOT",
    "CAP_MKNOD",
    "CAP_AUDIT_WRITE",
    "CAP_SETFCAP",
];

/// Files that show or change the host's state, because no namespace covers them. They are masked.
pub const MASKED_PATHS: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Files with settings of the whole machine. They are made read-only.
pub const READONLY_PATHS: &[&str] =
    &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Any device node may be made, but only the devices that every program expects may be opened.
pub fn device_rules() -> Vec<DeviceRule> {
    let rule = |allow, kind: Option<&str>, major, minor, access: &str| DeviceRule {
        allow,
        kind: kind.map(str::to_owned),
        major,
        minor,
        access: Some(access.into()),
    };
    let open = |major, minor| rule(true, Some("c"), Some(major), minor, "rwm");
    vec![
        rule(false, None, None, None, "rwm"),
        rule(true, Some("c"), None, None, "m"),
        rule(true, Some("b"), None, None, "m"),
        open(1, Some(3)), // null
        open(1, Some(5)), // zero
        open(1, Some(7)), // full
        open(1, Some(8)), // random
        open(1, Some(9)), // urandom
        open(5, Some(0)), // tty
        open(5, Some(1)), // console
        open(5, Some(2)), // ptmx
        open(136, None),  // pts
    ]
}
