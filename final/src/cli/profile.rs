//! The verbs on profiles.

use clap::{Args, Subcommand};

use super::{Deferred, DeferredGroup};

#[derive(Debug, Subcommand)]
pub enum Profile {
    /// Give a container a profile, after those that it has
    Add(Deferred<OfContainer>),
    /// Give a container these profiles instead of those that it has
    #[command(alias = "apply")]
    Assign(Deferred<Assign>),
    /// Make a profile with the settings of another one
    #[command(visible_alias = "cp")]
    Copy(Deferred<Copy>),
    /// Create a profile
    Create(Deferred<Create>),
    /// Delete profiles that no container uses
    #[command(visible_alias = "rm")]
    Delete(Deferred<Delete>),
    /// Manage the devices of profiles
    Device(DeferredGroup<Device>),
    /// Change a profile in an editor, and all containers that use it
    Edit(Deferred<One>),
    /// Print the value of a profile's key
    Get(Deferred<Get>),
    /// List profiles
    #[command(visible_alias = "ls")]
    List(Deferred<List>),
    /// Take a profile from a container
    Remove(Deferred<OfContainer>),
    /// Give a profile another name
    #[command(visible_alias = "mv")]
    Rename(Deferred<Copy>),
    /// Set keys of a profile, and of all containers that use it
    Set(Deferred<Set>),
    /// Show a profile, and who uses it
    Show(Deferred<One>),
    /// Take a profile's keys back
    Unset(Deferred<Unset>),
}

#[derive(Debug, Args)]
pub struct One {
    #[arg(value_name = "PROFILE")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct OfContainer {
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    #[arg(value_name = "PROFILE")]
    pub profile: String,
}

#[derive(Debug, Args)]
pub struct Assign {
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    /// Names with commas between them; an empty text is no profile
    #[arg(value_name = "PROFILES", value_delimiter = ',', required = true)]
    pub profiles: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Copy {
    #[arg(value_name = "PROFILE")]
    pub name: String,
    #[arg(value_name = "NEW")]
    pub new: String,
}

#[derive(Debug, Args)]
pub struct Create {
    /// What the profile is for
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Set a key: KEY=VALUE
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub config: Vec<String>,
    #[arg(value_name = "PROFILE")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Delete {
    #[arg(value_name = "PROFILE", required = true)]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct List {
    /// table, json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

#[derive(Debug, Args)]
pub struct Get {
    #[arg(value_name = "PROFILE")]
    pub name: String,
    #[arg(value_name = "KEY")]
    pub key: String,
}

#[derive(Debug, Args)]
pub struct Set {
    #[arg(value_name = "PROFILE")]
    pub name: String,
    /// KEY=VALUE, or a key and a value; the value - is read from standard input
    #[arg(value_name = "KEY=VALUE", required = true)]
    pub pairs: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Unset {
    #[arg(value_name = "PROFILE")]
    pub name: String,
    #[arg(value_name = "KEY", required = true)]
    pub keys: Vec<String>,
}

/// The verbs of `hull profile device`.
#[derive(Debug, Subcommand)]
pub enum Device {
    /// Add a device to a profile
    Add(Deferred<DeviceAdd>),
    /// Print the value of a device's key
    Get(Deferred<DeviceKey>),
    /// List the devices of a profile
    #[command(visible_alias = "ls")]
    List(Deferred<One>),
    /// Remove devices from a profile
    #[command(visible_alias = "rm")]
    Remove(Deferred<DeviceRemove>),
    /// Set keys of a device
    Set(Deferred<DeviceSet>),
    /// Show the devices of a profile
    Show(Deferred<One>),
    /// Take a key of a device back
    Unset(Deferred<DeviceKey>),
}

#[derive(Debug, Args)]
pub struct DeviceAdd {
    #[arg(value_name = "PROFILE")]
    pub profile: String,
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// disk, nic, proxy, unix-char, unix-block, gpu or none
    #[arg(value_name = "TYPE")]
    pub kind: String,
    #[arg(value_name = "KEY=VALUE")]
    pub pairs: Vec<String>,
}

#[derive(Debug, Args)]
pub struct DeviceKey {
    #[arg(value_name = "PROFILE")]
    pub profile: String,
    #[arg(value_name = "DEVICE")]
    pub device: String,
    #[arg(value_name = "KEY")]
    pub key: String,
}

#[derive(Debug, Args)]
pub struct DeviceRemove {
    #[arg(value_name = "PROFILE")]
    pub profile: String,
    #[arg(value_name = "DEVICE", required = true)]
    pub devices: Vec<String>,
}

#[derive(Debug, Args)]
pub struct DeviceSet {
    #[arg(value_name = "PROFILE")]
    pub profile: String,
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// KEY=VALUE, or a key and a value
    #[arg(value_name = "KEY=VALUE", required = true)]
    pub pairs: Vec<String>,
}
