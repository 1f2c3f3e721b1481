//! `import`: a root file system's tar as an image of one layer.

use std::io::{Read, Write};

use crate::compression::decompress;
use crate::config::{self, Descriptor, History, ImageConfig, RootFs, RunConfig};
use crate::digest::{Digest, Hasher};
use crate::error::{Context, Error, Result};
use crate::reference::Reference;
use crate::store::{Images, chain_ids};

#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    pub message: Option<String>,
    pub config: RunConfig,
    /// RFC 3339.
    pub created: Option<String>,
}

/// Reads a tar, plain or compressed, stores and unpacks it. Nothing is visible unless all of it was good.
pub fn import(
    images: &Images,
    stream: impl Read,
    name: Option<&Reference>,
    options: ImportOptions,
) -> Result<Digest> {
    let (descriptor, diff_id) = store_layer(images, stream)?;
    let config = ImageConfig {
        created: options.created.clone(),
        architecture: config::architecture().into(),
        os: "linux".into(),
        config: Some(options.config),
        rootfs: RootFs { kind: "layers".into(), diff_ids: vec![diff_id] },
        history: vec![History { created: options.created, comment: options.message, ..History::default() }],
    };
    let chain = chain_ids(&config);
    if !images.layers().has(chain[0].hex()) {
        images.unpack(&descriptor, &chain[0])?;
    }
    images.publish(&config, vec![descriptor], name)
}

/// Keeps the tar as a blob under its digest. It is stored as a plain tar: its digest is then its diff ID.
fn store_layer(images: &Images, stream: impl Read) -> Result<(Descriptor, Digest)> {
    hull_storage::root::make_dirs(&images.root().blobs_dir(), 0o755)?;
    let beside = images.root().blobs_dir().join(format!(".import-{}", std::process::id()));
    let stored = copy(stream, &beside);
    let (size, digest) = match stored {
        Ok(stored) => stored,
        Err(error) => {
            let _ = std::fs::remove_file(&beside);
            return Err(error);
        }
    };
    let path = images.blob_path(&digest);
    std::fs::rename(&beside, &path).context(|| format!("store {}", path.display()))?;
    let media_type = config::LAYER.into();
    Ok((Descriptor { media_type, digest: digest.clone(), size, annotations: Default::default() }, digest))
}

fn copy(stream: impl Read, path: &std::path::Path) -> Result<(u64, Digest)> {
    let mut tar = decompress(stream)?;
    let file = std::fs::File::create(path).context(|| format!("create {}", path.display()))?;
    let mut hasher = Hasher::new(std::io::BufWriter::new(file));
    std::io::copy(&mut tar, &mut hasher).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData => {
            Error::Damaged(format!("it ends too early or is not what it says: {error}"))
        }
        _ => Error::Io { action: "store the archive".into(), source: error },
    })?;
    hasher.flush().context(|| format!("write {}", path.display()))?;
    Ok((hasher.size, hasher.finish()))
}
