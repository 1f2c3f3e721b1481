//! `pull`: downloads an image and unpacks it in the same pass, so that each byte is read once.

pub(crate) mod choose;
mod downloads;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::config::{Descriptor, ImageConfig, Manifest};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layer::{Packed, Source, Stream, verify};
use crate::platform::Platform;
use crate::progress::{Progress, Step};
use crate::publish::{Measured, NewImage};
use crate::reference::Reference;
use crate::registry::{Access, Client, Fetch, Fetched};
use crate::staging::Staging;
use crate::store::{Images, chain_ids};
use choose::Chosen;
use downloads::Downloads;

/// The limit of overlayfs (fs/overlayfs, OVL_MAX_STACK). docker's is 127.
const LAYERS: usize = 500;

pub struct PullOptions<'a> {
    /// `None` for this machine's.
    pub platform: Option<Platform>,
    pub progress: &'a dyn Progress,
}

#[derive(Debug, Clone)]
pub struct Pulled {
    pub reference: Reference,
    /// The digest in the registry: that of the index, if there is one.
    pub digest: Digest,
    pub id: Digest,
    /// Whether anything was downloaded.
    pub new: bool,
}

/// Pulls the first of the candidates that a registry has.
pub fn pull(
    images: &Images,
    access: &Access,
    candidates: &[Reference],
    options: &PullOptions<'_>,
) -> Result<Pulled> {
    access.first(candidates, options.progress, |client, reference| {
        pull_from(images, client, reference, options)
    })
}

fn pull_from(
    images: &Images,
    client: &Client<'_>,
    reference: &Reference,
    options: &PullOptions<'_>,
) -> Result<Pulled> {
    let wanted = options.platform.clone().unwrap_or_else(Platform::host);
    if let Some((digest, id)) = up_to_date(images, client, reference, &wanted)? {
        options.progress.found(reference, &[]);
        return Ok(Pulled { reference: reference.clone(), digest, id, new: false });
    }
    let top = client.manifest(&reference.wanted())?;
    let chosen = choose::choose(client, &top, &wanted, options.platform.is_none())?;
    let config = client.document(&chosen.manifest.config)?;
    let parsed: ImageConfig = serde_json::from_slice(&config).map_err(|error| {
        client.wrong(format!("the configuration of {} is invalid: {error}", reference.familiar()))
    })?;
    check(client, &chosen.manifest, &parsed)?;
    let image = Image { reference, top: &top, chosen: &chosen, config: &config, parsed: &parsed };
    let id = image.store(images, client, options.progress)?;
    Ok(Pulled { reference: reference.clone(), digest: top.digest, id, new: true })
}

/// The digest and id of the image in the store, if the registry has the same.
fn up_to_date(
    images: &Images,
    client: &Client<'_>,
    reference: &Reference,
    wanted: &Platform,
) -> Result<Option<(Digest, Digest)>> {
    let Some(entry) = images.named(&reference.local())? else { return Ok(None) };
    // An incomplete image is pulled again.
    let Ok((manifest, config)) = images.documents(&entry) else { return Ok(None) };
    if !images.is_whole(&manifest) {
        return Ok(None);
    }
    let digest = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => Some(digest.clone()),
        (None, Some(tag)) => client.manifest_digest(tag)?,
        (None, None) => None,
    };
    let Some(digest) = digest else { return Ok(None) };
    let from_index = entry.origin_digests().contains(&digest) && wanted.suits(&config.platform()).is_some();
    Ok((entry.digest == digest || from_index).then_some((digest, manifest.config.digest)))
}

/// Refuses images that cannot be used, before layers are downloaded.
fn check(client: &Client<'_>, manifest: &Manifest, config: &ImageConfig) -> Result<()> {
    let (layers, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
    if layers > LAYERS {
        return Err(client.wrong(format!("the image has {layers} layers, and {LAYERS} can be stacked")));
    }
    if layers != diff_ids {
        return Err(client.wrong(format!("the image has {layers} layers and {diff_ids} diff IDs")));
    }
    if !matches!(config.os.as_str(), "linux" | "") {
        let host = Platform::host().to_string();
        return Err(Error::OtherPlatform { offered: vec![config.platform().to_string()], host });
    }
    Ok(())
}

/// Everything that is known of an image before its layers are downloaded.
struct Image<'a> {
    reference: &'a Reference,
    top: &'a Fetched,
    chosen: &'a Chosen,
    config: &'a [u8],
    parsed: &'a ImageConfig,
}

