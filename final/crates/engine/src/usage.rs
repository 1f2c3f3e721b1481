//! `system df`: what takes space, and how much of it nothing uses.

use hull_storage::tree;

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
        let images = self.images().list()?.into_iter().map(|image| {
            let id = image.id.to_string();
            (containers.iter().any(|container| container.image_id == id), image.size)
        });
        let images = Usage::of("Images", images);
        let mut sizes = Vec::new();
        for container in &containers {
            let upper = self.root().container_dir(&container.id).join("upper");
            sizes.push((container.status.is_active(), tree::disk_usage(&upper)?));
        }
        let containers = Usage::of("Containers", sizes.into_iter());
        let used = self.used_volumes()?;
        let mut sizes = Vec::new();
        for volume in self.volumes().list()? {
            sizes.push((used.contains(&volume.name), self.volumes().size(&volume.name)?));
        }
        Ok(vec![images, containers, Usage::of("Local Volumes", sizes.into_iter())])
    }
}
