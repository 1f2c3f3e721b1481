//! `push`: uploads an image to a registry, except the blobs that the registry has.

mod compress;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::catalog::Line;
use crate::config::{Descriptor, Index, Manifest};
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::progress::{Progress, Step};
use crate::reference::Reference;
use crate::registry::{Access, Client, Upload};
use crate::store::Images;

/// How many blobs are uploaded at the same time.
const CONNECTIONS: usize = 3;

#[derive(Debug, Clone)]
pub struct Pushed {
    pub digest: Digest,
    /// Bytes of the manifest.
    pub size: u64,
}

/// Pushes the image `name` as `target`, or all images of the index that the name stands for. Layers that are plain tars
/// are first compressed in the store too, so that the registry and the store have the same digest.
pub fn push(
    images: &Images,
    access: &Access,
    name: &str,
    target: &Reference,
    progress: &dyn Progress,
) -> Result<Pushed> {
    push_entry(images, access, &compress::compressed(images, images.find(name)?)?, target, progress)
}

/// Pushes an image as it is in the store, with the layers as they are.
pub fn push_as_it_is(
    images: &Images,
    access: &Access,
    name: &str,
    target: &Reference,
    progress: &dyn Progress,
) -> Result<Pushed> {
    push_entry(images, access, &images.find(name)?, target, progress)
}

fn push_entry(
    images: &Images,
    access: &Access,
    entry: &Descriptor,
    target: &Reference,
    progress: &dyn Progress,
) -> Result<Pushed> {
    let client = Client::new(access, access.settings().endpoint(target)?);
    let sources = sources(images, target)?;
    let own = layers(images, entry)?;
    progress.found(target, &own.iter().collect::<Vec<_>>());
    let top = match entry.index_digest() {
        None => {
            send_blobs(images, &client, entry, &sources, progress)?;
            entry.clone()
        }
        Some(digest) => {
            let index: Index = images.read_json(&digest)?;
            for manifest in &index.manifests {
                send_blobs(images, &client, manifest, &sources, progress)?;
                put_manifest(images, &client, &manifest.digest.to_string(), manifest)?;
            }
            Descriptor::new(&index.media_type, digest, 0)
        }
    };
    let size = put_manifest(images, &client, &target.wanted(), &top)?;
    remember(images, entry, target, &top.digest)?;
    Ok(Pushed { digest: top.digest, size })
}

/// The layers of an image, or of all images of an index.
fn layers(images: &Images, entry: &Descriptor) -> Result<Vec<Descriptor>> {
    let manifests = match entry.index_digest() {
        None => vec![entry.clone()],
        Some(digest) => images.read_json::<Index>(&digest)?.manifests,
    };
    let mut layers: Vec<Descriptor> = Vec::new();
    for manifest in manifests {
        let own = images.read_json::<Manifest>(&manifest.digest)?.layers;
        layers.extend(own.into_iter().filter(|layer| !layers.contains(layer)).collect::<Vec<_>>());
    }
    Ok(layers)
}

/// Sends the layers and the configuration of one image.
fn send_blobs(
    images: &Images,
    client: &Client<'_>,
    entry: &Descriptor,
    sources: &[Mountable],
    progress: &dyn Progress,
) -> Result<()> {
    let manifest: Manifest = images.read_json(&entry.digest)?;
    let held = manifest.layers.iter().chain([&manifest.config]).map(|blob| images.hold_blob(&blob.digest));
    let held: Vec<Option<File>> = held.collect::<Result<_>>()?;
    send_all(&manifest.layers, |blob| {
        let source = sources.iter().find(|source| source.blobs.contains(&blob.digest));
        let from = source.map(|source| source.repository.as_str());
        send(images, client, blob, from, progress)
    })?;
    let silent = &crate::progress::Silent;
    send(images, client, &manifest.config, None, silent)?;
    drop(held);
    Ok(())
}

