//! Takes the layer of a step from a cache that the build has named.
//!
//! Such a layer is recorded under a key of its own: the step's key and the layers that came from the cache. A build that
//! names no cache with these layers never looks this key up, nor those of the steps that were run on top of them.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;

use hull_engine::Engine;
use hull_image::artifact::Repository;
use hull_image::config::{Descriptor, LAYER};
use hull_image::registry::{Access, AccessOptions};
use hull_image::{Digest, ForeignLayer, in_child};
use hull_storage::layers::LayerStore;

use super::listing::{ListedStep, Listing as Steps, local_blob};
use super::location::{self, Source};
use crate::cache::record::FORMAT;
use crate::cache::{Cache, Inputs, Key, LayerOfStep, Record};
use crate::context::Listing;
use crate::error::{Error, IoContext, Result};
use crate::request::Request;

/// The caches that a build has named, and what they list.
#[derive(Debug, Default)]
pub struct Imports {
    caches: Vec<(Source, Steps)>,
    registry: AccessOptions,
}

/// A step that is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub key: &'a Key,
    pub inputs: &'a Inputs,
    /// The diff IDs of the layers below, lowest first.
    pub below: &'a [Digest],
    /// Their directories.
    pub directories: &'a [PathBuf],
    pub description: &'a str,
    /// When it was made, for a cache that does not say so. RFC 3339.
    pub created: &'a str,
}

impl Imports {
    /// Asks all caches that the request names what they list. One that cannot be read is reported, and the build goes on
    /// without it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if a value of `--cache-from` is wrong.
    pub fn fetch(request: &Request, note: &mut dyn FnMut(&str)) -> Result<Self> {
        let mut imports = Self { caches: vec![], registry: request.registry.clone() };
        for source in location::sources(request)? {
            note(&format!("importing cache manifest from {source}"));
            match in_memory(&|file| {
                let listing = Steps::fetch(&source, &request.registry)?;
                serde_json::to_writer(file, &listing).map_err(std::io::Error::from).context(listing_context)
            }) {
                Ok(listing) => imports.caches.push((source, parsed(listing)?)),
                Err(error) => note(&format!("the cache {source} is not used: {error}")),
            }
        }
        Ok(imports)
    }

    /// Checks `--cache-from` without asking anyone.
    pub fn check(request: &Request) -> Result<()> {
        location::sources(request).map(drop)
    }

    /// The record of a step that one of the caches lists. Its layer is downloaded if the store does not have it. `note`
    /// is told why a listed step cannot be used.
    pub fn take(
        &self,
        engine: &Engine,
        cache: &Cache,
        wanted: Wanted<'_>,
        note: &mut dyn FnMut(&str),
    ) -> Result<Option<(Key, Record)>> {
        // A copy with --link does not depend on the layers below it.
        let below = wanted.inputs.parent.is_some().then_some(wanted.below);
        for (source, listing) in &self.caches {
            let Some(step) = listing.find(wanted.key, below) else { continue };
            match self.take_from(engine, cache, wanted, source, step) {
                Ok(taken) => return Ok(Some(taken)),
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => note(&format!("the cache {source} is not used for this step: {error}")),
            }
        }
        Ok(None)
    }

    fn take_from(
        &self,
        engine: &Engine,
        cache: &Cache,
        wanted: Wanted<'_>,
        source: &Source,
        step: &ListedStep,
    ) -> Result<(Key, Record)> {
        let store = LayerStore::new(engine.root());
        // `find` returns no step without layers.
        let layer = step.layers.last().ok_or(Error::Cancelled)?;
        let below = wanted.below.iter().fold(None, |below, one| Some(Digest::chain(below.as_ref(), one)));
        let chain = Digest::chain(below.as_ref(), &layer.diff_id);
        let key = salted(wanted.key, &chain);
        if let Some(record) = cache.find(&key) {
            return Ok((key, record));
        }
        let created = step
            .created
            .as_deref()
            .filter(|text| humantime::parse_rfc3339(text).is_ok())
            .unwrap_or(wanted.created);
        let record = |size, bytes| Record {
            format: FORMAT,
            created: created.to_owned(),
            description: wanted.description.into(),
            inputs: wanted.inputs.clone(),
            layer: LayerOfStep {
                diff_id: layer.diff_id.clone(),
                chain_id: chain.clone(),
                descriptor: Descriptor::new(LAYER, layer.diff_id.clone(), size),
                bytes,
            },
        };
        let recording = cache.begin_record()?;
        if store.has(chain.hex()) && store.is_of_step(chain.hex()) {
            let blob = store.step_blob(chain.hex());
            let size = std::fs::metadata(&blob).context(|| format!("look at {}", blob.display()))?.len();
            let record = record(size, store.size(chain.hex())?);
            cache.add(&recording, &key, &record, &Listing::default())?;
            return Ok((key, record));
        }
        drop(recording);
        let staged = store.begin_step()?;
        let (blob, diff) = (staged.blob(), staged.diff().to_owned());
        let packed = blob.with_file_name("packed");
        let sizes = in_memory(&|file| {
            let from = match source {
                Source::Registry(reference) => {
                    let access = Access::new(self.registry.clone())?;
                    let context = || format!("create {}", packed.display());
                    let to = File::options().read(true).write(true).create_new(true).open(&packed);
                    Repository::open(&access, reference)?
                        .download(&layer.descriptor, to.context(context)?)?;
                    packed.clone()
                }
                Source::Local { path, .. } => local_blob(path, layer),
            };
            let foreign = ForeignLayer { packed: &from, diff_id: &layer.diff_id, below: wanted.directories };
            let (size, bytes) = foreign.unpack(&blob, &diff)?;
            write!(file, "{size} {bytes}").context(listing_context)
        })?;
        hull_storage::file::remove(&packed)?;
        let numbers = String::from_utf8_lossy(&sizes);
        let numbers: Vec<u64> = numbers.split(' ').filter_map(|number| number.parse().ok()).collect();
        let &[size, bytes] = numbers.as_slice() else { return Err(Error::Cancelled) };
        let record = record(size, bytes);
        let recording = cache.begin_record()?;
        cache.add(&recording, &key, &record, &Listing::default())?;
        staged.publish(&store, chain.hex(), bytes)?;
        Ok((key, record))
    }

    pub fn is_empty(&self) -> bool {
        self.caches.is_empty()
    }
}

/// The key of a step on layers that came from a cache.
pub fn salted(key: &Key, imported: &Digest) -> Key {
    Digest::of(format!("{key} on {imported}").as_bytes())
}

fn listing_context() -> String {
    "write down what a cache has".into()
}

fn parsed(bytes: Vec<u8>) -> Result<Steps> {
    let invalid = |error: serde_json::Error| Error::Invalid { what: "cache".into(), why: error.to_string() };
    serde_json::from_slice(&bytes).map_err(invalid)
}

/// Does work that may use threads in a child process, and returns what it has written.
fn in_memory(work: &dyn Fn(&mut File) -> Result<()>) -> Result<Vec<u8>> {
    let context = || "make a file in memory".to_owned();
    let file = rustix::fs::memfd_create("hull-cache", rustix::fs::MemfdFlags::CLOEXEC).context(context)?;
    let mut file = File::from(file);
    let mut shared = file.try_clone().context(context)?;
    in_child(|| {
        work(&mut shared)
            .map_err(|error| hull_image::Error::Child { kind: error.kind(), text: error.to_string() })
    })?;
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).context(context)?;
    Ok(bytes)
}
