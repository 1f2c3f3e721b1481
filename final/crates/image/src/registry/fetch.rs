//! A file from any web server, as `import URL` names it: the transport of registries without their protocol.

use std::io::Read;

use super::Access;
use super::client::{MAX_REDIRECTS, starts_with_https};
use super::failure::{self, Failure, shown};
use super::http::{Base, Payload, host_of, resolve};
use crate::error::{Error, RegistryProblem, Result};

/// Whether a text is an address that [`open`] can fetch.
pub fn is_url(text: &str) -> bool {
    let starts =
        |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    starts("http://") || starts("https://")
}

/// Requests a file and returns its content as it arrives. No credentials are sent, and no redirect leads from https to
/// http. A content that is shorter than announced is an error of the reader.
pub fn open(access: &Access, url: &str) -> Result<impl Read + use<>> {
    let mut url = url.to_owned();
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
        let scheme = if starts_with_https(&url) { "https" } else { "http" };
        let base = Base { scheme, verify: access.verify != Some(false) };
        let sent = access.http.send(base, "GET", &url, &[], Payload::Nothing);
        let response = sent.map_err(|failure| failure.into_error(&host))?;
        match response.status {
            200 => return Ok(response.body.into_reader()),
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
