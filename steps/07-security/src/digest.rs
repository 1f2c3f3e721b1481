//! Digests: names of content that anybody can compute from it.
//!
//! ```text
//! bytes ──▶ SHA-256 ──▶ "sha256:" and 64 hexadecimal digits
//! ```
//!
//! Content that matches a known digest is the right one, wherever it comes from.

use std::io::{self, Read};

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

/// The digest of bytes in memory.
pub fn of(bytes: &[u8]) -> String {
    name(&Sha256::digest(bytes))
}

/// The written form: the algorithm and 64 hexadecimal digits.
fn name(hash: &[u8]) -> String {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Fails with both values. Mostly the cause is a broken download, but that cannot be told from an
/// attack.
pub fn compare(expected: &str, found: &str) -> Result<()> {
    if expected != found {
        bail!("digest mismatch: {expected} was to come, {found} came");
    }
    Ok(())
}

/// A reader that hashes everything that is read through it, for content that is too large for
/// memory.
pub struct Hashed<R> {
    inner: R,
    /// The hash of everything read so far.
    hash: Sha256,
}

impl<R> Hashed<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, hash: Sha256::new() }
    }

    pub fn digest(self) -> String {
        name(&self.hash.finalize())
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }
}
