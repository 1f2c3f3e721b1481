//! The flags of `run` and `create` for the OCI runtime and for devices by name.

use anyhow::Result;
use clap::Args;
use hull_docker::flags::{cdi, gpus, pairs};
use hull_docker::wire::host_config::{DeviceRequest, HostConfig};

use super::values::read_if_given;

// No doc comment: clap would print it as the help of the verb it is flattened into.
#[derive(Debug, Args)]
#[command(next_help_heading = "Isolation")]
pub struct RuntimeArgs {
    /// Use another OCI runtime: a name such as crun, a name in daemon.json, or a path
    #[arg(long, value_name = "RUNTIME")]
    pub runtime: Option<String>,
    /// Add GPUs by their CDI names: all, a number, or device=…
    #[arg(long, value_name = "GPUS", allow_hyphen_values = true, help_heading = "Files")]
    pub gpus: Option<String>,
    /// Keep the container's files in this storage pool
    #[arg(long, value_name = "POOL", help_heading = "Files")]
    pub storage: Option<String>,
    /// Limit the size of the container's files: size=SIZE
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Files")]
    pub storage_opt: Vec<String>,
}

impl RuntimeArgs {
    /// The requests of `--gpus`, and for the CDI devices of `--device`.
    pub fn device_requests(&self, named: Vec<String>) -> Result<Vec<DeviceRequest>> {
        let gpus = read_if_given("--gpus", self.gpus.as_deref(), gpus::parse)?;
        let named = (!named.is_empty()).then(|| cdi::request(named));
        Ok(gpus.into_iter().chain(named).collect())
    }

    pub fn apply(&self, host: &mut HostConfig) -> Result<()> {
        host.runtime = self.runtime.clone().unwrap_or_default();
        host.storage_opt = pairs::parse("storage option", &self.storage_opt).map_err(anyhow::Error::msg)?;
        host.storage_opt.extend(self.storage.clone().map(|pool| ("pool".to_owned(), pool)));
        Ok(())
    }
}
