//! The verbs on health checks.

use clap::{Args, Subcommand};

use super::Deferred;

#[derive(Debug, Subcommand)]
pub enum Healthcheck {
    /// Check a container's health once, and exit with 1 if the check fails
    Run(Deferred<Run>),
}

#[derive(Debug, Args)]
pub struct Run {
    #[arg(value_name = "CONTAINER")]
    pub container: String,
}
