//! Uploads blobs: distribution-spec, "Pushing blobs".

use std::io::Read;

use super::client::{Call, Client};
use super::http::{Payload, Response};
use super::retry::pause;
use crate::digest::Digest;
use crate::error::Result;

/// A blob up to this size is sent with one request.
const SMALL: u64 = 1 << 20;
/// How many attempts in a row may fail without any progress.
const MAX_FRUITLESS: u32 = 5;

/// Opens a blob at an offset.
pub(crate) type Open<'a> = &'a dyn Fn(u64) -> Result<Box<dyn Read + 'a>>;

/// How an upload starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Upload {
    /// The registry took the blob from another repository, so nothing is uploaded.
    Mounted,
    /// The URL that the blob is uploaded to.
    At(String),
}

impl Client<'_> {
    pub(crate) fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let path = format!("/v2/{}/blobs/{digest}", self.endpoint.repository);
        let response = self.send(&Call::new("HEAD", path, self.push_scope()))?;
        match response.status {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(self.refused(&format!("{}: {digest}", self.endpoint.repository), response)),
        }
    }

    /// Starts an upload, unless the registry can mount the blob `from` another of its repositories.
    pub(crate) fn begin(&self, digest: &Digest, from: Option<&str>) -> Result<Upload> {
        let mut path = format!("/v2/{}/blobs/uploads/", self.endpoint.repository);
        let mut scope = self.push_scope();
        if let Some(from) = from {
            path.push_str(&format!("?mount={digest}&from={from}"));
            scope.push_str(&format!(" repository:{from}:pull"));
        }
        let response = self.send(&Call::new("POST", path.as_str(), &scope))?;
        match response.status {
            201 if from.is_some() => Ok(Upload::Mounted),
            202 => Ok(Upload::At(self.location(&response, &path)?)),
            // The user may not have access to that repository. The blob can still be uploaded.
            _ if from.is_some() => self.begin(digest, None),
            _ => Err(self.refused(&format!("{} takes no upload", self.endpoint.repository), response)),
        }
    }

    /// Uploads a blob: a small one with one request, a large one in chunks, so that the upload can be resumed.
    pub(crate) fn upload(&self, location: String, digest: &Digest, size: u64, open: Open<'_>) -> Result<()> {
        let chunk = self.access.chunk.unwrap_or(u64::MAX);
        if size <= SMALL.min(chunk) {
            return self.close(&location, digest, Payload::Stream { open: &|| open(0), length: size });
        }
        let (mut location, mut sent, mut fruitless) = (location, 0, 0);
        while sent < size {
            let length = chunk.min(size - sent);
            let outcome = self.send_chunk(&location, sent, length, open);
            let before = sent;
            match outcome {
                Ok(response) if matches!(response.status, 202 | 201 | 204) => {
                    location = self.location(&response, &location)?;
                    sent = received(&response).filter(|end| *end <= sent + length).unwrap_or(sent + length);
                }
                Ok(response) if response.status < 500 && !matches!(response.status, 408 | 416 | 429) => {
                    return Err(self
                        .refused(&format!("{} does not take {digest}", self.endpoint.repository), response));
                }
                failed => match self.progress(&mut location)? {
                    Some(end) if end <= size => sent = end,
                    _ => {
                        let response = failed?;
                        return Err(self.refused(
                            &format!("{} does not take {digest}", self.endpoint.repository),
                            response,
                        ));
                    }
                },
            }
            fruitless = if sent > before { 0 } else { fruitless + 1 };
            if fruitless == MAX_FRUITLESS {
                return Err(self.wrong(format!("it takes {sent} of {size} bytes of {digest}, and no more")));
            }
            if fruitless > 0 {
                pause(fruitless, None);
            }
        }
        self.close(&location, digest, Payload::Nothing)
    }

    fn send_chunk(&self, location: &str, from: u64, length: u64, open: Open<'_>) -> Result<Response> {
        let stream = || -> Result<Box<dyn Read + '_>> { Ok(Box::new(open(from)?.take(length))) };
        let mut call = Call::new("PATCH", location, self.push_scope())
            .header("content-type", "application/octet-stream")
            .header("content-range", format!("{from}-{}", from + length - 1));
        call.payload = Payload::Stream { open: &stream, length };
        call.repeat = false;
        self.send(&call)
    }

    /// Asks how much has arrived, and updates the URL for the next chunk.
    fn progress(&self, location: &mut String) -> Result<Option<u64>> {
        let response = self.send(&Call::new("GET", location.as_str(), self.push_scope()))?;
        if response.status != 204 {
            return Ok(None);
        }
        if response.header("location").is_some() {
            *location = self.location(&response, location)?;
        }
        Ok(Some(received(&response).unwrap_or(0)))
    }

    fn close(&self, location: &str, digest: &Digest, payload: Payload<'_>) -> Result<()> {
        let separator = if location.contains('?') { '&' } else { '?' };
        let mut call = Call::new("PUT", format!("{location}{separator}digest={digest}"), self.push_scope())
            .header("content-type", "application/octet-stream");
        call.payload = payload;
        self.expect(&call, &[201, 204], &format!("{} does not take {digest}", self.endpoint.repository))
            .map(drop)
    }
}

/// The number of bytes in a `Range` header: `0-99` is a hundred bytes.
fn received(response: &Response) -> Option<u64> {
    let (_, last) = response.header("range")?.rsplit_once('-')?;
    // Registries send `0-0` for an empty upload, because the header cannot express an empty range.
    last.trim().parse::<u64>().ok().filter(|last| *last > 0).map(|last| last + 1)
}
