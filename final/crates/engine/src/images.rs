//! Describing images, pulling them for containers, and removing those that no container uses.
//!
//! ```text
//! pull      when a container's image is pulled         events  what the events of an image say
//! list      which images fit filters
//! transfer  names, archives and registries, with the events of each
//! system    LXD's archives, properties and aliases    remotes  servers of LXD's images
//! ```

mod events;
mod list;
mod pull;
mod remotes;
mod system;
mod transfer;

use std::collections::{BTreeMap, HashMap};

use hull_docker::wire::config::ImageConfig;
use hull_docker::wire::image::{self, Descriptor, Metadata, RootFs};
use hull_docker::wire::{GraphDriver, NEVER};
use hull_image::ImageDetails;
use hull_image::remove::{PrunedImages, Removed};

use events::ImageOfEvent;
pub use list::retain_names;
pub use pull::{Pull, PullPolicy};
pub use remotes::{LOCAL, Remote, Remotes};

use crate::engine::Engine;
use crate::error::Result;
use crate::events::{Event, emit_all};

impl Engine {
    pub fn inspect_image(&self, name: &str) -> Result<image::Image> {
        let details = self.images().inspect(name)?;
        let config = image_config(name, details.run_config.as_deref())?;
        let graph_driver = graph_driver(&details);
        let ImageDetails { config: document, manifest, .. } = details;
        Ok(image::Image {
            id: details.id.to_string(),
            repo_tags: details.tags,
            repo_digests: details.digests.into_iter().collect(),
            comment: document
                .history
                .into_iter()
                .next_back()
                .and_then(|last| last.comment)
                .unwrap_or_default(),
            created: document.created.unwrap_or_else(|| NEVER.into()),
            author: document.author.unwrap_or_default(),
            architecture: document.architecture,
            variant: document.variant,
            os: document.os,
            size: details.size,
            graph_driver,
            root_fs: RootFs {
                kind: "layers".into(),
                layers: document.rootfs.diff_ids.iter().map(ToString::to_string).collect(),
            },
            metadata: Metadata { last_tag_time: NEVER.into() },
            descriptor: Descriptor {
                media_type: manifest.media_type,
                digest: manifest.digest.to_string(),
                size: manifest.size,
            },
            config,
            ..image::Image::default()
        })
    }

    /// Removes names, and an image with its last name, unless a container uses it. With `force` an image that a
    /// container uses only loses its names. Returns one result for each name.
    pub fn remove_images(
        &self,
        names: &[String],
        force: bool,
    ) -> Result<Vec<hull_image::Result<Vec<Removed>>>> {
        let _lock = self.lock_unused()?;
        let users = self.users_of_images()?;
        let used_by = |id: &hull_image::Digest| users.get(&id.to_string()).cloned();
        let known: Vec<_> = names.iter().map(|name| ImageOfEvent::find(self, name)).collect();
        let removed = self.images().remove(names, force, &used_by)?;
        self.remove_lost_pool_images()?;
        let pairs = known.iter().zip(&removed).filter_map(|(image, removed)| {
            let image = image.as_ref()?;
            Some(removed.as_ref().ok()?.iter().map(|one| image.removal(one)))
        });
        emit_all(self, pairs.flatten());
        Ok(removed)
    }

    /// Removes images without a name, or with `all` every image that no container uses, if they fit.
    pub fn prune_images(
        &self,
        all: bool,
        fits: &dyn Fn(&hull_image::Digest) -> bool,
    ) -> Result<PrunedImages> {
        let _lock = self.lock_unused()?;
        let users = self.users_of_images()?;
        let in_use = |id: &hull_image::Digest| users.contains_key(&id.to_string());
        let listed = self.images().list()?;
        let pruned = self.images().prune(all, &|id| in_use(id) || !fits(id))?;
        self.remove_lost_pool_images()?;
        let gone = listed.iter().filter(|image| pruned.has_deleted(&image.id.to_string()));
        emit_all(self, gone.flat_map(events::of_pruned).chain([Event::prune("image", pruned.bytes)]));
        Ok(pruned)
    }

    /// For the id of each image in use, the name of a container that uses it.
    fn users_of_images(&self) -> Result<HashMap<String, String>> {
        let mut users = HashMap::new();
        for container in self.list()? {
            // A mounted image is named by its id, and no volume or directory can have such a name.
            let mounted = container.mounts.into_iter().filter(|mount| mount.starts_with("sha256:"));
            users.extend(mounted.map(|id| (id, container.name.clone())));
            users.insert(container.image_id, container.name);
        }
        Ok(users)
    }
}

/// docker's view of the JSON of an image's `config`.
pub fn image_config(name: &str, json: Option<&str>) -> Result<ImageConfig> {
    let config = json.map(serde_json::from_str::<Option<ImageConfig>>).transpose();
    let damaged =
        |error: serde_json::Error| format!("the configuration of the image {name} cannot be read: {error}");
    let config = config.map_err(|error| hull_image::Error::Damaged(damaged(error)))?;
    Ok(config.flatten().unwrap_or_default())
}

/// Where the layers are: `LowerDir` has the highest first, as overlay's `lowerdir` does. `MergedDir` and `WorkDir` are where a
/// mount of the image alone would be: scripts ask for all four of docker's keys.
fn graph_driver(details: &ImageDetails) -> GraphDriver {
    let mut dirs = details.layer_dirs.iter().rev();
    let mut data = BTreeMap::new();
    if let Some(upper) = dirs.next() {
        for (key, dir) in
            [("MergedDir", upper.with_file_name("merged")), ("WorkDir", upper.with_file_name("work"))]
        {
            data.insert(key.to_owned(), dir.display().to_string());
        }
        data.insert("UpperDir".into(), upper.display().to_string());
    }
    let lower: Vec<String> = dirs.map(|dir| dir.display().to_string()).collect();
    if !lower.is_empty() {
        data.insert("LowerDir".into(), lower.join(":"));
    }
    GraphDriver { data, name: "overlay2".into() }
}
