//! The verbs that list what there is, or show it as it changes.

use clap::{ArgAction, Args};

#[derive(Debug, Args)]
pub struct Events {
    /// Print an object of JSON for each
    #[arg(long)]
    pub json: bool,
    /// Show only events since this time
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// End at this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Images {
    /// json, or table
    #[arg(long, value_name = "FORMAT", default_value = "table", hide_default_value = true)]
    pub format: String,
    /// Show ids only
    #[arg(short, long)]
    pub quiet: bool,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Ls {
    /// Show stopped projects too
    #[arg(short, long)]
    pub all: bool,
    /// Show only projects that match: name=PATTERN
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// json, or table
    #[arg(long, value_name = "FORMAT", default_value = "table", hide_default_value = true)]
    pub format: String,
    /// Show names only
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct Port {
    /// Use the service's container with this number
    #[arg(long, value_name = "NUMBER")]
    pub index: Option<u32>,
    /// The port's protocol: tcp or udp
    #[arg(long, value_name = "PROTOCOL", default_value = "tcp")]
    pub protocol: String,
    pub service: String,
    #[arg(value_name = "PORT")]
    pub port: String,
}

#[derive(Debug, Args)]
pub struct Ps {
    /// Show stopped containers and those of run too
    #[arg(short, long)]
    pub all: bool,
    /// Show only containers in a state: status=STATE
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT", default_value = "table", hide_default_value = true)]
    pub format: String,
    /// Do not shorten long columns
    #[arg(long)]
    pub no_trunc: bool,
    /// Show containers of services that the compose file does not have
    #[arg(long, default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_name = "BOOL", hide_default_value = true)]
    pub orphans: bool,
    /// Show ids only
    #[arg(short, long)]
    pub quiet: bool,
    /// Show the names of services only
    #[arg(long)]
    pub services: bool,
    /// Show only containers in this state: created, running, restarting, paused, removing, exited or dead
    #[arg(long, value_name = "STATE")]
    pub status: Vec<String>,
    #[arg(value_name = "SERVICE", id = "names")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Stats {
    /// Show stopped containers too
    #[arg(short, long)]
    pub all: bool,
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print one reading and end
    #[arg(long)]
    pub no_stream: bool,
    /// Do not shorten long columns
    #[arg(long)]
    pub no_trunc: bool,
    pub service: Option<String>,
}

#[derive(Debug, Args)]
pub struct Top {
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Volumes {
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT", default_value = "table", hide_default_value = true)]
    pub format: String,
    /// Show names only
    #[arg(short, long)]
    pub quiet: bool,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}
