//! `--add-host NAME:ADDRESS`, a line of the container's `/etc/hosts`, and `--dns-search`, a domain in its `/etc/resolv.conf`
//! (<https://docs.docker.com/reference/cli/docker/container/run/#add-host>).

use std::fmt;
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedHost {
    pub name: String,
    pub address: Address,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    Ip(IpAddr),
    /// `host-gateway`: the host as the container sees it.
    Gateway,
}

/// Parses `NAME:ADDRESS` or `NAME=ADDRESS`. IPv6 addresses may have brackets.
pub fn parse(text: &str) -> Result<AddedHost, String> {
    let expected = || "expected NAME:ADDRESS".to_owned();
    let (name, address) =
        text.split_once([':', '=']).filter(|(name, _)| !name.is_empty()).ok_or_else(expected)?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let address = match address {
        "host-gateway" => Address::Gateway,
        ip => Address::Ip(ip.parse().map_err(|_| expected())?),
    };
    Ok(AddedHost { name: name.to_owned(), address })
}

/// A search domain; `.` means none.
pub fn search_domain(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(char::is_whitespace) {
        true => Err(format!("{text:?} is no domain")),
        false => Ok(text.to_owned()),
    }
}

impl fmt::Display for AddedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Address::Ip(ip) => write!(f, "{}:{ip}", self.name),
            Address::Gateway => write!(f, "{}:host-gateway", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_has_an_address() {
        for (text, printed) in [
            ("db:192.0.2.7", "db:192.0.2.7"),
            ("db=192.0.2.7", "db:192.0.2.7"),
            ("six:::1", "six:::1"),
            ("six=[::1]", "six:::1"),
            ("up:host-gateway", "up:host-gateway"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), printed, "{text}");
        }
        for wrong in ["nocolon", "", ":1.2.3.4", "db:", "db:x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_search_domain_is_one_word() {
        assert!(search_domain("example.org").is_ok() && search_domain(".").is_ok());
        assert!(search_domain("a b").is_err() && search_domain("").is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(name in "[a-z.-]{1,8}", ip in any::<Option<IpAddr>>()) {
            let host = AddedHost { name, address: ip.map_or(Address::Gateway, Address::Ip) };
            prop_assert_eq!(parse(&host.to_string()), Ok(host));
        }
    }
}
