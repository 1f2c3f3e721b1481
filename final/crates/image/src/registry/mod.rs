//! Registries, by the OCI distribution specification 1.1, and what docker's and podman's users have set up for them.
//!
//! ```text
//! settings     registries.conf: search, mirrors, insecure, blocked, short names
//! endpoint     where a repository is reached
//! credentials  config.json, auth.json    helper  programs that keep them    login  and how they get there
//! client       a conversation: leave, redirects, patience
//!   http  one request      tls  certificates     proxy  from the environment
//!   challenge, token       how leave is asked    failure  errors in words
//! manifests, blobs, upload, lists              what is asked for
//! ```

mod blobs;
mod challenge;
mod client;
mod credentials;
mod endpoint;
mod failure;
mod helper;
mod http;
mod lists;
mod login;
mod manifests;
mod proxy;
mod settings;
mod tls;
mod token;
mod upload;

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::reference::Reference;
use credentials::Credentials;
use http::Http;
use settings::Settings;

pub use credentials::Credential;
pub use endpoint::Endpoint;
pub use lists::Found;
pub use login::{Login, logged_in, login, logout};

pub(crate) use blobs::Fetch;
pub(crate) use client::Client;
pub(crate) use endpoint::DOCKER;
pub(crate) use manifests::Fetched;
pub(crate) use upload::Begun;

/// What a command line says about registries; the environment and its files say the rest.
#[derive(Debug, Clone, Default)]
pub struct AccessOptions {
    pub auth_file: Option<PathBuf>,
    pub credential: Option<Credential>,
    /// A directory of certificates, as `certs.d` has them for one registry.
    pub certificates: Option<PathBuf>,
    /// Whether certificates have to be good; without it, where that matters.
    pub verify: Option<bool>,
    /// Bytes of one request when blobs are pushed; without it, all of a blob.
    pub chunk: Option<u64>,
}

/// All that it takes to talk to registries.
#[derive(Debug)]
pub struct Access {
    credentials: Credentials,
    settings: Settings,
    http: Http,
    verify: Option<bool>,
    chunk: Option<u64>,
}

impl Access {
    /// Reads the settings. Certificates and credentials are read when they are needed.
    pub fn new(options: AccessOptions) -> Result<Self> {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Ok(Self {
            credentials: Credentials::from_environment(options.auth_file.as_deref(), options.credential),
            settings: Settings::from_environment(home.as_deref())?,
            http: Http::new(tls::Certificates::new(home.as_deref(), options.certificates)),
            verify: options.verify,
            chunk: options.chunk.filter(|chunk| *chunk > 0),
        })
    }

    /// Refuses to show a password that was given for one registry to others: those that are asked before or after it.
    pub(crate) fn check_given(&self, candidates: &[Reference]) -> Result<()> {
        if self.credentials.given.is_none() {
            return Ok(());
        }
        let mut asked = Vec::new();
        for reference in candidates {
            asked.extend(self.settings.endpoints(reference)?.into_iter().map(|endpoint| endpoint.registry));
        }
        asked.dedup();
        match asked.len() {
            0 | 1 => Ok(()),
            _ => Err(Error::Invalid {
                what: "credentials".into(),
                why: format!(
                    "{} would all be asked with them, and they are for one: name it, or log in",
                    asked.join(", ")
                ),
            }),
        }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
