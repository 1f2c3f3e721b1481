//! What tells that a container, a network or a volume is no longer what the files say: the SHA-256 of the JSON of its
//! definition. Compose v2 computes the same, and keeps it in a label.

use sha2::{Digest, Sha256};

use crate::model::{Network, Service, Volume};
use crate::print::json;

/// The label `com.docker.compose.config-hash` of a container.
pub fn service(service: &Service) -> String {
    hex(&definition(service))
}

/// The JSON that is hashed. It has nothing that leaves a container as it is: how the image is built and pulled, the number of
/// containers, and what the service depends on.
pub fn definition(service: &Service) -> String {
    let mut hashed = service.clone();
    hashed.build = None;
    hashed.pull_policy.clear();
    hashed.scale = None;
    hashed.depends_on.clear();
    hashed.profiles.clear();
    if let Some(deploy) = &mut hashed.deploy {
        deploy.replicas = None;
    }
    json::compact(&hashed)
}

/// The label `com.docker.compose.config-hash` of a network.
pub fn network(network: &Network) -> String {
    hex(&json::compact(network))
}

/// The label `com.docker.compose.config-hash` of a volume.
pub fn volume(volume: &Volume) -> String {
    let mut hashed = volume.clone();
    if hashed.driver.is_empty() {
        hashed.driver = "local".into();
    }
    hex(&json::compact(&hashed))
}

fn hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
