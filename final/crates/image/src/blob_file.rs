//! A new blob that is hashed while it is written. Of a large one another process reads what was written and hashes it, so
//! that two processors work. A thread would be simpler, but a builder's process clones containers.

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use hull_sys::process::{Fork, exit_now, fork, pidfd_open, reap, set_parent_death_signal};
use hull_sys::sparse::HoleWriter;
use sha2::{Digest as _, Sha256};

use crate::digest::{Digest, Hasher};

/// From this size on there is another process: fork(2) and its end take about a millisecond.
const SHARED: u64 = 32 << 20;

const BUFFER: usize = 128 * 1024;

/// See the module's documentation. It is written in large pieces, as [`crate::packing::Packer`] does.
#[derive(Debug)]
pub struct BlobFile {
    file: Hasher<HoleWriter<File>>,
    sharing: Sharing,
}

#[derive(Debug)]
enum Sharing {
    /// The blob is small so far.
    NotYet,
    /// There is one processor, or no process can be made.
    Never,
    By(Helper),
}

impl BlobFile {
    /// Creates the file, which must not exist.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Self { file: Hasher::new(HoleWriter::new(file)), sharing: Sharing::NotYet })
    }

    /// Ends the file. Returns the digest and the size of all that was written.
    pub fn finish(mut self) -> io::Result<(Digest, u64)> {
        self.file.flush()?;
        let size = self.file.size;
        match self.sharing {
            Sharing::By(helper) => Ok((Digest::from_hash(&helper.finish()?), size)),
            _ => Ok((self.file.finish(), size)),
        }
    }
}

impl Write for BlobFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if matches!(self.sharing, Sharing::NotYet) && self.file.size >= SHARED {
            let several = std::thread::available_parallelism().is_ok_and(|count| count.get() > 1);
            let helper = if several { Helper::start(&self.file) } else { None };
            self.sharing = helper.map_or(Sharing::Never, Sharing::By);
        }
        let Sharing::By(helper) = &mut self.sharing else { return self.file.write(bytes) };
        let length = self.file.write_unhashed(bytes)?;
        helper.tell(self.file.size)?;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The other process. It has the hash of all that was written before it was forked.
#[derive(Debug)]
struct Helper {
    process: OwnedFd,
    /// The size of the blob so far, again and again.
    sizes: PipeWriter,
    hash: PipeReader,
}

impl Helper {
    /// `None` if this process has threads, or no other one can be made.
    fn start(file: &Hasher<HoleWriter<File>>) -> Option<Self> {
        let (their_sizes, sizes) = io::pipe().ok()?;
        let (hash, mut their_hash) = io::pipe().ok()?;
        let pid = match fork().ok()? {
            Fork::Parent { pid } => pid,
            Fork::Child => {
                let _ = set_parent_death_signal(nix::libc::SIGKILL);
                // Otherwise the end of the sizes is never seen.
                drop((sizes, hash));
                let found = follow(file.inner().file(), file.size, file.hash().clone(), their_sizes);
                let sent = found.and_then(|hash| their_hash.write_all(&hash));
                exit_now(i32::from(sent.is_err()))
            }
        };
        Some(Self { process: pidfd_open(pid).ok()?, sizes, hash })
    }

    fn tell(&mut self, size: u64) -> io::Result<()> {
        self.sizes.write_all(&size.to_ne_bytes())
    }

    fn finish(self) -> io::Result<[u8; 32]> {
        let Self { process, sizes, mut hash } = self;
        drop(sizes);
        let mut found = [0; 32];
        let read = hash.read_exact(&mut found);
        match reap(process.as_fd())? {
            0 => read.map(|()| found),
            _ => Err(io::Error::other("the process that hashes it has failed")),
        }
    }
}

/// Hashes what is written from `done` on, until there are no more sizes.
fn follow(file: &File, mut done: u64, mut hash: Sha256, mut sizes: PipeReader) -> io::Result<[u8; 32]> {
    let (mut size, mut buffer) = ([0; 8], vec![0; BUFFER]);
    loop {
        match sizes.read_exact(&mut size) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(hash.finalize().into()),
            read => read?,
        }
        let end = u64::from_ne_bytes(size);
        while done < end {
            let most = (end - done).min(BUFFER as u64) as usize;
            let read = match file.read_at(&mut buffer[..most], done) {
                // A hole at the end of the file so far: the file has its length only at the end.
                Ok(0) => {
                    buffer[..most].fill(0);
                    most
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hash.update(&buffer[..read]);
            done += read as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pieces: &[&[u8]]) {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("blob");
        let mut blob = BlobFile::create(&path).unwrap();
        // The tests run in threads, so `fork` refuses, as it must. The child does nothing that another thread may hold.
        pieces.iter().for_each(|piece| blob.write_all(piece).unwrap());
        let (digest, size) = blob.finish().unwrap();
        let whole = pieces.concat();
        assert_eq!((digest, size), (Digest::of(&whole), whole.len() as u64));
        assert!(std::fs::read(path).unwrap() == whole);
    }

    #[test]
    fn small_and_large_blobs_have_the_digest_of_what_was_written() {
        let large = vec![7; SHARED as usize];
        let zeros = vec![0; 100_000];
        written(&[]);
        written(&[b"small"]);
        written(&[&large, b"end"]);
        written(&[&large, &zeros, b"middle", &zeros]);
    }

    #[test]
    fn a_follower_reads_what_is_written_and_zeros_that_are_not() {
        let scratch = tempfile::tempdir().unwrap();
        let file = File::options().read(true).write(true).create_new(true).open(scratch.path().join("blob"));
        let file = file.unwrap();
        let (their_sizes, mut sizes) = io::pipe().unwrap();
        let content = [vec![1; 300_000], vec![0; 200_000], vec![2; 10], vec![0; 9000]].concat();
        let follower = {
            let file = file.try_clone().unwrap();
            let begun = Sha256::new_with_prefix(&content[..100_000]);
            std::thread::spawn(move || follow(&file, 100_000, begun, their_sizes).unwrap())
        };
        let mut writer = HoleWriter::new(&file);
        let mut size = 0_u64;
        for piece in content.chunks(100_000) {
            writer.write_all(piece).unwrap();
            size += piece.len() as u64;
            sizes.write_all(&size.to_ne_bytes()).unwrap();
        }
        drop(sizes);
        assert_eq!(follower.join().unwrap(), <[u8; 32]>::from(Sha256::digest(&content)));
    }
}
