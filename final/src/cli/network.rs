//! The network flags of `run` and `create`.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Result, bail};
use clap::Args;
use hull_engine::options::{CreateOptions, NetworkMode, NetworkOption, UserModeNetwork};
use hull_network::mac::Mac;
use hull_network::ports::{self, Mapping, Port};

use hull_docker::csv;

// No doc comment: clap would print it as the help of the verb it is flattened into.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// A network, or none, host, container:NAME, slirp4netns or pasta
    #[arg(long, visible_alias = "net", value_name = "NETWORK", value_parser = network)]
    pub network: Vec<Network>,
    /// Publish a port: [[IP:]HOST:]CONTAINER[/PROTOCOL]
    #[arg(short, long, value_name = "PORT", value_parser = publish)]
    pub publish: Vec<Published>,
    /// Publish all exposed ports
    #[arg(short = 'P', long)]
    pub publish_all: bool,
    /// Expose a port
    #[arg(long, value_name = "PORT", value_parser = expose)]
    pub expose: Vec<Exposed>,
    /// The container's IPv4 address
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<Ipv4Addr>,
    /// The container's IPv6 address
    #[arg(long, value_name = "ADDRESS")]
    pub ip6: Option<Ipv6Addr>,
    /// The container's MAC address
    #[arg(long, value_name = "ADDRESS", value_parser = mac)]
    pub mac_address: Option<Mac>,
    /// One more name on the network
    #[arg(long, visible_alias = "net-alias", value_name = "NAME")]
    pub network_alias: Vec<String>,
    /// Another container's name here: CONTAINER[:NAME]
    #[arg(long, value_name = "CONTAINER")]
    pub link: Vec<String>,
    /// A name server
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<std::net::IpAddr>,
    /// A search domain
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Vec<String>,
    /// A resolver option
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    pub dns_option: Vec<String>,
    /// A line of /etc/hosts: NAME:ADDRESS, or NAME:host-gateway
    #[arg(long, value_name = "HOST")]
    pub add_host: Vec<String>,
}

/// One `--network`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    Mode(NetworkMode),
    Named(NetworkOption),
}

/// One `-p`, which may be a range.
#[derive(Debug, Clone)]
pub struct Published(Vec<Mapping>);

#[derive(Debug, Clone)]
pub struct Exposed(Vec<Port>);

impl NetworkArgs {
    pub fn apply(&self, options: &mut CreateOptions) -> Result<()> {
        for network in &self.network {
            match network {
                Network::Mode(mode) => options.network = mode.clone(),
                Network::Named(option) => options.networks.push(option.clone()),
            }
        }
        if !options.networks.is_empty() {
            if self.network.len() > options.networks.len() {
                bail!(
                    "--network: none, host, container:NAME, pasta and slirp4netns go with no other network"
                );
            }
            options.network = NetworkMode::Networks;
        } else if self.network.len() > 1 {
            bail!("--network: none, host, container:NAME, pasta and slirp4netns go with no other network");
        }
        self.place(options)?;
        options.publish = self.publish.iter().flat_map(|published| published.0.clone()).collect();
        options.publish_all = self.publish_all;
        let link = |text: &String| {
            let (container, name) = text.split_once(':').unwrap_or((text, text));
            (container.to_owned(), name.to_owned())
        };
        options.links = self.link.iter().map(link).collect();
        options.expose = self.expose.iter().flat_map(|exposed| exposed.0.clone()).collect();
        options.dns = self.dns.iter().map(ToString::to_string).collect();
        options.dns_search = self.dns_search.clone();
        options.dns_options = self.dns_option.clone();
        options.add_hosts = self.add_host.clone();
        Ok(())
    }

