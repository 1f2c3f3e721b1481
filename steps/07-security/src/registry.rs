//! A registry: three kinds of GET request, and a token that permits them.
//!
//! ```text
//! GET /v2/NAME/manifests/TAG       ──▶ an index, or a manifest
//! GET /v2/NAME/manifests/DIGEST    ──▶ the manifest for one platform
//! GET /v2/NAME/blobs/DIGEST        ──▶ the config, or a layer
//!
//! 401 Unauthorized, WWW-Authenticate: Bearer realm="…",service="…",scope="…"
//!     GET realm?service=…&scope=… ──▶ a token, which is sent with every later request
//! ```
//!
//! The OCI distribution specification defines the requests. Nothing that a registry sends is
//! trusted: this program computes the digest of the bytes that arrive.

use std::fs;
use std::io::Read;
use std::net::IpAddr;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use ureq::http::Response;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, BodyReader};

use crate::image::MANIFESTS;
use crate::report;

/// The limit for answers that are held in memory, because a hostile answer may have no end.
const LARGEST: u64 = 4 << 20;

/// The files with the trusted certificates on Debian and Ubuntu, on Fedora, and on Alpine.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// A server proves its identity with a certificate that a trusted authority has signed.
const UNTRUSTED: &str =
    "hint: if an authority of your own signed the certificate, name it: SSL_CERT_FILE=FILE.pem";

/// One repository of a registry. All requests use one connection, one after another.
pub struct Registry {
    agent: Agent,
    /// The scheme and the host.
    host: String,
    /// The repository's name.
    name: String,
    /// The token, after the registry asked for one.
    token: Option<String>,
}

impl Registry {
    /// Takes a name as docker does: `alpine` is short for `docker.io/library/alpine`. The text before
    /// the first slash is a host if it contains a dot or a colon, or is `localhost`.
    pub fn new(repository: &str) -> Result<Self> {
        let is_host = |part: &str| part == "localhost" || part.contains(['.', ':']);
        let (host, name) = match repository.split_once('/') {
            Some((host, name)) if is_host(host) => (host, name.to_owned()),
            Some(_) => ("docker.io", repository.to_owned()),
            None => ("docker.io", format!("library/{repository}")),
        };
        // Plain HTTP is safe on the loopback interface, because only root of this machine can read or
        // change packets there.
        let bare = host.rsplit_once(':').map_or(host, |(bare, _port)| bare);
        let is_here = bare == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        let scheme = if is_here { "http" } else { "https" };
        // The host name of Docker Hub's registry is not docker.io.
        let host = if host == "docker.io" { "registry-1.docker.io" } else { host };
        // `get` handles every status, so none of them is an error of the client.
        let mut config = Agent::config_builder().http_status_as_error(false);
        // A proxy would connect to the 127.0.0.1 of its own machine.
        if is_here {
            config = config.proxy(None);
        }
        let config = config.tls_config(TlsConfig::builder().root_certs(authorities()?).build());
        Ok(Self { agent: config.build().into(), host: format!("{scheme}://{host}"), name, token: None })
    }

    /// Fetches a manifest by its tag or digest. Returns bytes, because the digest is the hash of
    /// these bytes. The digest in the answer's header proves nothing: an attacker who can change
    /// the bytes can also change the header.
    pub fn manifest(&mut self, reference: &str) -> Result<Vec<u8>> {
        let path = format!("manifests/{reference}");
        let mut bytes = Vec::new();
        self.get(&path)?.take(LARGEST).read_to_end(&mut bytes).with_context(|| format!("read {path}"))?;
        Ok(bytes)
    }

    /// Fetches a blob. It is read while it arrives, because it may be larger than the memory.
    pub fn blob(&mut self, digest: &str) -> Result<BodyReader<'static>> {
        self.get(&format!("blobs/{digest}"))
    }

    /// Sends a GET request, with a token if the registry wants one. A registry may redirect to
    /// another server, which stores the blobs. The client follows the redirect.
    fn get(&mut self, path: &str) -> Result<BodyReader<'static>> {
        // The version of the protocol has been v2 since 2015.
        let url = format!("{}/v2/{}/{path}", self.host, self.name);
        let mut answer = self.ask(&url)?;
        // A 401 to the first request is normal: the answer's header says where to get a token.
        if answer.status() == 401 && self.token.is_none() {
            let challenge = answer.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
            self.token = Some(self.fetch_token(challenge.unwrap_or_default())?);
            answer = self.ask(&url)?;
        }
        let status = answer.status();
        report::trace(format!("GET {url}   {status}"));
        if status == 200 {
            return Ok(answer.into_body().into_reader());
        }
        Err(anyhow!("the registry answers {status}"))
            .context(hint(status.as_u16()))
            .context(format!("GET {url}"))
    }

    /// Sends one request. The accept header lists the formats that this program reads. Without this
    /// header, a registry may send the format of 2014.
    fn ask(&self, url: &str) -> Result<Response<Body>> {
        let mut request = self.agent.get(url).header("accept", MANIFESTS.join(", "));
        if let Some(token) = &self.token {
            // Only the registry gets the token: the client does not send it to another host.
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = request.call().map_err(|error| {
            let is_untrusted = error.to_string().contains("certificate");
            // An I/O error contains the error number of the system call.
            let error = match error {
                ureq::Error::Io(error) => anyhow::Error::new(error),
                error => error.into(),
            };
            if is_untrusted { error.context(UNTRUSTED) } else { error }
        });
        answer.with_context(|| format!("GET {url}"))
    }

    /// Fetches a token from the authorization server that the challenge names. Registries want a
    /// token even for public images: the token says "may pull this repository for five minutes".
    pub fn fetch_token(&self, challenge: &str) -> Result<String> {
        let Some(fields) = challenge.strip_prefix("Bearer ") else {
            bail!("the registry asks for {challenge:?}, and this step knows only Bearer");
        };
        let realm = field(fields, "realm").context("the registry does not say where to get a token")?;
        let mut request = self.agent.get(realm);
        // The service and the scope ("repository:NAME:pull") are sent back unchanged.
        for name in ["service", "scope"] {
            request = request.query_pairs(field(fields, name).map(|value| (name, value)));
        }
        let mut answer = request.call().with_context(|| format!("GET {realm}"))?;
        report::trace(format!("GET {realm}   {}, for a token", answer.status()));
        let text = answer.body_mut().with_config().limit(LARGEST).read_to_string()?;
        let answer: Value = serde_json::from_str(&text).with_context(|| format!("the answer of {realm}"))?;
        // Some servers send only `access_token`, which is the name in OAuth.
        let token = answer["token"].as_str().or(answer["access_token"].as_str());
        Ok(token.with_context(|| format!("{realm} gives no token"))?.to_owned())
    }
}

/// A field of a challenge: name="value". A comma separates the fields, and may also be part of a
/// value.
fn field<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    let start = fields.find(&format!("{name}=\""))? + name.len() + 2;
    fields[start..].split('"').next()
}

/// What the reader can do about a status. Only the status is standardized. Each registry has its
/// own error texts.
fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => {
            "hint: the image is private or does not exist: registries answer the same to both, and this step has no login"
        }
        404 => "hint: the registry has no such image, or the image has no such tag",
        429 => "hint: too many requests from this address: wait, or use another registry",
        _ => "hint: the registry itself has a problem: try again later",
    }
}

/// The certificates of the trusted authorities: SSL_CERT_FILE names their file, as with curl and
/// OpenSSL. Without this variable, the machine's list is used, or else the list that is compiled
/// in.
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
