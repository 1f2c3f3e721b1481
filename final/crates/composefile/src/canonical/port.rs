//! `[[IP:]HOST:]CONTAINER[/PROTOCOL]`, where both ports may be ranges.

use std::net::IpAddr;

use super::*;

/// How many ports a document may have when its ranges are written out. Each takes about a kilobyte.
pub(super) const MOST: usize = 100_000;

/// One entry may be several ports. `left` is how many more the document may have.
pub(super) fn transform(
    ports: &mut Node,
    path: &Path<'_>,
    unreadable: Unreadable,
    left: &mut usize,
) -> Result<()> {
    let Value::Sequence(items) = &ports.value else { return Err(wrong_kind(ports, path, "a list")) };
    let mut long = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let text = match &item.value {
            Value::Mapping(_) => {
                long.push(item.clone());
                continue;
            }
            Value::Integer(port) => port.to_string(),
            Value::String(text) => text.clone(),
            _ => {
                return Err(wrong_kind(
                    item,
                    &path.index(index),
                    "a string, or a whole number without a point",
                ));
            }
        };
        match parse(&text) {
            Ok(ports) => {
                *left = left.checked_sub(ports.len()).ok_or_else(|| {
                    path.index(index).error(item, format_args!("the file has more than {MOST} ports"))
                })?;
                long.extend(ports.iter().map(|port| port.node(item.place)));
            }
            Err(_) if unreadable == Unreadable::Kept && matches!(item.value, Value::String(_)) => {
                return Ok(());
            }
            Err(why) => {
                let hint = "write [IP:][HOST PORT:]CONTAINER PORT[/tcp|udp|sctp]";
                return Err(path.index(index).error(item, format_args!("{text:?}: {why}")).hint(hint));
            }
        }
    }
    ports.value = Value::Sequence(long);
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Port<'a> {
    host_ip: &'a str,
    published: String,
    target: u16,
    protocol: String,
}

impl Port<'_> {
    fn node(&self, place: Place) -> Node {
        let mut fields = vec![
            ("mode", string("ingress")),
            ("target", Value::Integer(self.target.into())),
            ("protocol", string(&self.protocol)),
        ];
        if !self.host_ip.is_empty() {
            fields.push(("host_ip", string(self.host_ip)));
        }
        if !self.published.is_empty() {
            fields.push(("published", string(&self.published)));
        }
        Node { value: mapping(place, fields), place, tag: None }
    }
}

/// The ports are sorted as texts, as Compose sorts them: 10000 is before 9999.
fn parse(text: &str) -> Result<Vec<Port<'_>>, String> {
    let (address, container) = text.rsplit_once(':').unwrap_or(("", text));
    let (host_ip, host) = address.rsplit_once(':').unwrap_or(("", address));
    let (container, protocol) = container.split_once('/').unwrap_or((container, ""));
    let protocol = match protocol.to_ascii_lowercase() {
        empty if empty.is_empty() => "tcp".to_owned(),
        known if ["tcp", "udp", "sctp"].contains(&known.as_str()) => known,
        other => return Err(format!("there is no protocol {other:?}")),
    };
    let bare = host_ip.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host_ip);
    if !bare.is_empty() && bare.parse::<IpAddr>().is_err() {
        return Err(format!("{bare:?} is no IP address"));
    }
    let (first, last) = range(container)
        .filter(|(first, _)| *first > 0)
        .ok_or_else(|| format!("{container:?} is no port of a container"))?;
    let host = match host {
        "" => None,
        host => Some(range(host).ok_or_else(|| format!("{host:?} is no port of the host"))?),
    };
    if host.is_some_and(|(from, to)| to - from != last - first) && first != last {
        return Err("the ranges of host and container have different lengths".into());
    }
    let published = |target: u16| match host {
        None => String::new(),
        Some((from, to)) if first == last && from != to => format!("{from}-{to}"),
        Some((from, _)) => (from + (target - first)).to_string(),
    };
    let port =
        |target| Port { host_ip: bare, published: published(target), target, protocol: protocol.clone() };
    let mut ports: Vec<_> = (first..=last).map(port).collect();
    ports.sort_by_key(|port| format!("{}/", port.target));
    Ok(ports)
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a notation that hides nothing.
    fn read(text: &str) -> Vec<String> {
        match parse(text) {
            Ok(ports) => ports
                .iter()
                .map(|port| format!("{}|{}|{}|{}", port.host_ip, port.published, port.target, port.protocol))
                .collect(),
            Err(why) => vec![why],
        }
    }

    #[test]
    fn ports_are_read_as_compose_reads_them() {
        for (text, ports) in [
            ("80", vec!["||80|tcp"]),
            ("8080:80/UDP", vec!["|8080|80|udp"]),
            ("127.0.0.1::80", vec!["127.0.0.1||80|tcp"]),
            ("[::1]:8080:80", vec!["::1|8080|80|tcp"]),
            ("::1:8080:80", vec!["::1|8080|80|tcp"]),
            ("8000-8010:80", vec!["|8000-8010|80|tcp"]),
            ("9999-10000", vec!["||10000|tcp", "||9999|tcp"]),
            ("3000-3001:4000-4001", vec!["|3000|4000|tcp", "|3001|4001|tcp"]),
            ("0:80", vec!["|0|80|tcp"]),
            ("3000-3002:4000-4001", vec!["the ranges of host and container have different lengths"]),
            ("nowhere:1:2", vec!["\"nowhere\" is no IP address"]),
            ("80/icmp", vec!["there is no protocol \"icmp\""]),
            ("99999", vec!["\"99999\" is no port of a container"]),
            ("0", vec!["\"0\" is no port of a container"]),
            ("", vec!["\"\" is no port of a container"]),
            ("x:80", vec!["\"x\" is no port of the host"]),
        ] {
            assert_eq!(read(text), ports, "{text}");
        }
    }
}
