//! Blobs on their way in: written and hashed out of sight, until all that belongs to them has been found good.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hull_storage::layers::{LayerStore, StagedLayer};
use hull_sys::sparse::HoleWriter;

use crate::digest::{Digest, Hasher};
use crate::error::{Error, IoContext, Result};
use crate::members::read;

/// Files that go when this goes, and after a kill with the next [`crate::store::Images::collect`].
pub(crate) struct Staging {
    /// A layer that is never published: hull-storage already knows whose it is and when to remove it.
    directory: StagedLayer,
    count: Cell<u32>,
}

/// A file in the staging directory, and what it holds.
#[derive(Debug, Clone)]
pub(crate) struct Staged {
    pub path: PathBuf,
    pub digest: Digest,
    pub size: u64,
}

impl Staging {
    pub(crate) fn new(layers: &LayerStore) -> Result<Self> {
        // Any chain ID will do: nothing appears under it.
        Ok(Self { directory: layers.begin(Digest::of(b"").hex())?, count: Cell::new(0) })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.diff()
    }

    /// Adds what `fill` writes. Blocks of zeros become holes, because a layer may be a large file with little data.
    pub(crate) fn add(
        &self,
        fill: impl FnOnce(&mut Hasher<HoleWriter<File>>) -> Result<()>,
    ) -> Result<Staged> {
        let path = self.path().join(self.count.get().to_string());
        self.count.set(self.count.get() + 1);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
        let file = file.context(|| format!("create {}", path.display()))?;
        let mut file = Hasher::new(HoleWriter::new(file));
        fill(&mut file)?;
        file.flush().map_err(not_stored)?;
        let size = file.size;
        Ok(Staged { path, digest: file.finish(), size })
    }

    /// Adds all of a stream.
    pub(crate) fn add_all(&self, stream: &mut impl Read) -> Result<Staged> {
        self.add(|file| {
            let mut buffer = vec![0; 128 * 1024];
            loop {
                match read(stream, &mut buffer)? {
                    0 => return Ok(()),
                    length => file.write_all(&buffer[..length]).map_err(not_stored)?,
                }
            }
        })
    }

    pub(crate) fn add_bytes(&self, bytes: &[u8]) -> Result<Staged> {
        self.add(|file| file.write_all(bytes).map_err(not_stored))
    }
}

/// The disk is full, most of the time.
pub(crate) fn not_stored(source: std::io::Error) -> Error {
    Error::Io { action: "store the image".into(), source }
}
