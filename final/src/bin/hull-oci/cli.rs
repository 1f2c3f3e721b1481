//! What can be typed: runc's verbs and options, as far as hull-oci applies them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// An OCI runtime: runs bundles, with the command line of runc
#[derive(Debug, Parser)]
#[command(name = "hull-oci", version = crate::bundle::VERSION, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Args)]
pub struct Global {
    /// Where the state of containers is kept [default: /run/hull-oci, for users $XDG_RUNTIME_DIR/hull-oci]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Also write errors to a file
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// How they are written there
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Also write to the log what is done
    #[arg(long)]
    pub debug: bool,
    /// Refused: cgroups are written directly
    #[arg(long)]
    pub systemd_cgroup: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a container, ready to be started
    Create(Create),
    /// Run the program of a container that was created
    Start(Id),
    /// Create, start and, in the foreground, wait for and delete a container
    Run(Run),
    /// Print the state of a container
    State(Id),
    /// Send a signal to a container's first process
    Kill(Kill),
    /// Delete a container that has stopped
    Delete(Delete),
    /// Run another process in a container
    Exec(Exec),
    /// List containers
    List(List),
    /// List the processes in a container
    Ps(Ps),
    /// Stop all processes in a container where they are
    Pause(Id),
    /// Let a paused container go on
    Resume(Id),
    /// Change a container's limits
    Update(Update),
    /// Write an example config.json
    Spec(Spec),
    /// Print what this runtime can apply
    Features,
}

#[derive(Debug, Args)]
pub struct Id {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
}

#[derive(Debug, Args)]
pub struct Create {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// The directory of config.json
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub bundle: PathBuf,
    /// Write the process id to a file
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Send the terminal's master to the AF_UNIX socket at this path
    #[arg(long, value_name = "PATH")]
    pub console_socket: Option<PathBuf>,
    /// Pass so many descriptors from 3 on to the program
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=65536))]
    pub preserve_fds: u32,
    /// Refused: without pivot_root(2) a privileged process walks out
    #[arg(long)]
    pub no_pivot: bool,
}

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub create: Create,
    /// Leave the container to itself
    #[arg(long, short)]
    pub detach: bool,
    /// Do not delete the container when it has ended
    #[arg(long)]
    pub keep: bool,
    /// Leave orphans of the container to somebody else
    #[arg(long)]
    pub no_subreaper: bool,
}

#[derive(Debug, Args)]
pub struct Kill {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// By name or number
    #[arg(default_value = "SIGTERM")]
    pub signal: String,
    /// To every process of the container
    #[arg(long, short)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct Delete {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// Kill it first if it runs; no error if it does not exist
    #[arg(long, short)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Exec {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
    /// The whole process as JSON, as `process` in config.json
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["command", "cwd", "env", "user", "cap"])]
    pub process: Option<PathBuf>,
    /// With a terminal
    #[arg(long, short)]
    pub tty: bool,
    /// Send the terminal's master to the AF_UNIX socket at this path
    #[arg(long, value_name = "PATH")]
    pub console_socket: Option<PathBuf>,
    /// Write the process id to a file
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Do not wait for the end of it
    #[arg(long, short)]
    pub detach: bool,
    /// Working directory
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Set a variable of the environment
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Numbers only
    #[arg(long, short, value_name = "UID[:GID]")]
    pub user: Option<String>,
    /// Also give a capability
    #[arg(long, short, value_name = "CAP")]
    pub cap: Vec<String>,
    /// No gain of privileges by execve(2)
    #[arg(long)]
    pub no_new_privs: bool,
    /// Also where the container is paused: the process waits until it is resumed
    #[arg(long)]
    pub ignore_paused: bool,
}

#[derive(Debug, Args)]
pub struct List {
    #[arg(long, short, value_enum, default_value = "table")]
    pub format: Format,
    /// Ids only
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct Ps {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    #[arg(long, short, value_enum, default_value = "table")]
    pub format: Format,
    /// For ps(1)
    #[arg(value_name = "PS OPTION", trailing_var_arg = true, allow_hyphen_values = true)]
    pub options: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Update {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// Limits as JSON, as `linux.resources` in config.json; `-` is stdin
    #[arg(long, short, value_name = "FILE")]
    pub resources: Option<PathBuf>,
    /// Bytes
    #[arg(long, allow_hyphen_values = true)]
    pub memory: Option<i64>,
    /// Bytes the container keeps when memory is short
    #[arg(long, allow_hyphen_values = true)]
    pub memory_reservation: Option<i64>,
    /// Bytes of memory and swap together; -1 is without limit
    #[arg(long, allow_hyphen_values = true)]
    pub memory_swap: Option<i64>,
    /// Microseconds
    #[arg(long)]
    pub cpu_period: Option<u64>,
    /// Microseconds in each period
    #[arg(long, allow_hyphen_values = true)]
    pub cpu_quota: Option<i64>,
    /// Relative to others; 1024 is usual
    #[arg(long)]
    pub cpu_share: Option<u64>,
    /// For example 0-2,5
    #[arg(long)]
    pub cpuset_cpus: Option<String>,
    #[arg(long)]
    pub cpuset_mems: Option<String>,
    /// Processes and threads; -1 is without limit
    #[arg(long, allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,
}

#[derive(Debug, Args)]
pub struct Spec {
    /// Where config.json is written
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub bundle: PathBuf,
    /// For the calling user, in a user namespace
    #[arg(long)]
    pub rootless: bool,
}
