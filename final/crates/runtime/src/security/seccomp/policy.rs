//! docker's profile format, in which rules depend on capabilities, architecture and kernel.

use serde::Deserialize;

use super::syscalls::DOCKER_ARCH;
use crate::spec::{Seccomp, SeccompArg, SyscallRule};

/// Moby's, kept as it is: see NOTICE.
const DEFAULT: &str = include_str!("default.json");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: String,
    #[serde(default)]
    default_errno_ret: Option<u32>,
    #[serde(default)]
    flags: Option<Vec<String>>,
    syscalls: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    names: Vec<String>,
    action: String,
    #[serde(default)]
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<SeccompArg>>,
    #[serde(default)]
    includes: Condition,
    #[serde(default)]
    excludes: Condition,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(default)]
    caps: Vec<String>,
    #[serde(default)]
    arches: Vec<String>,
    /// Every kernel with the calls hull needs is newer than any that a profile asks for (4.8).
    #[serde(default, rename = "minKernel")]
    _min_kernel: Option<String>,
}

/// docker's default policy, as it is for a container with these capabilities.
pub fn default_policy(capabilities: &[String]) -> Seccomp {
    // A test reads the same text: it cannot be broken here.
    parse_policy(DEFAULT, capabilities).unwrap_or_default()
}

/// A policy file: docker's format, of which the OCI's is a subset.
pub fn parse_policy(text: &str, capabilities: &[String]) -> serde_json::Result<Seccomp> {
    let profile: Profile = serde_json::from_str(text)?;
    let has = |names: &[String]| names.iter().any(|name| capabilities.contains(name));
    let here = |arches: &[String]| arches.iter().any(|arch| arch == DOCKER_ARCH);
    let applies = |rule: &Rule| {
        let all_caps = rule.includes.caps.iter().all(|name| capabilities.contains(name));
        (rule.includes.caps.is_empty() || all_caps)
            && (rule.includes.arches.is_empty() || here(&rule.includes.arches))
            && !has(&rule.excludes.caps)
            && !here(&rule.excludes.arches)
    };
    let syscalls = profile.syscalls.into_iter().filter(applies).map(|rule| SyscallRule {
        names: rule.names,
        action: rule.action,
        errno_ret: rule.errno_ret,
        args: rule.args.unwrap_or_default(),
    });
    Ok(Seccomp {
        default_action: profile.default_action,
        default_errno_ret: profile.default_errno_ret,
        architectures: vec![],
        flags: profile.flags.unwrap_or_default(),
        syscalls: syscalls.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_profile_reads_and_depends_on_capabilities() {
        let allows = |policy: &Seccomp, name: &str| {
            policy.syscalls.iter().any(|rule| {
                rule.action == "SCMP_ACT_ALLOW"
                    && rule.args.is_empty()
                    && rule.names.iter().any(|n| n == name)
            })
        };
        let plain = default_policy(&["CAP_SYS_CHROOT".into()]);
        assert!(allows(&plain, "read") && allows(&plain, "chroot") && !allows(&plain, "mount"));
        assert!(allows(&default_policy(&["CAP_SYS_ADMIN".into()]), "mount"));
    }
}
