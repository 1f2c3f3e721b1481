//! The address of a repository.

use std::net::IpAddr;

/// The name of Docker Hub, and the host of its registry.
pub(crate) const DOCKER: &str = "docker.io";
const DOCKER_HOST: &str = "registry-1.docker.io";

/// A registry or mirror that may have a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The registry's name: `docker.io`, `localhost:5000`.
    pub registry: String,
    /// The repository's name in the registry: `library/debian`.
    pub repository: String,
    /// Whether plain HTTP and unverified certificates are allowed.
    pub insecure: bool,
}

impl Endpoint {
    /// The host that requests are sent to, with its port.
    pub(crate) fn host(&self) -> &str {
        if self.registry == DOCKER { DOCKER_HOST } else { &self.registry }
    }
}

/// A host without its port, and without the brackets of an IPv6 address.
pub(crate) fn bare_host(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.contains(':') => name,
        _ => host,
    }
}

/// Whether a host is this machine. Packets to it need no encryption: docker's rule for 127.0.0.0/8 and ::1.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = bare_host(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_have_a_port_and_brackets() {
        for (host, bare, loopback) in [
            ("localhost:5000", "localhost", true),
            ("127.1.2.3:5000", "127.1.2.3", true),
            ("[::1]:5000", "::1", true),
            ("[::1]", "::1", true),
            ("a.b:5000", "a.b", false),
            ("localhost.example.com", "localhost.example.com", false),
        ] {
            assert_eq!((bare_host(host), is_loopback(host)), (bare, loopback), "{host}");
        }
    }
}
