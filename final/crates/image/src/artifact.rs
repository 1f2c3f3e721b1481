//! Documents and blobs in a repository of a registry that are no image: what a builder keeps there.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::config::Descriptor;
use crate::error::{IoContext, Result};
use crate::reference::Reference;
use crate::registry::{Access, Client, Fetch, Upload};

/// A repository, and the tag or digest that is meant in it.
#[derive(Debug)]
pub struct Repository<'a> {
    client: Client<'a>,
    wanted: String,
}

/// A manifest or an index.
#[derive(Debug, Clone)]
pub struct Document {
    pub descriptor: Descriptor,
    pub bytes: Vec<u8>,
}

/// What a blob is sent from.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    File(&'a Path),
    Memory(&'a [u8]),
}

impl<'a> Repository<'a> {
    pub fn open(access: &'a Access, reference: &Reference) -> Result<Self> {
        let endpoint = access.settings().endpoint(reference)?;
        Ok(Self { client: Client::new(access, endpoint), wanted: reference.wanted().to_string() })
    }

    /// The manifest or index that the reference stands for.
    pub fn top(&self) -> Result<Document> {
        self.manifest(&self.wanted)
    }

    /// A manifest or index by tag or digest. A digest is verified.
    pub fn manifest(&self, wanted: &str) -> Result<Document> {
        let fetched = self.client.manifest(wanted)?;
        let size = fetched.bytes.len() as u64;
        let descriptor = Descriptor::new(&fetched.media_type, fetched.digest, size);
        Ok(Document { descriptor, bytes: fetched.bytes })
    }

    /// A blob of at most 4 MiB, verified.
    pub fn small_blob(&self, wanted: &Descriptor) -> Result<Vec<u8>> {
        self.client.document(wanted)
    }

    /// Downloads a blob into an empty file that is open for reading and writing, and verifies it.
    pub fn download(&self, wanted: &Descriptor, file: File) -> Result<()> {
        let mut fetch = Fetch::new(&self.client, wanted, file)?;
        let mut buffer = vec![0; 128 * 1024];
        while crate::members::read(&mut fetch, &mut buffer)? > 0 {}
        Ok(())
    }

    /// Uploads a blob unless the repository has it.
    pub fn send(&self, blob: &Descriptor, content: Content<'_>) -> Result<()> {
        if self.client.has_blob(&blob.digest)? {
            return Ok(());
        }
        let Upload::At(location) = self.client.begin(&blob.digest, None)? else { return Ok(()) };
        let open = |from: u64| -> Result<Box<dyn Read + '_>> {
            match content {
                Content::Memory(bytes) => Ok(Box::new(&bytes[(from as usize).min(bytes.len())..])),
                Content::File(path) => {
                    let mut file = File::open(path).context(|| format!("open {}", path.display()))?;
                    file.seek(SeekFrom::Start(from)).context(|| format!("read {}", path.display()))?;
                    Ok(Box::new(file))
                }
            }
        };
        self.client.upload(location, &blob.digest, blob.size, &open)
    }

    /// Puts a manifest or an index under the tag or digest of the reference.
    pub fn put(&self, media_type: &str, bytes: &[u8]) -> Result<()> {
        self.client.put_manifest(&self.wanted, media_type, bytes)
    }
}
