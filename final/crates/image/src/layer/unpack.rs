//! The layers of an image: verified, applied side by side, then put in order, and visible all at once.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use hull_storage::layers::{LayerStore, StagedLayer};

use super::apply::{Applied, apply};
use super::inherit::inherit;
use crate::compression::decompress;
use crate::digest::{Digest, Hasher};
use crate::error::{Context, Error, Result};

/// A layer as it came.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub blob: PathBuf,
    /// Of the uncompressed tar.
    pub diff_id: Digest,
    /// Whether a tar without its end marker has been cut short. Some tools that build layers leave it out, and
    /// there the diff ID tells; a tar that somebody imports has nothing else.
    pub must_end: bool,
}

/// A layer that the store does not have.
struct Missing<'a> {
    packed: &'a Packed,
    /// Of the layers below it, lowest first.
    below: Vec<Digest>,
    staged: StagedLayer,
}

/// Unpacks the layers that the store does not have. Each image is its layers, lowest first; what images share is
/// unpacked once. None is kept unless all of them are good.
pub(crate) fn unpack(store: &LayerStore, images: &[Vec<Packed>]) -> Result<()> {
    let mut missing: Vec<Missing<'_>> = Vec::new();
    let mut places: HashMap<Digest, PathBuf> = HashMap::new();
    for layers in images {
        let chain = chain(layers);
        for (at, (packed, id)) in layers.iter().zip(&chain).enumerate() {
            if places.contains_key(id) {
                continue;
            }
            if store.has(id.hex()) {
                places.insert(id.clone(), store.path(id.hex()));
                continue;
            }
            let staged = store.begin(id.hex())?;
            places.insert(id.clone(), staged.diff().to_owned());
            missing.push(Missing { packed, below: chain[..at].to_vec(), staged });
        }
    }
    let work: Vec<(&Packed, &Path)> =
        missing.iter().map(|layer| (layer.packed, layer.staged.diff())).collect();
    let applied = apply_all(&work)?;
    // In the order of the chains: a layer inherits from one that has inherited.
    for (layer, applied) in missing.iter().zip(&applied) {
        let lowers: Vec<PathBuf> = layer.below.iter().filter_map(|id| places.get(id).cloned()).collect();
        inherit(layer.staged.diff(), &applied.implied, &lowers)?;
    }
    Ok(store.publish(missing.into_iter().map(|layer| layer.staged).collect())?)
}

fn chain(layers: &[Packed]) -> Vec<Digest> {
    Digest::chains(layers.iter().map(|layer| &layer.diff_id))
}

/// Side by side, as many as there are processors: inflating and hashing are what takes time.
fn apply_all(layers: &[(&Packed, &Path)]) -> Result<Vec<Applied>> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(layers.len());
    if workers < 2 {
        return layers.iter().map(|(packed, diff)| apply_verified(packed, diff)).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Applied)>> {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((packed, diff)) = layers.get(at) else { return Ok(done) };
            // The others need not begin what will be thrown away.
            let outcome =
                apply_verified(packed, diff).inspect_err(|_| next.store(layers.len(), Ordering::Relaxed));
            done.push((at, outcome?));
        }
    };
    let mut applied = Vec::with_capacity(layers.len());
    std::thread::scope(|scope| -> Result<()> {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            applied.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(())
    })?;
    applied.sort_by_key(|(at, _)| *at);
    Ok(applied.into_iter().map(|(_, applied)| applied).collect())
}

fn apply_verified(packed: &Packed, diff: &Path) -> Result<Applied> {
    let mut stream = Hasher::new(decompress(open(&packed.blob)?)?);
    let applied = apply(BufReader::with_capacity(64 * 1024, &mut stream), diff)?;
    if packed.must_end && !applied.has_end_marker {
        return Err(Error::Damaged("it ends without its end marker: a part of it is missing".into()));
    }
    check(&packed.diff_id, &stream.finish())?;
    Ok(applied)
}

/// Checks a layer that is unpacked already.
pub(crate) fn verify(packed: &Packed) -> Result<()> {
    let mut stream = Hasher::new(decompress(open(&packed.blob)?)?);
    let mut buffer = vec![0; 128 * 1024];
    while crate::members::read(&mut stream, &mut buffer)? > 0 {}
    check(&packed.diff_id, &stream.finish())
}

fn open(blob: &Path) -> Result<File> {
    File::open(blob).context(|| format!("open {}", blob.display()))
}

fn check(diff_id: &Digest, found: &Digest) -> Result<()> {
    match diff_id == found {
        true => Ok(()),
        false => Err(Error::Damaged(format!(
            "a layer is not the one that the image was made of: its diff ID is {found}, expected {diff_id}"
        ))),
    }
}
