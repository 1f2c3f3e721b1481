//! The command line: runc's commands and options.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use hull_runtime::checkpoint::CgroupMode;

/// Open Container Initiative runtime: runs bundles, with the command line of runc
#[derive(Debug, Parser)]
#[command(name = "hull-oci", version = crate::bundle::VERSION, max_term_width = 110, disable_version_flag = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Args)]
pub struct Global {
    /// Keep the state of containers in this directory [default: /run/hull-oci, for unprivileged users $XDG_RUNTIME_DIR/hull-oci]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Write errors also to this file, and warnings and debug messages only to this file
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Set the format of the log file
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Log every step, to the log file or to stderr
    #[arg(long)]
    pub debug: bool,
    /// Let systemd create the cgroup; cgroupsPath is then slice:prefix:name
    #[arg(long)]
    pub systemd_cgroup: bool,
    /// Accepted for compatibility with runc, and ignored
    #[arg(long, value_name = "true|false|auto", hide = true)]
    pub rootless: Option<String>,
    /// Run this CRIU program for checkpoint and restore [default: criu, searched in $PATH]
    #[arg(long, value_name = "PATH")]
    pub criu: Option<PathBuf>,
    /// Print the version
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    pub version: Option<bool>,
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
    /// Create a container without starting its program
    Create(Create),
    /// Start the program of a created container
    Start(Id),
    /// Create and start a container, wait until it ends, and delete it
    Run(Run),
    /// Print the state of a container as JSON
    State(Id),
    /// Send a signal to a container's first process
    Kill(Kill),
    /// Delete a stopped container
    Delete(Delete),
    /// Run another process in a container
    Exec(Exec),
    /// List containers
    List(List),
    /// List the processes in a container
    Ps(Ps),
    /// Freeze all processes in a container
    Pause(Id),
    /// Resume all processes in a paused container
    Resume(Id),
    /// Change the resource limits of a container
    Update(Update),
    /// Write an example config.json
    Spec(Spec),
    /// Print the features of this runtime as JSON
    Features,
    /// Print resource usage at intervals, and out-of-memory events
    Events(Events),
    /// Save a running container to a directory with CRIU
    Checkpoint(Checkpoint),
    /// Restore a container from a checkpoint
    Restore(Restore),
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
    /// Use the bundle in this directory, which has config.json
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub bundle: PathBuf,
    /// Write the process id to this file
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Send the terminal's master to the UNIX socket at this path
    #[arg(long, value_name = "PATH")]
    pub console_socket: Option<PathBuf>,
    /// Send a pidfd of the first process to the UNIX socket at this path
    #[arg(long, value_name = "PATH")]
    pub pidfd_socket: Option<PathBuf>,
    /// Pass N more file descriptors, from 3 on, to the program
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=65536))]
    pub preserve_fds: u32,
    /// Do not use pivot_root(2), for an initial ramdisk; a privileged process can then escape
    #[arg(long)]
    pub no_pivot: bool,
    /// Do not create a new session keyring
    #[arg(long)]
    pub no_new_keyring: bool,
}

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub create: Create,
    /// Do not wait until the container ends; delete it later with delete
    #[arg(long, short)]
    pub detach: bool,
    /// Do not delete the container after it has ended
    #[arg(long)]
    pub keep: bool,
    /// Do not adopt and reap orphaned processes of the container
    #[arg(long)]
    pub no_subreaper: bool,
}

