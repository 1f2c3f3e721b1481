//! SHA-256 of files.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use hull_sys::process::{Fork, exit_now, fork, pidfd_open, reap};
use sha2::{Digest, Sha256};

use crate::Result;
use crate::error::IoContext;

pub(super) type Hash = [u8; 32];

/// Instead of the hash of nothing: an empty file, no attributes.
pub(super) const NOTHING: Hash = [0; 32];

/// A larger file is hashed in pieces of this size, so that several processors can work on it; its hash is that of the
/// pieces' hashes.
const PIECE: u64 = 8 << 20;

/// From this size on, the pieces are shared with another process: fork(2) and the pipe take about a millisecond.
const SHARED: u64 = 4 * PIECE;

const BUFFER: usize = 128 * 1024;

pub(super) fn bytes(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// A file that has `size` bytes. If it has changed meanwhile, the hash is of what was read.
pub(super) fn file(file: &File, size: u64, path: &Path) -> Result<Hash> {
    let action = || format!("read {}", path.display());
    if size <= PIECE {
        return piece(file, 0, PIECE + 1).context(action);
    }
    let count = size.div_ceil(PIECE);
    let own = if size < SHARED { count } else { count / 2 };
    let other = if own < count { Helper::start(file, own, count) } else { None };
    let mut whole = Sha256::new();
    for n in 0..if other.is_some() { own } else { count } {
        whole.update(piece(file, n * PIECE, PIECE).context(action)?);
    }
    if let Some(other) = other {
        whole.update(other.finish(((count - own) * 32) as usize).context(action)?);
    }
    Ok(whole.finalize().into())
}

fn piece(file: &File, start: u64, length: u64) -> io::Result<Hash> {
    let mut hash = Sha256::new();
    let mut buffer = [0; BUFFER];
    let mut done = 0;
    while done < length {
        let most = (length - done).min(BUFFER as u64) as usize;
        match file.read_at(&mut buffer[..most], start + done) {
            Ok(0) => break,
            Ok(read) => {
                hash.update(&buffer[..read]);
                done += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hash.finalize().into())
}

/// Another process that hashes some pieces. A thread would be simpler, but this process is going to clone containers.
struct Helper {
    process: std::os::fd::OwnedFd,
    hashes: io::PipeReader,
}

impl Helper {
    /// `None` if this process has threads, or none can be made: then it does all of the work itself.
    fn start(file: &File, from: u64, to: u64) -> Option<Self> {
        let (hashes, mut writer) = io::pipe().ok()?;
        let pid = match fork().ok()? {
            Fork::Parent { pid } => pid,
            Fork::Child => {
                drop(hashes);
                for n in from..to {
                    let sent = piece(file, n * PIECE, PIECE).and_then(|hash| writer.write_all(&hash));
                    if sent.is_err() {
                        exit_now(1);
                    }
                }
                exit_now(0)
            }
        };
        let process = pidfd_open(pid).ok()?;
        Some(Self { process, hashes })
    }

    fn finish(mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut hashes = Vec::with_capacity(length);
        let read = self.hashes.read_to_end(&mut hashes);
        let code = reap(std::os::fd::AsFd::as_fd(&self.process))?;
        read?;
        match code == 0 && hashes.len() == length {
            true => Ok(hashes),
            false => Err(io::Error::other("the process that reads a part of it has failed")),
        }
    }
}

/// 64 hex digits.
pub(super) fn text(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 16 hex digits, or `-` for nothing.
pub(super) fn short(hash: &Hash) -> String {
    if *hash == NOTHING { "-".into() } else { hash[..8].iter().map(|byte| format!("{byte:02x}")).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_has_the_hash_of_its_pieces() {
        let mut large = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..3 * PIECE + 5).map(|n| (n / 1000) as u8).collect();
        large.write_all(&content).unwrap();
        let hashes: Vec<u8> = content.chunks(PIECE as usize).flat_map(bytes).collect();
        assert_eq!(file(&large, content.len() as u64, Path::new("")).unwrap(), bytes(&hashes));
        let mut small = tempfile::tempfile().unwrap();
        small.write_all(b"small").unwrap();
        assert_eq!(file(&small, 5, Path::new("")).unwrap(), bytes(b"small"));
    }
}
