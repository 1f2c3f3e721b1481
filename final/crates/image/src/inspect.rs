//! `inspect` of an image, in the layout of docker's API.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::config::{Descriptor, History, ImageConfig};
use crate::error::Result;
use crate::reference::Reference;
use crate::store::{Images, chain_ids};

/// What Go writes for a time that was never set.
pub(crate) const NEVER: &str = "0001-01-01T00:00:00Z";

impl Images {
    /// All that is known of an image.
    pub fn inspect(&self, name: &str) -> Result<Value> {
        let entry = self.find(name)?;
        let (manifest, config) = self.documents(&entry)?;
        let id = manifest.config.digest;
        let entries = self.entries_of(&id)?;
        let references: Vec<Reference> =
            entries.iter().filter_map(|entry| Reference::parse(entry.name()?).ok()).collect();
        let by_tag = references.iter().filter(|reference| reference.digest().is_none());
        let origins =
            entries.iter().flat_map(Descriptor::origins).filter_map(|origin| Reference::parse(&origin).ok());
        let by_digest = origins.chain(references.iter().filter(|name| name.digest().is_some()).cloned());
        let by_digest: BTreeSet<String> = by_digest
            .filter_map(|name| Some(format!("{}@{}", name.familiar_repository(), name.digest()?)))
            .collect();
        // As it was written: with what this program does not know of, a health check for one.
        let raw: Value = self.read_json(&id)?;
        let comment = config.history.last().and_then(|History { comment, .. }| comment.clone());
        let mut inspected = json!({
            "Id": id,
            "RepoTags": by_tag.map(Reference::familiar).collect::<Vec<_>>(),
            "RepoDigests": by_digest,
            "Parent": "",
            "Comment": comment.unwrap_or_default(),
            "Created": config.created.as_deref().unwrap_or(NEVER),
            "DockerVersion": "",
            "Author": config.author.as_deref().unwrap_or_default(),
            "Config": run_config(raw.get("config")),
            "Architecture": config.architecture,
            "Os": config.os,
            "Size": self.unpacked_size(&entry, &config)?,
            "GraphDriver": self.graph_driver(&config),
            "RootFS": { "Type": "layers", "Layers": config.rootfs.diff_ids },
            "Metadata": { "LastTagTime": NEVER },
            "Descriptor": { "mediaType": entry.media_type, "digest": entry.digest, "size": entry.size },
        });
        if let Some(variant) = config.variant {
            inspected["Variant"] = variant.into();
        }
        Ok(inspected)
    }

    /// Where the layers are: highest first below it, as overlay's `lowerdir` has them. `MergedDir` and `WorkDir` are
    /// where a mount of the image alone would be: scripts ask for all four of docker's keys.
    fn graph_driver(&self, config: &ImageConfig) -> Value {
        let layers = self.layers();
        let mut paths = chain_ids(config).into_iter().rev().map(|id| layers.path(id.hex()));
        let mut data = Map::new();
        if let Some(upper) = paths.next() {
            for (key, name) in [("MergedDir", "merged"), ("WorkDir", "work")] {
                data.insert(key.into(), upper.with_file_name(name).display().to_string().into());
            }
            data.insert("UpperDir".into(), upper.display().to_string().into());
        }
        let lower = paths.map(|path| path.display().to_string()).collect::<Vec<_>>().join(":");
        if !lower.is_empty() {
            data.insert("LowerDir".into(), lower.into());
        }
        json!({ "Name": "overlay2", "Data": data })
    }
}

/// With the fields that scripts ask for, whether the image sets them or not.
pub(crate) fn run_config(raw: Option<&Value>) -> Value {
    let mut config = json!({
        "User": "",
        "Env": null,
        "Cmd": null,
        "Volumes": null,
        "WorkingDir": "",
        "Entrypoint": null,
        "OnBuild": null,
        "Labels": null,
    });
    if let (Some(config), Some(Value::Object(raw))) = (config.as_object_mut(), raw) {
        config.extend(raw.clone());
    }
    config
}
