//! Layers with another compression, for a result that asks for one.

use std::fs::File;
use std::io::{BufReader, Read, Write};

use crate::assemble::{Assembly, Layer};
use crate::compression::Bounded;
use crate::config::{Descriptor, LAYER};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, IoContext, Result};
use crate::members::read;
use crate::staging::{Staged, Staging, not_stored};
use crate::store::Images;

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerCompression {
    Plain,
    Gzip,
    Zstd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recompression {
    pub compression: LayerCompression,
    /// 0 to 9 for gzip, 0 to 22 for zstd; `None` for the format's default.
    pub level: Option<u32>,
    /// Also layers that are compressed in another way. Without this, only plain layers are compressed, and none is
    /// decompressed.
    pub force: bool,
}

/// What was asked for, with the new blobs in a place of their own that goes with this.
#[derive(Debug)]
pub struct Recompressed {
    pub assembly: Assembly,
    _staging: Staging,
}

impl Images {
    /// Compresses the layers of an image. The same layers give the same bytes.
    ///
    /// This uses threads.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if a layer is not what its diff ID says.
    pub fn recompress(&self, assembly: &Assembly, wanted: Recompression) -> Result<Recompressed> {
        let staging = Staging::new(&self.layers())?;
        let mut assembly = assembly.clone();
        let mut known: Vec<(Digest, Layer)> = Vec::new();
        for part in &mut assembly.parts {
            for (layer, diff_id) in part.layers.iter_mut().zip(&part.config.rootfs.diff_ids) {
                let before = layer.descriptor.digest.clone();
                if let Some((_, done)) = known.iter().find(|(digest, _)| *digest == before) {
                    *layer = done.clone();
                } else if let Some(done) = self.recompressed(&staging, layer, diff_id, wanted)? {
                    *layer = done;
                    known.push((before, layer.clone()));
                }
            }
        }
        Ok(Recompressed { assembly, _staging: staging })
    }

    /// `None` if the layer stays as it is.
    fn recompressed(
        &self,
        staging: &Staging,
        layer: &Layer,
        diff_id: &Digest,
        wanted: Recompression,
    ) -> Result<Option<Layer>> {
        let suffix = match wanted.compression {
            LayerCompression::Plain => "",
            LayerCompression::Gzip => "+gzip",
            LayerCompression::Zstd => "+zstd",
        };
        let media_type = crate::config::oci_layer_type(&layer.descriptor.media_type);
        let is_plain = media_type == LAYER;
        if media_type == format!("{LAYER}{suffix}") || (!is_plain && !wanted.force) {
            return Ok(None);
        }
        let path = layer.blob.clone().unwrap_or_else(|| self.blob_path(&layer.descriptor.digest));
        let blob = File::open(&path).context(|| format!("open {}", path.display()))?;
        let mut plain = Hasher::new(Bounded::new(BufReader::new(blob))?);
        let staged = staging.add(|file| pack(&mut plain, file, wanted))?;
        if plain.finish() != *diff_id {
            let digest = &layer.descriptor.digest;
            return Err(Error::Damaged(format!("the blob {digest} of this store is not what it was")));
        }
        let Staged { path, digest, size } = staged;
        let descriptor = Descriptor::new(&format!("{LAYER}{suffix}"), digest, size);
        Ok(Some(Layer { descriptor, blob: Some(path) }))
    }
}

fn pack(plain: &mut impl Read, out: &mut impl Write, wanted: Recompression) -> Result<()> {
    match wanted.compression {
        LayerCompression::Gzip => crate::gzip::pack(plain, out, wanted.level),
        LayerCompression::Plain => copy(plain, out),
        LayerCompression::Zstd => {
            let level = wanted.level.map_or(zstd::DEFAULT_COMPRESSION_LEVEL, |level| level as i32);
            let mut encoder = zstd::Encoder::new(out, level).map_err(not_stored)?;
            copy(plain, &mut encoder)?;
            encoder.finish().map(drop).map_err(not_stored)
        }
    }
}

pub(crate) fn copy(from: &mut impl Read, to: &mut impl Write) -> Result<()> {
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match read(from, &mut buffer)? {
            0 => return Ok(()),
            length => to.write_all(&buffer[..length]).map_err(not_stored)?,
        }
    }
}
