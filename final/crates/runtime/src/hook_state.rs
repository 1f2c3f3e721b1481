//! The container's state as hooks and seccomp agents read it (runtime-spec, runtime.md, "State").

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::spec::Spec;

/// The container that a hook is run for.
#[derive(Debug, Clone, Copy)]
pub struct HookState<'a> {
    pub id: &'a str,
    pub bundle: &'a Path,
    pub spec: &'a Spec,
    /// The pid of the container's first process in the pid namespace of the hook. 0 once it has ended.
    pub pid: i32,
    /// The environment of the container's program, which a startContainer hook gets too.
    pub env: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    oci_version: &'a str,
    id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    pid: i32,
    bundle: &'a Path,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

fn is_zero(pid: &i32) -> bool {
    *pid == 0
}

impl HookState<'_> {
    /// The state as JSON. `status` is one of the specification's: "creating", "created", "running" or "stopped".
    pub(crate) fn to_json(self, status: &'static str) -> Result<Vec<u8>> {
        let HookState { id, bundle, spec, pid, .. } = self;
        let (oci_version, annotations) = (&spec.oci_version, &spec.annotations);
        serde_json::to_vec(&State { oci_version, id, status, pid, bundle, annotations })
            .map_err(|error| Error::Invalid(format!("the container's state: {error}")))
    }
}
