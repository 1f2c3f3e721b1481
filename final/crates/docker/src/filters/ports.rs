//! Ports in filters.

/// `PORT[/PROTOCOL]` or `FIRST-LAST[/PROTOCOL]`, of `publish` and `expose`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
    /// `tcp` where none is named.
    pub protocol: String,
}

impl PortRange {
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("{text:?} is no port: expected PORT[/PROTOCOL] or FIRST-LAST[/PROTOCOL]");
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let number = |text: &str| text.parse::<u16>().map_err(|_| expected());
        let range =
            Self { first: number(first)?, last: number(last)?, protocol: protocol.to_ascii_lowercase() };
        let is_known = ["tcp", "udp", "sctp"].contains(&range.protocol.as_str());
        if is_known && range.first <= range.last { Ok(range) } else { Err(expected()) }
    }

    pub fn has(&self, port: u16, protocol: &str) -> bool {
        (self.first..=self.last).contains(&port) && self.protocol == protocol
    }
}

#[test]
fn ports_are_ranges_with_a_protocol() {
    assert!(PortRange::parse("80").unwrap().has(80, "tcp"));
    assert!(PortRange::parse("8000-8010/UDP").unwrap().has(8005, "udp"));
    assert!(!PortRange::parse("80").unwrap().has(80, "udp"));
    for wrong in ["", "x", "80/icmp", "9-8", "70000"] {
        assert!(PortRange::parse(wrong).is_err(), "{wrong}");
    }
}
