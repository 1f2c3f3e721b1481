//! The layers of an image: verified, applied side by side, then put in order, and visible all at once.

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

/// Unpacks the layers that the store does not have, lowest first. None is kept unless all of them are good.
pub(crate) fn unpack(store: &LayerStore, layers: &[Packed]) -> Result<()> {
    let chain = chain(layers);
    let mut staged: Vec<Option<StagedLayer>> = Vec::with_capacity(layers.len());
    for id in &chain {
        staged.push(if store.has(id.hex()) { None } else { Some(store.begin(id.hex())?) });
    }
    let missing: Vec<(&Packed, &Path)> = layers
        .iter()
        .zip(&staged)
        .filter_map(|(layer, staged)| Some((layer, staged.as_ref()?.diff())))
        .collect();
    let mut applied = apply_all(&missing)?.into_iter();
    // From the lowest upwards: a layer inherits from one that has inherited.
    let mut lowers: Vec<PathBuf> = Vec::with_capacity(layers.len());
    for (staged, id) in staged.iter().zip(&chain) {
        match staged {
            Some(staged) => {
                let implied = applied.next().map(|applied| applied.implied).unwrap_or_default();
                inherit(staged.diff(), &implied, &lowers)?;
                lowers.push(staged.diff().to_owned());
            }
            None => lowers.push(store.path(id.hex())),
        }
    }
    Ok(store.publish(staged.into_iter().flatten().collect())?)
}

fn chain(layers: &[Packed]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(layers.len());
    for layer in layers {
        chain.push(Digest::chain(chain.last(), &layer.diff_id));
    }
    chain
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
