//! Keeps requests that a server has redirected away from this machine and its link: metadata services and databases that
//! trust everybody who can reach them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::endpoint::bare_host;

/// Looks names up, and refuses those that lead here. The connection is made to the address that was checked, so a name
/// cannot mean something else by then.
#[derive(Debug, Default)]
pub(super) struct Guard(DefaultResolver);

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.0.resolve(uri, config, timeout)?;
        match found.iter().any(|address| leads_here(address.ip())) {
            true => Err(std::io::Error::other(REFUSED).into()),
            false => Ok(found),
        }
    }
}

pub(super) const REFUSED: &str = "a redirect to this machine or its link is not followed";

/// Whether a host is written as such an address. Behind a proxy no name is looked up.
pub(super) fn is_written_as_here(host: &str) -> bool {
    let bare = bare_host(host).trim_end_matches('.');
    let is_name = bare.eq_ignore_ascii_case("localhost") || bare.to_ascii_lowercase().ends_with(".localhost");
    is_name || bare.parse().is_ok_and(leads_here)
}

fn leads_here(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4_leads_here(v4),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(|| v6_leads_here(v6), v4_leads_here),
    }
}

/// 0.0.0.0 means this machine too (RFC 1122, 3.2.1.3).
fn v4_leads_here(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.is_link_local() || address.octets()[0] == 0
}

fn v6_leads_here(address: Ipv6Addr) -> bool {
    address.is_loopback() || address.is_unspecified() || address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_and_its_link_are_known_in_every_spelling() {
        for here in [
            "127.0.0.1",
            "127.9.9.9:80",
            "localhost",
            "LOCALHOST:8080",
            "a.localhost",
            "localhost.",
            "[::1]:80",
            "169.254.169.254",
            "0.0.0.0",
            "[::]",
            "[fe80::1]",
            "[::ffff:127.0.0.1]:80",
            "[::ffff:169.254.169.254]",
        ] {
            assert!(is_written_as_here(here), "{here}");
        }
        for elsewhere in
            ["10.0.0.1", "example.com", "localhost.example.com", "[2001:db8::1]:80", "[::ffff:10.0.0.1]"]
        {
            assert!(!is_written_as_here(elsewhere), "{elsewhere}");
        }
    }
}
