//! Why a request failed, in words, and whether a retry may help.

use serde::Deserialize;

use super::http::Response;
use crate::error::{Error, RegistryProblem};

/// How many characters of a registry's error message are shown, and how much of its body is read.
const MESSAGE: usize = 500;
const BODY: u64 = 64 << 10;

/// A request without a response.
#[derive(Debug)]
pub(super) enum Failure {
    Transport {
        error: Box<ureq::Error>,
        proxy: Option<String>,
    },
    Url(String),
    /// The error is on this side.
    Own(Error),
}

impl Failure {
    /// Whether the failure may be temporary, such as a broken connection.
    pub(super) fn is_passing(&self) -> bool {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
        match self {
            Self::Transport { error, .. } => match &**error {
                ureq::Error::Io(error) => {
                    let passing = [BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof];
                    passing.contains(&error.kind()) && rustls_error(error).is_none()
                }
                ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed | ureq::Error::BodyStalled => true,
                _ => false,
            },
            Self::Url(_) | Self::Own(_) => false,
        }
    }

    /// Whether the certificate is not trusted.
    pub(super) fn is_certificate(&self) -> bool {
        matches!(self.tls(), Some(rustls::Error::InvalidCertificate(_)))
    }

    /// Whether the host does not speak TLS, or nobody listens on its TLS port. A proxy may not tell which.
    pub(super) fn is_no_tls(&self) -> bool {
        use ureq::Error::{ConnectProxyFailed, Io};
        match self.tls() {
            Some(error) => !matches!(error, rustls::Error::InvalidCertificate(_)),
            None => {
                matches!(self, Self::Transport { error, .. } if matches!(**error, Io(_) | ConnectProxyFailed(_)))
            }
        }
    }

    fn tls(&self) -> Option<&rustls::Error> {
        match self {
            Self::Transport { error, .. } => match &**error {
                ureq::Error::Rustls(error) => Some(error),
                ureq::Error::Io(error) => rustls_error(error),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn into_error(self, registry: &str) -> Error {
        let problem = match self {
            Self::Own(error) => return error,
            _ if self.is_certificate() => RegistryProblem::Certificate,
            _ => RegistryProblem::Unreachable,
        };
        let why = match &self {
            Self::Url(url) => format!("it sent an address that makes no sense: {}", shown(url)),
            Self::Transport { error, proxy: None } => shown(&transport(error)),
            Self::Transport { error, proxy: Some(proxy) } => {
                format!("through the proxy {proxy}: {}", shown(&transport(error)))
            }
            Self::Own(_) => String::new(),
        };
        Error::Registry { registry: registry.into(), why, problem }
    }
}

fn rustls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>()
}

fn transport(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "there is no host of this name".into(),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "it does not answer".into(),
        ureq::Error::Protocol(error) => format!("it does not speak HTTP: {error}"),
        ureq::Error::Rustls(error) => error.to_string(),
        other => other.to_string(),
    }
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<One>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct One {
    code: String,
    message: String,
}

/// The error for a response with an unexpected status. distribution-spec, "Error Codes".
pub(super) fn refused(registry: &str, what: &str, mut response: Response) -> Error {
    let body = response.beginning(BODY);
    let said = match serde_json::from_slice::<Errors>(&body) {
        Ok(Errors { errors }) if !errors.is_empty() => {
            let one = |one: &One| match (one.code.is_empty(), one.message.is_empty()) {
                (_, false) => one.message.clone(),
                (false, true) => one.code.clone(),
                _ => "an error without a name".into(),
            };
            errors.iter().map(one).collect::<Vec<_>>().join("; ")
        }
        _ => reason(response.status).to_owned(),
    };
    let problem = match response.status {
        401 | 403 => RegistryProblem::Denied,
        404 => RegistryProblem::NotFound,
        429 => RegistryProblem::TooMany,
        _ => RegistryProblem::Other,
    };
    let why = format!("{what}: {} ({})", shown(&said), response.status);
    Error::Registry { registry: registry.into(), why, problem }
}

fn reason(status: u16) -> &'static str {
    let status = ureq::http::StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or("an unknown answer")
}

/// Text of a registry as it is shown: shortened, and without control characters that a terminal would interpret.
pub(super) fn shown(text: &str) -> String {
    let text: String = text.chars().take(MESSAGE).collect();
    crate::members::shown(std::path::Path::new(text.trim()))
}
