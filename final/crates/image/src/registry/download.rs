//! Downloads a blob: hashes and stores it as it arrives, and resumes it where a connection broke.

use std::fs::File;
use std::io::{Read, Sink, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use super::client::{Call, Client};
use super::http::Response;
use super::retry::pause;
use crate::config::Descriptor;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, IoContext, Result};
use crate::members::read;

/// How many connections in a row may break without having brought any data, and how many in all.
const MAX_FRUITLESS: u32 = 5;
const MAX_RETRIES: u32 = 100;

/// The limit for manifests and configurations, which have kilobytes.
const DOCUMENT: u64 = 4 << 20;

/// Reads a blob: first the beginning that an earlier attempt left in a file, then the rest from the registry, which is
/// appended to that file. The digest is verified at the end of the stream.
pub(crate) struct Fetch<'a> {
    client: &'a Client<'a>,
    wanted: &'a Descriptor,
    file: File,
    /// Bytes in the file.
    kept: u64,
    hash: Option<Hasher<Sink>>,
    /// Bytes that have been read from this stream.
    at: u64,
    body: Option<ureq::BodyReader<'static>>,
    /// The offset at which the current connection began.
    since: u64,
    fruitless: u32,
    retries: u32,
    cancelled: Option<&'a AtomicBool>,
    report: Option<Box<dyn Fn(u64) + Send + 'a>>,
}

impl<'a> Fetch<'a> {
    /// `file` must be open for reading and writing, at its beginning.
    pub(crate) fn new(client: &'a Client<'a>, wanted: &'a Descriptor, file: File) -> Result<Self> {
        let kept = file.metadata().context(|| "look at a download".into())?.len();
        let kept = if kept > wanted.size { 0 } else { kept };
        file.set_len(kept).context(|| "cut a download".into())?;
        Ok(Self {
            client,
            wanted,
            file,
            kept,
            hash: Some(Hasher::new(std::io::sink())),
            at: 0,
            body: None,
            since: 0,
            fruitless: 0,
            retries: 0,
            cancelled: None,
            report: None,
        })
    }

