//! docker's profile format, in which rules depend on capabilities, architecture and kernel.

use std::path::PathBuf;

use serde::Deserialize;

use super::syscalls::{DOCKER_ARCH, NATIVE};
use crate::spec::{Seccomp, SeccompArg, SyscallRule};

/// Moby's default profile, with the changes of later releases: see NOTICE.
pub(super) const DEFAULT: &str = include_str!("default.json");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: String,
    #[serde(default)]
    default_errno_ret: Option<u32>,
    #[serde(default)]
    flags: Option<Vec<String>>,
    /// The OCI's list; docker's profile has a map instead.
    #[serde(default)]
    architectures: Option<Vec<String>>,
    #[serde(default)]
    arch_map: Option<Vec<ArchMap>>,
    #[serde(default)]
    listener_path: Option<PathBuf>,
    #[serde(default)]
    listener_metadata: Option<String>,
    syscalls: Vec<Rule>,
}

/// The other architectures whose programs a kernel runs: 32-bit programs on a 64-bit kernel.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: String,
    #[serde(default)]
    sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    names: Vec<String>,
    /// Profiles from before docker 1.13 have one name in a rule.
    #[serde(default)]
    name: Option<String>,
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
    #[serde(default)]
    min_kernel: Option<String>,
}

/// docker's default policy, as it is for a container with these capabilities.
pub fn default_policy(capabilities: &[String]) -> Seccomp {
    // A test parses the same text, so this cannot fail.
    parse_policy(DEFAULT, capabilities).unwrap_or_default()
}

/// A policy file: docker's format, of which the OCI's is a subset.
pub fn parse_policy(text: &str, capabilities: &[String]) -> serde_json::Result<Seccomp> {
    let profile: Profile = serde_json::from_str(text)?;
    let has = |names: &[String]| names.iter().any(|name| capabilities.contains(name));
    let here = |arches: &[String]| arches.iter().any(|arch| arch == DOCKER_ARCH);
    let kernel = version(&rustix::system::uname().release().to_string_lossy());
    let applies = |rule: &Rule| {
        let all_caps = rule.includes.caps.iter().all(|name| capabilities.contains(name));
        (rule.includes.caps.is_empty() || all_caps)
            && (rule.includes.arches.is_empty() || here(&rule.includes.arches))
            && rule.includes.min_kernel.as_deref().is_none_or(|least| version(least) <= kernel)
            && !has(&rule.excludes.caps)
            && !here(&rule.excludes.arches)
            && rule.excludes.min_kernel.as_deref().is_none_or(|least| version(least) > kernel)
    };
    let syscalls = profile.syscalls.into_iter().filter(applies).map(|rule| SyscallRule {
        names: rule.names.into_iter().chain(rule.name).collect(),
        action: rule.action,
        errno_ret: rule.errno_ret,
        args: rule.args.unwrap_or_default(),
    });
    let map = profile.arch_map.into_iter().flatten().find(|map| map.architecture == NATIVE.name);
    let mapped = map
        .into_iter()
        .flat_map(|map| std::iter::once(map.architecture).chain(map.sub_architectures.unwrap_or_default()));
    let architectures = profile.architectures.into_iter().flatten().chain(mapped).collect();
    Ok(Seccomp {
        default_action: profile.default_action,
        default_errno_ret: profile.default_errno_ret,
        architectures,
        flags: profile.flags.unwrap_or_default(),
        listener_path: profile.listener_path,
        listener_metadata: profile.listener_metadata,
        syscalls: syscalls.collect(),
    })
}

/// Major and minor: `6.18.44-amd64` is 6.18.
fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.split(['.', '-']).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
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
        assert_eq!(plain.architectures[0], NATIVE.name);
    }

    #[test]
    fn a_rule_may_ask_for_a_kernel() {
        let text = |least| {
            format!(
                r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{{"name": "ptrace",
                "action": "SCMP_ACT_ALLOW", "includes": {{"minKernel": "{least}"}}}}]}}"#
            )
        };
        assert_eq!(parse_policy(&text("4.8"), &[]).unwrap().syscalls[0].names, ["ptrace"]);
        assert!(parse_policy(&text("999.0"), &[]).unwrap().syscalls.is_empty());
        assert!(version("6.18.44-amd64") > version("6.9"));
    }
}
