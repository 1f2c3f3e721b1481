//! What a container may do: capabilities, system calls, paths, devices.

pub mod capabilities;
pub mod defaults;
pub mod seccomp;
