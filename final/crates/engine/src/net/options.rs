//! The options of `network create`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hull_network::subnet::Subnet;

/// The options of `network create`.
#[derive(Debug, Clone, Default)]
pub struct NetworkOptions {
    pub name: String,
    pub driver: Option<String>,
    pub subnets: Vec<Subnet>,
    /// Each is the gateway of the subnet that contains it.
    pub gateways: Vec<IpAddr>,
    /// Each is the range of the subnet that contains it.
    pub ranges: Vec<Subnet>,
    /// Addresses that no container gets, each by a name: `--aux-address`.
    pub reserved: Vec<(String, IpAddr)>,
    pub internal: bool,
    /// For swarm's services. It is recorded and shown.
    pub attachable: bool,
    /// Options of the management of addresses. docker's own ignores them, and shows them.
    pub ipam_options: Option<BTreeMap<String, String>>,
    pub ipv6: bool,
    pub labels: BTreeMap<String, String>,
    /// `-o`.
    pub options: BTreeMap<String, String>,
}
