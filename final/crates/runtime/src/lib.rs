//! An OCI runtime as a library: it turns bundles into isolated processes.
//!
//! A module imports only from modules that come before it here. From the bottom up:
//!
//! ```text
//! spec/              the types of config.json
//! systemd/           a cgroup as a systemd scope, over D-Bus
//! cgroups/           resource limits, on cgroup v1, hybrid and v2
//! error/             what failed, and of which kind it is
//! procfs             the file system at /proc, checked
//! namespaces         which namespaces are new, and which are joined
//! stdio, console     stdin, stdout and stderr; the container's terminal
//! hook_state         the container's state as hooks read it
//! security/          capabilities, labels, seccomp, docker's defaults
//! program            finding and executing a program
//! hooks              programs that the bundle runs
//! protocol           the messages between parent and child
//! idmap              the ids of user namespaces
//! network_devices    the host's network devices that a container takes over
//! defaults, rootfs/  mounts, devices, masked paths, pivot_root
//! environment, working_directory, limits, scheduling, privileges    properties of the program's process
//! config/            reading and checking config.json
//! rendezvous         where a container waits to be started by another process
//! container          the options of `create`, and what parent and child share
//! pid_namespace      entering a pid namespace in which other processes run
//! clone              cloning the first process
//! init/              the first process, from the clone to execve
//! create, exec       the parent's side
//! checkpoint/        saving and restoring a container with CRIU
//! ```
//! This crate knows nothing about images, networks or container names.

pub mod cgroups;
pub mod checkpoint;
mod clone;
pub mod config;
mod console;
mod container;
mod create;
pub mod defaults;
mod environment;
mod error;
mod exec;
mod hook_state;
pub mod hooks;
mod idmap;
mod init;
mod limits;
mod namespaces;
mod network_devices;
mod pid_namespace;
mod privileges;
mod procfs;
mod program;
mod protocol;
pub mod rendezvous;
mod rootfs;
mod scheduling;
pub mod security;
pub mod spec;
mod stdio;
pub mod systemd;
mod working_directory;

pub use config::namespace_of_sysctl;
pub use container::{CreateOptions, Running};
pub use create::{Created, create, spawn};
pub use error::{Error, Result};
pub use exec::{ExecTarget, exec};
pub use idmap::namespace as user_namespace;
pub use init::serve_as_init;
pub use rendezvous::start;
pub use rootfs::plain as plain_path;
pub use rootfs::{
    DetachedMount, attach_mount, clone_from, covered, detach_mount, mount_at, mount_of, mount_options,
    open_mount,
};
pub use stdio::Stdio;
