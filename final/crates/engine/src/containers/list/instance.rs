//! What LXD's list shows of a container and docker's does not.

use std::net::IpAddr;

use super::Summary;
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::instance::Instance;

/// The pool of containers that name none, as LXD calls it.
const DEFAULT_POOL: &str = "default";

impl Summary {
    /// The container's own keys, devices and profiles.
    pub fn instance(&self) -> &Instance {
        &self.details.instance
    }

    /// Whether the container is removed when it stops.
    pub fn is_ephemeral(&self) -> bool {
        self.details.options.auto_remove
    }

    /// The first process of a container that runs, as this process's pid namespace numbers it.
    pub fn init(&self) -> Option<i32> {
        self.details.init
    }

    /// The container's addresses on networks, each with its interface.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, IpAddr)> {
        let of = |endpoint: &crate::net::Endpoint| endpoint.addresses.clone();
        self.details.endpoints.iter().flat_map(move |endpoint| {
            of(endpoint).into_iter().map(|address| (endpoint.interface.as_str(), address))
        })
    }

    /// The storage pool with the container's files.
    pub fn pool(&self) -> &str {
        self.details.writable.pool.as_ref().map_or(DEFAULT_POOL, |pool| &pool.name)
    }
}

impl Engine {
    /// The number of a container's snapshots. Their files are only counted, not read.
    pub fn count_snapshots(&self, one: &Summary) -> Result<usize> {
        let directory = self.root().container_dir(&one.id).join("snapshots");
        match std::fs::read_dir(&directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            entries => {
                let entries = entries.context(|| format!("read {}", directory.display()))?.flatten();
                Ok(entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".json")).count())
            }
        }
    }
}
