//! `import`: makes an image of one layer from the tar of a root file system.

use std::io::Read;
use std::time::SystemTime;

use crate::compression::decompress;
use crate::config::{History, ImageConfig, LAYER, RootFs, RunConfig};
use crate::digest::Digest;
use crate::error::Result;
use crate::layer::{Packed, Source};
use crate::platform::Platform;
use crate::publish::{NewImage, to_json};
use crate::reference::Reference;
use crate::staging::Staging;
use crate::store::Images;

#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    pub message: Option<String>,
    /// See [`crate::archive::apply_change`].
    pub config: RunConfig,
    /// RFC 3339; `None` for the current time.
    pub created: Option<String>,
    /// `None` for this machine's.
    pub platform: Option<Platform>,
}

/// Stores and unpacks a tar, plain or compressed. The image becomes visible only if all of it was good.
pub fn import(
    images: &Images,
    stream: impl Read,
    name: Option<&Reference>,
    options: ImportOptions,
) -> Result<Digest> {
    let layers = images.layers();
    let staging = Staging::new(&layers)?;
    // Stored uncompressed, so that its digest is its diff ID.
    let layer = staging.add_all(&mut decompress(stream)?)?;
    let platform = options.platform.unwrap_or_else(Platform::host);
    let created = options.created.unwrap_or_else(now);
    let config = ImageConfig {
        created: Some(created.clone()),
        author: None,
        architecture: platform.architecture,
        os: platform.os,
        variant: platform.variant,
        config: Some(options.config),
        rootfs: RootFs { kind: "layers".into(), diff_ids: vec![layer.digest.clone()] },
        history: vec![History { created: Some(created), comment: options.message, ..History::default() }],
        inline_cache: None,
    };
    let packed =
        Packed { source: Source::Blob(&layer.path), diff_id: layer.digest.clone(), note_missing_end: true };
    images.unpack(&[vec![packed]])?;
    let staged = staging.add_bytes(&to_json(&config)?)?;
    let id = staged.digest.clone();
    let names = name.cloned().into_iter().collect();
    let image = NewImage::describe(&staging, staged, config, vec![(LAYER.into(), layer)], names)?;
    images.publish(&staging, &[image])?;
    Ok(id)
}

pub(crate) fn now() -> String {
    humantime::format_rfc3339_nanos(SystemTime::now()).to_string()
}
