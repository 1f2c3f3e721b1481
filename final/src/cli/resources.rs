//! The flags of `stats` and `update`.

use anyhow::Result;
use clap::Args;
use hull_docker::flags::restart;
use hull_docker::wire::host_config::HostConfig;

use super::limits::LimitArgs;
use super::values::read_if_given;

#[derive(Debug, Args)]
pub struct Stats {
    /// Show stopped containers too
    #[arg(short, long)]
    pub all: bool,
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Seconds between two readings
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub interval: u32,
    /// Use the latest container
    #[arg(short, long, conflicts_with_all = ["all", "names"])]
    pub latest: bool,
    /// Print each reading below the one before
    #[arg(long)]
    pub no_reset: bool,
    /// Print one reading and end
    #[arg(long)]
    pub no_stream: bool,
    /// Do not shorten long columns
    #[arg(long)]
    pub no_trunc: bool,
    #[arg(value_name = "CONTAINER")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    pub limits: LimitArgs,
    /// When to start the container again: no, always, unless-stopped or on-failure[:COUNT]
    #[arg(long, value_name = "POLICY")]
    pub restart: Option<String>,
    #[arg(required = true, value_name = "CONTAINER", help_heading = "Arguments")]
    pub names: Vec<String>,
}

impl Update {
    /// `None` without a flag.
    pub fn request(&self) -> Result<Option<HostConfig>> {
        if self.restart.is_none() && self.limits == LimitArgs::default() {
            return Ok(None);
        }
        let mut host = HostConfig::default();
        self.limits.apply(&mut host)?;
        host.pids_limit = self.limits.pids_limit;
        if let Some(policy) = read_if_given("--restart", self.restart.as_deref(), restart::parse)? {
            host.restart_policy = policy;
        }
        Ok(Some(host))
    }
}
