//! The flag of `run` and `create` for the OCI runtime.

use clap::Args;
use hull_docker::wire::host_config::HostConfig;

// No doc comment: clap would print it as the help of the verb it is flattened into.
#[derive(Debug, Args)]
#[command(next_help_heading = "Isolation")]
pub struct RuntimeArgs {
    /// Another OCI runtime: a name such as crun, one of daemon.json, or a path
    #[arg(long, value_name = "RUNTIME")]
    pub runtime: Option<String>,
}

impl RuntimeArgs {
    pub fn apply(&self, host: &mut HostConfig) {
        host.runtime = self.runtime.clone().unwrap_or_default();
    }
}
