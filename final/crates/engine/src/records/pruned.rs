//! The result of a pruning command: the objects that it has removed, and those that it could not remove.

use crate::error::Errors;

#[derive(Debug, Default)]
pub struct Pruned {
    pub containers: Vec<String>,
    /// docker's lines: `untagged: NAME`, `deleted: ID`.
    pub images: Vec<String>,
    pub volumes: Vec<String>,
    pub networks: Vec<String>,
    /// Bytes that were freed.
    pub bytes: u64,
    /// The objects that could not be removed, each with the error.
    pub errors: Errors,
}

impl Pruned {
    /// Adds what another step has removed.
    pub(crate) fn add(&mut self, other: Self) {
        let Self { containers, images, volumes, networks, bytes, errors } = other;
        self.containers.extend(containers);
        self.images.extend(images);
        self.volumes.extend(volumes);
        self.networks.extend(networks);
        self.bytes += bytes;
        self.errors.note(errors.into_result());
    }
}
