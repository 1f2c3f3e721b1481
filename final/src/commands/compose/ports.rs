//! The column PORTS, as docker's client and Compose write it.

use hull_docker::wire::container::PortSummary;

/// Ports whose number is the same on both sides, and ports that are only exposed, are written as ranges, and come first:
/// `99-100/tcp, 0.0.0.0:80->80/tcp, 0.0.0.0:8080->81/tcp`.
pub fn column(ports: &[PortSummary]) -> String {
    let mut ports = ports.to_vec();
    ports.sort_by(|one, other| key(one).cmp(&key(other)));
    let mut ranges: Vec<Range<'_>> = Vec::new();
    let (mut closed, mut mappings) = (Vec::new(), Vec::new());
    for port in &ports {
        let number = port.private_port;
        if !port.ip.is_empty() && port.public_port != Some(number) {
            let host = if port.ip.contains(':') { format!("[{}]", port.ip) } else { port.ip.clone() };
            let public = port.public_port.unwrap_or(0);
            mappings.push(format!("{host}:{public}->{number}/{}", port.kind));
            continue;
        }
        match ranges.iter_mut().find(|range| range.ip == port.ip && range.kind == port.kind) {
            Some(range) if range.last.checked_add(1) == Some(number) => range.last = number,
            Some(range) => {
                closed.push(range.text());
                (range.first, range.last) = (number, number);
            }
            None => ranges.push(Range { ip: &port.ip, kind: &port.kind, first: number, last: number }),
        }
    }
    closed.extend(ranges.iter().map(Range::text));
    closed.extend(mappings);
    closed.join(", ")
}

fn key(port: &PortSummary) -> (u16, &str, Option<u16>, &str) {
    (port.private_port, &port.ip, port.public_port, &port.kind)
}

struct Range<'a> {
    ip: &'a str,
    kind: &'a str,
    first: u16,
    last: u16,
}

impl Range<'_> {
    fn text(&self) -> String {
        let numbers = match self.first == self.last {
            true => self.first.to_string(),
            false => format!("{}-{}", self.first, self.last),
        };
        match self.ip {
            "" => format!("{numbers}/{}", self.kind),
            ip => format!("{ip}:{numbers}->{numbers}/{}", self.kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_before_ports_with_another_number() {
        let port = |ip: &str, private_port, public_port, kind: &str| PortSummary {
            ip: ip.into(),
            private_port,
            public_port,
            kind: kind.into(),
        };
        let ports = [
            port("0.0.0.0", 80, Some(8080), "tcp"),
            port("::", 80, Some(8080), "tcp"),
            port("", 99, None, "tcp"),
            port("", 100, None, "tcp"),
            port("", 102, None, "tcp"),
            port("127.0.0.1", 53, Some(53), "udp"),
        ];
        let expected = "99-100/tcp, 127.0.0.1:53->53/udp, 102/tcp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp";
        assert_eq!(column(&ports), expected);
        assert_eq!(column(&[]), "");
    }
}
