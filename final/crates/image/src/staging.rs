//! Blobs before publication: written and hashed in a staging directory until everything that belongs to the image has
//! been verified.

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

/// A staging directory. It is removed when this is dropped, or by [`crate::store::Images::collect`] if the process is
/// killed.
#[derive(Debug)]
pub(crate) struct Staging {
    /// A layer that is never published: hull-storage identifies its owner and removes it.
    directory: StagedLayer,
    count: Cell<u32>,
}

/// A file in the staging directory, with the digest and size of its content.
#[derive(Debug, Clone)]
pub(crate) struct Staged {
    pub path: PathBuf,
    pub digest: Digest,
    pub size: u64,
}

impl Staging {
    pub(crate) fn new(layers: &LayerStore) -> Result<Self> {
        // Any chain ID will do, because the layer is never published.
        Ok(Self { directory: layers.begin(Digest::of(b"").hex())?, count: Cell::new(0) })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.diff()
    }

    /// Adds a file with what `fill` writes. Blocks of zeros become holes, because a layer may have a large file with
    /// little data.
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

    /// Adds a file with the content of a stream.
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

/// The error for a failed write: usually the disk is full.
pub(crate) fn not_stored(source: std::io::Error) -> Error {
    Error::Io { action: "store the image".into(), source }
}
