//! Registries, by the OCI distribution specification 1.1, and what docker's and podman's users have set up for them.
//!
//! ```text
//! environment  the caller's environment variables
//! settings     registries.conf: search, mirrors, insecure, blocked, short names
//! endpoint     where a repository is reached
//! candidates   asks the registries and mirrors that a name may stand for
//! credentials  config.json, auth.json    helper  credential helpers    login  stores credentials
//! client       authorization, redirects, retries
//!   retry     how long to wait before a retry
//!   http  one request      tls  certificates     proxy  from the environment
//!   challenge, token       authorization         failure  errors in words
//! fetch    a file from any web server       guard  keeps redirects away from this machine's own services
//! manifests, download, upload, lists           requests of the distribution specification
//! ```

mod candidates;
mod challenge;
mod client;
mod credential;
mod credentials;
mod download;
mod endpoint;
mod environment;
mod failure;
pub mod fetch;
mod guard;
mod helper;
mod http;
mod lists;
mod login;
mod manifests;
mod proxy;
mod retry;
mod settings;
mod tls;
mod token;
mod upload;

use std::path::PathBuf;

use crate::error::Result;
use credentials::Credentials;
use http::Http;
use settings::Settings;

pub use credential::Credential;
pub use credentials::name;
pub use endpoint::Endpoint;
pub use environment::{Environment, Proxies};
pub use lists::Found;
pub use login::{Login, check as check_login, logged_in, login, logout};

pub(crate) use client::Client;
pub(crate) use download::Fetch;
pub(crate) use endpoint::{DOCKER, is_loopback};
pub(crate) use manifests::Fetched;
pub(crate) use upload::Upload;

/// What the caller says about registries; the files that its environment leads to say the rest.
#[derive(Debug, Clone, Default)]
pub struct AccessOptions {
    pub environment: Environment,
    pub auth_file: Option<PathBuf>,
    pub credential: Option<Credential>,
    /// The caller's credentials for some registries, by the registries' names. They come before those of files.
    pub logins: Vec<(String, Credential)>,
    /// A directory of certificates with the layout of `certs.d/HOST`.
    pub certificates: Option<PathBuf>,
    /// Whether certificates must be valid. `None`: for all but insecure registries and this machine's own.
    pub verify: Option<bool>,
    /// Bytes of one request when blobs are pushed. `None`: the whole blob.
    pub chunk: Option<u64>,
    /// URLs of mirrors of Docker Hub, beside those of registries.conf.
    pub mirrors: Vec<String>,
    /// Registries without a certificate: hosts, and networks as `10.0.0.0/8`.
    pub insecure: Vec<String>,
}

/// Everything that requests to registries need.
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
        let environment = options.environment;
        let mut settings = Settings::find(&environment)?;
        settings.add_dockers(&options.mirrors, &options.insecure)?;
        let certificates = tls::Certificates::new(environment.home.as_deref(), options.certificates);
        Ok(Self {
            settings,
            http: Http::new(certificates, environment.proxies.clone()),
            credentials: Credentials::new(environment, options.auth_file, options.credential, options.logins),
            verify: options.verify,
            chunk: options.chunk.filter(|chunk| *chunk > 0),
        })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
