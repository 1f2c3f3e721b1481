//! `system df`: the space that images, containers and volumes take, and how much of it is unused.

use std::collections::HashSet;

use hull_image::Digest;
use hull_image::store::ImageRecord;

use crate::engine::Engine;
use crate::error::Result;

/// One line of `system df`.
#[derive(Debug, Clone)]
pub struct Usage {
    pub kind: &'static str,
    pub total: usize,
    pub active: usize,
    pub bytes: u64,
    pub reclaimable: u64,
}

impl Usage {
    fn of(kind: &'static str, sizes: impl Iterator<Item = (bool, u64)>) -> Self {
        let mut usage = Self { kind, total: 0, active: 0, bytes: 0, reclaimable: 0 };
        for (active, bytes) in sizes {
            usage.total += 1;
            usage.bytes += bytes;
            usage.active += usize::from(active);
            usage.reclaimable += if active { 0 } else { bytes };
        }
        usage
    }
}

impl Engine {
    pub fn disk_usage(&self) -> Result<Vec<Usage>> {
        let containers = self.list()?;
        let used: HashSet<&str> = containers.iter().map(|container| container.image_id.as_str()).collect();
        let images = self.image_usage(&used)?;
        let mut sizes = Vec::new();
        for container in &containers {
            let size = self.root().writable_layer(&container.id).size()?;
            sizes.push((container.status.is_active(), size));
        }
        let containers = Usage::of("Containers", sizes.into_iter());
        let used = self.used_volumes()?;
        let mut sizes = Vec::new();
        for volume in self.volumes().list()? {
            sizes.push((used.contains(&volume.name), self.volumes().size(&volume.name)?));
        }
        Ok(vec![images, containers, Usage::of("Local Volumes", sizes.into_iter())])
    }

    /// A layer counts once, however many images share it. It is reclaimable if no used image has it.
    fn image_usage(&self, used: &HashSet<&str>) -> Result<Usage> {
        let images = self.images().list()?;
        let is_used = |image: &ImageRecord| used.contains(image.id.to_string().as_str());
        let mut usage = Usage::of("Images", images.iter().map(|image| (is_used(image), 0)));
        let kept: HashSet<&Digest> =
            images.iter().filter(|image| is_used(image)).flat_map(|image| &image.layers).collect();
        let all: HashSet<&Digest> = images.iter().flat_map(|image| &image.layers).collect();
        for layer in all {
            // A layer that was never unpacked, or is gone, takes no space.
            let bytes = self.images().layers().size(layer.hex()).unwrap_or(0);
            usage.bytes += bytes;
            usage.reclaimable += if kept.contains(layer) { 0 } else { bytes };
        }
        Ok(usage)
    }
}
