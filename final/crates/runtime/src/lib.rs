//! An OCI runtime as a library: bundles in, isolated processes out.
//!
//! ```text
//! spec        config.json                    create   limits, clone, then talk to the child until it is ready
//! birth       clone3: into which namespaces  idmap    who is who in a user namespace
//! hooks       the bundle's own programs      network_devices   devices that move in
//! procfs      the kernel's /proc, checked
//! protocol    what parent and child say      init/    the child: namespaces, mounts, security, execve
//! rendezvous  where a container waits to be started by another process
//! rootfs/     mounts, devices, masks, pivot  exec     another process in a running container
//! cgroups/    limits, on v1, hybrid and v2   security/ capabilities, seccomp, docker's defaults
//! systemd/    cgroups that it makes, over D-Bus
//! checkpoint/ a container's processes into a directory and out again, by CRIU
//! ```
//! It knows nothing of images, networks or names.

mod arrival;
mod birth;
pub mod cgroups;
pub mod checkpoint;
mod console;
mod create;
pub mod defaults;
mod error;
mod exec;
pub mod hooks;
mod idmap;
mod init;
mod namespaces;
mod network_devices;
mod procfs;
mod protocol;
pub mod rendezvous;
mod rootfs;
pub mod security;
pub mod spec;
mod stdio;
pub mod systemd;

pub use create::{CreateOptions, Created, Running, create, spawn};
pub use error::{Error, Result};
pub use exec::{ExecTarget, exec};
pub use init::serve_as_init;
pub use rendezvous::start;
pub use rootfs::{Graft, mount_options};
pub use stdio::Stdio;
