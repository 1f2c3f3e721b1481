//! `lxc network`.

use clap::{Args, Subcommand};

use super::super::Deferred;
use super::super::network::{Attach, Detach, GetKey, ListLeases, Named, SetKeys};

#[derive(Debug, Subcommand)]
pub enum Network {
    /// Connect an instance to a network
    Attach(Deferred<Attach>),
    /// Create a network
    Create(Deferred<Create>),
    /// Remove a network that no instance uses
    #[command(visible_alias = "rm")]
    Delete(Deferred<Named>),
    /// Disconnect an instance from a network
    Detach(Deferred<Detach>),
    /// Change a network's settings in an editor, or take them from standard input
    Edit(Deferred<Named>),
    /// Print the value of a network's setting
    Get(Deferred<GetKey>),
    /// List networks
    #[command(visible_alias = "ls")]
    List(Deferred<Format>),
    /// List the addresses that running instances have on a network
    ListLeases(Deferred<ListLeases>),
    /// Change a network's settings
    Set(Deferred<SetKeys>),
    /// Show a network's settings, as YAML
    Show(Deferred<Named>),
    /// Give a network's setting its usual value
    Unset(Deferred<GetKey>),
}

#[derive(Debug, Args)]
pub struct Create {
    /// bridge or macvlan
    #[arg(short = 't', long = "type", value_name = "TYPE", default_value = "bridge")]
    pub kind: String,
    #[arg(value_name = "NETWORK")]
    pub name: String,
    /// ipv4.address, ipv6.address, ipv4.nat, bridge.mtu, user.*, and parent of a macvlan
    #[arg(value_name = "KEY=VALUE")]
    pub keys: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Format {
    /// table, csv, json, yaml or compact
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub format: String,
}
