//! Layers of steps that were run elsewhere: from a builder's cache in a registry or a directory.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use hull_sys::sparse::HoleWriter;

use crate::compression::Bounded;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, IoContext, Result};
use crate::layer::{Packed, Source};
use crate::recompress::copy;

/// The layer of a step that was not run here.
#[derive(Debug, Clone, Copy)]
pub struct ForeignLayer<'a> {
    /// Its blob, plain or compressed.
    pub packed: &'a Path,
    pub diff_id: &'a Digest,
    /// The directories of the layers below it, lowest first.
    pub below: &'a [PathBuf],
}

impl ForeignLayer<'_> {
    /// Writes the plain tar to `blob`, which does not exist, and the files into the empty directory `diff`. Returns the
    /// bytes of the tar and of the files.
    ///
    /// This uses threads: [`crate::in_child`].
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if the tar is not the one of the diff ID; what unpacking a hostile layer refuses.
    pub fn unpack(&self, blob: &Path, diff: &Path) -> Result<(u64, u64)> {
        let context = || format!("write {}", blob.display());
        let packed = File::open(self.packed).context(|| format!("open {}", self.packed.display()))?;
        let mut plain = Bounded::new(BufReader::new(packed))?;
        let mut out = Hasher::new(HoleWriter::new(File::create_new(blob).context(context)?));
        copy(&mut plain, &mut out)?;
        out.flush().context(context)?;
        let size = out.size;
        if out.finish() != *self.diff_id {
            let why =
                format!("a layer of the cache is not what it should be: its diff ID is not {}", self.diff_id);
            return Err(Error::Damaged(why));
        }
        let layer =
            Packed { source: Source::Blob(blob), diff_id: self.diff_id.clone(), note_missing_end: false };
        let bytes = crate::layer::unpack_into(&layer, diff, self.below)?;
        let bytes = bytes.map_or_else(|| hull_storage::tree::disk_usage(diff), Ok)?;
        Ok((size, bytes))
    }
}
