//! `proxy`: connections to an address on one side are copied to an address on the other.

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use hull_network::ports::{Mapping, Port, Transport};

use super::Named;
use crate::error::Result;
use crate::records::plugged::{Address, Plugged, Proxy};

/// The highest number of ports of one device. Each is a socket.
const MOST: usize = 512;

pub(super) fn plan(device: &Named<'_>, plugged: &mut Plugged) -> Result<()> {
    let listen = addresses(device, "listen")?;
    let connect = addresses(device, "connect")?;
    if connect.len() != 1 && connect.len() != listen.len() {
        return Err(device.invalid("connect= has one address, or as many as listen="));
    }
    let is_udp = |address: &Address| matches!(address, Address::Udp(..));
    if listen.iter().any(is_udp) != connect.iter().any(is_udp) {
        return Err(device.invalid("packets of udp are only copied to udp"));
    }
    let listens_inside = match device.get("bind").unwrap_or("host") {
        "host" => false,
        "instance" | "guest" | "container" => true,
        _ => return Err(device.wrong("bind", "it is host or instance")),
    };
    for key in ["proxy_protocol", "security.uid", "security.gid"] {
        if device.get(key).is_some_and(|value| !matches!(value, "false" | "0")) {
            return Err(device.unsupported(&format!("hull does not apply {key}=")));
        }
    }
    if device.flag("nat", false)? {
        if listens_inside {
            return Err(device.invalid("nat=true forwards a port of the host: bind=host"));
        }
        return forward(device, &listen, &connect, plugged);
    }
    let owner = (device.number("uid")?, device.number("gid")?);
    plugged.proxies.push(Proxy {
        device: device.name.to_owned(),
        listen,
        connect,
        listens_inside,
        owner: (owner != (None, None)).then(|| (owner.0.unwrap_or(0), owner.1.unwrap_or(0))),
        mode: device.parsed("mode", hull_lxd::value::mode)?,
    });
    Ok(())
}

/// Plans ports that rules forward, as they forward published ports.
fn forward(device: &Named<'_>, listen: &[Address], connect: &[Address], plugged: &mut Plugged) -> Result<()> {
    for (index, from) in listen.iter().enumerate() {
        let to = connect.get(index).unwrap_or(&connect[0]);
        let (host_ip, host, number, transport) = match (from, to) {
            (Address::Tcp(ip, host), Address::Tcp(_, inside)) => (ip, host, inside, Transport::Tcp),
            (Address::Udp(ip, host), Address::Udp(_, inside)) => (ip, host, inside, Transport::Udp),
            _ => return Err(device.invalid("nat=true forwards tcp to tcp, and udp to udp")),
        };
        let mapping = Mapping {
            host_ip: Some(*host_ip),
            host: Some((*host, *host)),
            container: Port { number: *number, transport },
        };
        plugged.ports.push((device.name.to_owned(), mapping));
    }
    Ok(())
}

/// `tcp:127.0.0.1:80,90-92`, `udp:[::]:53`, `unix:/path`, `unix:@name`.
fn addresses(device: &Named<'_>, key: &str) -> Result<Vec<Address>> {
    let text = device.need(key)?;
    let wrong =
        || device.wrong(key, "an address is tcp:ADDRESS:PORTS, udp:ADDRESS:PORTS, unix:/PATH or unix:@NAME");
    let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
    if kind == "unix" {
        return match rest.strip_prefix('@') {
            Some(name) if !name.is_empty() => Ok(vec![Address::Abstract(name.to_owned())]),
            None if Path::new(rest).is_absolute() => Ok(vec![Address::Unix(rest.into())]),
            _ => Err(wrong()),
        };
    }
    let make = match kind {
        "tcp" => Address::Tcp,
        "udp" => Address::Udp,
        _ => return Err(wrong()),
    };
    let (ip, ports) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let ip = match ip.strip_prefix('[').map(|ip| ip.strip_suffix(']')) {
        Some(ip) => ip.and_then(|ip| ip.parse::<Ipv6Addr>().ok()).map(IpAddr::V6),
        None => ip.parse().ok().filter(IpAddr::is_ipv4),
    };
    let ip = ip.ok_or_else(wrong)?;
    let mut found = Vec::new();
    for range in ports.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let (first, last) = port(first).zip(port(last)).filter(|(a, b)| a <= b).ok_or_else(wrong)?;
        found.extend((first..=last).map(|port| make(ip, port)));
        if found.len() > MOST {
            return Err(device.wrong(key, "a device has at most 512 ports"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(listen: &str) -> Result<Vec<Address>> {
        let keys = std::collections::BTreeMap::from([("listen".to_owned(), listen.to_owned())]);
        addresses(&Named { name: "p", keys: &keys }, "listen")
    }

    #[test]
    fn addresses_are_those_of_lxd() {
        let local = "127.0.0.1".parse().unwrap();
        let tcp = |port| Address::Tcp(local, port);
        assert_eq!(parsed("tcp:127.0.0.1:80").unwrap(), [tcp(80)]);
        assert_eq!(parsed("tcp:127.0.0.1:80,90-92").unwrap(), [tcp(80), tcp(90), tcp(91), tcp(92)]);
        assert_eq!(parsed("udp:[::1]:53").unwrap(), [Address::Udp("::1".parse().unwrap(), 53)]);
        assert_eq!(parsed("unix:/run/x").unwrap(), [Address::Unix("/run/x".into())]);
        assert_eq!(parsed("unix:@x").unwrap(), [Address::Abstract("x".into())]);
        for wrong in [
            "80",
            "tcp:80",
            "tcp:localhost:80",
            "tcp:127.0.0.1:0",
            "tcp:127.0.0.1:9-8",
            "tcp:::1:80",
            "tcp:127.0.0.1:70000",
            "unix:x",
            "unix:@",
            "sctp:127.0.0.1:80",
            "tcp:0.0.0.0:1-60000",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
