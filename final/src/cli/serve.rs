//! `serve`.

use clap::Args;

/// Serve docker's API, for docker's clients
#[derive(Debug, Args)]
pub struct Serve {
    /// Listen here: unix:///PATH [default: unix:///run/docker.sock]
    #[arg(short = 'H', long = "host", value_name = "URL")]
    pub hosts: Vec<String>,
}
