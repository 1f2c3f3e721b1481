//! Where a server listens, as docker's `--host` names it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// docker's port for TLS.
const TLS_PORT: u16 = 2376;

const EXPECTED: &str = "expected unix:///PATH, tcp://ADDRESS:PORT or fd://";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `unix:///PATH`
    Unix(PathBuf),
    /// `tcp://ADDRESS:PORT`
    Tcp(SocketAddr),
    /// `fd://`: the sockets that systemd passes, or those of them with a name.
    Inherited(Option<String>),
}

impl Address {
    /// Reads a URL. The error says what is wrong with it.
    pub fn parse(url: &str) -> Result<Self, String> {
        if url.starts_with(['/', '.']) {
            return Err(format!("a socket's path needs unix:// before it: {EXPECTED}"));
        }
        // As in docker, an address alone is one of TCP.
        let (scheme, rest) = url.split_once("://").unwrap_or(("tcp", url));
        match scheme {
            "unix" if rest.starts_with('/') && !rest.contains('\0') => Ok(Self::Unix(rest.into())),
            "unix" => {
                Err("the path of the socket must begin with /, as in unix:///run/docker.sock".to_owned())
            }
            "tcp" => tcp(rest.trim_end_matches('/')).map(Self::Tcp),
            "fd" => {
                Ok(Self::Inherited(Some(rest).filter(|name| !["", "*"].contains(name)).map(str::to_owned)))
            }
            _ => Err(format!("the scheme {scheme}:// is unknown: {EXPECTED}")),
        }
    }
}

/// `ADDRESS[:PORT]`, `[ADDRESS]:PORT` or `:PORT`. Names are not looked up, because a server listens on an address of its own.
fn tcp(text: &str) -> Result<SocketAddr, String> {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let text =
        text.strip_prefix("localhost").map_or_else(|| text.to_owned(), |rest| format!("127.0.0.1{rest}"));
    let port =
        text.strip_prefix(':').and_then(|port| port.parse().ok()).map(|port| SocketAddr::new(local, port));
    let bare =
        || text.trim_matches(['[', ']']).parse().ok().map(|address| SocketAddr::new(address, TLS_PORT));
    let found = port.or_else(|| text.parse().ok()).or_else(bare);
    found.ok_or_else(|| {
        format!("{text:?} is not an IP address with a port, such as 127.0.0.1:{TLS_PORT}: {EXPECTED}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_dockers() {
        let tcp = |text: &str| Ok(Address::Tcp(text.parse().unwrap()));
        for (url, expected) in [
            ("unix:///run/docker.sock", Ok(Address::Unix("/run/docker.sock".into()))),
            ("fd://", Ok(Address::Inherited(None))),
            ("fd://docker.socket", Ok(Address::Inherited(Some("docker.socket".into())))),
            ("tcp://:2375", tcp("127.0.0.1:2375")),
            ("tcp://0.0.0.0", tcp("0.0.0.0:2376")),
            ("tcp://[::1]:80", tcp("[::1]:80")),
            ("tcp://::1", tcp("[::1]:2376")),
            ("tcp://localhost:2376/", tcp("127.0.0.1:2376")),
            ("192.0.2.1:1", tcp("192.0.2.1:1")),
        ] {
            assert_eq!(Address::parse(url), expected, "{url}");
        }
        for wrong in ["unix://x", "unix://", "npipe:////./pipe/x", "tcp://host:1", "tcp://1.2.3.4:99999", ""]
        {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }
}
