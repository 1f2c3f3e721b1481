//! `run`, `exec` and `attach`.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::cli::options::Rest;

#[derive(Debug, Args)]
pub struct Attach {
    /// Keys that end this command and leave the container running
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<String>,
    /// Use the service's container with this number
    #[arg(long, value_name = "NUMBER")]
    pub index: Option<u32>,
    /// Do not forward standard input
    #[arg(long)]
    pub no_stdin: bool,
    /// Pass the signals that this command gets on to the container
    #[arg(long, default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_name = "BOOL", hide_default_value = true)]
    pub sig_proxy: bool,
    pub service: String,
}

#[derive(Debug, Args)]
pub struct Exec {
    /// Run in the background
    #[arg(short, long)]
    pub detach: bool,
    /// Set an environment variable: KEY=VALUE, or KEY to use its value in this command's environment
    #[arg(short, long, value_name = "ENV")]
    pub env: Vec<String>,
    /// Use the service's container with this number
    #[arg(long, value_name = "NUMBER")]
    pub index: Option<u32>,
    #[arg(short, long, hide = true, default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_name = "BOOL", hide_default_value = true)]
    pub interactive: bool,
    /// Give the program no terminal [default: a terminal, if standard output is one]
    #[arg(short = 'T', long, visible_alias = "no-TTY", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub no_tty: Option<bool>,
    /// Give the program all capabilities
    #[arg(long)]
    pub privileged: bool,
    #[arg(short, long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub tty: Option<bool>,
    /// Run as this user: NAME|UID[:GROUP|GID]
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// Start the program in this directory
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    #[command(subcommand)]
    pub rest: Option<Rest>,
}

#[derive(Debug, Args)]
pub struct Run {
    /// Build the image first
    #[arg(long)]
    pub build: bool,
    /// Give the container a capability
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Take a capability from the container
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// Run in the background and print the container's id
    #[arg(short, long)]
    pub detach: bool,
    /// Run this program instead of the image's
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,
    /// Set an environment variable: KEY=VALUE, or KEY to use its value in this command's environment
    #[arg(short, long, value_name = "ENV")]
    pub env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub env_from_file: Vec<PathBuf>,
    /// Send standard input to the container
    #[arg(short, long, default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_name = "BOOL", hide_default_value = true)]
    pub interactive: bool,
    /// Set a label: KEY=VALUE
    #[arg(short, long, value_name = "LABEL", alias = "labels")]
    pub label: Vec<String>,
    /// The container's name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Give the container no terminal [default: a terminal, if standard input and output are one]
    #[arg(short = 'T', long = "no-TTY", visible_alias = "no-tty", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub no_tty: Option<bool>,
    /// Do not start services that this one depends on
    #[arg(long)]
    pub no_deps: bool,
    /// Publish a port of the container
    #[arg(short, long, value_name = "PORT")]
    pub publish: Vec<String>,
    /// When to pull the image: always, missing or never [default: as the service's pull_policy says]
    #[arg(long, value_name = "WHEN")]
    pub pull: Option<String>,
    /// Print no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Print nothing of builds
    #[arg(long)]
    pub quiet_build: bool,
    /// Print no progress of pulls
    #[arg(long)]
    pub quiet_pull: bool,
    /// Remove containers of services that the compose file does not have
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub remove_orphans: Option<bool>,
    /// Remove the container when it has stopped
    #[arg(long)]
    pub rm: bool,
    /// Publish the service's ports
    #[arg(short = 'P', long)]
    pub service_ports: bool,
    #[arg(short, long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub tty: Option<bool>,
    /// Let the container answer to the service's names in its networks
    #[arg(long)]
    pub use_aliases: bool,
    /// Run as this user: NAME|UID[:GROUP|GID]
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// Mount a volume or a directory: [SOURCE:]TARGET[:OPTIONS]
    #[arg(short, long, value_name = "VOLUME", alias = "volumes")]
    pub volume: Vec<String>,
    /// Start the program in this directory
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    #[command(subcommand)]
    pub rest: Option<Rest>,
}
