//! Archives that become one image: a root file system, or what LXD exports, in one archive or two.

use std::collections::BTreeMap;
use std::io::{BufReader, Cursor, Read};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::system::{self, Form, Outline};
use crate::compression::Bounded;
use crate::config::{History, ImageConfig, LAYER, RootFs, RunConfig};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layer::{Packed, Source};
use crate::lxd::{self, Metadata};
use crate::members::fill;
use crate::platform::Platform;
use crate::publish::{NewImage, to_json};
use crate::reference::Reference;
use crate::squashfs;
use crate::staging::{Staged, Staging};
use crate::store::Images;

#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    pub message: Option<String>,
    /// See [`crate::archive::apply_change`].
    pub config: RunConfig,
    /// RFC 3339; `None` for the time that the archive says, or the current one.
    pub created: Option<String>,
    /// `None` for what the archive says, or this machine's.
    pub platform: Option<Platform>,
    /// LXD's properties of the image.
    pub properties: BTreeMap<String, String>,
    /// The place on a server from which it was copied.
    pub source: Option<lxd::Source>,
}

/// An image whose archives are in the staging directory, and which is not yet visible.
pub struct Received<'a> {
    images: &'a Images,
    staging: Staging,
    /// The hash of all archives, one after the other, which LXD calls the image's fingerprint.
    hash: Sha256,
    metadata: Option<Metadata>,
    root: Option<Root>,
}

struct Root {
    layer: Staged,
    /// Whether an init was found. A tar without LXD's metadata is not searched for one.
    has_init: bool,
}

/// An archive in the staging directory.
enum Archive {
    Tar(Staged),
    Squashfs(Staged),
}

impl<'a> Received<'a> {
    /// Reads an archive: the tar of a root file system, plain or compressed, a squashfs file system, an image of LXD's, or
    /// the metadata of one. With `expected`, the archive has to have this digest.
    pub fn take(images: &'a Images, stream: impl Read, expected: Option<&Digest>) -> Result<Self> {
        let staging = Staging::new(&images.layers())?;
        let mut received = Self { images, staging, hash: Sha256::new(), metadata: None, root: None };
        let tar = match received.stage(stream, expected)? {
            Archive::Squashfs(file) => {
                received.root = Some(received.squashfs(&file)?);
                return Ok(received);
            }
            Archive::Tar(tar) => tar,
        };
        match Outline::read(&tar.path)?.form()? {
            Form::Other => received.root = Some(Root { layer: tar, has_init: false }),
            Form::Metadata(metadata) => received.metadata = Some(metadata),
            Form::Unified(metadata) => {
                received.metadata = Some(metadata);
                let (layer, has_init) = system::unified_root(&received.staging, &tar.path)?;
                received.root = Some(Root { layer, has_init });
            }
        }
        Ok(received)
    }

    /// Whether only an image's metadata were read, and its root file system is still missing.
    pub fn wants_root(&self) -> bool {
        self.root.is_none()
    }

    /// Adds the other half of the image: a root file system, as a tar or squashfs.
    pub fn add_root(&mut self, stream: impl Read, expected: Option<&Digest>) -> Result<()> {
        self.root = Some(match self.stage(stream, expected)? {
            Archive::Squashfs(file) => self.squashfs(&file)?,
            Archive::Tar(layer) => Root { has_init: system::has_init(&layer.path)?, layer },
        });
        Ok(())
    }

    /// The hash of the archives, which LXD calls the image's fingerprint.
    pub fn fingerprint(&self) -> Digest {
        Digest::from_hash(&self.hash.clone().finalize().into())
    }

    /// Fails if the archives do not have this fingerprint.
    pub fn verify(&self, expected: &Digest) -> Result<()> {
        match self.fingerprint() {
            found if found == *expected => Ok(()),
            found => Err(other_digest(expected, &found)),
        }
    }

