//! Digests: the name of some bytes that anybody can compute from them.
//!
//! ```text
//! bytes ──▶ SHA-256 ──▶ "sha256:" and 64 hexadecimal digits
//! ```
//!
//! Whoever knows a digest needs to trust nobody on the way: other bytes have another one.

use std::io::{self, Read};

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

/// Of what is in memory already.
pub fn of(bytes: &[u8]) -> String {
    name(&Sha256::digest(bytes))
}

/// As it is written everywhere: the algorithm, and 64 hexadecimal digits.
fn name(hash: &[u8]) -> String {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Both values, for whoever wants to look into it.
/// A mismatch is most often a broken download. It is treated like an attack, for there is no telling.
pub fn compare(expected: &str, found: &str) -> Result<()> {
    if expected != found {
        bail!("digest mismatch: {expected} was to come, {found} came");
    }
    Ok(())
}

/// A reader that hashes what goes through it, for what is too large to be in memory.
/// Nothing can be read around it, so nothing is used that was not hashed.
pub struct Hashed<R> {
    inner: R,
    /// Of all that has been read so far.
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
