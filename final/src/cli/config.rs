//! The verbs on a container's configuration: `hull container config`.

use clap::{Args, Subcommand};

use super::Deferred;

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Change all of a container's keys, devices and profiles in an editor
    Edit(Deferred<Edit>),
    /// Print the value of a container's key
    Get(Deferred<Get>),
    /// Set keys of a container, at once where it runs and the kernel allows it
    Set(Deferred<Set>),
    /// Show a container's keys, devices and profiles
    Show(Deferred<Show>),
    /// Take a container's keys back
    Unset(Deferred<Unset>),
}

#[derive(Debug, Args)]
pub struct Get {
    /// The value in force, which may be a profile's
    #[arg(short, long)]
    pub expanded: bool,
    #[arg(value_name = "CONTAINER")]
    pub name: String,
    #[arg(value_name = "KEY")]
    pub key: String,
}

#[derive(Debug, Args)]
pub struct Set {
    #[arg(value_name = "CONTAINER")]
    pub name: String,
    /// KEY=VALUE, or a key and a value; the value - is read from standard input
    #[arg(value_name = "KEY=VALUE", required = true)]
    pub pairs: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Unset {
    #[arg(value_name = "CONTAINER")]
    pub name: String,
    #[arg(value_name = "KEY", required = true)]
    pub keys: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Show {
    /// With what its profiles have
    #[arg(short, long)]
    pub expanded: bool,
    #[arg(value_name = "CONTAINER")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Edit {
    #[arg(value_name = "CONTAINER")]
    pub name: String,
}