    /// Unpacks the files and makes the image visible. Returns its id.
    pub fn finish(self, names: &[Reference], options: ImportOptions) -> Result<Digest> {
        let fingerprint = self.fingerprint();
        let Self { images, staging, metadata, root, .. } = self;
        let Some(Root { layer, has_init }) = root else {
            return Err(Error::NotAnImage(
                "it is LXD's description of an image without the files, which lie in another archive".into(),
            ));
        };
        let mut config = options.config;
        if has_init && config.cmd.is_none() && config.entrypoint.is_none() {
            config.cmd = Some(vec!["/sbin/init".into()]);
        }
        let platform = match (&options.platform, &metadata) {
            (Some(platform), _) => platform.clone(),
            (None, Some(metadata)) => Platform::parse(&metadata.architecture)?,
            (None, None) => Platform::host(),
        };
        let created = options.created.or_else(|| metadata.as_ref().and_then(created)).unwrap_or_else(now);
        let config = ImageConfig {
            created: Some(created.clone()),
            author: None,
            architecture: platform.architecture,
            os: platform.os,
            variant: platform.variant,
            config: Some(config),
            rootfs: RootFs { kind: "layers".into(), diff_ids: vec![layer.digest.clone()] },
            history: vec![History { created: Some(created), comment: options.message, ..History::default() }],
            inline_cache: None,
        };
        let mut annotations = described(metadata, options.properties, &fingerprint)?;
        if let Some(source) = &options.source {
            annotations.insert(lxd::SOURCE.into(), source.to_annotation()?);
        }
        let packed = Packed {
            source: Source::Blob(&layer.path),
            diff_id: layer.digest.clone(),
            note_missing_end: true,
        };
        images.unpack(&[vec![packed]])?;
        let staged = staging.add_bytes(&to_json(&config)?)?;
        let id = staged.digest.clone();
        let layers = vec![(LAYER.into(), layer)];
        let image = NewImage::describe(&staging, staged, config, layers, names.to_vec(), annotations)?;
        images.publish(&staging, &[image])?;
        Ok(id)
    }

    /// Stores an archive. A squashfs file system is stored as it is, because it is not read from its beginning to its end.
    /// A tar is stored uncompressed, so that its digest is its diff ID.
    fn stage(&mut self, stream: impl Read, expected: Option<&Digest>) -> Result<Archive> {
        let mut stream = Fed { stream, own: Sha256::new(), all: &mut self.hash };
        let archive = store(&self.staging, &mut stream)?;
        let found = Digest::from_hash(&stream.own.finalize().into());
        match expected {
            Some(expected) if *expected != found => Err(other_digest(expected, &found)),
            _ => Ok(archive),
        }
    }

    fn squashfs(&self, file: &Staged) -> Result<Root> {
        let (layer, has_init) = system::squashfs_root(&self.staging, &file.path)?;
        Ok(Root { layer, has_init })
    }
}

/// Stores all of a stream.
fn store(staging: &Staging, stream: &mut impl Read) -> Result<Archive> {
    let mut start = [0; 4];
    let length = fill(stream, &mut start)?;
    let mut whole = Cursor::new(start).take(length as u64).chain(stream);
    if start == squashfs::MAGIC {
        return Ok(Archive::Squashfs(staging.add_all(&mut whole)?));
    }
    let tar = staging.add_all(&mut Bounded::new(BufReader::with_capacity(BUFFER, &mut whole))?)?;
    // Bytes after the end of a compressed stream belong to the fingerprint, too.
    drain(&mut whole)?;
    Ok(Archive::Tar(tar))
}

fn other_digest(expected: &Digest, found: &Digest) -> Error {
    Error::Damaged(format!("it has the checksum {found}, and not {expected}"))
}

const BUFFER: usize = 128 * 1024;

/// A reader that hashes what it reads.
struct Fed<'a, R> {
    stream: R,
    own: Sha256,
    all: &'a mut Sha256,
}

impl<R: Read> Read for Fed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.stream.read(buffer)?;
        self.own.update(&buffer[..length]);
        self.all.update(&buffer[..length]);
        Ok(length)
    }
}

fn drain(stream: &mut impl Read) -> Result<()> {
    let mut buffer = vec![0; BUFFER];
    while crate::members::read(stream, &mut buffer)? > 0 {}
    Ok(())
}

pub(crate) fn now() -> String {
    humantime::format_rfc3339_nanos(SystemTime::now()).to_string()
}

/// The metadata's time of creation, in RFC 3339. `None` if they have none.
fn created(metadata: &Metadata) -> Option<String> {
    let seconds =
        u64::try_from(metadata.creation_date).ok().filter(|seconds| (1..YEAR_9999).contains(seconds))?;
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    Some(humantime::format_rfc3339_seconds(time).to_string())
}

/// The last second that RFC 3339 can express.
const YEAR_9999: u64 = 253_402_300_799;

/// The annotations of the image. The caller's properties override those of the archive.
fn described(
    metadata: Option<Metadata>,
    properties: BTreeMap<String, String>,
    fingerprint: &Digest,
) -> Result<BTreeMap<String, String>> {
    let is_lxds = metadata.is_some() || !properties.is_empty();
    let mut metadata = metadata.unwrap_or_default();
    metadata.properties.extend(properties);
    let mut annotations = lxd::to_annotations(&metadata)?;
    if is_lxds {
        annotations.insert(lxd::FINGERPRINT.into(), fingerprint.hex().to_owned());
    }
    Ok(annotations)
}
