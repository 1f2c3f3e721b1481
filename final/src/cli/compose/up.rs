//! `up`, `logs` and `watch`.

use clap::{ArgAction, Args};

use super::lifecycle::RecreateArgs;

#[derive(Debug, Args)]
pub struct Up {
    /// Stop all containers when one stops
    #[arg(long, conflicts_with = "detach")]
    pub abort_on_container_exit: bool,
    /// Stop all containers when one fails
    #[arg(long, conflicts_with = "detach")]
    pub abort_on_container_failure: bool,
    /// Recreate the containers of services that these depend on
    #[arg(long, conflicts_with = "no_recreate")]
    pub always_recreate_deps: bool,
    /// Show only the output of this service
    #[arg(long, value_name = "SERVICE")]
    pub attach: Vec<String>,
    /// Show also the output of services that these depend on
    #[arg(long, conflicts_with = "attach")]
    pub attach_dependencies: bool,
    /// Run in the background
    #[arg(short, long)]
    pub detach: bool,
    /// Stop all containers when one stops, and exit as this service's container did
    #[arg(long, value_name = "SERVICE", conflicts_with = "detach")]
    pub exit_code_from: Option<String>,
    // Compose shows a line of shortcuts at a terminal. hull has none.
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub menu: Option<bool>,
    /// Do not show the output of this service
    #[arg(long, value_name = "SERVICE")]
    pub no_attach: Vec<String>,
    /// Use no colours
    #[arg(long)]
    pub no_color: bool,
    /// Do not start services that these depend on
    #[arg(long)]
    pub no_deps: bool,
    /// Do not put the container's name before each line
    #[arg(long)]
    pub no_log_prefix: bool,
    /// Create the containers and do not start them
    #[arg(long)]
    pub no_start: bool,
    /// Print nothing of builds
    #[arg(long)]
    pub quiet_build: bool,
    /// Give recreated containers new anonymous volumes
    #[arg(short = 'V', long)]
    pub renew_anon_volumes: bool,
    /// Replace the containers of services with a health check one by one, when the new one is healthy
    #[arg(long)]
    pub rolling: bool,
    /// Create this many containers of a service: SERVICE=COUNT
    #[arg(long, value_name = "SERVICE=COUNT")]
    pub scale: Vec<String>,
    /// Print when each container started, and what it waited for
    #[arg(long)]
    pub timeline: bool,
    /// Seconds to wait before killing, where a container is recreated or the command is interrupted
    #[arg(short, long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub timeout: Option<i64>,
    /// Show the time of each line
    #[arg(long)]
    pub timestamps: bool,
    /// Run in the background, and wait until the containers run and are healthy
    #[arg(long)]
    pub wait: bool,
    /// Seconds to wait with --wait
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub wait_timeout: Option<i64>,
    /// Rebuild and refresh containers when files change
    #[arg(short, long, conflicts_with = "detach")]
    pub watch: bool,
    #[command(flatten)]
    pub recreate: RecreateArgs,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Logs {
    /// Wait for new lines and show them
    #[arg(short, long)]
    pub follow: bool,
    /// Show only the container with this number of a service
    #[arg(long, value_name = "NUMBER")]
    pub index: Option<u32>,
    /// Use no colours
    #[arg(long)]
    pub no_color: bool,
    /// Do not put the container's name before each line
    #[arg(long)]
    pub no_log_prefix: bool,
    /// Show only lines since this time: 2026-01-02T13:04:05Z, or 42m for 42 minutes ago
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Show only this many lines from the end of each log
    #[arg(short = 'n', long, value_name = "COUNT", default_value = "all", allow_hyphen_values = true)]
    pub tail: String,
    /// Show the time of each line
    #[arg(short, long)]
    pub timestamps: bool,
    /// Show only lines until this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Watch {
    /// Do not build and start the services first
    #[arg(long)]
    pub no_up: bool,
    /// Remove the images that a rebuild leaves without a name
    #[arg(long, default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_name = "BOOL", hide_default_value = true)]
    pub prune: bool,
    /// Print nothing of builds
    #[arg(long)]
    pub quiet: bool,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}
