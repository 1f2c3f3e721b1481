//! Manifests: distribution-spec, "Pulling manifests", "Pushing Manifests", "Deleting Manifests".

use serde::Deserialize;

use super::client::{Call, Client};
use super::http::Payload;
use crate::config::{DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST};
use crate::digest::Digest;
use crate::error::Result;

/// The limit of docker's registry. Manifests have kilobytes.
const LIMIT: u64 = 4 << 20;

/// A manifest or index with its media type.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    pub bytes: Vec<u8>,
    pub media_type: String,
    pub digest: Digest,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Kind {
    media_type: String,
    schema_version: u32,
    manifests: Option<serde::de::IgnoredAny>,
}

impl Client<'_> {
    pub(super) fn pull_scope(&self) -> String {
        format!("repository:{}:pull", self.endpoint.repository)
    }

    pub(super) fn push_scope(&self) -> String {
        format!("repository:{}:pull,push", self.endpoint.repository)
    }

    fn manifest_path(&self, reference: &str) -> String {
        format!("/v2/{}/manifests/{reference}", self.endpoint.repository)
    }

    /// The digest of a tag, if the registry tells it without sending the manifest.
    pub(crate) fn manifest_digest(&self, tag: &str) -> Result<Option<Digest>> {
        let call = accepting(Call::new("HEAD", self.manifest_path(tag), self.pull_scope()));
        let response = self.send(&call)?;
        let said = response.header("docker-content-digest").filter(|_| response.status == 200);
        Ok(said.and_then(|digest| Digest::parse(digest).ok()))
    }

    /// Fetches a manifest by tag or digest. A digest is verified.
    pub(crate) fn manifest(&self, reference: &str) -> Result<Fetched> {
        let call = accepting(Call::new("GET", self.manifest_path(reference), self.pull_scope()));
        let what = format!("{}: {reference}", self.endpoint.repository);
        let mut response = self.expect(&call, &[200], &what)?;
        let said = response.header("content-type").unwrap_or_default();
        let said = said.split(';').next().unwrap_or_default().trim().to_owned();
        let bytes = response.bytes(LIMIT).map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => {
                self.wrong(format!("the manifest of {what} is larger than {} MiB", LIMIT >> 20))
            }
            error => self.wrong(format!("the manifest of {what} is cut short: {error}")),
        })?;
        let digest = Digest::of(&bytes);
        if let Ok(asked) = Digest::parse(reference)
            && asked != digest
        {
            return Err(self.wrong(format!("asked for the manifest {asked}, it sent {digest}")));
        }
        let media_type = self.kind(&bytes, &said, &what)?;
        Ok(Fetched { bytes, media_type, digest })
    }

    /// The media type. The one in the document takes precedence over the server's.
    fn kind(&self, bytes: &[u8], said: &str, what: &str) -> Result<String> {
        let kind: Kind = serde_json::from_slice(bytes)
            .map_err(|error| self.wrong(format!("the manifest of {what} is not JSON: {error}")))?;
        let known = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
        let said = [kind.media_type.as_str(), said].into_iter().find(|said| known.contains(said));
        match said {
            _ if kind.schema_version == 1 => Err(self.wrong(format!(
                "{what} has a manifest of docker's schema 1, which nobody has written since 2017; push it again"
            ))),
            Some(said) => Ok(said.to_owned()),
            None if kind.manifests.is_some() => Ok(INDEX.into()),
            None => Ok(MANIFEST.into()),
        }
    }

    /// Uploads a manifest under a tag or its digest.
    pub(crate) fn put_manifest(&self, reference: &str, media_type: &str, bytes: &[u8]) -> Result<()> {
        let mut call = Call::new("PUT", self.manifest_path(reference), self.push_scope())
            .header("content-type", media_type);
        call.payload = Payload::Bytes(bytes);
        self.expect(&call, &[201, 200, 202], &format!("{} is not taken", self.endpoint.repository)).map(drop)
    }

    /// Deletes a manifest, and with it all of its tags, from the registry.
    pub(crate) fn delete_manifest(&self, digest: &Digest) -> Result<()> {
        let scope = format!("repository:{}:pull,push,delete", self.endpoint.repository);
        let call = Call::new("DELETE", self.manifest_path(&digest.to_string()), &scope);
        self.expect(&call, &[202, 200, 204], &format!("{digest} cannot be deleted")).map(drop)
    }
}

fn accepting(call: Call<'_>) -> Call<'_> {
    call.header("accept", [INDEX, MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST, "*/*;q=0.1"].join(", "))
}
