//! `-p` and `--expose`: `[[IP:]HOST:]CONTAINER[/PROTOCOL]`, where both ports may be ranges
//! (<https://docs.docker.com/engine/network/port-publishing/>).

use std::fmt;
use std::net::IpAddr;

use crate::wire::host_config::PortBinding;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// A container's port: `80/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    pub number: u16,
    pub protocol: Protocol,
}

/// One port of a container that is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// `None`: on all addresses of the host.
    pub host_ip: Option<IpAddr>,
    /// The first free port of this range, which includes both ends; `None`: any free port.
    pub host: Option<(u16, u16)>,
    pub container: Port,
}

/// The syntax of a port, for the end of an error.
pub const EXPECTED: &str =
    "[IP:][HOST PORT:]CONTAINER PORT[/tcp|udp|sctp], where a port is 1 to 65535 or a range";

type Range = (u16, u16);

/// One `-p`: one mapping for each of the container's ports.
pub fn parse(text: &str) -> Result<Vec<Mapping>, String> {
    let (ports, protocol) = split_protocol(text)?;
    let (rest, container) = match ports.rsplit_once(':') {
        Some((rest, container)) => (Some(rest), container),
        None => (None, ports),
    };
    let container = range(container, "container")?;
    let (host_ip, host) = match rest {
        Some(rest) => split_address(rest)?,
        None => (None, ""),
    };
    let host = if host.is_empty() { None } else { Some(range(host, "host")?) };
    let count = |(first, last): Range| u32::from(last) - u32::from(first) + 1;
    let one_by_one = host.is_some_and(|host| count(host) == count(container));
    if host.is_some() && !one_by_one && count(container) > 1 {
        return Err("the ranges of host and container have different lengths".into());
    }
    let mapping = |number: u16| Mapping {
        host_ip,
        host: host.map(|(first, last)| match one_by_one {
            true => {
                let same = first + (number - container.0);
                (same, same)
            }
            // docker's rule: for a single port with a range of the host's ports, the first free one is used.
            false => (first, last),
        }),
        container: Port { number, protocol },
    };
    Ok((container.0..=container.1).map(mapping).collect())
}

/// One `--expose`, or a key of an image's `ExposedPorts`: `80`, `80/udp`, `8000-8010`.
pub fn parse_exposed(text: &str) -> Result<Vec<Port>, String> {
    let (ports, protocol) = split_protocol(text)?;
    let (first, last) = range(ports, "container")?;
    Ok((first..=last).map(|number| Port { number, protocol }).collect())
}

fn split_protocol(text: &str) -> Result<(&str, Protocol), String> {
    match text.rsplit_once('/') {
        None => Ok((text, Protocol::Tcp)),
        Some((ports, name)) => Ok((ports, name.to_ascii_lowercase().parse()?)),
    }
}

/// Parses the part before the container's port: `HOST`, `IP:HOST`, `IP:`, `[IPv6]:HOST`.
fn split_address(rest: &str) -> Result<(Option<IpAddr>, &str), String> {
    let (address, host) = match rest.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once("]:").ok_or("the address in [] is followed by no port")?,
        None => match rest.rsplit_once(':') {
            Some(split) => split,
            None => return Ok((None, rest)),
        },
    };
    if address.is_empty() {
        return Ok((None, host));
    }
    let address = address.parse().map_err(|_| format!("{address:?} is no IP address"))?;
    Ok((Some(address), host))
}

fn range(text: &str, whose: &str) -> Result<Range, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first, whose)?, number(last, whose)?);
    if first > last {
        return Err(format!("the {whose} range {text} ends before it begins"));
    }
    Ok((first, last))
}

fn number(text: &str, whose: &str) -> Result<u16, String> {
    if text.is_empty() {
        return Err(format!("the {whose} port is missing"));
    }
    // u16's parser accepts a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port > 0);
    port.ok_or_else(|| format!("{text:?} is no port"))
}

impl Mapping {
    /// The host's address and port, for a request.
    pub fn binding(&self) -> PortBinding {
        PortBinding {
            host_ip: self.host_ip.map_or_else(String::new, |ip| ip.to_string()),
            host_port: self.host_text(),
        }
    }

    /// The mapping of a request's container port and host address.
    pub fn of(container: Port, binding: &PortBinding) -> Result<Self, String> {
        let ip = &binding.host_ip;
        let host_ip = match ip.is_empty() {
            true => None,
            false => Some(ip.parse().map_err(|_| format!("{ip:?} is no IP address"))?),
        };
        // "0" in the API means the same as no port on the command line.
        let host = match binding.host_port.as_str() {
            "" | "0" => None,
            port => Some(range(port, "host")?),
        };
        Ok(Self { host_ip, host, container })
    }

