//! A registry: three GET requests, and a token to be allowed to make them.
//!
//! ```text
//! GET /v2/NAME/manifests/TAG       ──▶ an index or a manifest: names by digest what there is more
//! GET /v2/NAME/manifests/DIGEST    ──▶ the manifest of one platform
//! GET /v2/NAME/blobs/DIGEST        ──▶ its config, its layers
//!     401, WWW-Authenticate: Bearer realm="…",service="…",scope="…"
//!                                  ──▶ GET realm?service=…&scope=…, and the token from there goes with every request
//! ```
//!
//! (OCI distribution specification.) Nothing that a registry sends is trusted: the digest is
//! computed from what it sent.

use std::fs;
use std::io::Read;
use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::http::Response;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use crate::image::MANIFESTS;
use crate::report;

/// The limit for answers that are held in memory. An untrusted answer may be endless.
const LARGEST: u64 = 4 << 20;

/// The files with the trusted certificates: Debian and its derivatives, Fedora and its, Alpine and
/// others.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// With TLS a server proves its identity by a certificate, which a trusted authority has signed.
const UNTRUSTED: &str =
    "hint: is it signed by an authority of your own? SSL_CERT_FILE=FILE.pem names those to trust";

/// One repository of a registry. Requests are made one after another, over one kept connection.
pub struct Registry {
    agent: Agent,
    /// Scheme and host.
    host: String,
    name: String,
    /// The token, once the registry has asked for one.
    token: Option<String>,
}

impl Registry {
    /// `alpine` is short for `docker.io/library/alpine`. The rule is docker's: what precedes the
    /// first slash is a host if it contains a dot or a colon, or is localhost.
    pub fn new(repository: &str) -> Result<Self> {
        let is_host = |part: &str| part == "localhost" || part.contains(['.', ':']);
        let (host, name) = match repository.split_once('/') {
            Some((host, name)) if is_host(host) => (host, name.to_owned()),
            Some(_) => ("docker.io", repository.to_owned()),
            None => ("docker.io", format!("library/{repository}")),
        };
        // On the loopback interface nobody can listen in.
        let bare = host.rsplit_once(':').map_or(host, |(bare, _port)| bare);
        let is_here = bare == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        let scheme = if is_here { "http" } else { "https" };
        // The host behind docker.io has another name.
        let host = if host == "docker.io" { "registry-1.docker.io" } else { host };
        // An unsuccessful status is handled below and is no error here.
        let mut config = Agent::config_builder().http_status_as_error(false);
        // To a proxy, 127.0.0.1 would be another machine.
        if is_here {
            config = config.proxy(None);
        }
        let config = config.tls_config(TlsConfig::builder().root_certs(authorities()?).build());
        Ok(Self { agent: config.build().into(), host: format!("{scheme}://{host}"), name, token: None })
    }

    /// A manifest by tag or digest, as bytes, because only these can be hashed. The digest in the
    /// answer's header proves nothing: an attacker who can change the one can change the other.
    pub fn manifest(&mut self, reference: &str) -> Result<Vec<u8>> {
        let path = format!("manifests/{reference}");
        let mut bytes = Vec::new();
        self.get(&path)?.take(LARGEST).read_to_end(&mut bytes).with_context(|| format!("read {path}"))?;
        Ok(bytes)
    }

    /// A blob, read while it arrives: it may be larger than the memory.
    pub fn blob(&mut self, digest: &str) -> Result<impl Read + use<>> {
        self.get(&format!("blobs/{digest}"))
    }

    /// Registries mostly redirect (307) to a separate store of blobs; the client follows.
    fn get(&mut self, path: &str) -> Result<impl Read + use<>> {
        // The version of the protocol; there has been no other since 2015.
        let url = format!("{}/v2/{}/{path}", self.host, self.name);
        // The first request is mostly refused with 401. That is no error: the answer says where to
        // get a token.
        let mut answer = self.ask(&url)?;
        if answer.status() == 401 && self.token.is_none() {
            let challenge = answer.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
            self.token = Some(self.fetch_token(challenge.unwrap_or_default())?);
            answer = self.ask(&url)?;
        }
        let status = answer.status();
        report::trace(format!("GET {url}   {status}"));
        // Only the status is standardised; bodies of error messages differ.
        let hint = match status.as_u16() {
            200 => return Ok(answer.into_body().into_reader()),
            401 | 403 => {
                "hint: it is private, or does not exist: registries answer the same to both, and this lesson has no login"
            }
            404 => "hint: no such image, or no such tag of it",
            429 => "hint: too many requests from this address: wait, or take another registry's copy",
            _ => "hint: the registry itself is in trouble",
        };
        Err(anyhow::anyhow!("the registry says {status}")).context(hint).context(format!("GET {url}"))
    }

    /// The accept header says which formats this program reads. Without it a registry may send the
    /// format of 2014.
    fn ask(&self, url: &str) -> Result<Response<Body>> {
        let mut request = self.agent.get(url).header("accept", MANIFESTS.join(", "));
        if let Some(token) = &self.token {
            // Sent to this host only: redirects are followed without it.
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = request.call().map_err(|error| {
            let is_untrusted = error.to_string().contains("certificate");
            // An I/O error contains the errno of the system call.
            let error = match error {
                ureq::Error::Io(error) => anyhow::Error::new(error),
                error => error.into(),
            };
            if is_untrusted { error.context(UNTRUSTED) } else { error }
        });
        answer.with_context(|| format!("GET {url}"))
    }

    /// Gets a token. Even public repositories require one: an authorization server issues it ("may
    /// pull this repository for five minutes"), and the registry only checks its signature.
    fn fetch_token(&self, challenge: &str) -> Result<String> {
        let Some(fields) = challenge.strip_prefix("Bearer ") else {
            bail!("the registry asks for {challenge:?}, and this lesson knows Bearer alone");
        };
        // The fields are name="value", separated by commas; a scope contains commas inside the
        // quotes.
        let field = |name: &str| {
            let start = fields.find(&format!("{name}=\""))? + name.len() + 2;
            fields[start..].split('"').next()
        };
        let realm = field("realm").context("the registry does not say where tokens are to be had")?;
        let mut request = self.agent.get(realm);
        // Service and scope ("repository:NAME:pull") are passed on as they came.
        for name in ["service", "scope"] {
            request = request.query_pairs(field(name).map(|value| (name, value)));
        }
        let mut answer = request.call().with_context(|| format!("GET {realm}"))?;
        report::trace(format!("GET {realm}   {}, for a token", answer.status()));
        let answer = answer.body_mut().with_config().limit(LARGEST).read_to_string()?;
        let answer: Value =
            serde_json::from_str(&answer).with_context(|| format!("the answer of {realm}"))?;
        // Some servers use only the second name, which is OAuth's.
        let token = answer["token"].as_str().or(answer["access_token"].as_str());
        Ok(token.with_context(|| format!("{realm} gives no token"))?.to_owned())
    }
}

/// The trusted certificates: those of SSL_CERT_FILE, as curl and OpenSSL use it, or the machine's
/// own list, or else the list compiled in.
fn authorities() -> Result<RootCerts> {
    let text = match std::env::var_os("SSL_CERT_FILE") {
        Some(file) => {
            Some(fs::read(&file).with_context(|| format!("SSL_CERT_FILE: read {}", file.display()))?)
        }
        None => BUNDLES.into_iter().find_map(|file| fs::read(file).ok()),
    };
    let items = text.iter().flat_map(|text| parse_pem(text));
    let certificates: Vec<_> = items
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    Ok(if certificates.is_empty() { RootCerts::WebPki } else { RootCerts::new_with_certs(&certificates) })
}
