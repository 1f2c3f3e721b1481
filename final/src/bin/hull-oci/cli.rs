//! What can be typed: runc's verbs and options, as far as hull-oci applies them.

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
    /// Where the state of containers is kept [default: /run/hull-oci, for users $XDG_RUNTIME_DIR/hull-oci]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Also write errors to a file; warnings and debug messages go only there
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// How they are written there
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Print each step, to the log or to stderr
    #[arg(long)]
    pub debug: bool,
    /// Let systemd make the cgroups: cgroupsPath is slice:prefix:name
    #[arg(long)]
    pub systemd_cgroup: bool,
    /// Taken for runc's sake: what may be done is asked of the kernel
    #[arg(long, value_name = "true|false|auto", hide = true)]
    pub rootless: Option<String>,
    /// The program that checkpoint and restore run [default: criu, of $PATH]
    #[arg(long, value_name = "PATH")]
    pub criu: Option<PathBuf>,
    /// Print version
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
    /// Print a container's resource usage periodically, and its out-of-memory events
    Events(Events),
    /// Write a container's processes into a directory, by CRIU
    Checkpoint(Checkpoint),
    /// Make a container out of what checkpoint has written
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
    /// The directory of config.json
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub bundle: PathBuf,
    /// Write the process id to a file
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Send the terminal's master to the AF_UNIX socket at this path
    #[arg(long, value_name = "PATH")]
    pub console_socket: Option<PathBuf>,
    /// Send the first process's pidfd to the AF_UNIX socket at this path
    #[arg(long, value_name = "PATH")]
    pub pidfd_socket: Option<PathBuf>,
    /// Pass this many descriptors, from 3 on, to the program
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=65536))]
    pub preserve_fds: u32,
    /// Move the root instead of pivot_root(2), for an initial ramdisk; a privileged process can escape from it
    #[arg(long)]
    pub no_pivot: bool,
    /// Keep the caller's session keyring
    #[arg(long)]
    pub no_new_keyring: bool,
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
    /// Do not become the parent of the container's orphans
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
    /// Give the process a terminal
    #[arg(long, short)]
    pub tty: bool,
    /// Send the terminal's master to the AF_UNIX socket at this path
    #[arg(long, value_name = "PATH")]
    pub console_socket: Option<PathBuf>,
    /// Write the process id to a file
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Do not wait until it ends
    #[arg(long, short)]
    pub detach: bool,
    /// Working directory
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Set a variable of the environment
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// User, and group, by number
    #[arg(long, short, value_name = "UID[:GID]")]
    pub user: Option<String>,
    /// Add a capability
    #[arg(long, short, value_name = "CAP")]
    pub cap: Vec<String>,
    /// Set no_new_privs: execve(2) adds no privileges
    #[arg(long)]
    pub no_new_privs: bool,
    /// Allow a paused container; the process waits until it is resumed
    #[arg(long)]
    pub ignore_paused: bool,
    /// Add a supplementary group
    #[arg(long, short = 'g', value_name = "GID")]
    pub additional_gids: Vec<u32>,
    /// AppArmor's profile
    #[arg(long, value_name = "PROFILE")]
    pub apparmor: Option<String>,
    /// SELinux's label
    #[arg(long, value_name = "LABEL")]
    pub process_label: Option<String>,
    /// Pass this many descriptors, from 3 on, to the program
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=65536))]
    pub preserve_fds: u32,
    /// Join an existing cgroup below the container's; on v1 once or more, by controllers
    #[arg(long, value_name = "[CONTROLLER[,…]:]PATH")]
    pub cgroup: Vec<String>,
    /// Send the process's pidfd to the AF_UNIX socket at this path
    #[arg(long, value_name = "PATH")]
    pub pidfd_socket: Option<PathBuf>,
    /// Do not become the parent of the process's orphans
    #[arg(long)]
    pub no_subreaper: bool,
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
    /// Bytes, or with a unit: 64m
    #[arg(long, allow_hyphen_values = true, value_parser = size)]
    pub memory: Option<i64>,
    /// Bytes the container keeps when memory is short
    #[arg(long, allow_hyphen_values = true, value_parser = size)]
    pub memory_reservation: Option<i64>,
    /// Bytes of memory and swap together; -1 is without limit
    #[arg(long, allow_hyphen_values = true, value_parser = size)]
    pub memory_swap: Option<i64>,
    /// Bytes of the kernel's memory (cgroup v1)
    #[arg(long, allow_hyphen_values = true, value_parser = size)]
    pub kernel_memory: Option<i64>,
    /// Bytes of its buffers for TCP (cgroup v1)
    #[arg(long, allow_hyphen_values = true, value_parser = size)]
    pub kernel_memory_tcp: Option<i64>,
    /// 10 to 1000
    #[arg(long)]
    pub blkio_weight: Option<u16>,
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
    /// Microseconds that may be saved up
    #[arg(long)]
    pub cpu_burst: Option<u64>,
    /// 1: behind everybody else
    #[arg(long, allow_hyphen_values = true)]
    pub cpu_idle: Option<i64>,
    /// Microseconds (cgroup v1)
    #[arg(long)]
    pub cpu_rt_period: Option<u64>,
    /// Microseconds in each period (cgroup v1)
    #[arg(long, allow_hyphen_values = true)]
    pub cpu_rt_runtime: Option<i64>,
    /// Refused: hull-oci does not speak with resctrl
    #[arg(long, value_name = "SCHEMA")]
    pub l3_cache_schema: Option<String>,
    /// Refused: hull-oci does not speak with resctrl
    #[arg(long, value_name = "SCHEMA")]
    pub mem_bw_schema: Option<String>,
}

