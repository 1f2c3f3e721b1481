//! A registry: three GETs, and whatever it takes to be let in.
//!
//! ```text
//! GET /v2/NAME/manifests/TAG       ──▶ an index or a manifest: names by digest what there is more
//! GET /v2/NAME/manifests/DIGEST    ──▶ the manifest of one platform
//! GET /v2/NAME/blobs/DIGEST        ──▶ its config, its layers
//!     401, WWW-Authenticate: Bearer realm="…",service="…",scope="…"
//!                                  ──▶ GET realm?service=…&scope=…, and the token from there goes with every request
//! ```
//!
//! (OCI distribution specification.) Nothing here is believed: whoever asked for a digest computes it.

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

/// An answer that is to be held in memory is no longer than this.
/// What a stranger sends is read to a limit, always: an answer may be without end.
const LARGEST: u64 = 4 << 20;

/// Where distributions keep the list: Debian and its kin, Fedora and its, Alpine and others.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// With TLS the other end proves who it is by a certificate, and that is worth as much as whoever has signed it.
const UNTRUSTED: &str =
    "hint: is it signed by an authority of your own? SSL_CERT_FILE=FILE.pem names those to trust";

/// One repository of a registry.
/// Blocking, with a connection that is kept: the protocol is questions and answers, one after another.
pub struct Registry {
    agent: Agent,
    /// With the scheme.
    host: String,
    name: String,
    /// Once somebody has asked for one.
    token: Option<String>,
}

impl Registry {
    /// `alpine` is short for `docker.io/library/alpine`.
    /// The rule is docker's, and not in any specification: what precedes the first slash is a host if it has a
    /// dot or a colon in it, or is localhost.
    pub fn new(repository: &str) -> Result<Self> {
        let is_host = |part: &str| part == "localhost" || part.contains(['.', ':']);
        let (host, name) = match repository.split_once('/') {
            Some((host, name)) if is_host(host) => (host, name.to_owned()),
            Some(_) => ("docker.io", repository.to_owned()),
            None => ("docker.io", format!("library/{repository}")),
        };
        // On this very machine nobody listens in.
        let bare = host.rsplit_once(':').map_or(host, |(bare, _port)| bare);
        let is_here = bare == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        let scheme = if is_here { "http" } else { "https" };
        // It has always been called otherwise than it is.
        let host = if host == "docker.io" { "registry-1.docker.io" } else { host };
        // A status that is no success is an answer, and has something to say.
        let mut config = Agent::config_builder().http_status_as_error(false);
        // A proxy's 127.0.0.1 is another machine.
        if is_here {
            config = config.proxy(None);
        }
        let config = config.tls_config(TlsConfig::builder().root_certs(authorities()?).build());
        Ok(Self { agent: config.build().into(), host: format!("{scheme}://{host}"), name, token: None })
    }

    /// By tag or by digest. The bytes, for only they can be hashed.
    /// To a GET by tag the registry also names the digest in a header. It is no use: whoever could change the
    /// one could change the other.
    pub fn manifest(&mut self, reference: &str) -> Result<Vec<u8>> {
        let path = format!("manifests/{reference}");
        let mut bytes = Vec::new();
        self.get(&path)?.take(LARGEST).read_to_end(&mut bytes).with_context(|| format!("read {path}"))?;
        Ok(bytes)
    }

    /// To be read as it comes in: a layer may be larger than the memory.
    /// Nobody need trust the store it comes from either: it is hashed on its way.
    pub fn blob(&mut self, digest: &str) -> Result<impl Read + use<>> {
        self.get(&format!("blobs/{digest}"))
    }

    /// Blobs are mostly not there but at a store of files, and a 307 leads to it; the client follows.
    fn get(&mut self, path: &str) -> Result<impl Read + use<>> {
        // v2 is of the protocol, and there has been no other since 2015.
        let url = format!("{}/v2/{}/{path}", self.host, self.name);
        // So the first request of all is mostly refused, and that is no error: the refusal says where to go.
        let mut answer = self.ask(&url)?;
        // Nobody knows before they have asked whether a token is wanted, and whose.
        if answer.status() == 401 && self.token.is_none() {
            let challenge = answer.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
            self.token = Some(self.fetch_token(challenge.unwrap_or_default())?);
            answer = self.ask(&url)?;
        }
        let status = answer.status();
        report::trace(format!("GET {url}   {status}"));
        // A status is all that one gets for a reason: what is in the body is each registry's own.
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

    /// The accept header says which formats we read. Without it a registry may answer in that of 2014, which is
    /// another world.
    fn ask(&self, url: &str) -> Result<Response<Body>> {
        let mut request = self.agent.get(url).header("accept", MANIFESTS.join(", "));
        if let Some(token) = &self.token {
            // To this host alone: a redirect, as to where the blobs are, goes without.
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = request.call().map_err(|error| {
            let is_untrusted = error.to_string().contains("certificate");
            // Below the client's own words is the system's, and that has an errno.
            let error = match error {
                ureq::Error::Io(error) => anyhow::Error::new(error),
                error => error.into(),
            };
            if is_untrusted { error.context(UNTRUSTED) } else { error }
        });
        answer.with_context(|| format!("GET {url}"))
    }

    /// Even what is public wants a token, one that is given to anybody.
    /// So that a registry needs no users: whoever keeps these signs a note, "may pull this one, for five
    /// minutes", and the registry only checks the signature.
    fn fetch_token(&self, challenge: &str) -> Result<String> {
        let Some(fields) = challenge.strip_prefix("Bearer ") else {
            bail!("the registry asks for {challenge:?}, and this lesson knows Bearer alone");
        };
        // name="value", with commas between; a scope has commas of its own, within the quotes.
        let field = |name: &str| {
            let start = fields.find(&format!("{name}=\""))? + name.len() + 2;
            fields[start..].split('"').next()
        };
        let realm = field("realm").context("the registry does not say where tokens are to be had")?;
        let mut request = self.agent.get(realm);
        // Who asks, and for what: "repository:NAME:pull". Handed on as they came.
        for name in ["service", "scope"] {
            request = request.query_pairs(field(name).map(|value| (name, value)));
        }
        let mut answer = request.call().with_context(|| format!("GET {realm}"))?;
        report::trace(format!("GET {realm}   {}, for a token", answer.status()));
        let answer = answer.body_mut().with_config().limit(LARGEST).read_to_string()?;
        let answer: Value =
            serde_json::from_str(&answer).with_context(|| format!("the answer of {realm}"))?;
        // Two names for one thing: the second is OAuth's, and some servers know only that.
        let token = answer["token"].as_str().or(answer["access_token"].as_str());
        Ok(token.with_context(|| format!("{realm} gives no token"))?.to_owned())
    }
}

/// Who may vouch for a registry: the machine's own list, to which an administrator can add, or the one that SSL_CERT_FILE
/// names, as curl and everything that is made with OpenSSL has it. Without either the one that was compiled in.
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
