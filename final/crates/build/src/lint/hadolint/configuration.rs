//! `.hadolint.yaml`: rules that are not reported, other levels of rules, registries that FROM may name.

use std::collections::{BTreeMap, BTreeSet};

use crate::lint::Severity;

/// The keys of the file that change what is reported. The caller has read and parsed it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// `ignored`
    pub ignored: BTreeSet<String>,
    /// `override`: the level of a rule.
    pub levels: BTreeMap<String, Severity>,
    /// `trustedRegistries`: empty allows all.
    pub registries: Vec<String>,
    /// `failure-threshold`: warnings of this level and worse ones make the check fail. `None`: none does.
    pub threshold: Option<Severity>,
}

impl Configuration {
    pub(super) fn severity(&self, rule: &str, own: Severity) -> Severity {
        if self.ignored.contains(rule) {
            return Severity::Ignore;
        }
        self.levels.get(rule).copied().unwrap_or(own)
    }

    /// Whether FROM may name this registry; an entry may begin or end with `*`.
    pub(super) fn allows(&self, registry: &str) -> bool {
        let fits = |entry: &String| match (entry.strip_prefix('*'), entry.strip_suffix('*')) {
            _ if entry == "*" => true,
            (Some(end), _) => registry.ends_with(end),
            (_, Some(start)) => registry.starts_with(start),
            _ => entry == registry || (registry == "docker.io" && entry == "hub.docker.com"),
        };
        self.registries.is_empty() || self.registries.iter().any(fits)
    }
}
