//! Where a registry is reached.

use std::net::IpAddr;

/// What people call docker's own registry, and where it answers.
pub(crate) const DOCKER: &str = "docker.io";
const DOCKER_HOST: &str = "registry-1.docker.io";

/// One place that may have a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The registry as people call it: `docker.io`, `localhost:5000`.
    pub registry: String,
    /// As the registry calls it: `library/debian`.
    pub repository: String,
    /// Whether plain HTTP will do, and a certificate that nobody vouches for.
    pub insecure: bool,
}

impl Endpoint {
    /// The host that answers for it, with its port.
    pub(crate) fn host(&self) -> &str {
        if self.registry == DOCKER { DOCKER_HOST } else { &self.registry }
    }
}

/// Without the port, and without the brackets of an IPv6 address.
pub(crate) fn bare_host(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.contains(':') => name,
        _ => host,
    }
}

/// What cannot leave this machine needs no encryption: docker's rule for 127.0.0.0/8 and ::1.
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
