//! `import`: makes an image of the tar of a root file system, or of an image of LXD's.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::SystemTime;

use super::received::Received;
use crate::config::RunConfig;
use crate::digest::Digest;
use crate::error::Result;
use crate::platform::Platform;
use crate::reference::Reference;
use crate::store::Images;

#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    pub message: Option<String>,
    /// See [`crate::archive::apply_change`].
    pub config: RunConfig,
    /// RFC 3339; `None` for the time that the archive says, or the current one.
    pub created: Option<String>,
    /// `None` for what the archive says, or this machine's.
    pub platform: Option<Platform>,
    /// LXD's properties of the image.
    pub properties: BTreeMap<String, String>,
}

/// Stores and unpacks an archive: see [`Received::take`]. The image becomes visible only if all of it was good.
pub fn import(
    images: &Images,
    stream: impl Read,
    name: Option<&Reference>,
    options: ImportOptions,
) -> Result<Digest> {
    let names: Vec<Reference> = name.into_iter().cloned().collect();
    Received::take(images, stream, None)?.finish(&names, options)
}

pub(crate) fn now() -> String {
    humantime::format_rfc3339_nanos(SystemTime::now()).to_string()
}
