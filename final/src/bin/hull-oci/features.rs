//! `features`: what this runtime can apply (OCI runtime-spec, features.md and features-linux.md), told from the tables
//! by which it is applied.

use anyhow::Result;
use hull_runtime::security::{capabilities, seccomp};
use serde_json::json;

use crate::bundle::OCI_VERSION;
use crate::list::print;

pub fn features() -> Result<u8> {
    let features = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI_VERSION,
        "hooks": [],
        "mountOptions": hull_runtime::mount_options(),
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "uts"],
            "capabilities": capabilities::known(),
            "cgroup": {
                "v1": true,
                "v2": true,
                "systemd": false,
                "systemdUser": false,
                "rdma": false,
            },
            "seccomp": {
                "enabled": true,
                "actions": seccomp::ACTIONS,
                "operators": seccomp::OPERATORS,
                "archs": seccomp::known_architectures(),
                "knownFlags": seccomp::FLAGS,
                "supportedFlags": seccomp::FLAGS,
            },
            "apparmor": {"enabled": false},
            "selinux": {"enabled": false},
            "intelRdt": {"enabled": false},
            "mountExtensions": {"idmap": {"enabled": false}},
            "netDevices": {"enabled": false},
        },
        "potentiallyUnsafeConfigAnnotations": [],
    });
    print(&serde_json::to_string_pretty(&features)?)
}
