//! `manifest.json`, as `docker save` writes it: the configuration, the layers and the names of each image.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::Deserialize;

use super::contents::{Contents, DOCUMENT_LIMIT, parse};
use crate::compression::{Bounded, Compression};
use crate::config::LAYER;
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::members::{fill, shown};
use crate::publish::NewImage;
use crate::reference::Reference;
use crate::staging::{Staged, Staging};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// The images of an archive that has no OCI layout beside `manifest.json`.
pub(super) fn images(contents: &mut Contents<'_>, staging: &Staging) -> Result<Vec<NewImage>> {
    let mut images = Vec::new();
    for entry in entries(contents)? {
        let names = names(&entry)?;
        let config = contents.file(&entry.config, DOCUMENT_LIMIT)?;
        check_name(&entry.config, &config)?;
        let mut layers = Vec::new();
        for path in entry.layers.unwrap_or_default() {
            let layer = contents.file(&path, u64::MAX)?;
            // Other names are docker's own ids, not digests. The layer is verified by its diff ID then.
            if path.starts_with("blobs/") {
                check_name(&path, &layer)?;
            }
            layers.push(typed(staging, layer)?);
        }
        let parsed = parse(&config, &entry.config)?;
        images.push(NewImage::describe(staging, config, parsed, layers, names, Default::default())?);
    }
    Ok(images)
}

/// Adds the names in `manifest.json` to images that an OCI layout in the same archive describes.
pub(super) fn add_names(contents: &mut Contents<'_>, images: &mut [NewImage]) -> Result<()> {
    for entry in entries(contents)? {
        let hex = hex_in(&entry.config);
        for image in images.iter_mut().filter(|image| Some(image.config.digest.hex()) == hex) {
            for name in names(&entry)? {
                if !image.names.contains(&name) {
                    image.names.push(name);
                }
            }
        }
    }
    Ok(())
}

fn entries(contents: &mut Contents<'_>) -> Result<Vec<Entry>> {
    parse(&contents.file("manifest.json", DOCUMENT_LIMIT)?, "manifest.json")
}

fn names(entry: &Entry) -> Result<Vec<Reference>> {
    entry.repo_tags.iter().flatten().map(|name| Reference::parse(name)).collect()
}

/// The digest in a file's name: `blobs/sha256/<hex>`, `<hex>.json`, `sha256:<hex>`.
fn hex_in(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let hex = name.strip_prefix("sha256:").unwrap_or(name).split('.').next()?;
    (hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(hex)
}

fn check_name(path: &str, staged: &Staged) -> Result<()> {
    let expected = hex_in(path).map(|hex| Digest::parse(&format!("sha256:{hex}"))).transpose()?;
    match expected {
        Some(expected) if expected != staged.digest => {
            Err(Error::Damaged(format!("{} is {}", shown(Path::new(path)), staged.digest)))
        }
        _ => Ok(()),
    }
}

/// A layer with its media type. A layer with a compression that has no media type is stored uncompressed.
fn typed(staging: &Staging, layer: Staged) -> Result<(String, Staged)> {
    let open = || File::open(&layer.path).context(|| format!("read {}", layer.path.display()));
    let mut start = [0; 6];
    let length = fill(&mut open()?, &mut start)?;
    match Compression::of(&start[..length]).suffix() {
        Some(suffix) => Ok((format!("{LAYER}{suffix}"), layer)),
        None => Ok((LAYER.into(), staging.add_all(&mut Bounded::new(BufReader::new(open()?))?)?)),
    }
}
