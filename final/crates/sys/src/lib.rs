//! System calls behind safe functions: the only crate of hull with unsafe code.

pub mod bpf;
mod context;
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod entry;
pub mod fs;
pub mod id_map;
mod kind;
pub mod memory;
pub mod mount;
pub mod net;
pub mod process;
pub mod reexec;
pub mod sched;
pub mod security;
pub mod self_exe;
pub mod sparse;
pub mod terminal;
#[doc(hidden)]
pub mod testing;
pub mod tree;
pub mod untrusted;
pub mod wait;

pub use kind::Kind;
