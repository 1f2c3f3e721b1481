//! podman's options of a container's process and of its files in /etc, which docker does not have.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessExtras {
    /// `--umask`.
    pub umask: Option<u32>,
    /// `--unsetenv`: variables of the image, and hull's own, that are left out.
    pub unset_env: Vec<String>,
    /// `--unsetenv-all`.
    pub unset_all_env: bool,
    /// `--no-hosts`: /etc/hosts is the image's.
    pub no_hosts: bool,
    /// `--no-hostname`: /etc/hostname is the image's.
    pub no_hostname: bool,
}

impl ProcessExtras {
    /// Leaves out what is unset. What the user sets is added afterwards.
    pub(crate) fn unset(&self, env: &mut Vec<String>) {
        let is_unset = |entry: &str| {
            let name = entry.split('=').next().unwrap_or(entry);
            self.unset_all_env || self.unset_env.iter().any(|unset| unset == name)
        };
        env.retain(|entry| !is_unset(entry));
    }

    /// Whether hull's own file of this name in /etc is left out.
    pub(crate) fn leaves_out(&self, name: &str) -> bool {
        self.no_hosts && name == "hosts" || self.no_hostname && name == "hostname"
    }
}

#[test]
fn variables_are_unset_by_name() {
    let env = || vec!["A=1".to_owned(), "AB=2".into(), "C=3".into()];
    let mut left = env();
    ProcessExtras { unset_env: vec!["A".into(), "C".into()], ..Default::default() }.unset(&mut left);
    assert_eq!(left, ["AB=2"]);
    let mut left = env();
    ProcessExtras { unset_all_env: true, ..Default::default() }.unset(&mut left);
    assert!(left.is_empty());
}
