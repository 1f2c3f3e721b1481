//! Which proxy a connection goes through, by the rules that Go's programs have made common. The machine's own addresses
//! are never proxied.

use std::net::IpAddr;

use ureq::{Agent, Proxy};

use super::environment::Proxies;
use crate::error::{Error, Result};

pub(super) fn for_host(proxies: &Proxies, scheme: &str, host: &str) -> Result<Option<Proxy>> {
    let proxy = match scheme {
        "https" => &proxies.https,
        _ => &proxies.http,
    };
    let Some(proxy) = proxy.as_deref().or(proxies.all.as_deref()) else { return Ok(None) };
    if is_direct(host, proxies.none.as_deref().unwrap_or_default()) {
        return Ok(None);
    }
    let proxy = match proxy.split_once("://") {
        // The proxy resolves the names, as for Go's programs: behind a proxy, they often do not resolve locally.
        Some(("socks" | "socks5", rest)) => format!("socks5h://{rest}"),
        Some(_) => proxy.to_owned(),
        None => format!("http://{proxy}"),
    };
    Proxy::new(&proxy)
        .map(Some)
        .map_err(|error| Error::Invalid { what: "proxy in the environment".into(), why: error.to_string() })
}

/// The proxy of an agent's connections as it is shown: without the password.
pub(super) fn of(agent: &Agent) -> Option<String> {
    let proxy = agent.config().proxy()?;
    Some(format!("{}:{}", proxy.host(), proxy.port()))
}

/// `host` with or without its port.
fn is_direct(host: &str, no_proxy: &str) -> bool {
    let bare = super::endpoint::bare_host(host).to_ascii_lowercase();
    if super::endpoint::is_loopback(host) {
        return true;
    }
    no_proxy.split([',', ' ']).map(str::trim).filter(|rule| !rule.is_empty()).any(|rule| {
        let rule = rule.to_ascii_lowercase();
        if rule == "*" || rule == bare || rule == host.to_ascii_lowercase() {
            return true;
        }
        if let (Some((network, length)), Ok(address)) = (rule.split_once('/'), bare.parse::<IpAddr>()) {
            return is_within(address, network, length);
        }
        // `example.com` and `.example.com` are both the domain's hosts; the first is the domain itself as well.
        bare.ends_with(&format!(".{}", rule.trim_start_matches('*').trim_start_matches('.')))
    })
}

fn is_within(address: IpAddr, network: &str, length: &str) -> bool {
    let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let ((a, width), (b, other_width)) = (bits(address), bits(network));
    let differ = (a ^ b).checked_shr(128 - length.min(128)).unwrap_or(0);
    width == other_width && length <= width && differ == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_names_hosts_domains_and_networks() {
        for (host, no_proxy, direct) in [
            ("localhost:5000", "", true),
            ("127.0.0.1", "", true),
            ("[::1]:5000", "", true),
            ("a.example.com", "example.com", true),
            ("example.com", ".example.com", false),
            ("notexample.com", "example.com", false),
            ("a.example.com:5000", "x, *.example.com", true),
            ("10.1.2.3:80", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("10.1.2.3", "::/0", false),
            ("1.2.3.4", "0.0.0.0/0", true),
            ("anything", "*", true),
            ("anything", "", false),
        ] {
            assert_eq!(is_direct(host, no_proxy), direct, "{host} {no_proxy}");
        }
    }
}