impl Image<'_> {
    fn layers(&self) -> &[Descriptor] {
        &self.chosen.manifest.layers
    }

    /// Downloads and unpacks missing layers, and makes the image visible.
    fn store(&self, images: &Images, client: &Client<'_>, progress: &dyn Progress) -> Result<Digest> {
        let mut downloads = Downloads::new(images)?;
        // Blobs that the store has are held, so that garbage collection does not remove them before the image is
        // published.
        let mut held: HashMap<Digest, File> = HashMap::new();
        let mut missing = still_missing(images, self.layers().iter().collect(), &mut held)?;
        progress.found(self.reference, &missing);
        downloads.claim(&missing, |digest| progress.layer(digest, Step::Waiting))?;
        // Other commands may have stored some of them meanwhile.
        missing = still_missing(images, missing, &mut held)?;
        held.keys().for_each(|digest| downloads.release(digest));
        downloads.check_room(&missing)?;
        let held_layers = images.hold_layers(self.parsed)?;
        self.unpack(images, client, &downloads, progress)?;
        let staging = Staging::new(&images.layers())?;
        let mut layers = Vec::new();
        for layer in self.layers().iter().filter(|layer| downloads.has(&layer.digest)) {
            downloads.finish(&layer.digest)?;
            layers.push(downloads.staged(layer));
        }
        let image = NewImage {
            manifest: staging.add_bytes(&self.chosen.fetched.bytes)?,
            media_type: self.chosen.fetched.media_type.clone(),
            config: staging.add_bytes(self.config)?,
            parsed: self.parsed.clone(),
            layers,
            names: vec![self.reference.local()],
            index: None,
            documents: vec![],
            linked: vec![],
            origin: Some(self.reference.by_digest(&self.top.digest)),
            measured: Measured::default(),
        };
        let id = image.config.digest.clone();
        images.publish(&staging, &[image])?;
        drop((held, held_layers));
        Ok(id)
    }

    fn unpack(
        &self,
        images: &Images,
        client: &Client<'_>,
        downloads: &Downloads,
        progress: &dyn Progress,
    ) -> Result<()> {
        let blobs: Vec<PathBuf> = self.layers().iter().map(|layer| images.blob_path(&layer.digest)).collect();
        let remotes: Vec<Remote<'_>> =
            self.layers().iter().map(|wanted| Remote { client, wanted, downloads, progress }).collect();
        let chain = chain_ids(self.parsed);
        let mut packed = Vec::new();
        for (at, layer) in self.layers().iter().enumerate() {
            let fetched = downloads.has(&layer.digest);
            let one = Packed {
                source: if fetched { Source::Stream(&remotes[at]) } else { Source::Blob(&blobs[at]) },
                diff_id: self.parsed.rootfs.diff_ids[at].clone(),
                note_missing_end: false,
            };
            let unpacked = images.layers().has(chain[at].hex());
            let twice = self.layers()[..at].iter().any(|other| other.digest == layer.digest);
            match (fetched, unpacked) {
                (false, true) => progress.layer(&layer.digest, Step::Exists),
                // The layer was unpacked from another blob, so this blob has to be verified.
                (true, true) if !twice => {
                    verify(&one)?;
                    progress.layer(&layer.digest, Step::Done);
                }
                _ => {}
            }
            packed.push(one);
        }
        images.unpack(&[packed])
    }
}

/// Returns the blobs that the store does not have, and holds those that it has.
fn still_missing<'a>(
    images: &Images,
    wanted: Vec<&'a Descriptor>,
    held: &mut HashMap<Digest, File>,
) -> Result<Vec<&'a Descriptor>> {
    let mut missing = Vec::new();
    for blob in wanted {
        match images.hold_blob(&blob.digest)? {
            Some(file) => drop(held.insert(blob.digest.clone(), file)),
            None => missing.push(blob),
        }
    }
    Ok(missing)
}

/// A layer in the registry.
struct Remote<'a> {
    client: &'a Client<'a>,
    wanted: &'a Descriptor,
    downloads: &'a Downloads,
    progress: &'a dyn Progress,
}

impl Stream for Remote<'_> {
    fn open<'a>(&'a self, cancelled: &'a AtomicBool) -> Result<Box<dyn Read + Send + 'a>> {
        let file = self.downloads.open(&self.wanted.digest)?;
        let total = self.wanted.size;
        let report = move |done| self.progress.layer(&self.wanted.digest, Step::Moving { done, total });
        Ok(Box::new(Fetch::new(self.client, self.wanted, file)?.watched(cancelled, report)))
    }

    fn done(&self) {
        self.progress.layer(&self.wanted.digest, Step::Done);
    }
}
