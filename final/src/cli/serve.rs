//! `serve`.

use std::time::Duration;

use clap::Args;

/// Serve docker's API on a socket, for docker's clients
///
/// A client that may use the socket can do everything that this user can: who may use root's is root.
#[derive(Debug, Args)]
pub struct Serve {
    /// Listen here: unix:///PATH [default: /run/docker.sock, or $XDG_RUNTIME_DIR/docker.sock]
    #[arg(short = 'H', long = "host", value_name = "URL")]
    pub hosts: Vec<String>,
    /// The group that may use the socket [default: docker, if there is one, for root]
    #[arg(short = 'G', long, value_name = "GROUP")]
    pub group: Option<String>,
    /// End when nobody has been connected for so long: 5m
    #[arg(long, value_name = "DURATION", value_parser = hull_docker::time::parse_duration)]
    pub idle: Option<Duration>,
    /// Write a line to standard error for each request that may change something
    #[arg(long)]
    pub log: bool,
}
