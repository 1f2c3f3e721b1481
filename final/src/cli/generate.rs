//! `generate`: files for other programs, made from a container.

use clap::{Args, Subcommand};

use super::Deferred;

#[derive(Debug, Subcommand)]
pub enum Generate {
    /// Print a systemd unit that runs a container
    Systemd(Deferred<Systemd>),
}

#[derive(Debug, Args)]
pub struct Systemd {
    /// Start after this unit
    #[arg(long, value_name = "UNIT")]
    pub after: Vec<String>,
    /// The beginning of the unit's name
    #[arg(long, value_name = "PREFIX", default_value = "container")]
    pub container_prefix: String,
    /// Set a variable for the unit's commands: KEY=VALUE
    #[arg(short, long, value_name = "ENV")]
    pub env: Vec<String>,
    /// Write NAME.service here, instead of printing
    #[arg(short, long)]
    pub files: bool,
    /// json
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Use the container's name instead of its id
    #[arg(short, long)]
    pub name: bool,
    /// Create a new container at each start, and remove it at its end
    #[arg(long)]
    pub new: bool,
    /// Leave out the comment with version and date
    #[arg(long)]
    pub no_header: bool,
    /// Require this unit
    #[arg(long, value_name = "UNIT")]
    pub requires: Vec<String>,
    /// no, on-success, on-failure, on-abnormal, on-watchdog, on-abort or always [default: on-failure]
    #[arg(long, value_name = "POLICY")]
    pub restart_policy: Option<String>,
    /// Seconds before a restart
    #[arg(long, value_name = "SECONDS")]
    pub restart_sec: Option<u32>,
    /// The text between the prefix and the name
    #[arg(long, value_name = "TEXT", default_value = "-")]
    pub separator: String,
    /// How many seconds a start may take
    #[arg(long, value_name = "SECONDS")]
    pub start_timeout: Option<u32>,
    /// Seconds before the container is killed [default: the container's, or 10]
    #[arg(short = 't', long, visible_alias = "time", value_name = "SECONDS")]
    pub stop_timeout: Option<u32>,
    /// Start this unit too, if possible
    #[arg(long, value_name = "UNIT")]
    pub wants: Vec<String>,
    #[arg(value_name = "CONTAINER")]
    pub container: String,
}
