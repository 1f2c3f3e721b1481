//! What few mounts ask for beyond source and target.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Options of a mount that are rarely given. The default is a mount without any of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountExtras {
    /// Of a bind mount: what becomes of the mounts below its source.
    #[serde(skip_serializing_if = "Recursion::is_default")]
    pub recursion: Recursion,
    /// The part of a volume or an image that is mounted, below its root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subpath: Option<PathBuf>,
    /// The labels of the volume, if it is created with the container.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The options of the volume's driver, if it is created with the container.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_options: BTreeMap<String, String>,
    /// The volume is a mount of its own ([`hull_docker::flags::local_driver`]), which each monitor makes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_driver_mount: bool,
    /// `z` or `Z`, which has no effect without SELinux and is shown as it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relabel: Option<char>,
    /// `U`: the source is given to the container's user.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub chown: bool,
    /// `O`: the source is the lower directory of an overlay, whose changes end with the run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub overlay: bool,
    /// The options of a `-v` where hull would write them otherwise: `rw` and `cached` mean nothing, and clients compare what
    /// is shown with what they asked for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub spelled: String,
    /// The number of what a builder hands over as the source ([`crate::records::handed`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handed: Option<usize>,
    /// The volume is anonymous, and the container has it from the one that it has replaced. It goes with the container.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub inherited: bool,
    /// The layers of an image that is mounted, below the data root, the lowest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<PathBuf>,
    /// `idmap`: the files of a bind mount have the container's ids. Those of a volume have them anyway.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub idmap: bool,
    /// The name of the LXD device ([`crate::records::instance`]) that the mount belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// A missing source is no error: the container starts without the mount.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// The source is a block device, whose file system is mounted with these options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<Vec<String>>,
    /// The mount is a device node, which is made at each start. The source only tells which device the node is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Node>,
}

/// A device node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub is_block: bool,
    /// `None`: the numbers of the source, which may differ after a reboot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<(u32, u32)>,
    pub mode: u32,
    /// The owner as the container sees it.
    pub uid: u32,
    pub gid: u32,
}

/// docker's `bind-recursive`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recursion {
    /// The mounts below are bound too, and are read-only with it.
    #[default]
    Enabled,
    /// The mounts below are left out.
    Disabled,
    /// The mounts below are bound too, and stay writable if it is read-only.
    Writable,
    /// As `Enabled`; a kernel that cannot make the mounts below read-only is an error.
    Readonly,
}

impl Recursion {
    fn is_default(&self) -> bool {
        *self == Self::Enabled
    }
}

impl MountExtras {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the source has to be made in the monitor's mount namespace before it can be bound.
    pub(crate) fn need_source(&self) -> bool {
        self.has_driver_mount
            || self.subpath.is_some()
            || self.overlay
            || self.handed.is_some()
            || self.block.is_some()
            || !self.layers.is_empty()
    }
}
