//! `NetworkMode`, `NetworkingConfig` and `PortBindings`.

use hull_docker::flags::link;
use hull_docker::flags::network::{Attachment, DEFAULT as UNNAMED};
use hull_docker::flags::port::{self, Mapping as Published};
use hull_docker::wire::config::Config;
use hull_docker::wire::container::NetworkingConfig;
use hull_docker::wire::host_config::HostConfig;
use hull_network::ports::{Mapping, Port, Transport};

use super::invalid;
use crate::error::{Error, Result};
use crate::net::DEFAULT;
use crate::records::options::{NetworkMode, NetworkOption, UserModeNetwork};
use crate::records::plugged::TrafficLimits;

/// The container's network mode, and its networks if it has any, the one of `NetworkMode` first.
pub fn of(host: &HostConfig, config: &NetworkingConfig) -> Result<(NetworkMode, Vec<NetworkOption>)> {
    let mode = host.network_mode.as_str();
    let mut networks = Vec::new();
    for (name, asked) in &config.endpoints_config {
        let asked = Attachment::of(name, asked).map_err(|why| invalid(format!("network {name}"), why))?;
        networks.push(option(asked)?);
    }
    check_interfaces(&networks)?;
    let alone = match mode.split_once(':').unwrap_or((mode, "")) {
        ("none", "") => NetworkMode::None,
        ("host", "") => NetworkMode::Host,
        ("pasta", "") => NetworkMode::UserMode(UserModeNetwork::Pasta),
        ("slirp4netns", "") => NetworkMode::UserMode(UserModeNetwork::Slirp4netns),
        ("container", name) => NetworkMode::Container(name.to_owned()),
        // docker's client sends an endpoint with this name, and asks for nothing. An unprivileged user's default is no network.
        ("" | UNNAMED, _) if networks.iter().all(is_default) => return Ok((NetworkMode::Default, vec![])),
        _ => return Ok((NetworkMode::Networks, in_order(mode, networks))),
    };
    // Clients may name the mode once more, and ask for nothing.
    let asks =
        |one: &NetworkOption| *one != NetworkOption { network: mode.into(), ..NetworkOption::default() };
    match networks.iter().find(|one| asks(one)) {
        Some(other) => Err(invalid(
            format!("network {}", other.network),
            format!("a container with the network mode {mode} is on no network"),
        )),
        None => Ok((alone, vec![])),
    }
}

/// Two interfaces cannot have one name.
fn check_interfaces(networks: &[NetworkOption]) -> Result<()> {
    let names: Vec<&str> = networks.iter().filter_map(NetworkOption::interface).collect();
    match names.iter().enumerate().find(|(place, name)| names[..*place].contains(name)) {
        Some((_, name)) => Err(invalid(format!("interface {name}"), "two networks ask for it")),
        None => Ok(()),
    }
}

fn is_default(one: &NetworkOption) -> bool {
    *one == NetworkOption { network: DEFAULT.to_owned(), ..NetworkOption::default() }
}

/// `MacAddress` of the configuration, where clients older than API 1.44 name the address on the first network.
pub fn with_mac(
    text: &str,
    mode: NetworkMode,
    mut networks: Vec<NetworkOption>,
) -> Result<(NetworkMode, Vec<NetworkOption>)> {
    if text.is_empty() {
        return Ok((mode, networks));
    }
    let mac = Some(text.parse()?);
    let mode = match mode {
        NetworkMode::Default | NetworkMode::Networks => NetworkMode::Networks,
        _ => return Err(invalid("MacAddress", "conflicting options: mac-address and the network mode")),
    };
    if networks.is_empty() {
        networks.push(NetworkOption { network: DEFAULT.to_owned(), ..NetworkOption::default() });
    }
    if networks[0].mac.is_some() && networks[0].mac != mac {
        return Err(invalid(
            "MacAddress",
            "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be \
             left empty",
        ));
    }
    networks[0].mac = mac;
    Ok((mode, networks))
}

/// The network of the mode comes first, because the default route is over it.
fn in_order(mode: &str, mut networks: Vec<NetworkOption>) -> Vec<NetworkOption> {
    let name = network_name(mode);
    let first = networks.iter().position(|one| one.network == name);
    let first = match first {
        Some(place) => networks.remove(place),
        None => NetworkOption { network: name, ..NetworkOption::default() },
    };
    networks.insert(0, first);
    networks
}

fn network_name(mode: &str) -> String {
    if ["", UNNAMED].contains(&mode) { DEFAULT.to_owned() } else { mode.to_owned() }
}

/// Also what `network connect` asks for.
pub fn option(asked: Attachment) -> Result<NetworkOption> {
    Ok(NetworkOption {
        device: None,
        limits: TrafficLimits::default(),
        mtu: None,
        network: network_name(&asked.network),
        ip: asked.ip,
        ip6: asked.ip6,
        link_local: asked.link_local,
        mac: asked.mac.map(|text| text.parse()).transpose()?,
        aliases: asked.aliases,
        driver_opts: asked.driver_opts,
        gw_priority: asked.gw_priority,
    })
}

