//! Digests: a digest identifies bytes by their hash.
//!
//! ```text
//! bytes ──▶ SHA-256 ──▶ "sha256:" and 64 hexadecimal digits
//! ```
//!
//! Nobody can make other bytes with the same SHA-256. So bytes with the expected digest are the
//! right bytes, and it does not matter who sent them.

use std::io::{self, Read};

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

/// The digest of bytes in memory.
pub fn of(bytes: &[u8]) -> String {
    name(&Sha256::digest(bytes))
}

/// The written form of a hash: the algorithm, a colon and 64 lower-case hexadecimal digits.
fn name(hash: &[u8]) -> String {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Fails if the digests differ, and names both. The cause may be a broken download or an attack.
/// The digests do not show which of the two it is.
pub fn compare(expected: &str, found: &str) -> Result<()> {
    if expected != found {
        bail!("digest mismatch: expected {expected}, found {found}");
    }
    Ok(())
}

/// A reader that hashes all bytes that pass through it, because a layer may be too large for the
/// memory.
pub struct Hashed<R> {
    inner: R,
    /// The hash of the bytes that were read so far.
    hash: Sha256,
}

impl<R> Hashed<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, hash: Sha256::new() }
    }

    /// The digest of the bytes that were read.
    pub fn digest(self) -> String {
        name(&self.hash.finalize())
    }
}

impl<R: Read> Read for Hashed<R> {
    /// Reads from the inner reader. Only the first `length` bytes of the buffer are new.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }
}
