//! System calls by name. A name that this architecture does not have is nobody's number, and is passed over, as
//! runc does: one policy serves many architectures.

use std::collections::BTreeMap;

#[cfg(target_arch = "x86_64")]
const TABLE: &str = include_str!("x86_64.txt");
#[cfg(target_arch = "aarch64")]
const TABLE: &str = include_str!("aarch64.txt");

/// `AUDIT_ARCH_*` of linux/audit.h, which a filter finds in `seccomp_data.arch`.
#[cfg(target_arch = "x86_64")]
pub(super) const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
pub(super) const AUDIT_ARCH: u32 = 0xc000_00b7;

/// As docker's profile calls this architecture.
#[cfg(target_arch = "x86_64")]
pub(super) const DOCKER_ARCH: &str = "amd64";
#[cfg(target_arch = "aarch64")]
pub(super) const DOCKER_ARCH: &str = "arm64";

pub(super) fn numbers() -> BTreeMap<&'static str, u32> {
    let pair = |line: &'static str| {
        let (name, number) = line.split_once(' ')?;
        Some((name, number.parse().ok()?))
    };
    TABLE.lines().filter_map(pair).collect()
}

/// The newest this table knows.
pub(super) fn highest() -> u32 {
    numbers().into_values().max().unwrap_or(0)
}
