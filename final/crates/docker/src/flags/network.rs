//! `--network`, and the flags for a container's addresses and names on its networks
//! (<https://docs.docker.com/reference/cli/docker/container/run/#network>).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::network_settings::{EndpointIpam, EndpointSettings};
use crate::{csv, names};

use super::endpoint;

/// The network of a container that names none.
pub const DEFAULT: &str = "default";

/// A container's requested addresses and names on one network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// The network's name; or `none`, `host`, `container:NAME`, `pasta`, `slirp4netns`.
    pub network: String,
    pub ip: Option<Ipv4Addr>,
    pub ip6: Option<Ipv6Addr>,
    /// Further addresses, of 169.254.0.0/16 and fe80::/10.
    pub link_local: Vec<IpAddr>,
    pub mac: Option<String>,
    /// Names by which others on the network find it, beside its own.
    pub aliases: Vec<String>,
    /// The options of docker's drivers for an endpoint ([`endpoint`]).
    pub driver_opts: BTreeMap<String, String>,
    /// The default route is over the network with the highest number, and the first one of these.
    pub gw_priority: i64,
}

/// One `--network`: a name, the longer `name=NETWORK,alias=…,ip=…`, or podman's `NETWORK:alias=…,ip=…`.
pub fn parse(text: &str) -> Result<Attachment, String> {
    if is_mode(text) {
        return Ok(Attachment { network: text.to_owned(), ..Attachment::default() });
    }
    let mut asked = Attachment::default();
    if let Some((network, settings)) = text.split_once(':').filter(|(network, _)| names::is_valid(network)) {
        network.clone_into(&mut asked.network);
        csv::fields(settings)?.iter().try_for_each(|field| asked.set(field))?;
    } else if text.contains('=') {
        csv::fields(text)?.iter().try_for_each(|field| asked.set(field))?;
    } else {
        asked.network = text.to_owned();
    }
    if !names::is_valid(&asked.network) {
        return Err(format!("{text:?} is no network: expected a name, none, host or container:NAME"));
    }
    Ok(asked)
}

/// Whether it is a mode, such as `host`, that excludes networks.
pub fn is_mode(text: &str) -> bool {
    match text.split_once(':').unwrap_or((text, "")) {
        ("none" | "host" | "pasta" | "slirp4netns", "") => true,
        ("container", name) => !name.is_empty(),
        _ => false,
    }
}

impl Attachment {
    fn set(&mut self, field: &str) -> Result<(), String> {
        let invalid = || {
            format!(
                "{field:?}: expected name, alias, ip, ip6, link-local-ip, mac-address, driver-opt or gw-priority, with = and \
                 a value"
            )
        };
        let (key, value) = field.split_once('=').ok_or_else(invalid)?;
        match (key.trim().to_ascii_lowercase().as_str(), value) {
            ("name", name) => self.network = name.to_owned(),
            ("alias", name) => self.aliases.push(name.to_owned()),
            ("ip", ip) => self.ip = Some(ip.parse().map_err(|_| invalid())?),
            ("ip6", ip) => self.ip6 = Some(ip.parse().map_err(|_| invalid())?),
            ("link-local-ip", ip) => self.link_local.push(ip.parse().map_err(|_| invalid())?),
            ("mac-address" | "mac", mac) => self.mac = Some(mac.to_owned()),
            ("driver-opt", pair) => {
                let (key, value) = pair.split_once('=').ok_or_else(invalid)?;
                self.driver_opts.insert(key.to_owned(), value.to_owned());
                endpoint::check(&self.driver_opts)?;
            }
            ("gw-priority", number) => self.gw_priority = number.parse().map_err(|_| invalid())?,
            _ => return Err(invalid()),
        }
        Ok(())
    }

    fn asks_for_something(&self) -> bool {
        *self != Self { network: self.network.clone(), ..Self::default() }
    }
}

