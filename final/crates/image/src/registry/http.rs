//! Sends single HTTP requests, without redirects, retries or credentials: [`super::client`] does those.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Mutex;
use std::time::Duration;

use ureq::http::{HeaderMap, Response as HttpResponse};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, SendBody};

use super::environment::Proxies;
use super::failure::Failure;
use super::{guard, proxy, tls};
use crate::error::Result;

/// A connection on which nothing moves for so long counts as broken.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The scheme of a host's URLs, and whether certificates are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Base {
    pub scheme: &'static str,
    /// Whether the certificate is verified.
    pub verify: bool,
}

/// The body of a request. It can be sent again.
#[derive(Clone, Copy)]
pub(super) enum Payload<'a> {
    Nothing,
    Bytes(&'a [u8]),
    Stream { open: &'a dyn Fn() -> Result<Box<dyn Read + 'a>>, length: u64 },
}

#[derive(Debug)]
pub(super) struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: ureq::Body,
}

impl Response {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body. Fails if it is longer than `limit`, without reading further.
    pub(super) fn bytes(&mut self, limit: u64) -> Result<Vec<u8>, ureq::Error> {
        self.body.with_config().limit(limit).read_to_vec()
    }

    /// The first `limit` bytes of the body, or as many as can be read.
    pub(super) fn beginning(&mut self, limit: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.body.as_reader().take(limit).read_to_end(&mut bytes);
        bytes
    }
}

/// Connections that are kept open between requests. Each host has its own certificates.
#[derive(Debug)]
pub(super) struct Http {
    certificates: tls::Certificates,
    proxies: Proxies,
    agents: Mutex<HashMap<(Base, Reach, String), Agent>>,
}

/// Which addresses a request may be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Reach {
    Anywhere,
    /// Not this machine and not its link, where services trust everybody who can reach them: for addresses that a
    /// server has chosen.
    Elsewhere,
}

impl Http {
    pub(super) fn new(certificates: tls::Certificates, proxies: Proxies) -> Self {
        Self { certificates, proxies, agents: Mutex::default() }
    }

    pub(super) fn send(
        &self,
        base: Base,
        method: &str,
        url: &str,
        headers: &[(&str, String)],
        payload: Payload<'_>,
    ) -> Result<Response, Failure> {
        self.send_within(Reach::Anywhere, base, method, url, headers, payload)
    }

    pub(super) fn send_within(
        &self,
        reach: Reach,
        base: Base,
        method: &str,
        url: &str,
        headers: &[(&str, String)],
        payload: Payload<'_>,
    ) -> Result<Response, Failure> {
        let host = host_of(url).ok_or_else(|| Failure::Url(url.to_owned()))?;
        let agent = self.agent(reach, base, host)?;
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let invalid = |_| Failure::Url(url.to_owned());
        let response = match payload {
            Payload::Nothing => {
                let request = match method {
                    // Without this header some servers wait for a body.
                    "POST" | "PUT" | "PATCH" => request.header("content-length", "0"),
                    _ => request,
                };
                agent.run(request.body(()).map_err(invalid)?)
            }
            Payload::Bytes(bytes) => agent.run(request.body(bytes).map_err(invalid)?),
            Payload::Stream { open, length } => {
                let mut stream = open().map_err(Failure::Own)?;
                let request = request.header("content-length", length.to_string());
                agent.run(request.body(SendBody::from_reader(&mut stream)).map_err(invalid)?)
            }
        };
        let failed = |error| Failure::Transport { error: Box::new(error), proxy: proxy::of(&agent) };
        let (parts, body) = response.map(HttpResponse::into_parts).map_err(failed)?;
        Ok(Response { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// The agent of a host. It is kept, because reading certificates takes milliseconds.
    fn agent(&self, reach: Reach, base: Base, host: &str) -> Result<Agent, Failure> {
        let mut agents = self.agents.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let key = (base, reach, host.to_owned());
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy::for_host(&self.proxies, base.scheme, host).map_err(Failure::Own)?)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(READ_TIMEOUT))
            .timeout_per_write(Some(READ_TIMEOUT))
            .allow_non_standard_methods(true)
            .max_idle_connections_per_host(8)
            .user_agent(concat!("hull/", env!("CARGO_PKG_VERSION")));
        if base.scheme == "https" {
            let tls = self.certificates.config(host, base.verify).map_err(Failure::Own)?;
            config = config.tls_config(tls);
        }
        let config = config.build();
        let agent = match reach {
            // A proxy looks up the name itself.
            Reach::Elsewhere if config.proxy().is_none() => {
                Agent::with_parts(config, DefaultConnector::new(), guard::Guard::default())
            }
            _ => Agent::new_with_config(config),
        };
        agents.insert(key, agent.clone());
        Ok(agent)
    }
}

/// `host[:port]` of a URL.
pub(super) fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    // A URL that a registry chose must not contain a user name.
    (!authority.is_empty() && !authority.contains('@')).then_some(authority)
}

/// The absolute URL of a `Location` header, relative to the URL that was requested.
pub(super) fn resolve(url: &str, location: &str) -> Option<String> {
    let lower = location.get(..8).unwrap_or(location).to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return Some(location.to_owned());
    }
    let (scheme, rest) = url.split_once("://")?;
    if let Some(other) = location.strip_prefix("//") {
        return Some(format!("{scheme}://{other}"));
    }
    let host = host_of(url)?;
    if location.starts_with('/') {
        return Some(format!("{scheme}://{host}{location}"));
    }
    // Other schemes are not supported.
    if location.split(['/', '?', '#']).next()?.contains(':') {
        return None;
    }
    let path = rest.split(['?', '#']).next()?;
    if location.starts_with('?') {
        return Some(format!("{scheme}://{path}{location}"));
    }
    let directory = path.rsplit_once('/').map_or(path, |(directory, _)| directory);
    Some(format!("{scheme}://{directory}/{location}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_may_be_relative() {
        let url = "https://a:5000/v2/x/blobs/uploads/?y=z";
        for (location, expected) in [
            ("https://b/c", Some("https://b/c")),
            ("HTTP://b/c", Some("HTTP://b/c")),
            ("/v2/q?r=s", Some("https://a:5000/v2/q?r=s")),
            ("//b/c", Some("https://b/c")),
            ("id?r=s", Some("https://a:5000/v2/x/blobs/uploads/id?r=s")),
            ("?r=s", Some("https://a:5000/v2/x/blobs/uploads/?r=s")),
            ("file:///etc/passwd", None),
        ] {
            assert_eq!(resolve(url, location).as_deref(), expected, "{location}");
        }
        assert_eq!(host_of("https://user@b/c"), None);
        assert_eq!(host_of("https://[::1]:5000/c"), Some("[::1]:5000"));
    }
}
