//! `save`: writes images into an archive that docker, podman, skopeo and hull can load.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use serde::Serialize;

use crate::config::{CONTAINERD_NAME, Descriptor, Index, REF_NAME};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, IoContext, Result};
use crate::publish::to_json;
use crate::reference::Reference;
use crate::store::Images;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveFormat {
    /// An OCI layout with docker's `manifest.json` beside its index, as docker itself writes since version 25.
    DockerArchive,
    OciArchive,
}

/// The compression of the archive. Its layers keep theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveCompression {
    None,
    Gzip,
    Zstd,
}

/// A line of docker's `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// The content of the archive. It is sorted, so that the same images give the same archive.
#[derive(Default)]
struct Plan {
    /// Sizes by digest. A blob that several images share is written once.
    blobs: BTreeMap<Digest, u64>,
    index: Index,
    docker: Vec<DockerEntry>,
}

/// Writes the images of these names or ids.
pub fn save(
    images: &Images,
    names: &[String],
    out: impl Write,
    format: SaveFormat,
    compression: SaveCompression,
) -> Result<()> {
    match compression {
        SaveCompression::None => write(images, names, out, format).map(drop),
        SaveCompression::Gzip => {
            let encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            let encoder = write(images, names, encoder, format)?;
            encoder.finish().and_then(|mut out| out.flush()).context(written)
        }
        SaveCompression::Zstd => {
            let encoder = zstd::Encoder::new(out, 3).context(written)?;
            let encoder = write(images, names, encoder, format)?;
            encoder.finish().and_then(|mut out| out.flush()).context(written)
        }
    }
}

fn write<W: Write>(images: &Images, names: &[String], out: W, format: SaveFormat) -> Result<W> {
    let mut plan = Plan::default();
    for name in names {
        plan.add(images, name)?;
    }
    let mut archive = tar::Builder::new(out);
    directory(&mut archive, "blobs/")?;
    directory(&mut archive, "blobs/sha256/")?;
    for (digest, size) in &plan.blobs {
        blob(&mut archive, images, digest, *size)?;
    }
    file(&mut archive, "index.json", &to_json(&plan.index)?)?;
    if format == SaveFormat::DockerArchive {
        file(&mut archive, "manifest.json", &to_json(&plan.docker)?)?;
    }
    file(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let flushed = archive.into_inner().and_then(|mut out| out.flush().map(|()| out));
    flushed.context(written)
}

impl Plan {
    /// docker's rules: a name without a tag stands for all images of the repository, and an image that is given by its
    /// id is saved without a name.
    fn add(&mut self, images: &Images, name: &str) -> Result<()> {
        let named = Reference::parse(name).ok();
        if let Some(repository) = named.as_ref().filter(|_| !Reference::names_tag(name)) {
            let all = images.of_repository(repository)?;
            if !all.is_empty() {
                return all.into_iter().try_for_each(|(name, found)| self.add_one(images, found, Some(name)));
            }
        }
        let found = images.find(name)?;
        let named = named.filter(|name| found.name() == Some(&name.canonical()));
        self.add_one(images, found, named)
    }

    fn add_one(&mut self, images: &Images, found: Descriptor, named: Option<Reference>) -> Result<()> {
        let (manifest, config) = images.documents(&found)?;
        let mut entry = Descriptor::new(&found.media_type, found.digest.clone(), found.size);
        entry.platform = Some(config.platform()).filter(|platform| !platform.architecture.is_empty());
        if let Some(name) = &named {
            entry.annotations.insert(CONTAINERD_NAME.into(), name.canonical());
            entry
                .annotations
                .insert(REF_NAME.into(), name.tag().map_or_else(|| name.canonical(), str::to_owned));
        }
        if !self.index.manifests.contains(&entry) {
            self.index.manifests.push(entry);
        }
        self.blobs.insert(found.digest, found.size);
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            self.blobs.insert(blob.digest.clone(), blob.size);
        }
        let path = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
        let config = path(&manifest.config.digest);
        let at = self.docker.iter().position(|entry| entry.config == config).unwrap_or_else(|| {
            let layers = manifest.layers.iter().map(|layer| path(&layer.digest)).collect();
            self.docker.push(DockerEntry { config, repo_tags: vec![], layers });
            self.docker.len() - 1
        });
        let tags = &mut self.docker[at].repo_tags;
        // `manifest.json` cannot have names with a digest.
        let tag = named.filter(|name| name.digest().is_none()).map(|name| name.familiar());
        tags.extend(tag.filter(|tag| !tags.contains(tag)));
        Ok(())
    }
}

fn written() -> String {
    "write the archive".into()
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    // The octal digits of a ustar header express sizes up to 8 GiB. All readers know GNU's format for larger ones.
    let mut header = if size >> 33 == 0 { tar::Header::new_ustar() } else { tar::Header::new_gnu() };
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn directory(archive: &mut tar::Builder<impl Write>, path: &str) -> Result<()> {
    let mut header = header(tar::EntryType::Directory, 0o755, 0);
    archive.append_data(&mut header, path, std::io::empty()).context(written)
}

fn file(archive: &mut tar::Builder<impl Write>, path: &str, bytes: &[u8]) -> Result<()> {
    let mut header = header(tar::EntryType::Regular, 0o644, bytes.len() as u64);
    archive.append_data(&mut header, path, bytes).context(written)
}

/// Writes a blob and verifies its digest, so that a damaged blob is not passed on as a good one.
fn blob(archive: &mut tar::Builder<impl Write>, images: &Images, digest: &Digest, size: u64) -> Result<()> {
    let damaged = || Error::Damaged(format!("the blob {digest} of this store is not what it was"));
    let file = images.open_blob(digest)?;
    if file.metadata().context(|| format!("look at {digest}"))?.len() != size {
        return Err(damaged());
    }
    let mut content = Hasher::new(file.take(size));
    let mut header = header(tar::EntryType::Regular, 0o644, size);
    archive
        .append_data(&mut header, format!("blobs/sha256/{}", digest.hex()), &mut content)
        .context(written)?;
    if content.finish() == *digest { Ok(()) } else { Err(damaged()) }
}