#[derive(Debug, Args)]
pub struct Kill {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// The signal, by name or number
    #[arg(default_value = "SIGTERM")]
    pub signal: String,
    /// Send the signal to every process in the container
    #[arg(long, short)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct Delete {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// Kill the container first if it runs; succeed if it does not exist
    #[arg(long, short)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Exec {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
    /// Read the process from a JSON file, with the fields of `process` in config.json
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["command", "cwd", "env", "user", "cap"])]
    pub process: Option<PathBuf>,
    /// Allocate a terminal for the process
    #[arg(long, short)]
    pub tty: bool,
    /// Send the terminal's master to the UNIX socket at this path
    #[arg(long, value_name = "PATH")]
    pub console_socket: Option<PathBuf>,
    /// Write the process id to this file
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Do not wait until the process ends
    #[arg(long, short)]
    pub detach: bool,
    /// Set the working directory
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Set an environment variable
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Run as this user and group, by number
    #[arg(long, short, value_name = "UID[:GID]")]
    pub user: Option<String>,
    /// Add a capability
    #[arg(long, short, value_name = "CAP")]
    pub cap: Vec<String>,
    /// Set no_new_privs, so that the process cannot gain privileges
    #[arg(long)]
    pub no_new_privs: bool,
    /// Accept a paused container; the process starts when it is resumed
    #[arg(long)]
    pub ignore_paused: bool,
    /// Add a supplementary group
    #[arg(long, short = 'g', value_name = "GID")]
    pub additional_gids: Vec<u32>,
    /// Set the AppArmor profile
    #[arg(long, value_name = "PROFILE")]
    pub apparmor: Option<String>,
    /// Set the SELinux label
    #[arg(long, value_name = "LABEL")]
    pub process_label: Option<String>,
    /// Pass N more file descriptors, from 3 on, to the program
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=65536))]
    pub preserve_fds: u32,
    /// Join an existing cgroup below the container's; on cgroup v1 per controller
    #[arg(long, value_name = "[CONTROLLER[,…]:]PATH")]
    pub cgroup: Vec<String>,
    /// Send a pidfd of the process to the UNIX socket at this path
    #[arg(long, value_name = "PATH")]
    pub pidfd_socket: Option<PathBuf>,
    /// Do not adopt and reap orphaned processes
    #[arg(long)]
    pub no_subreaper: bool,
}

#[derive(Debug, Args)]
pub struct List {
    #[arg(long, short, value_enum, default_value = "table")]
    pub format: Format,
    /// Print only the ids
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct Ps {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    #[arg(long, short, value_enum, default_value = "table")]
    pub format: Format,
    /// Options for ps(1)
    #[arg(value_name = "PS OPTION", trailing_var_arg = true, allow_hyphen_values = true)]
    pub options: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Update {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// Read the limits from a JSON file, with the fields of `linux.resources`; `-` is stdin
    #[arg(long, short, value_name = "FILE")]
    pub resources: Option<PathBuf>,
    /// Limit memory, in bytes or with a unit: 64m
    #[arg(long, allow_hyphen_values = true, value_parser = size)]
    pub memory: Option<i64>,
    /// Protect this much memory from reclaim
    #[arg(long, allow_hyphen_values = true, value_parser = size)]
    pub memory_reservation: Option<i64>,
    /// Limit memory and swap together; -1 is unlimited
    #[arg(long, allow_hyphen_values = true, value_parser = size)]
    pub memory_swap: Option<i64>,
    /// Limit kernel memory (cgroup v1)
    #[arg(long, allow_hyphen_values = true, value_parser = size)]
    pub kernel_memory: Option<i64>,
    /// Limit kernel memory of TCP buffers (cgroup v1)
    #[arg(long, allow_hyphen_values = true, value_parser = size)]
    pub kernel_memory_tcp: Option<i64>,
    /// Set the relative weight of block I/O, 10 to 1000
    #[arg(long)]
    pub blkio_weight: Option<u16>,
    /// Set the CPU period, in microseconds
    #[arg(long)]
    pub cpu_period: Option<u64>,
    /// Limit CPU time in each period, in microseconds; -1 is unlimited
    #[arg(long, allow_hyphen_values = true)]
    pub cpu_quota: Option<i64>,
    /// Set the relative weight of CPU time; the default is 1024
    #[arg(long)]
    pub cpu_share: Option<u64>,
    /// Restrict the CPUs, such as 0-2,5
    #[arg(long)]
    pub cpuset_cpus: Option<String>,
    /// Restrict the memory nodes, such as 0-2,5
    #[arg(long)]
    pub cpuset_mems: Option<String>,
    /// Limit processes and threads; -1 is unlimited
    #[arg(long, allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,
    /// Let unused CPU time accumulate up to this limit, in microseconds
    #[arg(long)]
    pub cpu_burst: Option<u64>,
    /// Schedule as idle (SCHED_IDLE) if 1
    #[arg(long, allow_hyphen_values = true)]
    pub cpu_idle: Option<i64>,
    /// Set the realtime period, in microseconds (cgroup v1)
    #[arg(long)]
    pub cpu_rt_period: Option<u64>,
    /// Limit realtime CPU time in each period, in microseconds (cgroup v1)
    #[arg(long, allow_hyphen_values = true)]
    pub cpu_rt_runtime: Option<i64>,
    /// Not supported: Intel RDT
    #[arg(long, value_name = "SCHEMA")]
    pub l3_cache_schema: Option<String>,
    /// Not supported: Intel RDT
    #[arg(long, value_name = "SCHEMA")]
    pub mem_bw_schema: Option<String>,
}

/// Parses a size with docker's units, powers of 1024 from `b` to `t`.
fn size(text: &str) -> Result<i64, String> {
    let lower = text.to_ascii_lowercase();
    let number = lower.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match lower[number.len()..].trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err("expected a number of bytes, as 64m".into()),
    };
    let number: i64 = number.parse().map_err(|_| "expected a number of bytes, as 64m".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "more bytes than there can be".into())
}

#[derive(Debug, Args)]
pub struct Events {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// Set the interval, such as 500ms, 5s or 1m
    #[arg(long, default_value = "5s", value_parser = interval)]
    pub interval: Duration,
    /// Print the resource usage once and exit
    #[arg(long)]
    pub stats: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| error.to_string()).and_then(|interval| match interval {
        Duration::ZERO => Err("an interval takes time".into()),
        interval => Ok(interval),
    })
}

