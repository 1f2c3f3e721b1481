//! The verbs on networks.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use hull_network::subnet::Subnet;

use super::Deferred;

#[derive(Debug, Subcommand)]
pub enum Network {
    /// Connect a container to a network, with LXD's words
    Attach(Deferred<Attach>),
    /// Connect a container to a network
    Connect(Deferred<Connect>),
    /// Create a network
    Create(Deferred<Create>),
    /// Disconnect a container from a network, with LXD's words
    Detach(Deferred<Detach>),
    /// Disconnect a container from a network
    Disconnect(Deferred<Disconnect>),
    /// Change a network's settings, as YAML, with $VISUAL or $EDITOR
    Edit(Deferred<Named>),
    /// Exit with 0 if a network has this name, and with 1 if not
    Exists(Deferred<Exists>),
    /// Give a container's network namespace a name for `ip netns`
    Expose(Deferred<Expose>),
    /// Show the value of a network's setting
    Get(Deferred<GetKey>),
    /// Show everything about networks
    Inspect(Deferred<Inspect>),
    /// List the addresses that running containers have on a network
    ListLeases(Deferred<ListLeases>),
    /// List networks
    #[command(visible_alias = "list")]
    Ls(Deferred<List>),
    /// Remove networks that no container uses
    Prune(Deferred<Prune>),
    /// Restore rules that another tool has removed
    Reload(Deferred<Reload>),
    /// Remove networks
    #[command(visible_alias = "remove")]
    Rm(Deferred<Remove>),
    /// Change a network's settings: ipv4.address, ipv6.address, ipv4.nat, bridge.mtu, user.*
    Set(Deferred<SetKeys>),
    /// Show a network's settings, as YAML
    Show(Deferred<Named>),
    /// Show a container's links, addresses, rules and ports, from the inside out
    Trace(Deferred<Trace>),
    /// Give a network's setting its usual value
    Unset(Deferred<GetKey>),
}

#[derive(Debug, Args)]
pub struct Attach {
    pub network: String,
    pub container: String,
    /// The device's name, which is the network's if none is given
    pub device: Option<String>,
    /// The name of the interface in the container, which is the device's if none is given
    pub interface: Option<String>,
}

#[derive(Debug, Args)]
pub struct Detach {
    pub network: String,
    pub container: String,
    /// The device by which it is there, if there are several
    pub device: Option<String>,
}

#[derive(Debug, Args)]
pub struct Named {
    pub network: String,
}

#[derive(Debug, Args)]
pub struct GetKey {
    pub network: String,
    pub key: String,
}

#[derive(Debug, Args)]
pub struct SetKeys {
    pub network: String,
    /// KEY=VALUE, or one KEY and its VALUE
    #[arg(required = true, value_name = "KEY=VALUE")]
    pub pairs: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ListLeases {
    /// csv, json, table, yaml or compact
    #[arg(short, long, value_name = "FORMAT", default_value = "table", value_parser = ["csv", "json", "table", "yaml", "compact"])]
    pub format: String,
    pub network: String,
}

#[derive(Debug, Args)]
pub struct Create {
    /// bridge, macvlan or vxlan
    #[arg(short, long, value_name = "DRIVER")]
    pub driver: Option<String>,
    /// The host's interface with the LAN to which the containers connect
    #[arg(long, value_name = "LINK")]
    pub parent: Option<String>,
    /// The address of another host of a vxlan; give the flag once for each host
    #[arg(long, value_name = "ADDRESS")]
    pub peer: Vec<IpAddr>,
    /// Succeed even if the name exists already
    #[arg(long)]
    pub ignore: bool,
    /// The network's addresses: 172.30.0.0/16
    #[arg(long, value_name = "SUBNET")]
    pub subnet: Vec<Subnet>,
    /// The host's address on it
    #[arg(long, value_name = "ADDRESS")]
    pub gateway: Vec<IpAddr>,
    /// The part of the subnet from which containers get addresses
    #[arg(long, value_name = "SUBNET")]
    pub ip_range: Vec<Subnet>,
    /// An address that no container gets, and its name: router=172.30.0.5
    #[arg(long, value_name = "NAME=ADDRESS")]
    pub aux_address: Vec<String>,
    /// Isolate the network: no packet leaves or enters it
    #[arg(long)]
    pub internal: bool,
    /// Use IPv6 as well
    #[arg(long)]
    pub ipv6: bool,
    /// Set a label: KEY=VALUE
    #[arg(long, value_name = "LABEL")]
    pub label: Vec<String>,
    /// mtu; of a bridge bridge.name, bridge.enable_icc, bridge.enable_ip_masquerade, bridge.host_binding_ipv4 and
    /// parent; of a macvlan parent and macvlan_mode; of a vxlan vni, peer, local and port
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub opt: Vec<String>,
    /// Accepted for docker's sake: every network can be joined at any time
    #[arg(long, hide = true)]
    pub attachable: bool,
    #[arg(value_name = "NETWORK")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Connect {
    /// The container's IPv4 address on this network
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<std::net::Ipv4Addr>,
    /// The container's IPv6 address on this network
    #[arg(long, value_name = "ADDRESS")]
    pub ip6: Option<std::net::Ipv6Addr>,
    /// Add an address of 169.254.0.0/16 or of fe80::/10
    #[arg(long, value_name = "ADDRESS")]
    pub link_local_ip: Vec<String>,
    /// Add a name of the container on the network
    #[arg(long, value_name = "NAME")]
    pub alias: Vec<String>,
    pub network: String,
    pub container: String,
}

#[derive(Debug, Args)]
pub struct Disconnect {
    /// Succeed even if the container is not connected
    #[arg(short, long)]
    pub force: bool,
    pub network: String,
    pub container: String,
}

#[derive(Debug, Args)]
pub struct Exists {
    #[arg(value_name = "NETWORK")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Expose {
    /// The name [default: the container's]
    #[arg(long, value_name = "NAME", conflicts_with = "remove")]
    pub name: Option<String>,
    /// Remove the name
    #[arg(long)]
    pub remove: bool,
    pub container: String,
}

#[derive(Debug, Args)]
pub struct Trace {
    /// json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    pub container: String,
}

#[derive(Debug, Args)]
pub struct Inspect {
    /// json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    #[arg(required = true, value_name = "NETWORK")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct List {
    /// Show only what matches: name, id, driver, label, scope, type or dangling, with = and a value
    #[arg(short, long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print no titles
    #[arg(short = 'n', long)]
    pub noheading: bool,
    /// Do not shorten ids
    #[arg(long)]
    pub no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct Prune {
    /// Remove only what matches: label=KEY[=VALUE], label!=KEY[=VALUE], until=TIME
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Reload {
    /// Accepted because docker has it; all running containers are always included
    #[arg(short, long)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct Remove {
    /// Ignore names that do not exist
    #[arg(short, long)]
    pub force: bool,
    #[arg(required = true, value_name = "NETWORK")]
    pub names: Vec<String>,
}
