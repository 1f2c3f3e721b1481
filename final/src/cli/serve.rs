//! `serve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Serve docker's API on a socket, for docker's clients
///
/// A client that may use the socket can do everything that this user can: a client of root's socket can do what root can.
#[derive(Debug, Default, Args)]
pub struct Serve {
    /// Listen here: unix:///PATH, tcp://ADDRESS:PORT, or fd:// for systemd's sockets
    /// [default: unix:///run/docker.sock, or unix://$XDG_RUNTIME_DIR/docker.sock]
    #[arg(short = 'H', long = "host", value_name = "URL")]
    pub hosts: Vec<String>,
    /// The group that may use a unix socket [default for root: docker if that group exists, or else root]
    #[arg(short = 'G', long, value_name = "GROUP")]
    pub group: Option<String>,
    /// End when no client has been connected for this long, such as 5m
    #[arg(long, value_name = "DURATION", value_parser = hull_docker::time::parse_duration)]
    pub idle: Option<Duration>,
    /// Write a line to standard error for each request that may change something
    #[arg(long)]
    pub log: bool,
    /// Serve tcp:// to clients whose certificates this authority has signed
    #[arg(long, value_name = "FILE")]
    pub tlscacert: Option<PathBuf>,
    /// The server's certificate for tcp://
    #[arg(long, value_name = "FILE")]
    pub tlscert: Option<PathBuf>,
    /// The private key of --tlscert
    #[arg(long, value_name = "FILE")]
    pub tlskey: Option<PathBuf>,
    /// Accepted as dockerd's flag: clients of tcp:// are always verified
    #[arg(long)]
    pub tlsverify: bool,
    /// Print the command that sets DOCKER_HOST in a shell, for eval, without serving
    #[arg(long, conflicts_with = "print_units")]
    pub env: bool,
    /// Print the systemd units that start the server when a client connects, without serving
    #[arg(
        long, value_name = "UNIT", value_enum,
        num_args = 0..=1, require_equals = true, default_missing_value = "both"
    )]
    pub print_units: Option<Unit>,
    /// Print the units for your own systemd; an unprivileged user always gets these
    #[arg(long, requires = "print_units")]
    pub user: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Unit {
    Both,
    Socket,
    Service,
}

/// Serve docker's API, with podman's words
#[derive(Debug, Args)]
pub struct Service {
    /// End when no client has been connected for this many seconds; 0 for never
    #[arg(short, long, value_name = "SECONDS", default_value_t = 5)]
    pub time: u64,
    /// Listen here [default: unix:///run/podman/podman.sock, or unix://$XDG_RUNTIME_DIR/podman/podman.sock]
    #[arg(value_name = "URL")]
    pub host: Option<String>,
}
