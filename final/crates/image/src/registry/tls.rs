//! Certificates: the system's trusted ones, and those in `certs.d` for one registry.
//!
//! ```text
//! /etc/docker/certs.d/HOST[:PORT]/*.crt           certificates that are trusted for this registry
//!                                 *.cert, *.key   the client's certificate and its key
//! ```
//! The same below /etc/containers/certs.d, and below the user's own `~/.config/containers/certs.d` and
//! `~/.docker/certs.d`: docker-certs.d(5), containers-certs.d(5).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::error::{Error, IoContext, Result};

/// The directories that may have certificates for registries.
#[derive(Debug)]
pub(super) struct Certificates {
    /// From the command line; used for every host.
    given: Option<PathBuf>,
    /// Directories with a subdirectory per host. The user's own come first.
    by_host: Vec<PathBuf>,
}

impl Certificates {
    pub(super) fn new(home: Option<&Path>, given: Option<PathBuf>) -> Self {
        let own = home.map(|home| [home.join(".config/containers/certs.d"), home.join(".docker/certs.d")]);
        let system = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
        Self { given, by_host: own.into_iter().flatten().chain(system).collect() }
    }

    /// The TLS settings for one host.
    pub(super) fn config(&self, host: &str, verify: bool) -> Result<TlsConfig> {
        let directories = self.by_host.iter().map(|directory| directory.join(host));
        let (mut roots, mut client) = (Vec::new(), None);
        for directory in self.given.iter().cloned().chain(directories) {
            let files = Files::read(&directory)?;
            roots.extend(files.trusted);
            client = client.or(files.client);
        }
        if verify {
            roots.extend(system_roots());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::new_with_certs(&roots))
            .client_cert(client)
            .disable_verification(!verify);
        Ok(config.build())
    }
}

/// A certificate that cannot be read is passed over: the others still allow connections.
fn system_roots() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs();
    found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
}

#[derive(Default)]
struct Files {
    trusted: Vec<Certificate<'static>>,
    client: Option<ClientCert>,
}

impl Files {
    fn read(directory: &Path) -> Result<Self> {
        let mut files = Self::default();
        let Ok(entries) = std::fs::read_dir(directory) else { return Ok(files) };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => files.trusted.extend(certificates(&path)?),
                Some("cert") if files.client.is_none() => {
                    let key = path.with_extension("key");
                    files.client =
                        Some(ClientCert::new_with_certs(&certificates(&path)?, private_key(&key)?));
                }
                _ => {}
            }
        }
        Ok(files)
    }
}

fn items(path: &Path) -> Result<Vec<PemItem<'static>>> {
    let pem = std::fs::read(path).context(|| format!("read {}", path.display()))?;
    let items: std::result::Result<Vec<_>, _> = parse_pem(&pem).collect();
    items.map_err(|error| invalid(path, &error.to_string()))
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let found = items(path)?.into_iter().filter_map(|item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    let found: Vec<_> = found.collect();
    match found.is_empty() {
        true => Err(invalid(path, "it holds no certificate in PEM")),
        false => Ok(found),
    }
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>> {
    let found = items(path)?.into_iter().find_map(|item| match item {
        PemItem::PrivateKey(key) => Some(key),
        _ => None,
    });
    found.ok_or_else(|| invalid(path, "it holds no private key in PEM"))
}

fn invalid(path: &Path, why: &str) -> Error {
    Error::Invalid { what: format!("certificate {}", path.display()), why: why.into() }
}
