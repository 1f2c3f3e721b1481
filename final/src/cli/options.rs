//! The flags of `run` and `create`. clap collects their texts here; `request` parses them.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand};

use super::attach_flags::AttachArgs;
use super::health_flags::HealthArgs;
use super::limits::{CgroupArgs, LimitArgs};
use super::network_flags::NetworkArgs;
use super::podman_flags::PodmanArgs;
use super::runtime_flags::RuntimeArgs;
use super::userns_flags::UsernsArgs;

/// `--init`, and whether it was given at all: `--init=false` counts where docker's daemon.json sets it.
#[derive(Debug)]
pub struct InitFlag(pub Option<bool>);

impl Args for InitFlag {
    fn augment_args(command: Command) -> Command {
        let help = "Run a small init as process 1, which reaps zombies and forwards signals";
        let flag = Arg::new("init").long("init").help(help).help_heading("Process");
        command.arg(flag.action(ArgAction::SetTrue))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for InitFlag {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_given = matches.value_source("init") == Some(ValueSource::CommandLine);
        Ok(Self(is_given.then(|| matches.get_flag("init"))))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        Self::from_arg_matches(matches).map(|flag| *self = flag)
    }
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Give the container a name
    #[arg(long)]
    pub name: Option<String>,
    /// Start this container first, whenever the new one starts
    #[arg(long, value_name = "CONTAINER", value_delimiter = ',')]
    pub requires: Vec<String>,
    /// First remove the container that has this name, if there is one
    #[arg(long, requires = "name")]
    pub replace: bool,
    /// Write the container's id to this file, which must not exist yet
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<PathBuf>,
    /// Remove the container when it ends
    #[arg(long)]
    pub rm: bool,
    /// Run a whole distribution: its init is process 1, with ids and a cgroup of its own
    #[arg(long)]
    pub system: bool,
    #[command(flatten)]
    pub attach: AttachArgs,
    /// Send standard input to the container
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the program a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Do not print progress
    #[arg(short, long)]
    pub quiet: bool,
    /// When to fetch the image from its registry: always, missing or never
    #[arg(long, value_name = "WHEN", default_value = "missing", value_parser = ["always", "missing", "never"])]
    pub pull: String,
    /// The platform that the image must have: OS/ARCH
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,

    /// Set an environment variable: KEY=VALUE, or KEY to use its value in this command's environment
    #[arg(short, long, value_name = "ENV", help_heading = "Process")]
    pub env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE", help_heading = "Process")]
    pub env_file: Vec<PathBuf>,
    /// Start the program in this directory
    #[arg(short, long, value_name = "DIR", help_heading = "Process")]
    pub workdir: Option<String>,
    /// Run as this user: NAME|UID[:GROUP|GID]
    #[arg(short, long, value_name = "USER", help_heading = "Process")]
    pub user: Option<String>,
    /// Add the user to this group
    #[arg(long, value_name = "GROUP", help_heading = "Process")]
    pub group_add: Vec<String>,
    /// Run this program instead of the image's entrypoint
    #[arg(long, value_name = "COMMAND", help_heading = "Process")]
    pub entrypoint: Option<String>,
    #[command(flatten)]
    pub init: InitFlag,
    /// Set a limit of setrlimit(2): NAME=SOFT[:HARD]
    #[arg(long, value_name = "LIMIT", help_heading = "Process")]
    pub ulimit: Vec<String>,
    /// The signal that `hull stop` sends
    #[arg(long, value_name = "SIGNAL", help_heading = "Process")]
    pub stop_signal: Option<String>,
    /// How many seconds `hull stop` waits before it kills the container
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, help_heading = "Process")]
    pub stop_timeout: Option<String>,
    /// When to start the container again: no, always, unless-stopped or on-failure[:COUNT]
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "no",
        hide_default_value = true,
        help_heading = "Process"
    )]
    pub restart: String,
    /// How likely the kernel kills it when memory runs out: -1000 (never) to 1000
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true, value_parser = clap::value_parser!(i32).range(-1000..=1000), help_heading = "Process")]
    pub oom_score_adj: Option<i32>,

    /// [SOURCE:]TARGET[:OPTIONS], a directory or a named volume; options are ro, nocopy, U (the container's user owns it),
    /// O (changes are thrown away), z, Z and propagations
    #[arg(short, long, value_name = "VOLUME", help_heading = "Files")]
    pub volume: Vec<String>,
    /// type=bind|volume|tmpfs,source=…,target=… and more, such as readonly, bind-recursive=…, volume-subpath=…, tmpfs-size=…
    #[arg(long, value_name = "MOUNT", help_heading = "Files")]
    pub mount: Vec<String>,
    /// Mount a tmpfs: TARGET[:OPTIONS]
    #[arg(long, value_name = "TMPFS", help_heading = "Files")]
    pub tmpfs: Vec<String>,
    /// The driver for new volumes: local
    #[arg(long, value_name = "DRIVER", help_heading = "Files")]
    pub volume_driver: Option<String>,
    /// Mount the volumes of another container
    #[arg(long, value_name = "CONTAINER[:ro]", help_heading = "Files")]
    pub volumes_from: Vec<String>,
    /// Make the root file system read-only
    #[arg(long, help_heading = "Files")]
    pub read_only: bool,
    /// The size of /dev/shm, such as 64m
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, help_heading = "Files")]
    pub shm_size: Option<String>,
    /// Add a device: HOST[:CONTAINER[:rwm]], or by its CDI name: VENDOR/CLASS=NAME
    #[arg(long, value_name = "DEVICE", help_heading = "Files")]
    pub device: Vec<String>,
    /// Allow a device without adding it: 'TYPE MAJOR:MINOR ACCESS'
    #[arg(long, value_name = "RULE", help_heading = "Files")]
    pub device_cgroup_rule: Vec<String>,

    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub cgroup: CgroupArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub isolation: IsolationArgs,
    #[command(flatten)]
    pub health: HealthArgs,
    #[command(flatten)]
    pub runtime: RuntimeArgs,
    #[command(flatten)]
    pub podman: PodmanArgs,
    #[command(flatten)]
    pub userns: UsernsArgs,

    /// Set a label: KEY=VALUE
    #[arg(short, long, value_name = "LABEL", help_heading = "Metadata")]
    pub label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE", help_heading = "Metadata")]
    pub label_file: Vec<PathBuf>,
    /// Set an annotation for the OCI runtime: KEY=VALUE
    #[arg(long, value_name = "ANNOTATION", help_heading = "Metadata")]
    pub annotation: Vec<String>,
    /// Where the output goes: json-file, local, journald or none [default: json-file]
    #[arg(long, value_name = "DRIVER", help_heading = "Metadata")]
    pub log_driver: Option<String>,
    /// max-size=SIZE (-1 is no limit) [default: 20m], max-file=COUNT [default: 5], mode, tag, labels, env, …
    #[arg(long, value_name = "OPTION", help_heading = "Metadata")]
    pub log_opt: Vec<String>,

    // `-h` is the host name, so help has its long form only.
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,

    #[command(subcommand)]
    pub rest: Option<Rest>,
}

