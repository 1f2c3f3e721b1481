//! `save`: writes images into an archive that docker, podman, skopeo and hull can load.

use std::io::Write;

use super::plan::{Bytes, Plan, damaged};
use crate::digest::{Digest, Hasher};
use crate::error::{IoContext, Result};
use crate::publish::to_json;
use crate::store::Images;

/// The content of `oci-layout`: image-spec, image-layout.md.
pub(super) const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

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

/// Writes the images of these names or ids.
pub fn save(
    images: &Images,
    names: &[String],
    out: impl Write,
    format: SaveFormat,
    compression: SaveCompression,
) -> Result<()> {
    let mut plan = Plan::default();
    names.iter().try_for_each(|name| plan.add(images, name))?;
    match compression {
        SaveCompression::None => write(images, &plan, out, format).map(drop),
        SaveCompression::Gzip => {
            let encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            let encoder = write(images, &plan, encoder, format)?;
            encoder.finish().and_then(|mut out| out.flush()).context(written)
        }
        SaveCompression::Zstd => {
            let encoder = zstd::Encoder::new(out, 3).context(written)?;
            let encoder = write(images, &plan, encoder, format)?;
            encoder.finish().and_then(|mut out| out.flush()).context(written)
        }
    }
}

pub(super) fn write<W: Write>(images: &Images, plan: &Plan, out: W, format: SaveFormat) -> Result<W> {
    let mut archive = tar::Builder::new(out);
    directory(&mut archive, "blobs/")?;
    directory(&mut archive, "blobs/sha256/")?;
    for (digest, bytes) in &plan.blobs {
        blob(&mut archive, images, digest, bytes)?;
    }
    file(&mut archive, "index.json", &to_json(&plan.index)?)?;
    if format == SaveFormat::DockerArchive {
        file(&mut archive, "manifest.json", &to_json(&plan.docker)?)?;
    }
    file(&mut archive, "oci-layout", LAYOUT)?;
    let flushed = archive.into_inner().and_then(|mut out| out.flush().map(|()| out));
    flushed.context(written)
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
fn blob(
    archive: &mut tar::Builder<impl Write>,
    images: &Images,
    digest: &Digest,
    (size, bytes): &(u64, Bytes),
) -> Result<()> {
    let mut content = Hasher::new(bytes.open(images, digest, *size)?);
    let mut header = header(tar::EntryType::Regular, 0o644, *size);
    archive
        .append_data(&mut header, format!("blobs/sha256/{}", digest.hex()), &mut content)
        .context(written)?;
    if content.finish() == *digest { Ok(()) } else { Err(damaged(digest)) }
}
