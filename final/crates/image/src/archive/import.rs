//! `import`: makes an image of the tar of a root file system, or of an image of LXD's.

use std::io::Read;

use super::received::{ImportOptions, Received};
use crate::digest::Digest;
use crate::error::Result;
use crate::reference::Reference;
use crate::store::Images;

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
