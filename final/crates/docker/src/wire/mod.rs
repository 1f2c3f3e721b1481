//! The JSON of Docker's Engine API: the objects that `inspect` and the lists show and that a create request brings.
//!
//! Keys, their order, and what an unset field looks like are dockerd's. Go has a `null` list beside the empty one, and leaves some
//! unset fields out (`omitempty`). Scripts depend on the difference, so each field has it as a serde attribute:
//!
//! ```text
//! Vec<T>, BTreeMap                       unset is [] or {}
//! Vec<T>, BTreeMap  with = "nullable"    unset is null
//! Option<T>                              unset is null
//! skip_serializing_if = "…"              unset is left out
//! ```
//!
//! Reading accepts a missing key for every field, and `null` for every list and map.
//!
//! ```text
//! config             Config: program, user, environment      container   inspect, ps
//! host_config        HostConfig: limits, mounts, namespaces   image       image inspect, images, history
//! network_settings   NetworkSettings of a container           network     network inspect
//! exec               exec inspect                             volume      volume inspect
//! events             events                                  system      version
//! disk_usage         system df                               info        info
//! stats              stats                              message     lines of pull, push and build
//! lenient            reads a request as Go does         words       a command: a list, or one text
//! ```

pub mod config;
pub mod container;
pub mod disk_usage;
pub mod events;
pub mod exec;
pub mod host_config;
pub mod image;
pub mod info;
pub mod lenient;
pub mod message;
pub mod network;
pub mod network_settings;
pub mod nullable;
pub mod ordered;
pub mod stats;
pub mod system;
pub mod volume;
pub mod words;

use serde::{Deserialize, Serialize};

/// The text that Go writes for a time that was never set.
pub const NEVER: &str = "0001-01-01T00:00:00Z";

/// `{}`: the value of docker's maps that are used as sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// The directories of the layers on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct GraphDriver {
    pub data: std::collections::BTreeMap<String, String>,
    pub name: String,
}
