//! Networks, what a service has of them, and published ports.

use super::mapping::{Labels, Mapping, Options};
use super::object::object;

object! {
    pub struct Network {
        name: String = "name",
        driver: String = "driver",
        driver_opts: Options = "driver_opts",
        ipam: Ipam = "ipam",
        external: bool = "external",
        internal: bool = "internal",
        attachable: bool = "attachable",
        labels: Labels = "labels",
        enable_ipv4: Option<bool> = "enable_ipv4",
        enable_ipv6: Option<bool> = "enable_ipv6",
    }
    plus {
        /// Labels that Compose adds.
        custom_labels: Labels,
    }
}

object! {
    pub struct Ipam {
        driver: String = "driver",
        config: Vec<IpamPool> = "config",
    }
}

object! {
    /// Compose forgets the extensions of a pool.
    pub struct IpamPool without_extensions {
        subnet: String = "subnet",
        gateway: String = "gateway",
        ip_range: String = "ip_range",
        aux_addresses: Mapping = "aux_addresses",
    }
}

object! {
    /// A service's endpoint in a network.
    pub struct ServiceNetwork {
        aliases: Vec<String> = "aliases",
        driver_opts: Options = "driver_opts",
        gateway_priority: i64 = "gw_priority",
        interface_name: String = "interface_name",
        ipv4_address: String = "ipv4_address",
        ipv6_address: String = "ipv6_address",
        link_local_ips: Vec<String> = "link_local_ips",
        mac_address: String = "mac_address",
        priority: i64 = "priority",
    }
}

object! {
    /// A published port. `published` is empty for a port of the engine's choice, and may be a range.
    pub struct Port {
        name: String = "name",
        mode: String = "mode",
        host_ip: String = "host_ip",
        target: u32 = "target",
        published: String = "published",
        protocol: String = "protocol",
        app_protocol: String = "app_protocol",
    }
}
