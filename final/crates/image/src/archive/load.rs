//! `load`: loads images from archives of `docker save`, `podman save`, skopeo, buildx or umoci.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use super::contents::Contents;
use super::{docker, layout};
use crate::compression::decompress;
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::layer::{Packed, Source, verify};
use crate::platform::Platform;
use crate::publish::NewImage;
use crate::reference::Reference;
use crate::staging::Staging;
use crate::store::Images;

/// The source of images.
pub enum LoadSource<'a> {
    /// An archive, or the directory of an OCI layout.
    Path(PathBuf),
    /// An archive.
    Stream(Box<dyn Read + 'a>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Short names; empty for an image that was saved by its id.
    pub names: Vec<String>,
    pub id: Digest,
}

/// Stores and unpacks all images of the source. From an image for several platforms, the one for `platform` or for this
/// machine is taken. The images become visible only if all of them were good.
pub fn load(images: &Images, source: LoadSource<'_>, platform: Option<&Platform>) -> Result<Vec<Loaded>> {
    let staging = Staging::new(&images.layers())?;
    let mut contents = open(&staging, source)?;
    let found = read(&mut contents, &staging, platform)?;
    platform.map_or(Ok(()), |wanted| found.iter().try_for_each(|image| fits(image, wanted)))?;
    let packed = found.iter().map(|image| check(images, image)).collect::<Result<Vec<_>>>()?;
    images.unpack(&packed)?;
    images.publish(&staging, &found)?;
    let loaded = |image: &NewImage| Loaded {
        names: image.names.iter().map(Reference::familiar).collect(),
        id: image.config.digest.clone(),
    };
    Ok(found.iter().map(loaded).collect())
}

fn open<'a>(staging: &'a Staging, source: LoadSource<'_>) -> Result<Contents<'a>> {
    match source {
        LoadSource::Path(path) if path.is_dir() => Ok(Contents::directory(staging, path)),
        LoadSource::Path(path) => {
            let file = File::open(&path).context(|| format!("open {}", path.display()))?;
            Contents::archive(staging, decompress(file)?)
        }
        LoadSource::Stream(stream) => Contents::archive(staging, decompress(stream)?),
    }
}

/// docker writes an OCI layout and a `manifest.json` into one archive. The layout is read first, because it has the
/// original manifests.
fn read(
    contents: &mut Contents<'_>,
    staging: &Staging,
    platform: Option<&Platform>,
) -> Result<Vec<NewImage>> {
    let has_docker = contents.has("manifest.json");
    let mut images = match (contents.has("index.json"), has_docker) {
        (true, _) => layout::images(contents, platform.unwrap_or(&Platform::host()))?,
        (false, true) => docker::images(contents, staging)?,
        (false, false) => {
            return Err(Error::NotAnImage("it has neither an index.json nor a manifest.json".into()));
        }
    };
    if has_docker && contents.has("index.json") {
        docker::add_names(contents, &mut images)?;
    }
    if images.is_empty() {
        return Err(Error::NotAnImage("it lists no image".into()));
    }
    Ok(images)
}

/// A single image is taken whatever its platform is, unless a platform was asked for.
fn fits(image: &NewImage, wanted: &Platform) -> Result<()> {
    let offered = image.parsed.platform();
    match wanted.suits(&offered) {
        Some(_) => Ok(()),
        None => Err(Error::OtherPlatform { offered: vec![offered.to_string()], host: wanted.to_string() }),
    }
}

/// Checks what unpacking does not: the number of layers, the operating system, and layers that are unpacked already.
fn check<'a>(images: &Images, image: &'a NewImage) -> Result<Vec<Packed<'a>>> {
    let diff_ids = &image.parsed.rootfs.diff_ids;
    if diff_ids.len() != image.layers.len() {
        return Err(Error::Damaged(format!(
            "the image has {} layers and {} diff IDs",
            image.layers.len(),
            diff_ids.len()
        )));
    }
    if !matches!(image.parsed.os.as_str(), "linux" | "") {
        let host = Platform::host().to_string();
        return Err(Error::OtherPlatform { offered: vec![image.parsed.platform().to_string()], host });
    }
    let packed = image.layers.iter().zip(diff_ids).map(|(layer, diff_id)| Packed {
        source: Source::Blob(&layer.path),
        diff_id: diff_id.clone(),
        note_missing_end: false,
    });
    let packed: Vec<Packed<'_>> = packed.collect();
    let layers = images.layers();
    let chain = crate::store::chain_ids(&image.parsed);
    for ((packed, id), layer) in packed.iter().zip(&chain).zip(&image.layers) {
        // The layer was unpacked from another blob, so this blob has not been verified yet.
        if layers.has(id.hex()) && !images.blob_path(&layer.digest).exists() {
            verify(packed)?;
        }
    }
    Ok(packed)
}
