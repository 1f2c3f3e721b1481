//! Unpacks the layers of an image: verifies and unpacks them in parallel, completes them in order, and publishes all at
//! once.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hull_storage::layers::{LayerStore, StagedLayer};

use super::apply::{Applied, apply};
use super::inherit::{drop_needless, inherit};
use crate::compression::Bounded;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, IoContext, Result};
use crate::left_out::LeftOut;
use crate::readahead::readahead;

/// How many layers are downloaded at the same time: docker's number.
const CONNECTIONS: usize = 3;

const BUFFER: usize = 128 * 1024;

/// For blobs up to this size a thread costs more than it saves.
const SMALL: u64 = 256 << 10;

/// Where the bytes of a layer come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Blob(&'a Path),
    /// A download.
    Stream(&'a dyn Stream),
}

/// A layer that is not in the store yet, and is verified while it is read.
pub(crate) trait Stream: Sync {
    /// Opens the stream at its beginning. Once `cancelled` is set, the stream may end early.
    fn open<'a>(&'a self, cancelled: &'a AtomicBool) -> Result<Box<dyn Read + Send + 'a>>;
    /// Called when the layer has been unpacked.
    fn done(&self) {}
}

/// A layer before it is unpacked.
#[derive(Clone)]
pub(crate) struct Packed<'a> {
    pub source: Source<'a>,
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Whether to warn about a tar without an end marker. It may have been cut short, but some tools leave the marker
    /// out, and tar(1) and docker accept such an archive. A layer is verified by its diff ID; an imported tar by
    /// nothing else.
    pub note_missing_end: bool,
}

/// A layer that the store does not have.
struct Missing<'a> {
    packed: &'a Packed<'a>,
    /// The chain IDs of the layers below it, lowest first.
    below: Vec<Digest>,
    staged: StagedLayer,
}