    /// `--ip` and its like are about the first network.
    fn place(&self, options: &mut CreateOptions) -> Result<()> {
        let asked = NetworkOption {
            network: String::new(),
            ip: self.ip,
            ip6: self.ip6,
            mac: self.mac_address,
            aliases: self.network_alias.clone(),
        };
        if asked == NetworkOption::default() {
            return Ok(());
        }
        if options.network == NetworkMode::Default {
            options.network = NetworkMode::Networks;
        }
        if options.network != NetworkMode::Networks {
            bail!("--ip, --ip6, --mac-address and --network-alias need a network of the container's own");
        }
        if options.networks.is_empty() {
            options.networks.push(NetworkOption { network: "bridge".into(), ..NetworkOption::default() });
        }
        if let Some(first) = options.networks.first_mut() {
            first.ip = first.ip.or(asked.ip);
            first.ip6 = first.ip6.or(asked.ip6);
            first.mac = first.mac.or(asked.mac);
        }
        // docker's rule: an alias is for all networks.
        options.networks.iter_mut().for_each(|option| option.aliases.extend(asked.aliases.clone()));
        Ok(())
    }
}

/// A name, or docker's longer `name=NETWORK,alias=…,ip=…`.
fn network(text: &str) -> Result<Network, String> {
    match text.split_once(':').unwrap_or((text, "")) {
        ("none", "") => return Ok(Network::Mode(NetworkMode::None)),
        ("host", "") => return Ok(Network::Mode(NetworkMode::Host)),
        ("pasta", "") => return Ok(Network::Mode(NetworkMode::UserMode(UserModeNetwork::Pasta))),
        ("slirp4netns", "") => return Ok(Network::Mode(NetworkMode::UserMode(UserModeNetwork::Slirp4netns))),
        ("container", name) if !name.is_empty() => {
            return Ok(Network::Mode(NetworkMode::Container(name.to_owned())));
        }
        _ => {}
    }
    let mut option = NetworkOption::default();
    if !text.contains('=') {
        // docker's "default" is the network of who names none.
        option.network = if text == "default" { "bridge".into() } else { text.to_owned() };
    }
    let fields = if text.contains('=') { csv::fields(text)? } else { vec![] };
    for field in &fields {
        let invalid =
            || format!("{field:?}: expected name, alias, ip, ip6 or mac-address, with = and a value");
        let (key, value) = field.split_once('=').ok_or_else(invalid)?;
        match (key.trim().to_ascii_lowercase().as_str(), value) {
            ("name", name) => option.network = name.to_owned(),
            ("alias", name) => option.aliases.push(name.to_owned()),
            ("ip", ip) => option.ip = Some(ip.parse().map_err(|_| invalid())?),
            ("ip6", ip) => option.ip6 = Some(ip.parse().map_err(|_| invalid())?),
            ("mac-address", text) => option.mac = Some(mac(text)?),
            _ => return Err(invalid()),
        }
    }
    if !hull_storage::names::is_valid(&option.network) {
        return Err(format!("{text:?} is no network: expected a name, none, host or container:NAME"));
    }
    Ok(Network::Named(option))
}

fn publish(text: &str) -> Result<Published, String> {
    ports::parse(text).map(Published).map_err(|error| explained(&error))
}

fn expose(text: &str) -> Result<Exposed, String> {
    ports::parse_exposed(text).map(Exposed).map_err(|error| explained(&error))
}

fn mac(text: &str) -> Result<Mac, String> {
    text.parse().map_err(|error| explained(&error))
}

/// With what would be right, since clap prints no hint of ours.
fn explained(error: &hull_network::Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}: {hint}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_modes_or_names() {
        assert_eq!(network("none"), Ok(Network::Mode(NetworkMode::None)));
        assert_eq!(network("container:db"), Ok(Network::Mode(NetworkMode::Container("db".into()))));
        let named =
            |name: &str| Network::Named(NetworkOption { network: name.into(), ..NetworkOption::default() });
        assert_eq!(network("mine"), Ok(named("mine")));
        assert_eq!(network("default"), Ok(named("bridge")));
        let option = NetworkOption {
            network: "mine".into(),
            ip: Some(Ipv4Addr::new(10, 0, 0, 9)),
            aliases: vec!["db".into()],
            ..NetworkOption::default()
        };
        assert_eq!(network("name=mine,ip=10.0.0.9,alias=db"), Ok(Network::Named(option)));
        for wrong in ["", "container:", "a/b", "alias=db", "name=mine,ip=x", "name=mine,colour=blue", "a:b"] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }
}
