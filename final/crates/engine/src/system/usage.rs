//! `system df`: the space that images, containers and volumes take, in docker's types.

use std::collections::{HashMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use hull_docker::wire::container::ContainerSummary;
use hull_docker::wire::disk_usage::{DiskUsage, ImageSummary};
use hull_docker::wire::volume::{UsageData, Volume};
use hull_image::Digest;
use hull_image::store::ImageRecord;

use crate::containers::list::Summary;
use crate::engine::Engine;
use crate::error::Result;

/// What is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageOptions {
    pub images: bool,
    pub containers: bool,
    pub volumes: bool,
}

impl UsageOptions {
    pub const ALL: Self = Self { images: true, containers: true, volumes: true };
}

impl Engine {
    /// Measures what is asked for. Only what containers and volumes hold is walked through: a layer's size is recorded. The
    /// layers are those of all images, if images or containers are asked for.
    pub fn disk_usage(&self, options: UsageOptions) -> Result<DiskUsage> {
        let containers = self.list()?;
        let images = self.images().list()?;
        let layers: HashSet<&Digest> = images.iter().flat_map(|image| &image.layers).collect();
        let mut usage = DiskUsage::default();
        if options.images || options.containers {
            usage.layers_size = layers.into_iter().map(|layer| self.layer_size(layer)).sum();
        }
        if options.images {
            usage.images = self.image_summaries(&images, &images, Some(&containers), true);
        }
        if options.containers {
            let now = SystemTime::now();
            let summaries = containers.iter().map(|one| self.container_summary(one, now));
            usage.containers = summaries.collect::<Result<_>>()?;
        }
        if options.volumes {
            usage.volumes = self.volumes_with_usage()?;
        }
        Ok(usage)
    }

    /// A layer that was never unpacked, or is gone, takes no space.
    fn layer_size(&self, layer: &Digest) -> u64 {
        self.images().layers().size(layer.hex()).unwrap_or(0)
    }

    /// Some of the images, as the lists have them. The containers of each are counted, and what it shares with others is
    /// measured, only if asked for.
    pub fn summarize_images(
        &self,
        images: &[ImageRecord],
        counts_containers: bool,
        measures_shared: bool,
    ) -> Result<Vec<ImageSummary>> {
        let containers = counts_containers.then(|| self.list()).transpose()?;
        let all = if measures_shared { self.images().list()? } else { vec![] };
        Ok(self.image_summaries(images, &all, containers.as_deref(), measures_shared))
    }

    fn image_summaries(
        &self,
        images: &[ImageRecord],
        all: &[ImageRecord],
        containers: Option<&[Summary]>,
        measures_shared: bool,
    ) -> Vec<ImageSummary> {
        let mut users: HashMap<&Digest, usize> = HashMap::new();
        for layer in all.iter().flat_map(|image| &image.layers) {
            *users.entry(layer).or_default() += 1;
        }
        let mut counts: HashMap<&str, i64> = HashMap::new();
        for container in containers.unwrap_or_default() {
            *counts.entry(&container.image_id).or_default() += 1;
        }
        let summary = |image: &ImageRecord| {
            let id = image.id.to_string();
            let shared = image.layers.iter().filter(|layer| users.get(layer).is_some_and(|count| *count > 1));
            let shared = || shared.map(|layer| self.layer_size(layer)).sum::<u64>() as i64;
            let created = image.created.as_deref().and_then(|time| humantime::parse_rfc3339(time).ok());
            ImageSummary {
                containers: containers.map_or(-1, |_| counts.get(id.as_str()).copied().unwrap_or(0)),
                created: created.map_or(0, seconds),
                labels: image.labels.clone(),
                repo_tags: image.names.iter().filter(|name| !name.contains('@')).cloned().collect(),
                repo_digests: image.digests.iter().cloned().collect(),
                shared_size: if measures_shared { shared() } else { -1 },
                size: image.size as i64,
                id,
                ..ImageSummary::default()
            }
        };
        images.iter().map(summary).collect()
    }

    fn container_summary(&self, one: &Summary, now: SystemTime) -> Result<ContainerSummary> {
        let (written, image) = self.size_of(one)?;
        // As in docker, nothing that was written has no key.
        let size_rw = Some(written).filter(|bytes| *bytes > 0);
        Ok(ContainerSummary { size_rw, size_root_fs: Some(written + image), ..one.describe(now) })
    }

    /// As in docker, a volume that is a mount of its own is not measured.
    fn volumes_with_usage(&self) -> Result<Vec<Volume>> {
        let used = self.used_volumes()?;
        let volumes = self.volumes();
        let measured = |volume: hull_storage::volumes::Volume| {
            let size = match volume.options.is_empty() {
                true => volumes.size(&volume.name)? as i64,
                false => -1,
            };
            let ref_count = used.counts.get(&volume.name).copied().unwrap_or(0);
            let usage_data = Some(UsageData { ref_count, size });
            Ok(Volume { usage_data, ..crate::volumes::describe_volume(volume) })
        };
        volumes.list()?.into_iter().map(measured).collect()
    }
}

fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
