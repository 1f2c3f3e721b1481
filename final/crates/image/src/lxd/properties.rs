//! Shows what LXD knows of an image, and changes it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::annotations::{Described, FINGERPRINT, set_properties, source, to_metadata};
use crate::catalog::Line;
use crate::config::{INDEX_DIGEST, ImageConfig, ORIGIN};
use crate::error::{Error, IoContext, Result};
use crate::publish::to_json;
use crate::reference::Reference;
use crate::staging::Staging;
use crate::store::Images;

impl Images {
    /// An image as LXD describes it.
    pub fn described(&self, name: &str) -> Result<Described> {
        let entry = self.find(name)?;
        let (manifest, config) = self.documents(&entry)?;
        let names = self.entries_of(&manifest.config.digest)?;
        let names = names.iter().filter_map(|entry| Reference::parse(entry.name()?).ok());
        Ok(Described {
            aliases: names.filter(|name| name.digest().is_none()).map(|name| name.familiar()).collect(),
            metadata: to_metadata(&manifest.annotations, &config)?,
            fingerprint: manifest.annotations.get(FINGERPRINT).cloned(),
            source: source(&manifest.annotations)?,
            size: self.unpacked_size(&entry, &config)?,
            id: manifest.config.digest,
        })
    }

    /// The image that was made of archives with this hash, if there is one.
    pub fn with_fingerprint(&self, fingerprint: &str) -> Result<Option<crate::Digest>> {
        for line in self.catalog()?.lines() {
            // A damaged image cannot be used, so it is passed over.
            let Ok((manifest, _)) = line.entry().and_then(|entry| self.documents(&entry)) else { continue };
            if manifest.annotations.get(FINGERPRINT).is_some_and(|own| own == fingerprint) {
                return Ok(Some(manifest.config.digest));
            }
        }
        Ok(None)
    }

    /// Changes an image's properties.
    pub fn change_properties(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<()>,
    ) -> Result<()> {
        self.annotate(name, |annotations, config| {
            let mut properties = to_metadata(annotations, config)?.properties;
            change(&mut properties)?;
            set_properties(annotations, &properties);
            Ok(())
        })
    }

    /// Changes the annotations of an image's manifest. The image keeps its id, which is the digest of its configuration. A
    /// name with a digest still stands for the unchanged manifest.
    fn annotate(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>, &ImageConfig) -> Result<()>,
    ) -> Result<()> {
        let staging = Staging::new(&self.layers())?;
        // From here on no other command can change entries, so none of two changes at the same time is lost.
        let mut catalog = self.change()?;
        let entry = match catalog.catalog.find(name) {
            Some(line) => line.entry()?,
            None => {
                return Err(Error::NoSuchImage { name: name.into(), nearest: catalog.catalog.nearest(name) });
            }
        };
        let (_, config) = self.documents(&entry)?;
        let mut manifest: Value = self.read_json(&entry.digest)?;
        let whole = manifest.as_object_mut();
        let whole = whole.ok_or_else(|| Error::NotAnImage("its manifest is a list".into()))?;
        let annotations = whole.remove("annotations").unwrap_or_default();
        let annotations: Option<BTreeMap<String, String>> = serde_json::from_value(annotations)
            .map_err(|source| Error::Json { path: "the image's annotations".into(), source })?;
        let mut annotations = annotations.unwrap_or_default();
        change(&mut annotations, &config)?;
        if !annotations.is_empty() {
            whole.insert("annotations".into(), annotations.into_iter().collect());
        }
        let staged = staging.add_bytes(&to_json(&manifest)?)?;
        if staged.digest == entry.digest {
            return Ok(());
        }
        crate::publish::sync(&staging)?;
        let path = self.blob_path(&staged.digest);
        std::fs::rename(&staged.path, &path).context(|| format!("store {}", path.display()))?;
        let changes = |line: &Line| {
            let by_digest = line.name().is_some_and(|name| name.contains('@'));
            line.digest() == entry.digest.to_string() && !by_digest
        };
        catalog.catalog.replace(changes, |descriptor| {
            descriptor.digest = staged.digest.clone();
            descriptor.size = staged.size;
            // No registry has this manifest, and no index names it.
            descriptor.annotations.retain(|key, _| key != ORIGIN && key != INDEX_DIGEST);
        })?;
        catalog.finish()
    }
}
