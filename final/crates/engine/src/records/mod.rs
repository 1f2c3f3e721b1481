//! The state of containers, from the disk and from the kernel. It imports only `error` and `engine`.
//!
//! ```text
//! options  what was asked: docker's options, typed            record   what was created: container.json
//! state    its state: state.json, exit.json                   from_kernel  a state reconstructed without state.json
//! snapshot both, at one moment
//! restart  what a restart policy says about an end
//! find     names and ids                                      locks    who may change what
//! run_dir  the directory below the run root                   process  a recorded process, by descriptor
//! exec_instance  the processes of `exec`, and how they ended
//! exec_registry  those that one process creates and another one starts
//! block_io  limits of devices                plugged  links, proxies and CDI devices that LXD's devices ask for
//! handed   what a builder gives its step in memory
//! health   checks and their results: health.json
//! mount_extras  what few mounts ask for                 shown_mounts  mounts as docker shows them
//! log_options  where the output is kept
//! ids, time, signal, stream, pruned  small types              monitor_lock  shows that a monitor lives
//! runtime  the OCI runtime that was asked for      process_extras  options that only podman has
//! halt     how an init is told to end the system
//! userns   the ids of a user namespace                    instance  LXD's keys, devices and profiles
//! writable  where a container's own files are            storage  the options for their place and size
//! ```

pub mod block_io;
pub mod exec_instance;
pub(crate) mod exec_registry;
pub(crate) mod find;
pub(crate) mod from_kernel;
pub(crate) mod halt;
pub mod handed;
pub(crate) mod health;
pub(crate) mod ids;
pub mod instance;
mod locks;
pub mod log_options;
pub(crate) mod monitor_lock;
pub mod mount_extras;
pub mod options;
pub mod plugged;
pub(crate) mod process;
pub mod process_extras;
pub(crate) mod pruned;
pub(crate) mod record;
pub(crate) mod restart;
pub(crate) mod run_dir;
pub mod runtime;
pub(crate) mod shown_mounts;
pub mod signal;
pub(crate) mod snapshot;
pub(crate) mod state;
pub mod storage;
pub(crate) mod stream;
pub(crate) mod time;
pub(crate) mod userns;
pub mod writable;
