//! Why an unprivileged user's process cannot enter a user namespace.

use hull_sys::Kind;
use serde::{Deserialize, Serialize};

use super::Detail;

/// A step of entering that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot enter a user namespace: {step}: {source}")]
pub struct UserNamespaceError {
    pub(crate) step: String,
    pub(crate) source: std::io::Error,
    pub(crate) kind: Kind,
    pub(crate) detail: Option<Detail>,
}

/// The setting of this machine that prevents user namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Obstacle {
    /// The sysctl user.max_user_namespaces is 0.
    LimitIsZero,
    /// There are as many as that sysctl allows, or they are nested too deeply.
    LimitReached,
    /// The sysctl kernel.apparmor_restrict_unprivileged_userns, which Ubuntu sets.
    AppArmor,
    /// The sysctl kernel.unprivileged_userns_clone, which Debian's kernels had.
    RootOnly,
    /// A seccomp filter, probably an outer container's.
    SeccompFilter,
    Unknown,
}

impl UserNamespaceError {
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn detail(&self) -> Option<Detail> {
        self.detail.clone()
    }
}