/// The options that `checkpoint` and `restore` share.
#[derive(Debug, Args)]
pub struct Images {
    /// Use this directory for the checkpoint
    #[arg(long, value_name = "DIR", default_value = "checkpoint")]
    pub image_path: PathBuf,
    /// Write CRIU's log to this directory [default: --image-path]
    #[arg(long, value_name = "DIR")]
    pub work_path: Option<PathBuf>,
    /// Include established TCP connections
    #[arg(long)]
    pub tcp_established: bool,
    /// Include UNIX sockets that are connected to processes outside
    #[arg(long)]
    pub ext_unix_sk: bool,
    /// Accept a session leader or a terminal outside the container
    #[arg(long)]
    pub shell_job: bool,
    /// Include file locks
    #[arg(long)]
    pub file_locks: bool,
    /// Choose how CRIU treats cgroups that the container has created
    #[arg(long, value_enum, default_value = "soft")]
    pub manage_cgroups_mode: ManageCgroups,
    /// Restore this namespace empty, so that a hook can set it up
    #[arg(long, value_name = "NAMESPACE", value_parser = ["network"])]
    pub empty_ns: Option<String>,
    /// Remove memory pages from the parent checkpoint that this one replaces
    #[arg(long)]
    pub auto_dedup: bool,
    /// Not supported: lazy migration of memory
    #[arg(long)]
    pub lazy_pages: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ManageCgroups {
    Soft,
    Full,
    Strict,
    Ignore,
}

impl From<ManageCgroups> for CgroupMode {
    fn from(mode: ManageCgroups) -> Self {
        match mode {
            ManageCgroups::Soft => Self::Soft,
            ManageCgroups::Full => Self::Full,
            ManageCgroups::Strict => Self::Strict,
            ManageCgroups::Ignore => Self::Ignore,
        }
    }
}

#[derive(Debug, Args)]
pub struct Checkpoint {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    #[command(flatten)]
    pub images: Images,
    /// Save only memory that has changed since this earlier checkpoint, relative to --image-path
    #[arg(long, value_name = "DIR")]
    pub parent_path: Option<PathBuf>,
    /// Keep the container running after the checkpoint
    #[arg(long)]
    pub leave_running: bool,
    /// Save only memory and keep the container running, to shorten a later checkpoint
    #[arg(long)]
    pub pre_dump: bool,
    /// Not supported: sending memory to a page server
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub page_server: Option<String>,
    /// Not supported: it belongs to --lazy-pages
    #[arg(long, value_name = "FD")]
    pub status_fd: Option<i32>,
}

#[derive(Debug, Args)]
pub struct Restore {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    #[command(flatten)]
    pub images: Images,
    /// Use the bundle in this directory, which has config.json
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub bundle: PathBuf,
    /// Do not wait until the container ends; delete it later with delete
    #[arg(long, short)]
    pub detach: bool,
    /// Write the process id to this file
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Send the terminal's master to the UNIX socket at this path
    #[arg(long, value_name = "PATH")]
    pub console_socket: Option<PathBuf>,
    /// Do not adopt and reap orphaned processes of the container
    #[arg(long)]
    pub no_subreaper: bool,
    /// Not supported: without pivot_root(2) a privileged process can escape
    #[arg(long)]
    pub no_pivot: bool,
}

#[derive(Debug, Args)]
pub struct Spec {
    /// Write config.json to this directory
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub bundle: PathBuf,
    /// Write a config.json for an unprivileged user, with a user namespace
    #[arg(long)]
    pub rootless: bool,
}
