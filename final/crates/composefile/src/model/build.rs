//! How an image is built.

use std::collections::BTreeMap;

use super::mapping::{HostsList, Labels, Mapping, MappingWithEquals, StringList};
use super::object::{Decode, Print, object, serialize, wrong_kind};
use super::quantity::UnitBytes;
use super::{FileReference, Ulimit};
use crate::path::Path;
use crate::print::{Form, Tree};
use crate::{Node, Result, Value};

object! {
    pub struct Build {
        context: String = "context",
        dockerfile: String = "dockerfile",
        dockerfile_inline: String = "dockerfile_inline",
        entitlements: Vec<String> = "entitlements",
        args: MappingWithEquals = "args",
        provenance: String = "provenance",
        sbom: String = "sbom",
        ssh: SshConfig = "ssh",
        labels: Labels = "labels",
        cache_from: StringList = "cache_from",
        cache_to: StringList = "cache_to",
        no_cache: bool = "no_cache",
        additional_contexts: Mapping = "additional_contexts",
        pull: bool = "pull",
        extra_hosts: HostsList = "extra_hosts",
        isolation: String = "isolation",
        network: String = "network",
        target: String = "target",
        secrets: Vec<FileReference> = "secrets",
        shm_size: UnitBytes = "shm_size",
        tags: StringList = "tags",
        ulimits: BTreeMap<String, Ulimit> = "ulimits",
        platforms: StringList = "platforms",
        privileged: bool = "privileged",
    }
}

/// Agents and keys that a build may use. One without a path is the agent of `SSH_AUTH_SOCK`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshConfig(pub Vec<SshKey>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshKey {
    pub id: String,
    pub path: String,
}

impl Print for SshConfig {
    fn tree(&self, _: Form) -> Tree {
        let line = |key: &SshKey| match key.path.as_str() {
            "" => Tree::String(key.id.clone()),
            path => Tree::String(format!("{}: {path}", key.id)),
        };
        Tree::Sequence(self.0.iter().map(line).collect())
    }

    fn is_empty(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}

serialize!(SshConfig);

impl Decode for SshConfig {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        let Value::Mapping(_) = node.value else { return Err(wrong_kind(node, path, "a mapping")) };
        let keys = Mapping::decode(node, path)?;
        Ok(Self(keys.0.into_iter().map(|(id, path)| SshKey { id, path }).collect()))
    }
}
