//! `system check`: compares the store with its digests, and repairs it.
//!
//! Blobs are hashed. An unpacked layer has no digest of its own, so its blob is unpacked again into a staging directory
//! and the two are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use hull_sys::tree::describes_content;

use crate::config::{Descriptor, ImageConfig, Manifest};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, IoContext, Result};
use crate::layer::{Packed, Source, unpack_unpublished};
use crate::reference::Reference;
use crate::registry::{Access, Client, Fetch};
use crate::staging::Staging;
use crate::store::{Images, chain_ids};

/// Something in the store that is damaged or missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub what: String,
    pub repaired: bool,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct CheckOptions<'a> {
    /// Repairs the store with blobs from the registries that images came from.
    pub repair: Option<&'a Access>,
    /// Skips the unpacked layers, which take most of the time.
    pub quick: bool,
}

struct Check<'a> {
    images: &'a Images,
    options: CheckOptions<'a>,
    problems: Vec<Problem>,
    /// Blobs and layers that have been checked: images share them.
    seen: BTreeSet<Digest>,
}

impl Images {
    /// Checks the store and returns all problems. Nothing is changed unless a repair is asked for.
    pub fn check(&self, options: CheckOptions<'_>) -> Result<Vec<Problem>> {
        let mut check = Check { images: self, options, problems: Vec::new(), seen: BTreeSet::new() };
        check.entries()?;
        for line in self.catalog()?.lines() {
            check.image(&line.entry()?)?;
        }
        if options.repair.is_some() {
            self.collect()?;
        }
        Ok(check.problems)
    }
}

impl Check<'_> {
    /// Compares the entries' files with `index.json`.
    fn entries(&mut self) -> Result<()> {
        let repair = self.options.repair.is_some();
        let wrong = self.images.differing_entries(repair)?;
        let problem = |what| Problem { what: format!("{what}: its entry is damaged"), repaired: repair };
        self.problems.extend(wrong.into_iter().map(problem));
        Ok(())
    }

    fn image(&mut self, entry: &Descriptor) -> Result<()> {
        let origins: Vec<Reference> =
            entry.origins().iter().filter_map(|origin| Reference::parse(origin).ok()).collect();
        let name = entry.name().map_or_else(|| entry.digest.to_string(), str::to_owned);
        // The manifest comes first, because it names the other blobs.
        if !self.blob(&name, "the manifest", entry, &origins)? {
            return Ok(());
        }
        let manifest: Manifest = self.images.read_json(&entry.digest)?;
        let mut whole = self.blob(&name, "the configuration", &manifest.config, &origins)?;
        for layer in &manifest.layers {
            whole &= self.blob(&name, "a layer", layer, &origins)?;
        }
        if whole && !self.options.quick {
            let config: ImageConfig = self.images.read_json(&manifest.config.digest)?;
            self.layers(&name, &manifest, &config)?;
        }
        Ok(())
    }

    /// Checks a blob. Returns whether it is good or has been repaired.
    fn blob(&mut self, name: &str, kind: &str, blob: &Descriptor, origins: &[Reference]) -> Result<bool> {
        if !self.seen.insert(blob.digest.clone()) {
            return Ok(is_good(&self.images.blob_path(&blob.digest), blob));
        }
        let path = self.images.blob_path(&blob.digest);
        let wrong = match std::fs::metadata(&path) {
            Ok(_) if is_good(&path, blob) => return Ok(true),
            Ok(_) => "is damaged",
            Err(_) => "is missing",
        };
        let repaired = match self.options.repair {
            Some(access) => origins.iter().any(|origin| self.fetch(access, origin, blob).is_ok()),
            None => false,
        };
        self.problems.push(Problem { what: format!("{name}: {kind}, {}, {wrong}", blob.digest), repaired });
        Ok(repaired)
    }

    fn fetch(&self, access: &Access, origin: &Reference, blob: &Descriptor) -> Result<()> {
        let client = Client::new(access, access.settings().endpoint(origin)?);
        let staging = Staging::new(&self.images.layers())?;
        let staged = match blob.is_manifest() || blob.is_index() {
            true => staging.add_bytes(&client.manifest(&blob.digest.to_string())?.bytes)?,
            false => {
                let path = staging.path().join("fetched");
                let open = File::options().read(true).write(true).create_new(true).open(&path);
                let mut fetch =
                    Fetch::new(&client, blob, open.context(|| format!("create {}", path.display()))?)?;
                let mut buffer = vec![0; 128 * 1024];
                while crate::members::read(&mut fetch, &mut buffer)? > 0 {}
                crate::staging::Staged { path, digest: blob.digest.clone(), size: blob.size }
            }
        };
        let path = self.images.blob_path(&blob.digest);
        let _lock = self.images.lock()?;
        std::fs::rename(&staged.path, &path).context(|| format!("store {}", path.display()))
    }

    fn layers(&mut self, name: &str, manifest: &Manifest, config: &ImageConfig) -> Result<()> {
        let store = self.images.layers();
        let blobs: Vec<PathBuf> =
            manifest.layers.iter().map(|layer| self.images.blob_path(&layer.digest)).collect();
        let packed = |(blob, diff_id): (&PathBuf, &Digest)| (blob.clone(), diff_id.clone());
        let packed: Vec<(PathBuf, Digest)> = blobs.iter().zip(&config.rootfs.diff_ids).map(packed).collect();
        let packed: Vec<Packed<'_>> = packed
            .iter()
            .map(|(blob, diff_id)| Packed {
                source: Source::Blob(blob),
                diff_id: diff_id.clone(),
                note_missing_end: false,
            })
            .collect();
        for (at, id) in chain_ids(config).iter().enumerate() {
            // A missing layer is not a problem: it is unpacked when it is needed.
            if !self.seen.insert(id.clone()) && at > 0 || !store.has(id.hex()) {
                continue;
            }
            let fresh = match unpack_unpublished(&store, &packed, at) {
                Err(error @ (Error::Damaged(_) | Error::NotATar(_) | Error::Refused { .. })) => {
                    self.problems
                        .push(Problem { what: format!("{name}: layer {id}: {error}"), repaired: false });
                    continue;
                }
                fresh => fresh?,
            };
            let difference = difference(&store.path(id.hex()), fresh.diff())?;
            let Some(path) = difference else { continue };
            let what =
                format!("{name}: layer {id} is not as it was unpacked: {}", crate::members::shown(&path));
            let repaired = self.options.repair.is_some();
            if repaired {
                store.remove(id.hex())?;
                fresh.publish(&store)?;
            }
            self.problems.push(Problem { what, repaired });
        }
        Ok(())
    }
}

