//! Requests to one registry, with authorization, redirects and retries.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use super::credential::Credential;
use super::endpoint::{self, Endpoint};
use super::failure::{self, Failure, shown};
use super::http::{Base, Http, Payload, Response, host_of, resolve};
use super::retry::{ATTEMPTS, MAX_PAUSE, pause, retry_after};
use super::token;
use super::{Access, challenge::Challenge};
use crate::error::{Error, RegistryProblem, Result};

/// Registries redirect to their storage, and proxies before the storage may redirect again.
pub(super) const MAX_REDIRECTS: usize = 8;

/// One request.
pub(super) struct Call<'a> {
    pub method: &'static str,
    /// `/v2/…`, or the URL of a `Location`.
    pub at: Cow<'a, str>,
    pub headers: Vec<(&'static str, String)>,
    pub payload: Payload<'a>,
    /// The scope of its authorization: `repository:NAME:pull`. distribution-spec, "token scopes".
    pub scope: String,
    /// Whether it may be sent again. Not a chunk of an upload: the registry has to be asked first how much of it
    /// arrived.
    pub repeat: bool,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: &'static str, at: impl Into<Cow<'a, str>>, scope: impl Into<String>) -> Self {
        Self {
            method,
            at: at.into(),
            headers: vec![],
            payload: Payload::Nothing,
            scope: scope.into(),
            repeat: true,
        }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A connection to one repository of a registry.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    pub(super) access: &'a Access,
    pub(super) endpoint: Endpoint,
    base: OnceLock<Base>,
    /// By scope, the `Authorization` header that the registry accepted.
    authorizations: Mutex<HashMap<String, String>>,
}

impl<'a> Client<'a> {
    pub(crate) fn new(access: &'a Access, endpoint: Endpoint) -> Self {
        Self { access, endpoint, base: OnceLock::new(), authorizations: Mutex::default() }
    }

    pub(crate) fn registry(&self) -> &str {
        &self.endpoint.registry
    }

    pub(crate) fn wrong(&self, why: impl Into<String>) -> Error {
        Error::Registry { registry: self.registry().into(), why: why.into(), problem: RegistryProblem::Wrong }
    }

    pub(super) fn refused(&self, what: &str, response: Response) -> Error {
        failure::refused(self.registry(), what, response)
    }

    pub(super) fn credential(&self) -> Result<Option<Credential>> {
        self.access.credentials.find(self.registry(), &self.endpoint.repository)
    }

    pub(super) fn http(&self) -> &Http {
        &self.access.http
    }

    /// Sends a request, and repeats it after failures that may be temporary. Returns the response, whatever its status.
    pub(super) fn send(&self, call: &Call<'_>) -> Result<Response> {
        let base = self.base()?;
        let mut passing = 0;
        let mut asked = false;
        loop {
            let response = match self.follow(base, call) {
                Ok(response) => response,
                Err(failure) if failure.is_passing() && call.repeat && passing + 1 < ATTEMPTS => {
                    passing += 1;
                    pause(passing, None);
                    continue;
                }
                Err(failure) => return Err(failure.into_error(self.registry())),
            };
            match response.status {
                401 if !asked => {
                    asked = true;
                    let authorization = self.authorize(base, &response, &call.scope)?;
                    self.authorizations().insert(call.scope.clone(), authorization);
                }
                408 | 429 | 500 | 502 | 503 | 504 if call.repeat && passing + 1 < ATTEMPTS => {
                    let after = retry_after(&response);
                    if after.is_some_and(|after| after > MAX_PAUSE) {
                        return Ok(response);
                    }
                    passing += 1;
                    pause(passing, after);
                }
                _ => return Ok(response),
            }
        }
    }

    /// Sends a request. A response whose status is not one of `expected` is an error; `what` describes the request.
    pub(super) fn expect(&self, call: &Call<'_>, expected: &[u16], what: &str) -> Result<Response> {
        let response = self.send(call)?;
        match expected.contains(&response.status) {
            true => Ok(response),
            false => Err(self.refused(what, response)),
        }
    }

