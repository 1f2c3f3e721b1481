//! Digests of content: `sha256:…`.

use std::io::{BufRead, Read, Write};

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// A valid digest, which is safe to use as a file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    pub fn parse(text: &str) -> Result<Self> {
        let is_digest = text.strip_prefix("sha256:").is_some_and(|hex| {
            hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        });
        match is_digest {
            true => Ok(Self(text.into())),
            false => Err(Error::Invalid {
                what: format!("digest {text:?}"),
                why: "expected sha256:<64 hex>".into(),
            }),
        }
    }

    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(std::io::sink());
        hasher.update(bytes);
        hasher.finish()
    }

    /// Of a hash that was computed elsewhere.
    pub(crate) fn from_hash(hash: &[u8; 32]) -> Self {
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("sha256:{hex}"))
    }

    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// The first twelve hex digits, which lists show.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }

    /// The chain ID of a layer on top of `parent` (image-spec, config.md, "Layer ChainID").
    pub fn chain(parent: Option<&Digest>, diff_id: &Digest) -> Digest {
        match parent {
            Some(parent) => Self::of(format!("{parent} {diff_id}").as_bytes()),
            None => diff_id.clone(),
        }
    }
}

impl Digest {
    /// The chain ID of each of several layers, lowest first.
    pub(crate) fn chains<'a>(diff_ids: impl Iterator<Item = &'a Digest>) -> Vec<Digest> {
        let mut chain: Vec<Digest> = Vec::new();
        for diff_id in diff_ids {
            chain.push(Self::chain(chain.last(), diff_id));
        }
        chain
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Hashes and counts what passes through, in either direction.
#[derive(Debug)]
pub struct Hasher<T> {
    inner: T,
    hash: Sha256,
    pub size: u64,
}

impl<T> Hasher<T> {
    pub fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), size: 0 }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
    }

    pub fn finish(self) -> Digest {
        Digest::from_hash(&self.hash.finalize().into())
    }

    /// The hash of what has passed so far.
    pub(crate) fn hash(&self) -> &Sha256 {
        &self.hash
    }

    pub(crate) fn inner(&self) -> &T {
        &self.inner
    }
}

impl<T: Read> Read for Hasher<T> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.update(&buffer[..length]);
        Ok(length)
    }
}

impl<T: BufRead> BufRead for Hasher<T> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    /// Hashes the bytes that are consumed.
    fn consume(&mut self, length: usize) {
        let Self { inner, hash, size } = self;
        // The caller has seen `length` bytes of the buffer, so there is one.
        if let Ok(buffer) = inner.fill_buf() {
            hash.update(&buffer[..length]);
            *size += length as u64;
        }
        inner.consume(length);
    }
}

impl<T: Write> Hasher<T> {
    /// Writes and counts what another process hashes.
    pub(crate) fn write_unhashed(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.size += length as u64;
        Ok(length)
    }
}

impl<T: Write> Write for Hasher<T> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.update(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
