//! The typed project. The structs have the fields of Compose's own types, in their order: the JSON of a service is what
//! its hash is computed from.
//!
//! ```text
//! object     how a struct is read from a node, and printed
//! scalar, mapping, command, quantity   the values of fields
//! project    the whole                 service    a service, its logging and its limits
//! build      how an image is built     deploy     replicas, resources
//! network    networks and ports        volume     volumes and mounts
//! file       configs, secrets          device     devices, GPUs, block I/O
//! warnings   what can be read, but hardly means what it says
//! lifecycle  health, hooks, dependencies, watch
//! ```
//!
//! As in Go, an unset string is empty and an unset number zero where Compose makes no difference; where it makes one, the
//! field is an `Option`.

mod build;
mod command;
mod deploy;
mod device;
mod file;
mod lifecycle;
mod mapping;
mod network;
mod object;
mod project;
mod quantity;
mod scalar;
mod service;
mod volume;
mod warnings;

pub use build::{Build, SshConfig, SshKey};
pub use command::{HealthCheckTest, ShellCommand};
pub use deploy::*;
pub use device::{BlkioConfig, DeviceMapping, DeviceRequest, ThrottleDevice, WeightDevice};
pub(crate) use file::SECRET_CONTENT;
pub use file::{Config, CredentialSpec, EnvFile, FileObject, FileReference, Secret};
pub use lifecycle::*;
pub(crate) use mapping::text;
pub use mapping::{HostsList, Labels, Mapping, MappingWithEquals, MultiOptions, Options, StringList};
pub use network::{Ipam, IpamPool, Network, Port, ServiceNetwork};
pub use object::{Decode, Extensions, Print, kind};
pub use project::Project;
pub use quantity::{DeviceCount, Duration, FileMode, NanoCpus, UnitBytes};
pub use service::{Logging, PullPolicy, Service, Ulimit};
pub use volume::*;
pub use warnings::discouraged;
