//! An image that need not be in the store, as an archive or in the directory of an OCI layout.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use hull_storage::file;

use super::plan::{Bytes, Plan, damaged};
use super::save::{self, LAYOUT, SaveFormat};
use crate::assemble::{Assembled, Assembly};
use crate::config::{CONTAINERD_NAME, Descriptor, Index, REF_NAME};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, IoContext, Result};
use crate::publish::to_json;
use crate::reference::Reference;
use crate::store::Images;

/// What is written.
#[derive(Debug, Clone, Copy)]
pub struct Unstored<'a> {
    pub assembly: &'a Assembly,
    pub made: &'a Assembled,
    pub names: &'a [Reference],
    /// Annotations of its descriptor in the layout's index.
    pub annotations: &'a BTreeMap<String, String>,
}

impl Unstored<'_> {
    /// Writes an archive, which is not compressed.
    pub fn save(&self, images: &Images, out: impl Write, format: SaveFormat) -> Result<()> {
        save::write(images, &self.plan()?, out, format).map(drop)
    }

    /// Writes into the directory of an OCI layout, which is created if it is missing. Images that are in it stay; a name
    /// that one of them has moves to this one.
    pub fn save_in(&self, images: &Images, directory: &Path) -> Result<()> {
        let plan = self.plan()?;
        let blobs = directory.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).context(|| format!("create {}", blobs.display()))?;
        let path = directory.join("index.json");
        let mut index: Index = match file::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Index::default(),
            bytes => serde_json::from_slice(&bytes.context(|| format!("read {}", path.display()))?)
                .map_err(|source| Error::Json { path: path.display().to_string(), source })?,
        };
        let mut written = Vec::new();
        let mut write = |(digest, (size, bytes)): (&Digest, &(u64, Bytes))| -> Result<()> {
            written.extend(write_blob(images, &blobs, digest, *size, bytes)?);
            Ok(())
        };
        let outcome = plan.blobs.iter().try_for_each(&mut write);
        // Nothing lists them.
        outcome.inspect_err(|_| written.iter().for_each(|path| drop(std::fs::remove_file(path))))?;
        let new = &plan.index.manifests;
        index.manifests.retain(|old| new.iter().all(|new| !has_same_name(old, new)));
        index.manifests.extend(new.iter().cloned());
        file::write_atomic(&directory.join("oci-layout"), LAYOUT, 0o644)?;
        // Last: what it lists is there.
        Ok(file::write_atomic(&path, &to_json(&index)?, 0o644)?)
    }

    fn plan(&self) -> Result<Plan> {
        let mut plan = Plan::default();
        plan.add_assembled(self.assembly, self.made, self.names, self.annotations)?;
        Ok(plan)
    }
}

fn has_same_name(one: &Descriptor, other: &Descriptor) -> bool {
    let name = |one: &Descriptor| {
        let name = one.annotations.get(CONTAINERD_NAME).or(one.annotations.get(REF_NAME));
        name.cloned()
    };
    match (name(one), name(other)) {
        (None, None) => one.digest == other.digest,
        (one, other) => one == other,
    }
}

/// Writes a blob, which appears whole, and returns its path. `None` if the layout has it.
fn write_blob(
    images: &Images,
    blobs: &Path,
    digest: &Digest,
    size: u64,
    bytes: &Bytes,
) -> Result<Option<PathBuf>> {
    let path = blobs.join(digest.hex());
    if std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() == size) {
        return Ok(None);
    }
    let partial = blobs.join(format!(".{}.{}", digest.hex(), std::process::id()));
    let written = copy_blob(images, &partial, digest, size, bytes);
    let written = written
        .and_then(|()| std::fs::rename(&partial, &path).context(|| format!("write {}", path.display())));
    written.inspect_err(|_| drop(std::fs::remove_file(&partial)))?;
    Ok(Some(path))
}

fn copy_blob(images: &Images, to: &Path, digest: &Digest, size: u64, bytes: &Bytes) -> Result<()> {
    let context = || format!("write {}", to.display());
    let mut from = Hasher::new(bytes.open(images, digest, size)?);
    let mut file: File = OpenOptions::new().write(true).create_new(true).open(to).context(context)?;
    std::io::copy(&mut from, &mut file).context(context)?;
    if from.finish() == *digest { Ok(()) } else { Err(damaged(digest)) }
}