// The first word that is no flag, and all that follows it. What looks like a flag there belongs to the container's
// command; clap stops looking only at what it takes for a subcommand, and would print a doc comment here as help.
#[derive(Debug, Subcommand)]
pub enum Rest {
    #[command(external_subcommand)]
    Words(Vec<String>),
}

impl Rest {
    /// Splits off the first word.
    pub fn split(rest: Option<&Self>) -> Option<(&str, &[String])> {
        let Self::Words(words) = rest?;
        let (first, others) = words.split_first()?;
        (!first.is_empty()).then_some((first, others))
    }
}

// Namespaces and privileges.
#[derive(Debug, Args)]
#[command(next_help_heading = "Isolation")]
pub struct IsolationArgs {
    /// The container's hostname
    #[arg(short = 'h', long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// The container's NIS domain name
    #[arg(long, value_name = "NAME")]
    pub domainname: Option<String>,
    /// Use another PID namespace: host or container:NAME
    #[arg(long, value_name = "NAMESPACE")]
    pub pid: Option<String>,
    /// Choose the IPC namespace: private, shareable, none, host or container:NAME
    #[arg(long, value_name = "NAMESPACE")]
    pub ipc: Option<String>,
    /// Use the host's hostname and UTS namespace: host
    #[arg(long, value_name = "NAMESPACE")]
    pub uts: Option<String>,
    /// Choose the cgroup namespace: private or host
    #[arg(long, value_name = "NAMESPACE")]
    pub cgroupns: Option<String>,
    /// Add a capability, or ALL
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Drop a capability, or ALL
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// Give all capabilities and devices, mask no paths, and load no seccomp filter
    #[arg(long)]
    pub privileged: bool,
    /// Change the protection: no-new-privileges, seccomp=unconfined, seccomp=FILE
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Set a kernel parameter of the container's namespaces: KEY=VALUE
    #[arg(long, value_name = "SYSCTL")]
    pub sysctl: Vec<String>,
}
