//! The policy of system calls of a system container, for the keys that change it.

use serde::Deserialize;

use crate::records::options::{CreateOptions, SeccompOption};

/// The policy that [`super::apply`] sets.
const POLICY: &str = include_str!("policy.json");

#[derive(Deserialize)]
struct Policy {
    syscalls: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    names: Vec<String>,
}

/// The system calls that the policy refuses.
pub(crate) fn refused_syscalls() -> Vec<String> {
    let policy = serde_json::from_str::<Policy>(POLICY).map(|policy| policy.syscalls);
    policy.unwrap_or_default().into_iter().flat_map(|rule| rule.names).collect()
}

/// The policy of a container for which no other was asked.
pub(crate) fn seccomp(options: &CreateOptions) -> SeccompOption {
    match options.system && !options.privileged {
        true => SeccompOption::Policy(POLICY.into()),
        false => SeccompOption::Default,
    }
}

/// Takes back the variable, the capabilities and the paths that [`super::apply`] has set, so that it can set them for
/// other ids.
pub(crate) fn forget_identity(options: &mut CreateOptions) {
    options.env.retain(|variable| variable != "container=lxc");
    if options.cap_add == ["ALL"] {
        options.cap_add.clear();
        options.cap_drop.clear();
    }
    for paths in [&mut options.masked_paths, &mut options.readonly_paths] {
        if paths.as_ref().is_some_and(Vec::is_empty) {
            *paths = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_policy_has_names() {
        assert!(super::refused_syscalls().contains(&"kexec_load".to_owned()));
    }
}
