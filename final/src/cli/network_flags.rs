//! The network flags of `run` and `create`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clap::Args;

// No doc comment: clap would print it as the help of the verb it is flattened into.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Connect the container to this network; or none, host, container:NAME, slirp4netns or pasta
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    pub network: Vec<String>,
    /// Publish a port: [[IP:]HOST:]CONTAINER[/PROTOCOL]
    #[arg(short, long, value_name = "PORT")]
    pub publish: Vec<String>,
    /// Publish all exposed ports
    #[arg(short = 'P', long)]
    pub publish_all: bool,
    /// Record a port for --publish-all
    #[arg(long, value_name = "PORT")]
    pub expose: Vec<String>,
    /// The container's IPv4 address
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<Ipv4Addr>,
    /// The container's IPv6 address
    #[arg(long, value_name = "ADDRESS")]
    pub ip6: Option<Ipv6Addr>,
    /// Add an address of 169.254.0.0/16 or of fe80::/10
    #[arg(long, value_name = "ADDRESS")]
    pub link_local_ip: Vec<String>,
    /// The container's MAC address
    #[arg(long, value_name = "ADDRESS")]
    pub mac_address: Option<String>,
    /// Add a name of the container on the network
    #[arg(long, visible_alias = "net-alias", value_name = "NAME")]
    pub network_alias: Vec<String>,
    /// Let this container find another one by a name: CONTAINER[:NAME]
    #[arg(long, value_name = "CONTAINER")]
    pub link: Vec<String>,
    /// Ask this name server
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<IpAddr>,
    /// Complete short names with this domain
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Vec<String>,
    /// Set an option of the resolver (resolv.conf(5))
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    pub dns_option: Vec<String>,
    /// Add a line to /etc/hosts: NAME:ADDRESS, or NAME:host-gateway
    #[arg(long, value_name = "HOST")]
    pub add_host: Vec<String>,
}
