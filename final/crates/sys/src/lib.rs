//! System calls behind safe functions: the only crate of hull with unsafe code.
//!
//! ```text
//! process   fork, clone3, execve, pidfds     fs        open, create and rename below a descriptor
//! sched     CPU, disk and memory nodes       tree      create one entry with its metadata
//! wait      wait, with a limit               untrusted read a file that a container controls
//! security  capabilities, seccomp            sparse    files with holes
//! mount     fsopen, open_tree, mount_setattr bpf       device rules of cgroup v2
//! net       netlink and unix sockets         terminal  the caller's terminal
//! id_map    mappings of a user namespace     memory    release unused memory
//! fs_ids    work with files as another user  loop_device  a file as a block device
//! btrfs     subvolumes, snapshots, quotas    xfs       grow a mounted xfs
//! mountinfo the mounts that a process sees
//! self_exe  run from a copy of the program that cannot be written; reexec and entry decide when
//! clock     the local time
//! kind      kinds of errors                  context   what was being done when a call failed
//! ```

pub mod bpf;
pub mod btrfs;
pub mod clock;
mod context;
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod entry;
pub mod fs;
pub mod fs_ids;
pub mod id_map;
mod kind;
pub mod loop_device;
pub mod memory;
pub mod mount;
pub mod mountinfo;
pub mod net;
pub mod process;
pub mod reexec;
pub mod sched;
pub mod security;
pub mod self_exe;
pub mod signal;
pub mod sparse;
pub mod terminal;
#[doc(hidden)]
pub mod testing;
pub mod tree;
pub mod untrusted;
pub mod wait;
pub mod xfs;

pub use kind::{Kind, errno_of};
