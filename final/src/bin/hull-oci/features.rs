//! `features`: prints what this runtime supports (OCI runtime-spec, features.md and features-linux.md). The lists come from
//! the tables that the runtime itself uses.

use anyhow::Result;
use hull_runtime::hooks::Point;
use hull_runtime::security::{capabilities, seccomp};
use serde_json::json;

use crate::bundle::OCI_VERSION;
use crate::list::print;

pub fn features() -> Result<u8> {
    let features = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI_VERSION,
        "hooks": Point::ALL.map(Point::name),
        "mountOptions": hull_runtime::mount_options(),
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": capabilities::known(),
            "cgroup": {
                "v1": true,
                "v2": true,
                "systemd": true,
                "systemdUser": true,
                "rdma": true,
            },
            "seccomp": {
                "enabled": true,
                "actions": seccomp::ACTIONS,
                "operators": seccomp::OPERATORS,
                "archs": seccomp::known_architectures(),
                "knownFlags": seccomp::FLAGS,
                "supportedFlags": seccomp::FLAGS,
            },
            // Supported if the kernel has the module.
            "apparmor": {"enabled": true},
            "selinux": {"enabled": true},
            "intelRdt": {"enabled": false},
            "mountExtensions": {"idmap": {"enabled": true}},
            "netDevices": {"enabled": true},
        },
        // Engines look for runc's name.
        "annotations": {"org.opencontainers.runc.checkpoint.enabled": "true"},
        "potentiallyUnsafeConfigAnnotations": [],
    });
    print(&serde_json::to_string_pretty(&features)?)
}