    /// Follows redirects. Credentials are not sent to another host: distribution-spec leaves it open, and the storage
    /// behind a registry does not need them.
    fn follow(&self, base: Base, call: &Call<'_>) -> Result<Response, Failure> {
        let own = format!("{}://{}", base.scheme, self.endpoint.host());
        let mut url = match call.at.starts_with('/') {
            true => format!("{own}{}", call.at),
            false => call.at.to_string(),
        };
        let mut method = call.method;
        for _ in 0..MAX_REDIRECTS {
            let at_home = host_of(&url) == Some(self.endpoint.host()) && url.starts_with(base.scheme);
            let scheme = if starts_with_https(&url) { "https" } else { "http" };
            if scheme == "http" && base.scheme == "https" {
                return Err(Failure::Own(self.wrong(format!(
                    "it sends us from https to plain http, to {}",
                    shown(host_of(&url).unwrap_or("nowhere"))
                ))));
            }
            let mut headers = call.headers.clone();
            if at_home && let Some(authorization) = self.authorizations().get(&call.scope) {
                headers.push(("authorization", authorization.clone()));
            }
            let elsewhere = !self.endpoint.insecure && self.access.verify != Some(false);
            let hop = Base { scheme, verify: if at_home { base.verify } else { elsewhere } };
            let response = self.http().send(hop, method, &url, &headers, call.payload)?;
            let see_other = matches!(response.status, 301..=303) && matches!(method, "GET" | "HEAD");
            if !see_other && !matches!(response.status, 307 | 308) {
                return Ok(response);
            }
            let location = response.header("location").unwrap_or_default();
            url = resolve(&url, location).ok_or_else(|| Failure::Url(location.to_owned()))?;
            if response.status == 303 {
                method = "GET";
            }
        }
        Err(Failure::Own(self.wrong("it sends us around in circles")))
    }

    pub(super) fn absolute(&self, at: &str) -> Result<String> {
        match at.starts_with('/') {
            true => Ok(format!("{}://{}{at}", self.base()?.scheme, self.endpoint.host())),
            false => Ok(at.to_owned()),
        }
    }

    /// The URL of a `Location` header, relative to the URL that was requested.
    pub(super) fn location(&self, response: &Response, asked: &str) -> Result<String> {
        let from = self.absolute(asked)?;
        let location = response.header("location").and_then(|location| resolve(&from, location));
        location.ok_or_else(|| self.wrong("it does not send the location for the rest of the upload"))
    }

    fn authorize(&self, base: Base, response: &Response, scope: &str) -> Result<String> {
        token::authorization(self, base, &Challenge::of(response), scope)
    }

    fn authorizations(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.authorizations.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Whether the registry is reached by TLS. If it does not have to be, this tries TLS with a valid certificate, then
    /// TLS, then plain HTTP.
    pub(super) fn base(&self) -> Result<Base> {
        if let Some(base) = self.base.get() {
            return Ok(*base);
        }
        let safe = Base { scheme: "https", verify: true };
        let verify = self.access.verify;
        let lax =
            self.endpoint.insecure || verify == Some(false) || endpoint::is_loopback(self.endpoint.host());
        let base = match lax && verify != Some(true) {
            true => self.probe(safe)?,
            false => safe,
        };
        Ok(*self.base.get_or_init(|| base))
    }

    fn probe(&self, safe: Base) -> Result<Base> {
        let host = self.endpoint.host();
        let ask = |base: Base| {
            let url = format!("{}://{host}/v2/", base.scheme);
            self.http().send(base, "GET", &url, &[], Payload::Nothing).map(drop)
        };
        // First without verifying the certificate: reading the trusted certificates takes longer than this request, and
        // is not needed if the registry does not speak TLS.
        let any = Base { verify: false, ..safe };
        match ask(any) {
            Ok(()) => {}
            Err(failure) if failure.is_no_tls() => return Ok(Base { scheme: "http", verify: false }),
            Err(failure) => return Err(failure.into_error(self.registry())),
        }
        match ask(safe) {
            Err(failure) if failure.is_certificate() => Ok(any),
            outcome => outcome.map(|()| safe).map_err(|failure| failure.into_error(self.registry())),
        }
    }
}

pub(super) fn starts_with_https(url: &str) -> bool {
    url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
}
