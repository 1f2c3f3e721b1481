//! `boot`: containers that start with the machine.

use clap::{Args, Subcommand};

use super::Deferred;

#[derive(Debug, Subcommand)]
pub enum Boot {
    /// Install a systemd unit that starts containers with the machine
    Enable(Deferred<Enable>),
    /// Remove the systemd unit of `boot enable`
    Disable(Deferred<Nothing>),
    /// Show whether the systemd unit of `boot enable` is installed
    Status(Deferred<Nothing>),
    /// Start the containers whose restart policy or boot.autostart says so, and system containers that ran before
    Start(Deferred<Start>),
    /// Stop all containers as the machine does when it goes down, so that `boot start` starts them again
    Stop(Deferred<Nothing>),
}

#[derive(Debug, Args)]
pub struct Enable {
    /// Print the unit, and install nothing
    #[arg(long)]
    pub print: bool,
    /// Print a service for OpenRC, and install nothing
    #[arg(long, conflicts_with_all = ["print", "user"])]
    pub print_openrc: bool,
    /// Install the unit for your own systemd; always so for an unprivileged user
    #[arg(long)]
    pub user: bool,
}

#[derive(Debug, Args)]
pub struct Start {
    /// Only containers whose monitor was killed
    #[arg(long, hide = true)]
    pub killed: bool,
    /// Start only these, if their restart policy asks for it
    #[arg(value_name = "CONTAINER")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Nothing {}