impl std::fmt::Display for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.asks_for_something() {
            return f.write_str(&self.network);
        }
        let mut fields = vec![format!("name={}", self.network)];
        fields.extend(self.ip.map(|ip| format!("ip={ip}")));
        fields.extend(self.ip6.map(|ip| format!("ip6={ip}")));
        fields.extend(self.link_local.iter().map(|ip| format!("link-local-ip={ip}")));
        fields.extend(self.mac.iter().map(|mac| format!("mac-address={mac}")));
        fields.extend(self.aliases.iter().map(|alias| format!("alias={alias}")));
        fields.extend(self.driver_opts.iter().map(|(key, value)| format!("driver-opt={key}={value}")));
        if self.gw_priority != 0 {
            fields.push(format!("gw-priority={}", self.gw_priority));
        }
        f.write_str(&csv::print(&fields))
    }
}

/// All networks of a command line: the value of `HostConfig.NetworkMode`, and the networks with their requested
/// settings.
///
/// `flags` has the values of `--ip`, `--ip6`, `--mac-address` and `--network-alias`. As in podman, the addresses are
/// for the first network, and the aliases for all of them.
pub fn combine(
    networks: Vec<Attachment>,
    flags: Attachment,
) -> Result<(String, Vec<(String, EndpointSettings)>), String> {
    if networks.len() > 1 && networks.iter().any(|one| is_mode(&one.network)) {
        return Err(
            "--network: none, host, container:NAME, pasta and slirp4netns go with no other network".into()
        );
    }
    for (place, one) in networks.iter().enumerate() {
        if networks[..place].iter().any(|other| other.network == one.network) {
            return Err(format!("--network {} is given twice", one.network));
        }
    }
    let mut attachments = networks;
    if attachments.is_empty() {
        attachments.push(Attachment { network: DEFAULT.into(), ..Attachment::default() });
    }
    let mode = attachments[0].network.clone();
    if is_mode(&mode) {
        return match flags.asks_for_something() {
            true => {
                Err("--ip, --ip6, --link-local-ip, --mac-address and --network-alias need a network of the container's own"
                    .into())
            }
            false => Ok((mode, vec![])),
        };
    }
    if let Some(first) = attachments.first_mut() {
        first.ip = first.ip.or(flags.ip);
        first.ip6 = first.ip6.or(flags.ip6);
        first.mac = first.mac.take().or(flags.mac);
        first.link_local.extend(flags.link_local);
    }
    attachments.iter_mut().for_each(|one| one.aliases.extend(flags.aliases.clone()));
    // A single network without settings is expressed by the mode alone.
    if attachments.len() == 1 && !attachments[0].asks_for_something() {
        attachments.clear();
    }
    Ok((mode, attachments.into_iter().map(|one| (one.network.clone(), one.into())).collect()))
}

impl From<Attachment> for EndpointSettings {
    fn from(asked: Attachment) -> Self {
        let addresses = EndpointIpam {
            ipv4_address: asked.ip.map(|ip| ip.to_string()).unwrap_or_default(),
            ipv6_address: asked.ip6.map(|ip| ip.to_string()).unwrap_or_default(),
            link_local_ips: asked.link_local.iter().map(ToString::to_string).collect(),
        };
        Self {
            ipam_config: (addresses != EndpointIpam::default()).then_some(addresses),
            aliases: asked.aliases,
            mac_address: asked.mac.unwrap_or_default(),
            driver_opts: asked.driver_opts,
            gw_priority: asked.gw_priority,
            ..Self::default()
        }
    }
}

impl Attachment {
    /// A request's settings on the network of this name, but for its links. The fields that say what a running container has
    /// there mean nothing in a request.
    pub fn of(network: &str, asked: &EndpointSettings) -> Result<Self, String> {
        let addresses = asked.ipam_config.clone().unwrap_or_default();
        let attachment = Self {
            network: network.to_owned(),
            ip: address(&addresses.ipv4_address)?,
            ip6: address(&addresses.ipv6_address)?,
            link_local: addresses
                .link_local_ips
                .iter()
                .map(|text| link_local(text))
                .collect::<Result<_, _>>()?,
            mac: Some(asked.mac_address.clone()).filter(|mac| !mac.is_empty()),
            aliases: asked.aliases.clone(),
            driver_opts: asked.driver_opts.clone(),
            gw_priority: asked.gw_priority,
        };
        endpoint::check(&attachment.driver_opts)?;
        Ok(attachment)
    }
}

/// An address of 169.254.0.0/16 or fe80::/10.
pub fn link_local(text: &str) -> Result<IpAddr, String> {
    let is_link_local = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let found = text.parse().ok().filter(is_link_local);
    found.ok_or_else(|| format!("invalid link local IP address: {text}"))
}