/// Sends a manifest or an index under a tag or its digest. Returns its size.
fn put_manifest(images: &Images, client: &Client<'_>, wanted: &str, entry: &Descriptor) -> Result<u64> {
    let bytes = std::fs::read(images.blob_path(&entry.digest));
    let bytes = bytes.context(|| format!("read the manifest {}", entry.digest))?;
    client.put_manifest(wanted, &entry.media_type, &bytes)?;
    Ok(bytes.len() as u64)
}

/// A repository of the same registry, and the blobs that it is known to have.
struct Mountable {
    repository: String,
    blobs: Vec<Digest>,
}

fn sources(images: &Images, target: &Reference) -> Result<Vec<Mountable>> {
    let mut sources = Vec::new();
    for entry in images.catalog()?.lines().map(Line::entry) {
        let entry = entry?;
        for origin in entry.origins().iter().filter_map(|origin| Reference::parse(origin).ok()) {
            if origin.registry() == target.registry() && origin.path() != target.path() {
                // A damaged image has no layers to offer.
                let Ok(manifest) = images.read_json::<Manifest>(&entry.digest) else { continue };
                let blobs = manifest.layers.into_iter().map(|layer| layer.digest).collect();
                sources.push(Mountable { repository: origin.path().to_owned(), blobs });
            }
        }
    }
    Ok(sources)
}

/// Uploads several blobs at the same time. The first failure stops the others.
fn send_all(blobs: &[Descriptor], send: impl Fn(&Descriptor) -> Result<()> + Sync) -> Result<()> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || -> Result<()> {
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(blob) = blobs.get(at) else { return Ok(()) };
            // An image may have the same layer twice.
            if blobs[..at].iter().all(|other| other.digest != blob.digest) {
                send(blob).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS.min(blobs.len())).map(|_| scope.spawn(work)).collect();
        let outcomes = threads.into_iter().map(|thread| thread.join());
        let outcomes = outcomes.map(|joined| joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        outcomes.fold(Ok(()), Result::and)
    })
}

fn send(
    images: &Images,
    client: &Client<'_>,
    blob: &Descriptor,
    from: Option<&str>,
    progress: &dyn Progress,
) -> Result<()> {
    let Descriptor { digest, size, .. } = blob;
    if client.has_blob(digest)? {
        progress.layer(digest, Step::Exists);
        return Ok(());
    }
    let path = images.blob_path(digest);
    if std::fs::metadata(&path).map_or(0, |file| file.len()) != *size {
        return Err(Error::Damaged(format!("the blob {digest} of this store is not what it was")));
    }
    match client.begin(digest, from)? {
        Upload::Mounted => progress.mounted(digest, from.unwrap_or_default()),
        Upload::At(location) => {
            let sent = AtomicU64::new(0);
            let open = |from: u64| -> Result<Box<dyn Read + '_>> {
                let mut file = File::open(&path).context(|| format!("open {}", path.display()))?;
                file.seek(SeekFrom::Start(from)).context(|| format!("read {}", path.display()))?;
                sent.store(from, Ordering::Relaxed);
                Ok(Box::new(Watched { file, blob, sent: &sent, progress }))
            };
            progress.layer(digest, Step::Moving { done: 0, total: *size });
            client.upload(location, digest, *size, &open)?;
            progress.layer(digest, Step::Done);
        }
    }
    Ok(())
}

struct Watched<'a> {
    file: File,
    blob: &'a Descriptor,
    sent: &'a AtomicU64,
    progress: &'a dyn Progress,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.file.read(buffer)?;
        let done = self.sent.fetch_add(length as u64, Ordering::Relaxed) + length as u64;
        self.progress.layer(&self.blob.digest, Step::Moving { done, total: self.blob.size });
        Ok(length)
    }
}

/// Records that the registry has the image: `inspect` shows the digest, and another push may mount blobs from there.
fn remember(images: &Images, pushed: &Descriptor, target: &Reference, digest: &Digest) -> Result<()> {
    let origin = target.by_digest(digest).canonical();
    images.change_catalog(|catalog| {
        catalog.update(&pushed.digest.to_string(), |entry| entry.add_origin(origin.clone()))
    })
}