/// `--link`: clients send a link in `HostConfig`, with an endpoint, or both.
pub fn links(host: &HostConfig, config: &NetworkingConfig) -> Result<Vec<(String, String)>> {
    let mut links = Vec::new();
    let of_endpoints = config.endpoints_config.iter().flat_map(|(_, asked)| &asked.links);
    for text in host.links.iter().chain(of_endpoints) {
        let link = link::parse(text).map_err(|why| invalid("link", why))?;
        if !links.contains(&link) {
            links.push(link);
        }
    }
    Ok(links)
}

/// The published ports, and those that are only exposed.
pub fn ports(config: &Config, host: &HostConfig) -> Result<(Vec<Mapping>, Vec<Port>)> {
    let mut published = Vec::new();
    for (text, bindings) in &host.port_bindings {
        for container in exposed(text)? {
            for binding in bindings.iter().flatten() {
                let whole = || format!("{}:{}:{text}", binding.host_ip, binding.host_port);
                published.push(Published::of(container, binding).map_err(|why| bad_port(&whole(), why))?);
            }
        }
    }
    // The map is sorted by its texts: 443/tcp, 80/tcp.
    published.sort_by_key(|mapping| mapping.container);
    let mut only_exposed = Vec::new();
    for text in config.exposed_ports.keys() {
        only_exposed.extend(exposed(text)?);
    }
    only_exposed.retain(|port| !published.iter().any(|mapping| mapping.container == *port));
    only_exposed.sort_unstable();
    let mapping =
        |one: Published| Mapping { host_ip: one.host_ip, host: one.host, container: own(one.container) };
    Ok((published.into_iter().map(mapping).collect(), only_exposed.into_iter().map(own).collect()))
}

/// A container's ports as an image's `ExposedPorts` and requests write them: `80/tcp`, `8000-8010/udp`.
pub(crate) fn exposed_ports(text: &str) -> Result<Vec<Port>> {
    exposed(text).map(|ports| ports.into_iter().map(own).collect())
}

fn exposed(text: &str) -> Result<Vec<port::Port>> {
    port::parse_exposed(text).map_err(|why| bad_port(text, why))
}

fn bad_port(text: &str, why: String) -> Error {
    hull_network::Error::InvalidPort { text: text.to_owned(), why }.into()
}

fn own(port: port::Port) -> Port {
    let transport = match port.protocol {
        port::Protocol::Tcp => Transport::Tcp,
        port::Protocol::Udp => Transport::Udp,
        port::Protocol::Sctp => Transport::Sctp,
    };
    Port { number: port.number, transport }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hull_docker::wire::network_settings::EndpointSettings;

    fn read(mode: &str, others: &[&str]) -> Result<(NetworkMode, Vec<String>)> {
        let host = HostConfig { network_mode: mode.into(), ..HostConfig::default() };
        let endpoints = others.iter().map(|name| (name.to_string(), EndpointSettings::default()));
        let (mode, networks) = of(&host, &NetworkingConfig { endpoints_config: endpoints.collect() })?;
        Ok((mode, networks.into_iter().map(|one| one.network).collect()))
    }

    #[test]
    fn the_network_of_the_mode_comes_first() {
        assert_eq!(read("default", &[]).unwrap(), (NetworkMode::Default, vec![]));
        assert_eq!(read("mine", &[]).unwrap().1, ["mine"]);
        assert_eq!(read("b", &["a", "c", "b"]).unwrap().1, ["b", "a", "c"]);
        assert_eq!(read("default", &["default"]).unwrap(), (NetworkMode::Default, vec![]));
        assert_eq!(read("default", &["default", "mine"]).unwrap().1, [DEFAULT, "mine"]);
        assert_eq!(read("container:db", &[]).unwrap().0, NetworkMode::Container("db".into()));
        assert_eq!(read("host", &["host"]).unwrap(), (NetworkMode::Host, vec![]));
        assert!(read("host", &["mine"]).is_err());
    }

    #[test]
    fn the_address_of_the_configuration_is_for_the_first_network() {
        let mac = "02:42:ac:11:00:09";
        let (mode, networks) = with_mac(mac, NetworkMode::Default, vec![]).unwrap();
        assert_eq!((mode, networks[0].network.as_str()), (NetworkMode::Networks, DEFAULT));
        assert_eq!(networks[0].mac, Some(mac.parse().unwrap()));
        assert!(with_mac("02:42:ac:11:00:10", NetworkMode::Networks, networks).is_err());
        assert!(with_mac(mac, NetworkMode::Host, vec![]).is_err());
        assert!(with_mac("nonsense", NetworkMode::Default, vec![]).is_err());
    }

    #[test]
    fn ports_are_in_the_order_of_their_numbers() {
        let mut host = HostConfig::default();
        for text in ["80/tcp", "443/tcp"] {
            host.port_bindings.insert(text.into(), Some(vec![Default::default()]));
        }
        let mut config = Config::default();
        for text in ["80/tcp", "8000-8001/udp"] {
            config.exposed_ports.insert(text.into(), hull_docker::wire::Empty {});
        }
        let (published, exposed) = ports(&config, &host).unwrap();
        assert_eq!(published.iter().map(|one| one.container.number).collect::<Vec<_>>(), [80, 443]);
        assert_eq!(exposed.iter().map(Port::to_string).collect::<Vec<_>>(), ["8000/udp", "8001/udp"]);
        host.port_bindings.insert("x/tcp".into(), None);
        assert!(ports(&config, &host).is_err());
    }
}
