//! `hull network`: networks from create to remove.

use hull_storage::file;

use super::record::{DEFAULT, NetworkRecord};
use crate::engine::Engine;
use crate::error::{IoContext, Result};

impl Engine {
    /// All networks that have addresses, by name. The default one is among them once it has been used.
    pub fn networks(&self) -> Result<Vec<NetworkRecord>> {
        let mut networks: Vec<NetworkRecord> = self.load_network(DEFAULT)?.into_iter().collect();
        let directory = self.networks_dir();
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(networks),
            entries => entries.context(|| format!("read {}", directory.display()))?,
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            // What else lies there is somebody's temporary file.
            if name.to_str().is_some_and(|name| name.ends_with(".json") && !name.starts_with('.')) {
                networks.extend(file::read_json::<NetworkRecord>(&entry.path())?);
            }
        }
        networks.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(networks)
    }
}
