//! The verbs for instances.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub struct Delete {
    /// Stop running instances first
    #[arg(short, long)]
    pub force: bool,
    /// Ask before each
    #[arg(short, long)]
    pub interactive: bool,
    #[arg(required = true, value_name = "INSTANCE[/SNAPSHOT]")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Exec {
    /// The directory to run the command in [default: /root]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<String>,
    /// Read nothing
    #[arg(short = 'n', long)]
    pub disable_stdin: bool,
    /// Set a variable
    #[arg(long, value_name = "KEY=VALUE")]
    pub env: Vec<String>,
    /// Give the command a terminal
    #[arg(short = 't', long)]
    pub force_interactive: bool,
    /// Give the command no terminal
    #[arg(short = 'T', long)]
    pub force_noninteractive: bool,
    /// Run as this group [default: 0]
    #[arg(long, value_name = "GID")]
    pub group: Option<u32>,
    /// Whether the command has a terminal: auto, interactive or non-interactive
    #[arg(long, default_value = "auto", value_name = "MODE")]
    pub mode: String,
    /// Run as this user [default: 0]
    #[arg(long, value_name = "UID")]
    pub user: Option<u32>,
    #[arg(value_name = "INSTANCE")]
    pub name: String,
    #[arg(required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Export {
    /// gzip, zstd or none
    #[arg(long, value_name = "KIND", default_value = "gzip", value_parser = ["gzip", "zstd", "none"])]
    pub compression: String,
    /// Leave out the snapshots
    #[arg(long)]
    pub instance_only: bool,
    #[arg(value_name = "INSTANCE")]
    pub name: String,
    /// [default: backup.tar.gz]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Info {
    /// Not there: other programs list the hardware of this machine
    #[arg(long)]
    pub resources: bool,
    /// Show the last lines that the instance has printed on its console
    #[arg(long)]
    pub show_log: bool,
    #[arg(value_name = "INSTANCE")]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct List {
    /// Accepted: there is one project
    #[arg(long)]
    pub all_projects: bool,
    #[arg(short, long, value_name = "COLUMNS", help = super::super::values::LXD_COLUMNS)]
    pub columns: Option<String>,
    /// Only what is known without asking the instance: the columns nsacPt
    #[arg(long)]
    pub fast: bool,
    /// table, csv, json, yaml or compact
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Beginnings of names, or KEY=VALUE
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
}

// Several instances, or all. A doc comment would become the help of the verbs that have this.
#[derive(Debug, Args)]
pub struct Many {
    /// All instances
    #[arg(long)]
    pub all: bool,
    #[arg(value_name = "INSTANCE", required_unless_present = "all")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Rename {
    #[arg(value_name = "INSTANCE[/SNAPSHOT]")]
    pub name: String,
    #[arg(value_name = "NEW")]
    pub new: String,
}

#[derive(Debug, Args)]
pub struct Shell {
    #[arg(value_name = "INSTANCE")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Start {
    #[command(flatten)]
    pub many: Many,
    /// Attach to the console
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "console", value_name = "TYPE")]
    pub console: Option<String>,
    /// Accepted: no state of processes is saved, so each start is a new one
    #[arg(long)]
    pub stateless: bool,
}

#[derive(Debug, Args)]
pub struct Stop {
    #[command(flatten)]
    pub many: Many,
    /// Kill instead of asking the init to end
    #[arg(short, long)]
    pub force: bool,
    /// How many seconds the init has before it is killed; -1 for the instance's own timeout
    #[arg(long, default_value_t = -1, hide_default_value = true, allow_negative_numbers = true, value_name = "SECONDS")]
    pub timeout: i64,
}