    fn host_text(&self) -> String {
        match self.host {
            None => String::new(),
            Some((first, last)) if first == last => first.to_string(),
            Some((first, last)) => format!("{first}-{last}"),
        }
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host_ip {
            None => {}
            Some(IpAddr::V4(ip)) => write!(f, "{ip}:")?,
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
        }
        write!(f, "{}:{}", self.host_text(), self.container)
    }
}

impl std::str::FromStr for Protocol {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "" | "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(format!("there is no protocol {name:?}")),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// In a notation that hides nothing.
    fn read(text: &str) -> Vec<String> {
        let host =
            |mapping: &Mapping| if mapping.host.is_none() { "any".into() } else { mapping.host_text() };
        let ip = |mapping: &Mapping| mapping.host_ip.map_or("all".into(), |ip| ip.to_string());
        let mappings = parse(text).unwrap();
        mappings.iter().map(|m| format!("{} {} {}", ip(m), host(m), m.container)).collect()
    }

    #[test]
    fn all_of_dockers_forms_are_read() {
        for (text, expected) in [
            ("80", &["all any 80/tcp"][..]),
            ("80/", &["all any 80/tcp"]),
            ("8080:80", &["all 8080 80/tcp"]),
            ("8080:80/udp", &["all 8080 80/udp"]),
            ("9:9/SCTP", &["all 9 9/sctp"]),
            ("127.0.0.1:8080:80", &["127.0.0.1 8080 80/tcp"]),
            ("127.0.0.1::80", &["127.0.0.1 any 80/tcp"]),
            ("0.0.0.0:8080:80", &["0.0.0.0 8080 80/tcp"]),
            ("[::1]:8080:80", &["::1 8080 80/tcp"]),
            ("[::]::80", &[":: any 80/tcp"]),
            ("::1:8080:80", &["::1 8080 80/tcp"]),
            (":8080:80", &["all 8080 80/tcp"]),
            ("8000-8001:80-81", &["all 8000 80/tcp", "all 8001 81/tcp"]),
            ("8000-8010:80", &["all 8000-8010 80/tcp"]),
            ("80-81", &["all any 80/tcp", "all any 81/tcp"]),
            ("127.0.0.1:1-2:1-2/udp", &["127.0.0.1 1 1/udp", "127.0.0.1 2 2/udp"]),
            ("65535:65535", &["all 65535 65535/tcp"]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(parse("1-65535:1-65535").unwrap().len(), 65535);
    }

    #[test]
    fn what_is_no_mapping_is_refused_with_a_reason() {
        for (text, why) in [
            ("", "the container port is missing"),
            ("8080:", "the container port is missing"),
            ("0", "\"0\" is no port"),
            ("0:80", "\"0\" is no port"),
            ("80:0", "\"0\" is no port"),
            ("70000:80", "\"70000\" is no port"),
            ("80:70000", "\"70000\" is no port"),
            ("+80:80", "\"+80\" is no port"),
            ("http:80", "\"http\" is no port"),
            ("90-80:90-80", "the container range 90-80 ends before it begins"),
            ("90-80:80", "the host range 90-80 ends before it begins"),
            ("8000-8010:80-81", "the ranges of host and container have different lengths"),
            ("80:80-81", "the ranges of host and container have different lengths"),
            ("80:80/icmp", "there is no protocol \"icmp\""),
            ("localhost:80:80", "\"localhost\" is no IP address"),
            ("1.2.3:80:80", "\"1.2.3\" is no IP address"),
            ("[::1]80:80", "the address in [] is followed by no port"),
            ("1-2-3:80", "\"2-3\" is no port"),
        ] {
            assert_eq!(parse(text).unwrap_err(), why, "{text}");
        }
    }

    #[test]
    fn exposed_ports_have_no_host() {
        let read = |text: &str| {
            parse_exposed(text).map(|ports| ports.iter().map(Port::to_string).collect::<Vec<_>>())
        };
        assert_eq!(read("80").unwrap(), ["80/tcp"]);
        assert_eq!(read("53-54/udp").unwrap(), ["53/udp", "54/udp"]);
        assert!(read("80:80").is_err() && read("").is_err() && read("0").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-f:./\\[\\]-]{0,24}") {
            if let Ok(mappings) = parse(&text) {
                prop_assert!(!mappings.is_empty());
            }
        }

        #[test]
        fn what_is_printed_is_read_back(
            ip in any::<Option<IpAddr>>(),
            host in any::<Option<(u16, u16)>>(),
            number in 1..=u16::MAX,
            protocol in "tcp|udp|sctp",
        ) {
            let host = host.map(|(a, b)| (a.min(b).max(1), a.max(b).max(1)));
            let container = Port { number, protocol: protocol.parse().unwrap() };
            let mapping = Mapping { host_ip: ip, host, container };
            prop_assert_eq!(parse(&mapping.to_string()), Ok(vec![mapping.clone()]));
            prop_assert_eq!(Mapping::of(container, &mapping.binding()), Ok(mapping));
        }
    }
}