/// Unpacks the layers that the store does not have. Each image is a list of its layers, lowest first; a layer that
/// several images share is unpacked once. None is kept unless all of them are good.
pub(crate) fn unpack(store: &LayerStore, images: &[Vec<Packed<'_>>]) -> Result<LeftOut> {
    let mut missing: Vec<Missing<'_>> = Vec::new();
    let mut directories: HashMap<Digest, PathBuf> = HashMap::new();
    for layers in images {
        let chain = chain(layers);
        for (at, (packed, id)) in layers.iter().zip(&chain).enumerate() {
            if directories.contains_key(id) {
                continue;
            }
            if store.has(id.hex()) {
                directories.insert(id.clone(), store.path(id.hex()));
                continue;
            }
            let staged = store.begin(id.hex())?;
            directories.insert(id.clone(), staged.diff().to_owned());
            missing.push(Missing { packed, below: chain[..at].to_vec(), staged });
        }
    }
    let work: Vec<(&Packed<'_>, &Path)> =
        missing.iter().map(|layer| (layer.packed, layer.staged.diff())).collect();
    let applied = apply_all(&work)?;
    let mut left_out = LeftOut::default();
    applied.iter().for_each(|applied| left_out.add(&applied.left_out));
    // In the order of the chains, because a layer inherits from layers that must be complete.
    for (layer, applied) in missing.iter().zip(&applied) {
        let lowers: Vec<PathBuf> = layer.below.iter().filter_map(|id| directories.get(id).cloned()).collect();
        inherit(layer.staged.diff(), &applied.implied, &lowers)?;
        drop_needless(layer.staged.diff(), &applied.whiteouts, &lowers)?;
        applied.bytes.map_or(Ok(()), |bytes| layer.staged.set_size(bytes))?;
    }
    store.publish(missing.into_iter().map(|layer| layer.staged).collect())?;
    Ok(left_out)
}

/// Unpacks one of an image's layers again, on top of those of the store, without publishing it.
pub(crate) fn unpack_unpublished(
    store: &LayerStore,
    layers: &[Packed<'_>],
    at: usize,
) -> Result<StagedLayer> {
    let chain = chain(layers);
    let staged = store.begin(chain[at].hex())?;
    let applied = apply_verified(&layers[at], staged.diff(), &AtomicBool::new(false))?;
    let lowers: Vec<PathBuf> = chain[..at].iter().map(|id| store.path(id.hex())).collect();
    inherit(staged.diff(), &applied.implied, &lowers)?;
    drop_needless(staged.diff(), &applied.whiteouts, &lowers)?;
    applied.bytes.map_or(Ok(()), |bytes| staged.set_size(bytes))?;
    Ok(staged)
}

/// Unpacks a layer into a directory that no store has yet, on top of these layer directories, lowest first. Returns the
/// bytes in its files, if they were counted.
pub(crate) fn unpack_into(packed: &Packed<'_>, diff: &Path, below: &[PathBuf]) -> Result<Option<u64>> {
    let applied = apply_verified(packed, diff, &AtomicBool::new(false))?;
    inherit(diff, &applied.implied, below)?;
    drop_needless(diff, &applied.whiteouts, below)?;
    Ok(applied.bytes)
}

fn chain(layers: &[Packed<'_>]) -> Vec<Digest> {
    Digest::chains(layers.iter().map(|layer| &layer.diff_id))
}

/// Unpacks layers in parallel, as many as there are processors, because inflating and hashing take most of the time.
/// Downloads also wait for the network, so more of them run at the same time.
fn apply_all(layers: &[(&Packed<'_>, &Path)]) -> Result<Vec<Applied>> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let remote = layers.iter().any(|(packed, _)| matches!(packed.source, Source::Stream(_)));
    let workers = if remote { processors.max(CONNECTIONS) } else { processors }.min(layers.len());
    let cancelled = AtomicBool::new(false);
    if workers < 2 {
        return layers.iter().map(|(packed, diff)| apply_verified(packed, diff, &cancelled)).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Applied)>> {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((packed, diff)) = layers.get(at) else { return Ok(done) };
            // The other workers stop, because the result will be discarded.
            let give_up = |_: &Error| {
                next.store(layers.len(), Ordering::Relaxed);
                cancelled.store(true, Ordering::Relaxed);
            };
            done.push((at, apply_verified(packed, diff, &cancelled).inspect_err(give_up)?));
        }
    };
    let mut applied = Vec::with_capacity(layers.len());
    let mut failure: Option<Error> = None;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            match thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                Ok(done) => applied.extend(done),
                // The cancelled workers stopped because of another error, which is the one to report.
                Err(error) if failure.is_none() || matches!(failure, Some(Error::Cancelled)) => {
                    failure = Some(error);
                }
                Err(_) => {}
            }
        }
    });
    if let Some(failure) = failure {
        return Err(failure);
    }
    applied.sort_by_key(|(at, _)| *at);
    Ok(applied.into_iter().map(|(_, applied)| applied).collect())
}

/// Uses three threads: one downloads and hashes the blob, one inflates it, and this one hashes the tar and writes its
/// files.
fn apply_verified(packed: &Packed<'_>, diff: &Path, cancelled: &AtomicBool) -> Result<Applied> {
    let applied = with_tar(packed, cancelled, |stream| {
        let mut stream = Hasher::new(stream);
        let mut applied = apply(&mut stream, diff)?;
        applied.left_out.end = packed.note_missing_end && !applied.has_end_marker;
        check(&packed.diff_id, &stream.finish())?;
        Ok(applied)
    });
    if let (Err(Error::Damaged(_) | Error::NotATar(_)), Source::Stream(stream)) = (&applied, packed.source) {
        // The archive may look damaged because the download is. Then the error of the download is reported.
        drain(&mut stream.open(cancelled)?)?;
    }
    if let (Ok(_), Source::Stream(stream)) = (&applied, packed.source) {
        stream.done();
    }
    applied
}

/// Verifies the blob of a layer that is unpacked already.
pub(crate) fn verify(packed: &Packed<'_>) -> Result<()> {
    with_tar(packed, &AtomicBool::new(false), |stream| {
        let mut stream = Hasher::new(stream);
        drain(&mut stream)?;
        check(&packed.diff_id, &stream.finish())
    })
}

fn with_tar<T>(
    packed: &Packed<'_>,
    cancelled: &AtomicBool,
    then: impl FnOnce(&mut dyn BufRead) -> Result<T>,
) -> Result<T> {
    std::thread::scope(|scope| match packed.source {
        // Most layers are small, and are read without a thread.
        Source::Blob(path) if std::fs::metadata(path).is_ok_and(|blob| blob.len() < SMALL) => {
            then(&mut BufReader::with_capacity(BUFFER, Bounded::new(file(path)?)?))
        }
        Source::Blob(path) => then(&mut readahead(scope, move || Bounded::new(file(path)?))),
        Source::Stream(stream) => {
            let raw = readahead(scope, move || stream.open(cancelled));
            then(&mut readahead(scope, move || Bounded::new(raw)))
        }
    })
}

fn file(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).context(|| format!("open {}", path.display()))?;
    Ok(BufReader::with_capacity(BUFFER, file))
}

fn drain(stream: &mut impl Read) -> Result<()> {
    let mut buffer = vec![0; BUFFER];
    while crate::members::read(stream, &mut buffer)? > 0 {}
    Ok(())
}

fn check(diff_id: &Digest, found: &Digest) -> Result<()> {
    match diff_id == found {
        true => Ok(()),
        false => Err(Error::Damaged(format!(
            "a layer is not the one that the image was made of: its diff ID is {found}, expected {diff_id}"
        ))),
    }
}