    /// Reports the number of bytes to `report`, and stops once `cancelled` is set.
    pub(crate) fn watched(mut self, cancelled: &'a AtomicBool, report: impl Fn(u64) + Send + 'a) -> Self {
        self.cancelled = Some(cancelled);
        self.report = Some(Box::new(report));
        self
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let length = match self.at {
            at if at < self.kept => {
                let most = (self.kept - at).min(buffer.len() as u64) as usize;
                match read(&mut self.file, &mut buffer[..most])? {
                    0 => return Err(Error::Damaged("a download was cut short meanwhile".into())),
                    length => length,
                }
            }
            at if at == self.wanted.size => return self.finish().map(|()| 0),
            _ => self.receive(buffer)?,
        };
        if let Some(hash) = &mut self.hash {
            hash.write_all(&buffer[..length]).context(|| "hash".into())?;
        }
        self.at += length as u64;
        if let Some(report) = &self.report {
            report(self.at);
        }
        Ok(length)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            if self.cancelled.is_some_and(|cancelled| cancelled.load(Ordering::Relaxed)) {
                return Err(Error::Cancelled);
            }
            let mut body = match self.body.take() {
                Some(body) => body,
                None => self.connect()?,
            };
            let most = (self.wanted.size - self.at).min(buffer.len() as u64) as usize;
            match body.read(&mut buffer[..most]) {
                Ok(length) if length > 0 => {
                    self.body = Some(body);
                    let stored = self.file.write_all(&buffer[..length]);
                    stored.context(|| format!("store {}", self.wanted.digest))?;
                    self.kept += length as u64;
                    return Ok(length);
                }
                // The connection ended early or broke.
                _ => self.retry()?,
            }
        }
    }

    fn retry(&mut self) -> Result<()> {
        self.retries += 1;
        self.fruitless = if self.at == self.since { self.fruitless + 1 } else { 0 };
        if self.fruitless < MAX_FRUITLESS && self.retries < MAX_RETRIES {
            pause(self.fruitless, None);
            return Ok(());
        }
        let Descriptor { digest, size, .. } = self.wanted;
        Err(self.client.wrong(format!("the blob {digest} ends after {} of {size} bytes", self.at)))
    }

    fn connect(&mut self) -> Result<ureq::BodyReader<'static>> {
        self.since = self.at;
        let response = self.client.blob(&self.wanted.digest, self.at)?;
        let (begins, whole) = self.extent(&response)?;
        if whole.is_some_and(|whole| whole != self.wanted.size) {
            return Err(self.client.wrong(format!(
                "the blob {} has {} bytes, and the manifest says {}",
                self.wanted.digest,
                whole.unwrap_or_default(),
                self.wanted.size
            )));
        }
        let mut body = response.body.into_with_config().limit(u64::MAX).reader();
        // A server without support for ranges sends the blob from its beginning.
        let skipped = std::io::copy(&mut (&mut body).take(self.at - begins), &mut std::io::sink());
        let _ = skipped;
        Ok(body)
    }

    /// The offset at which the response begins, and the length of the blob if the response has it.
    fn extent(&self, response: &Response) -> Result<(u64, Option<u64>)> {
        if response.status == 200 {
            return Ok((0, response.body.content_length()));
        }
        // `bytes 100-199/200`: RFC 9110, 14.4.
        let range = response.header("content-range").and_then(|range| {
            let (range, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
            Some((range.split_once('-')?.0.parse::<u64>().ok()?, whole.parse().ok()))
        });
        match range {
            Some((begins, whole)) if begins == self.at => Ok((begins, whole)),
            _ => Err(self.client.wrong(format!("it sent another part of the blob {}", self.wanted.digest))),
        }
    }

    fn finish(&mut self) -> Result<()> {
        let Some(hash) = self.hash.take() else { return Ok(()) };
        let mut one = [0];
        let more =
            self.body.take().is_some_and(|mut body| body.read(&mut one).is_ok_and(|length| length > 0));
        let found = hash.finish();
        if !more && found == self.wanted.digest {
            return Ok(());
        }
        // Some of the data is wrong, so the next attempt starts from the beginning.
        self.file.set_len(0).context(|| "cut a download".into())?;
        Err(self.client.wrong(match more {
            true => format!("the blob {} is longer than the manifest says", self.wanted.digest),
            false => format!("asked for the blob {}, it sent {found}", self.wanted.digest),
        }))
    }
}

impl Read for Fetch<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.next(buffer).map_err(Error::into_io)
    }
}

impl Client<'_> {
    /// Requests a blob from an offset on, which a registry may ignore.
    fn blob(&self, digest: &Digest, from: u64) -> Result<Response> {
        let mut call =
            Call::new("GET", format!("/v2/{}/blobs/{digest}", self.endpoint.repository), self.pull_scope());
        if from > 0 {
            call = call.header("range", format!("bytes={from}-"));
        }
        self.expect(&call, &[200, 206], &format!("the blob {digest}"))
    }

    /// Downloads and verifies a small blob.
    pub(crate) fn document(&self, wanted: &Descriptor) -> Result<Vec<u8>> {
        let Descriptor { digest, size, .. } = wanted;
        if *size > DOCUMENT {
            return Err(self.wrong(format!(
                "the document {digest} of {size} bytes is larger than {} MiB",
                DOCUMENT >> 20
            )));
        }
        let mut response = self.blob(digest, 0)?;
        let bytes = response.bytes(*size + 1).map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => {
                self.wrong(format!("the blob {digest} is longer than the manifest says"))
            }
            error => self.wrong(format!("the blob {digest} is cut short: {error}")),
        })?;
        let found = Digest::of(&bytes);
        match bytes.len() as u64 == *size && found == *digest {
            true => Ok(bytes),
            false => Err(self.wrong(format!(
                "asked for the blob {digest} of {size} bytes, it sent {found} of {} bytes",
                bytes.len()
            ))),
        }
    }
}
