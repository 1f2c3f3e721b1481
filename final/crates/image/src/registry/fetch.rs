//! A file from any web server, as `import URL` names it: the transport of registries without their protocol.

use std::io::Read;
use std::time::SystemTime;

use super::client::{MAX_REDIRECTS, starts_with_https};
use super::failure::{self, Failure, shown};
use super::http::{Base, Payload, Reach, Response, host_of, resolve};
use super::{Access, guard};
use crate::error::{Error, RegistryProblem, Result};

/// Whether a text is an address that [`open`] can fetch.
pub fn is_url(text: &str) -> bool {
    let starts =
        |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    starts("http://") || starts("https://")
}

/// A request for a file.
#[derive(Debug, Clone, Copy)]
pub struct Get<'a> {
    pub url: &'a str,
    pub headers: &'a [(&'static str, String)],
    /// Whether a redirect may lead to this machine or its link.
    pub trusts_redirects: bool,
}

/// The answer to a [`Get`]: the file, or "not modified".
#[derive(Debug)]
pub struct Answer {
    response: Response,
    /// The address of the file after redirects.
    pub url: String,
}

impl Answer {
    /// The status is 304: the file is the one that the request's headers describe.
    pub fn is_unmodified(&self) -> bool {
        self.response.status == 304
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.header(name)
    }

    /// The time of the file's last change, if the server says it in a form that is not obsolete.
    pub fn last_modified(&self) -> Option<SystemTime> {
        super::retry::date(self.header("last-modified")?)
    }

    /// The content as it arrives. One that is shorter than announced is an error of the reader.
    pub fn into_reader(self) -> impl Read + use<> {
        self.response.body.into_reader()
    }
}

/// Requests a file and returns its content as it arrives. No credentials are sent, and no redirect leads from https to
/// http. A content that is shorter than announced is an error of the reader.
pub fn open(access: &Access, url: &str) -> Result<impl Read + use<>> {
    Ok(get(access, &Get { url, headers: &[], trusts_redirects: true })?.into_reader())
}

/// Requests a file, by the rules of [`open`].
///
/// # Errors
///
/// If the server answers with a status other than 200 and 304.
pub fn get(access: &Access, get: &Get<'_>) -> Result<Answer> {
    let mut url = get.url.to_owned();
    let is_safe = starts_with_https(&url);
    for _ in 0..MAX_REDIRECTS {
        let host = host_of(&url).unwrap_or_default().to_owned();
        let wrong = |why: &str| Error::Registry {
            registry: host.clone(),
            why: why.into(),
            problem: RegistryProblem::Wrong,
        };
        if !is_url(&url) {
            return Err(wrong("it sends us to an address that is neither http nor https"));
        }
        if is_safe && !starts_with_https(&url) {
            return Err(wrong("a server sends us from https to plain http"));
        }
        let is_asked_for = get.trusts_redirects || host_of(&url) == host_of(get.url);
        if !is_asked_for && guard::is_written_as_here(&host) {
            return Err(wrong(guard::REFUSED));
        }
        let reach = if is_asked_for { Reach::Anywhere } else { Reach::Elsewhere };
        let scheme = if starts_with_https(&url) { "https" } else { "http" };
        let base = Base { scheme, verify: access.verify != Some(false) };
        let sent = access.http.send_within(reach, base, "GET", &url, get.headers, Payload::Nothing);
        let response = sent.map_err(|failure| failure.into_error(&host))?;
        match response.status {
            200 | 304 => return Ok(Answer { response, url }),
            301..=303 | 307 | 308 => {
                let location = response.header("location").unwrap_or_default();
                let next = resolve(&url, location);
                url = next.ok_or_else(|| Failure::Url(shown(location).to_string()).into_error(&host))?;
            }
            _ => return Err(failure::refused(&host, &url, response)),
        }
    }
    let host = host_of(&url).unwrap_or_default().to_owned();
    Err(Error::Registry {
        registry: host,
        why: "it sends us around in circles".into(),
        problem: RegistryProblem::Wrong,
    })
}