fn address<T: std::str::FromStr>(text: &str) -> Result<Option<T>, String> {
    match text.is_empty() {
        true => Ok(None),
        false => text.parse().map(Some).map_err(|_| format!("{text:?} is no IP address of that version")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn networks_are_modes_or_names() {
        for text in ["none", "host", "container:db", "pasta", "mine", "default"] {
            assert_eq!(parse(text).unwrap().network, text);
        }
        let asked = parse("name=mine,ip=10.0.0.9,alias=db").unwrap();
        assert_eq!(asked.ip, Some(Ipv4Addr::new(10, 0, 0, 9)));
        assert_eq!((asked.network.as_str(), &*asked.aliases), ("mine", &["db".to_owned()][..]));
        for wrong in ["", "container:", "a/b", "alias=db", "name=mine,ip=x", "name=mine,colour=blue", "a:b"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_are_about_the_first_network_and_aliases_about_all() {
        let networks = |texts: &[&str]| texts.iter().map(|text| parse(text).unwrap()).collect::<Vec<_>>();
        let flags =
            Attachment { ip: Some(Ipv4Addr::LOCALHOST), aliases: vec!["x".into()], ..Default::default() };
        let (mode, endpoints) = combine(networks(&["bb", "aa"]), flags.clone()).unwrap();
        assert_eq!((mode.as_str(), endpoints.len(), endpoints[0].0.as_str()), ("bb", 2, "bb"));
        assert!(endpoints[0].1.ipam_config.is_some() && endpoints[1].1.ipam_config.is_none());
        assert!(endpoints.iter().all(|(_, one)| one.aliases == ["x"]));
        assert_eq!(combine(vec![], flags.clone()).unwrap().1[0].0, DEFAULT);
        assert_eq!(combine(networks(&["mine"]), Attachment::default()).unwrap(), ("mine".into(), vec![]));
        assert!(combine(networks(&["none"]), flags).is_err());
        assert!(combine(networks(&["host", "mine"]), Attachment::default()).is_err());
        assert!(combine(networks(&["mine", "mine"]), Attachment::default()).is_err());
    }

    #[test]
    fn a_link_local_address_is_one() {
        let asked = |text: &str| EndpointSettings {
            ipam_config: Some(EndpointIpam { link_local_ips: vec![text.into()], ..EndpointIpam::default() }),
            ..EndpointSettings::default()
        };
        for text in ["169.254.1.1", "fe80::5"] {
            let read = Attachment::of("mine", &asked(text)).unwrap();
            assert_eq!(EndpointSettings::from(read), asked(text));
        }
        for wrong in ["10.0.0.1", "2001:db8::1", "x", ""] {
            assert!(Attachment::of("mine", &asked(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_unknown_option_of_an_endpoint_is_refused_by_its_key() {
        let driver_opts = [("org.example.key".to_owned(), "b".to_owned())].into();
        let asked = EndpointSettings { driver_opts, ..EndpointSettings::default() };
        assert!(Attachment::of("mine", &asked).unwrap_err().contains("org.example.key"));
        let text = "name=mine,driver-opt=com.docker.network.endpoint.ifname=wan0,gw-priority=-3";
        let asked = parse(text).unwrap();
        assert_eq!((asked.driver_opts.len(), asked.gw_priority, asked.to_string().as_str()), (1, -3, text));
        assert!(parse("name=mine,driver-opt=org.example.key=1").is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(
            network in "[a-z][a-z0-9_.-]{1,5}",
            ip in any::<Option<Ipv4Addr>>(),
            ip6 in any::<Option<Ipv6Addr>>(),
            mac in "|02:42:ac:11:00:[0-9a-f]{2}",
            aliases in prop::collection::vec("[a-z,]{1,4}", 0..3),
            gw_priority in any::<i64>(),
        ) {
            let mac = Some(mac).filter(|mac| !mac.is_empty());
            let asked = Attachment { network, ip, ip6, mac, aliases, gw_priority, ..Attachment::default() };
            prop_assert_eq!(parse(&asked.to_string()), Ok(asked.clone()));
            prop_assert_eq!(Attachment::of(&asked.network, &asked.clone().into()), Ok(asked));
        }
    }
}
