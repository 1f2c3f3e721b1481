//! The flags of `run` and `create` about health checks.

use anyhow::{Error, Result};
use clap::Args;
use hull_docker::flags::health::HealthFlags;
use hull_docker::wire::config::Healthcheck;
use hull_engine::options::OnFailure;

// No doc comment: clap would print it as the help of the verb it is flattened into.
#[derive(Debug, Args)]
#[command(next_help_heading = "Health")]
pub struct HealthArgs {
    /// Check the health with this shell command, which fails if the container is not healthy
    #[arg(long, value_name = "COMMAND")]
    pub health_cmd: Option<String>,
    /// Time from the end of a check to the next one [default: 30s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub health_interval: Option<String>,
    /// How long a check may take; after this time it is killed and counts as failed [default: 30s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub health_timeout: Option<String>,
    /// How many failures in a row make the container unhealthy [default: 3]
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true)]
    pub health_retries: Option<i64>,
    /// Failures in this time after the start do not count, unless a check has succeeded [default: 0s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub health_start_period: Option<String>,
    /// The interval during the start period [default: 5s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub health_start_interval: Option<String>,
    /// What to do when the container becomes unhealthy: none, kill, restart or stop [default: none]
    #[arg(long, value_name = "ACTION", value_parser = ["none", "kill", "restart", "stop"])]
    pub health_on_failure: Option<String>,
    /// Do not check the health, even if the image asks for it
    #[arg(long)]
    pub no_healthcheck: bool,
}

impl HealthArgs {
    /// The request's `Healthcheck`.
    pub fn request(&self) -> Result<Option<Healthcheck>> {
        let flags = HealthFlags {
            command: self.health_cmd.as_deref(),
            interval: self.health_interval.as_deref(),
            timeout: self.health_timeout.as_deref(),
            start_period: self.health_start_period.as_deref(),
            start_interval: self.health_start_interval.as_deref(),
            retries: self.health_retries,
            no_check: self.no_healthcheck,
        };
        flags.request().map_err(Error::msg)
    }

    /// podman's option, for which docker's request has no key.
    pub fn on_failure(&self) -> Result<OnFailure> {
        Ok(self.health_on_failure.as_deref().unwrap_or("none").parse()?)
    }
}
