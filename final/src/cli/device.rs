//! `device`: LXD's devices of a container.

use clap::{Args, Subcommand};

use super::Deferred;

#[derive(Debug, Subcommand)]
pub enum Device {
    /// Add a device to a container, at once if it runs
    Add(Deferred<Add>),
    /// Print a key of a device
    Get(Deferred<Get>),
    /// List a container's own devices
    #[command(visible_alias = "ls")]
    List(Deferred<Of>),
    /// Copy a profile's device to the container, and set keys of the copy
    Override(Deferred<Set>),
    /// Remove devices from a container, at once if it runs
    #[command(visible_alias = "rm")]
    Remove(Deferred<Remove>),
    /// Set keys of a device
    Set(Deferred<Set>),
    /// Show a container's own devices
    Show(Deferred<Of>),
    /// Unset a key of a device
    Unset(Deferred<Get>),
}

#[derive(Debug, Args)]
pub struct Add {
    pub container: String,
    /// Its name among the container's devices
    pub device: String,
    /// disk, nic, proxy, unix-char, unix-block, gpu or none
    #[arg(value_name = "TYPE")]
    pub kind: String,
    /// Its keys: source=/srv path=/mnt
    #[arg(value_name = "KEY=VALUE")]
    pub keys: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Set {
    pub container: String,
    pub device: String,
    /// KEY=VALUE, or a key and its value as two words
    #[arg(value_name = "KEY=VALUE")]
    pub keys: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Get {
    pub container: String,
    pub device: String,
    pub key: String,
}

#[derive(Debug, Args)]
pub struct Of {
    pub container: String,
}

#[derive(Debug, Args)]
pub struct Remove {
    pub container: String,
    #[arg(required = true, value_name = "DEVICE")]
    pub devices: Vec<String>,
}
