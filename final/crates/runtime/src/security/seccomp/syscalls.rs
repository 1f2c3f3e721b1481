//! System calls by name, for each supported architecture. A name that an architecture does not have is skipped, as by
//! runc, because one policy serves many architectures.

use std::collections::BTreeMap;

/// `name x86_64 x86 aarch64`, with `-` where there is none.
const TABLE: &str = include_str!("syscalls.txt");

/// One calling convention, with numbers of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Architecture {
    /// Its name in OCI policies.
    pub name: &'static str,
    /// `AUDIT_ARCH_*` of linux/audit.h, which a filter finds in `seccomp_data.arch`.
    pub audit: u32,
    column: usize,
}

const KNOWN: &[Architecture] = &[
    Architecture { name: "SCMP_ARCH_X86_64", audit: 0xc000_003e, column: 0 },
    Architecture { name: "SCMP_ARCH_X86", audit: 0x4000_0003, column: 1 },
    Architecture { name: "SCMP_ARCH_AARCH64", audit: 0xc000_00b7, column: 2 },
];

/// The architecture that hull was built for.
#[cfg(target_arch = "x86_64")]
pub(super) const NATIVE: &Architecture = &KNOWN[0];
#[cfg(target_arch = "aarch64")]
pub(super) const NATIVE: &Architecture = &KNOWN[2];

/// Its name in docker's profile.
#[cfg(target_arch = "x86_64")]
pub(super) const DOCKER_ARCH: &str = "amd64";
#[cfg(target_arch = "aarch64")]
pub(super) const DOCKER_ARCH: &str = "arm64";

/// The architectures whose system calls are known, by their names in policies.
pub fn known_architectures() -> Vec<&'static str> {
    KNOWN.iter().map(|architecture| architecture.name).collect()
}

/// Whether there is a system call of this name on the native architecture.
pub fn is_known(name: &str) -> bool {
    NATIVE.numbers().contains_key(name)
}

/// The native architecture and the known ones in `names`. Programs of any other are killed at their first system call.
pub(super) fn architectures(names: &[String]) -> Vec<&'static Architecture> {
    let others = KNOWN.iter().filter(|other| *other != NATIVE && names.iter().any(|name| name == other.name));
    std::iter::once(NATIVE).chain(others).collect()
}

impl Architecture {
    pub fn numbers(&self) -> BTreeMap<&'static str, u32> {
        let pair = |line: &'static str| {
            let mut fields = line.split(' ');
            let name = fields.next()?;
            Some((name, fields.nth(self.column)?.parse().ok()?))
        };
        TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(pair).collect()
    }
}