/// As Docker's units are: powers of 1024, from `b` to `t`.
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
    /// How often, as 500ms, 5s or 1m
    #[arg(long, default_value = "5s", value_parser = interval)]
    pub interval: Duration,
    /// Once
    #[arg(long)]
    pub stats: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| error.to_string()).and_then(|interval| match interval {
        Duration::ZERO => Err("an interval takes time".into()),
        interval => Ok(interval),
    })
}

/// What `checkpoint` and `restore` have in common.
#[derive(Debug, Args)]
pub struct Images {
    /// Where the container is saved
    #[arg(long, value_name = "DIR", default_value = "checkpoint")]
    pub image_path: PathBuf,
    /// Where CRIU's log is written [default: --image-path]
    #[arg(long, value_name = "DIR")]
    pub work_path: Option<PathBuf>,
    /// Also open TCP connections
    #[arg(long)]
    pub tcp_established: bool,
    /// Also UNIX sockets whose other end is outside
    #[arg(long)]
    pub ext_unix_sk: bool,
    /// Also where the session or its terminal are somebody else's
    #[arg(long)]
    pub shell_job: bool,
    /// Also locks on files
    #[arg(long)]
    pub file_locks: bool,
    /// What CRIU does with the limits of cgroups that the container has made
    #[arg(long, value_enum, default_value = "soft")]
    pub manage_cgroups_mode: ManageCgroups,
    /// A namespace that comes back empty, for a hook to fill
    #[arg(long, value_name = "NAMESPACE", value_parser = ["network"])]
    pub empty_ns: Option<String>,
    /// Take memory out of the parent's images that these have too
    #[arg(long)]
    pub auto_dedup: bool,
    /// Refused: memory comes from a directory only
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
    /// An earlier --image-path, as seen from this one: only memory that has changed since is written
    #[arg(long, value_name = "DIR")]
    pub parent_path: Option<PathBuf>,
    /// Let the container go on
    #[arg(long)]
    pub leave_running: bool,
    /// Save its memory only, to make the checkpoint that follows a short one, and let it go on
    #[arg(long)]
    pub pre_dump: bool,
    /// Refused: memory goes to a directory only
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub page_server: Option<String>,
    /// Refused: it is for --lazy-pages
    #[arg(long, value_name = "FD")]
    pub status_fd: Option<i32>,
}

#[derive(Debug, Args)]
pub struct Restore {
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    #[command(flatten)]
    pub images: Images,
    /// The directory of config.json
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub bundle: PathBuf,
    /// Leave the container to itself
    #[arg(long, short)]
    pub detach: bool,
    /// Write the process id to a file
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Send the terminal's master to the AF_UNIX socket at this path
    #[arg(long, value_name = "PATH")]
    pub console_socket: Option<PathBuf>,
    /// Do not become the parent of the container's orphans
    #[arg(long)]
    pub no_subreaper: bool,
    /// Refused: without pivot_root(2) a privileged process walks out
    #[arg(long)]
    pub no_pivot: bool,
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