fn is_good(path: &Path, blob: &Descriptor) -> bool {
    let digest = |file| {
        let mut file = Hasher::new(file);
        std::io::copy(&mut file, &mut std::io::sink()).map(|size| (size, file.finish()))
    };
    hull_storage::file::open(path)
        .and_then(digest)
        .is_ok_and(|(size, found)| size == blob.size && found == blob.digest)
}

/// The first path at which two trees differ.
fn difference(one: &Path, other: &Path) -> Result<Option<PathBuf>> {
    let (one, other) = (described(one)?, described(other)?);
    let mut paths = one.keys().chain(other.keys());
    Ok(paths.find(|path| one.get(*path) != other.get(*path)).cloned())
}

fn described(top: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(inside) = pending.pop() {
        let here = top.join(&inside);
        let context = || format!("read {}", here.display());
        found.insert(inside.clone(), describe(&here).context(context)?);
        for entry in std::fs::read_dir(&here).context(context)? {
            let entry = entry.context(context)?;
            let path = inside.join(entry.file_name());
            match entry.file_type().context(context)?.is_dir() {
                true => pending.push(path),
                false => drop(found.insert(path, describe(&entry.path()).context(context)?)),
            }
        }
    }
    Ok(found)
}

/// Describes everything but times. An archive may not list a directory, whose time is that of its creation then. The layer
/// of a build's step keeps the times at which its files were written; its tar has whole seconds, and none that is later
/// than `SOURCE_DATE_EPOCH`.
fn describe(path: &Path) -> std::io::Result<Vec<u8>> {
    let meta = std::fs::symlink_metadata(path)?;
    let kind = meta.file_type();
    // overlayfs.rst, "whiteouts and opaque directories": a character device 0:0. The tar does not record its owner,
    // mode and time, so they are not compared.
    if kind.is_char_device() && meta.rdev() == 0 {
        return Ok(b"whiteout".to_vec());
    }
    let mut said = format!("{:o} {}:{} {} ", meta.mode(), meta.uid(), meta.gid(), meta.rdev());
    if meta.is_file() {
        let mut file = Hasher::new(File::open(path)?);
        let mut buffer = vec![0; 128 * 1024];
        while file.read(&mut buffer)? > 0 {}
        said.push_str(&format!("{} {}", meta.nlink(), file.finish()));
    } else if kind.is_symlink() {
        said.push_str(&format!("{:?}", std::fs::read_link(path)?));
    }
    if kind.is_char_device() || kind.is_block_device() || kind.is_symlink() {
        return Ok(said.into_bytes());
    }
    let mut attributes = hull_sys::fs::xattrs_at(path)?;
    // The kernel leaves notes in the directory of changes that a build's step has made a layer of. Only the mark of what
    // is hidden comes from the tar. overlayfs.rst, "whiteouts and opaque directories".
    let is_opaque = |name: &[u8]| name.ends_with(b".overlay.opaque");
    attributes.retain(|(name, _)| describes_content(name.to_bytes()) || is_opaque(name.to_bytes()));
    attributes.sort();
    said.push_str(&format!("{attributes:?}"));
    Ok(said.into_bytes())
}
