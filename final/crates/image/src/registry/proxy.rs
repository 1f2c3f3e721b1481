//! Proxies from the environment, by the rules that Go's programs have made common: `HTTPS_PROXY`, `HTTP_PROXY`,
//! `NO_PROXY`, in capitals or not; this machine's own addresses are never proxied.

use std::net::IpAddr;

use ureq::{Agent, Proxy};

use crate::error::{Error, Result};

pub(super) fn for_host(scheme: &str, host: &str) -> Result<Option<Proxy>> {
    let variable = |name: &str| {
        let value = std::env::var(name.to_uppercase()).or_else(|_| std::env::var(name));
        value.ok().filter(|value| !value.is_empty())
    };
    let proxy = match scheme {
        "https" => variable("https_proxy"),
        _ => variable("http_proxy"),
    };
    let Some(proxy) = proxy.or_else(|| variable("all_proxy")) else { return Ok(None) };
    if is_direct(host, &variable("no_proxy").unwrap_or_default()) {
        return Ok(None);
    }
    let proxy = match proxy.split_once("://") {
        // Names are resolved by the proxy, as for Go's programs: where there is one, they may lead nowhere here.
        Some(("socks" | "socks5", rest)) => format!("socks5h://{rest}"),
        Some(_) => proxy,
        None => format!("http://{proxy}"),
    };
    Proxy::new(&proxy)
        .map(Some)
        .map_err(|error| Error::Invalid { what: "proxy in the environment".into(), why: error.to_string() })
}

/// What an agent's connections lead through, to be shown: without the password.
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
