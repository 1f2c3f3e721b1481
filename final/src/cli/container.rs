//! The verbs on containers.

use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand};

use super::options::{CreateArgs, Rest};
use super::resources::{Stats, Update};
use super::selection::{Names, One, Selection};
use super::{Deferred, DeferredGroup};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create and run a container from an image
    #[command(
        disable_help_flag = true,
        disable_help_subcommand = true,
        override_usage = "hull run [OPTIONS] IMAGE [COMMAND] [ARG]..."
    )]
    Run(Deferred<Run>),
    /// Create a container
    #[command(
        disable_help_flag = true,
        disable_help_subcommand = true,
        override_usage = "hull create [OPTIONS] IMAGE [COMMAND] [ARG]..."
    )]
    Create(Deferred<Create>),
    /// Create and start a system container: a whole distribution with its init
    Launch(Deferred<super::launch::Launch>),
    /// Start stopped containers
    Start(Deferred<Start>),
    /// Stop running containers
    Stop(Deferred<Stop>),
    /// Stop and start containers
    Restart(Deferred<Stop>),
    /// Send a signal to running containers
    Kill(Deferred<Kill>),
    /// Remove containers
    #[command(alias = "remove")]
    Rm(Deferred<Rm>),
    /// List containers
    #[command(visible_alias = "ls", alias = "list")]
    Ps(Deferred<Ps>),
    /// Run a command in a running container
    #[command(
        disable_help_subcommand = true,
        override_usage = "hull exec [OPTIONS] CONTAINER COMMAND [ARG]..."
    )]
    Exec(Deferred<Exec>),
    /// Show a container's log
    Logs(Deferred<Logs>),
    /// Show everything about containers and images
    Inspect(Deferred<Inspect>),
    /// Wait until containers stop, and print their exit codes
    Wait(Deferred<Wait>),
    /// Connect to the console of a system container
    Console(Deferred<super::launch::Console>),
    /// Connect to the input and output of a running container
    Attach(Deferred<Attach>),
    /// Freeze all processes of containers
    Pause(Deferred<Pause>),
    /// Resume paused containers
    Unpause(Deferred<Pause>),
    /// Copy files between a container and this machine
    Cp(Deferred<Cp>),
    /// Show a container's processes, or without a name what all containers use
    #[command(
        disable_help_subcommand = true,
        override_usage = "hull top [OPTIONS] [CONTAINER [PS OPTIONS]...]"
    )]
    Top(Deferred<Top>),
    /// Show what containers use, once a second
    Stats(Deferred<Stats>),
    /// Change limits and the restart policy of containers
    Update(Deferred<Update>),
    /// List a container's published ports
    Port(Deferred<Port>),
    /// Rename a container
    Rename(Deferred<Rename>),
    /// Make an image from a container's files
    Commit(Deferred<Commit>),
    /// Make an image from a container or a snapshot of it
    Publish(Deferred<super::image_system::Publish>),
    /// List what a container changed
    Diff(Deferred<Diff>),
    /// Write a container's file system as a tar
    Export(Deferred<Export>),
    /// Mount containers' file systems where the host sees them, or list those that are mounted
    Mount(Deferred<super::mount::Mount>),
    /// Unmount containers' file systems from the host
    #[command(visible_alias = "umount")]
    Unmount(Deferred<super::mount::Unmount>),
}

/// The verbs of `hull container`: those of the top level, and some more.
#[derive(Debug, Subcommand)]
pub enum Group {
    #[command(flatten)]
    Verb(Verb),
    /// Manage containers' keys, in LXD's words
    Config(DeferredGroup<super::config::Config>),
    /// Exit with 0 if a container has this name, and with 1 if not
    Exists(Deferred<Exists>),
    /// Remove all stopped containers
    Prune(Deferred<Prune>),
}

#[derive(Debug, Args)]
pub struct Prune {
    /// Remove only what matches: label=KEY[=VALUE], label!=KEY[=VALUE], until=TIME
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Run {
    /// Run in the background and print the container's id
    #[arg(short, long)]
    pub detach: bool,
    /// Keys that end this command and leave the container running
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<String>,
    /// Pass the signals that this command gets on to the container
    #[arg(long, default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_name = "BOOL", hide_default_value = true)]
    pub sig_proxy: bool,
    #[command(flatten)]
    pub create: CreateArgs,
}

#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    pub create: CreateArgs,
}

#[derive(Debug, Args)]
pub struct Port {
    /// List the ports of all running containers
    #[arg(short, long, conflicts_with_all = ["latest", "name"])]
    pub all: bool,
    /// Use the latest container
    #[arg(short, long)]
    pub latest: bool,
    #[arg(value_name = "CONTAINER", required_unless_present_any = ["all", "latest"])]
    pub name: Option<String>,
    /// PORT[/PROTOCOL]
    pub port: Option<String>,
}

#[derive(Debug, Args)]
pub struct Exists {
    /// Accepted for podman's sake: there are no containers of other programs
    #[arg(long, hide = true)]
    pub external: bool,
    #[arg(value_name = "CONTAINER")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Wait {
    /// Wait for this state: created, running, paused, exited, stopped, healthy or unhealthy; one of several
    #[arg(long, value_name = "STATE", value_parser = ["created", "running", "paused", "exited", "stopped", "healthy", "unhealthy"])]
    pub condition: Vec<String>,
    /// With --condition, the longest time between two looks at the state
    #[arg(short, long, value_name = "DURATION", default_value = "250ms")]
    pub interval: String,
    /// Ignore containers that do not exist
    #[arg(long)]
    pub ignore: bool,
    #[command(flatten)]
    pub containers: Names,
}

#[derive(Debug, Args)]
#[command(mut_arg("all", |flag| flag.short('a')), mut_arg("filter", |flag| flag.short('f')))]
pub struct Pause {
    #[command(flatten)]
    pub containers: Selection,
}

#[derive(Debug, Args)]
#[command(mut_arg("filter", |flag| flag.short('f')))]
pub struct Start {
    /// Show the output and pass signals on
    #[arg(short, long)]
    pub attach: bool,
    /// Pass stdin on
    #[arg(short, long)]
    pub interactive: bool,
    /// Keys that end this command and leave the container running
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<String>,
    #[command(flatten)]
    pub containers: Selection,
}

#[derive(Debug, Args)]
#[command(mut_arg("all", |flag| flag.short('a')), mut_arg("filter", |flag| flag.short('f')))]
pub struct Stop {
    /// Ignore containers that do not exist
    #[arg(short, long)]
    pub ignore: bool,
    /// The signal instead of the container's stop signal
    #[arg(short, long, value_name = "SIGNAL")]
    pub signal: Option<String>,
    /// Seconds to wait before killing
    #[arg(short, long, visible_alias = "timeout", value_name = "SECONDS", allow_hyphen_values = true)]
    pub time: Option<String>,
    #[command(flatten)]
    pub containers: Selection,
}

#[derive(Debug, Args)]
#[command(mut_arg("all", |flag| flag.short('a')))]
pub struct Kill {
    /// The signal
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL")]
    pub signal: String,
    #[command(flatten)]
    pub containers: Selection,
}

#[derive(Debug, Args)]
#[command(mut_arg("all", |flag| flag.short('a')))]
pub struct Rm {
    /// Kill running containers first
    #[arg(short, long)]
    pub force: bool,
    /// Ignore containers that do not exist
    #[arg(short, long)]
    pub ignore: bool,
    /// Remove anonymous volumes too
    #[arg(short, long)]
    pub volumes: bool,
    #[command(flatten)]
    pub containers: Selection,
}

#[derive(Debug, Args)]
pub struct Ps {
    /// Show stopped containers too
    #[arg(short, long)]
    pub all: bool,
    /// Show only objects that match: KEY=VALUE
    #[arg(short, long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print no titles
    #[arg(long)]
    pub noheading: bool,
    /// Show this many of the latest containers, in any state
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub last: Option<usize>,
    /// Show the latest container, in any state
    #[arg(short, long)]
    pub latest: bool,
    /// Do not shorten long columns
    #[arg(long)]
    pub no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    pub quiet: bool,
    /// Show how much the containers have written
    #[arg(short, long)]
    pub size: bool,
    #[arg(short, long, value_name = "COLUMNS", help = super::values::LXD_COLUMNS)]
    pub columns: Option<String>,
    /// LXD's list, with columns that nothing has to be measured for
    #[arg(long, conflicts_with = "columns")]
    pub fast: bool,
    // LXD's filters: web, status=running, user.note=x. Only of LXD's list.
    #[arg(value_name = "LXD FILTER", hide = true)]
    pub words: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Exec {
    /// Run in the background
    #[arg(short, long)]
    pub detach: bool,
    /// Keys that end this command and leave the program running
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<String>,
    /// Set an environment variable: KEY=VALUE, or KEY to use its value in this command's environment
    #[arg(short, long, value_name = "ENV")]
    pub env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Send standard input to the container
    #[arg(short, long)]
    pub interactive: bool,
    /// Use the latest container
    #[arg(short, long)]
    pub latest: bool,
    /// Give the program all capabilities
    #[arg(long)]
    pub privileged: bool,
    /// Give the program a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Run as this user: NAME|UID[:GROUP|GID]
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// Start the program in this directory
    #[arg(short, long, visible_alias = "cwd", value_name = "DIR")]
    pub workdir: Option<String>,
    /// Whether the program has a terminal, and your input: auto looks at your own terminal
    #[arg(long, value_name = "MODE", conflicts_with_all = ["interactive", "tty"], value_parser = ["auto", "interactive", "non-interactive"])]
    pub mode: Option<String>,
    #[command(subcommand)]
    pub rest: Option<Rest>,
}

#[derive(Debug, Args)]
pub struct Logs {
    /// Accepted for podman's sake, which gives each of several containers a colour
    #[arg(long, hide = true)]
    pub color: bool,
    /// Wait for new lines and show them
    #[arg(short, long)]
    pub follow: bool,
    /// Show only lines since this time: 2026-01-02T13:04:05Z, or 42m for 42 minutes ago
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Show only lines until this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Show only this many lines from the end
    #[arg(short = 'n', long, value_name = "COUNT", default_value = "all", allow_hyphen_values = true)]
    pub tail: String,
    /// Show the labels and variables that --log-opt labels=… and env=… add to each line
    #[arg(long)]
    pub details: bool,
    /// Show the time of each line
    #[arg(short, long)]
    pub timestamps: bool,
    #[command(flatten)]
    pub container: One,
}

#[derive(Debug, Args)]
pub struct Inspect {
    /// json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Also show how many bytes the container has written, and the total with its image
    #[arg(short, long)]
    pub size: bool,
    /// Look only for this kind: container, image, volume or network
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// Use the latest container
    #[arg(short, long)]
    pub latest: bool,
    #[arg(value_name = "NAME", required_unless_present = "latest", conflicts_with = "latest")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Attach {
    /// Keys that end this command and leave the container running
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<String>,
    /// Do not forward standard input
    #[arg(long)]
    pub no_stdin: bool,
    /// Pass the signals that this command gets on to the container
    #[arg(long, default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_name = "BOOL", hide_default_value = true)]
    pub sig_proxy: bool,
    #[command(flatten)]
    pub container: One,
}

#[derive(Debug, Args)]
pub struct Cp {
    /// Keep the owners of the files
    #[arg(short, long)]
    pub archive: bool,
    /// If SOURCE is a symbolic link, copy the file that it names
    #[arg(short = 'L', long)]
    pub follow_link: bool,
    /// Print nothing
    #[arg(short, long)]
    pub quiet: bool,
    /// CONTAINER:PATH, PATH, or - for a tar on stdin
    pub source: String,
    /// CONTAINER:PATH, PATH, or - for a tar on stdout
    pub target: String,
}

#[derive(Debug, Args)]
pub struct Top {
    /// Use the latest container
    #[arg(short, long)]
    pub latest: bool,
    /// Without a container: show it once
    #[arg(long)]
    pub no_stream: bool,
    /// Without a container: seconds between two readings
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub delay: u16,
    /// Without a container: by name, cpu, memory, kernel (memory), blockio or network
    #[arg(long, default_value = "cpu", value_parser = ["name", "cpu", "memory", "kernel", "blockio", "network"])]
    pub sort: String,
    // The container, and options of ps(1), which look like flags.
    #[command(subcommand)]
    pub rest: Option<Rest>,
}

#[derive(Debug, Args)]
pub struct Rename {
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    #[arg(value_name = "NEW_NAME")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Commit {
    #[arg(short, long, value_name = "TEXT")]
    pub author: Option<String>,
    /// Apply a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,
    /// Write this remark into the image's history
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Freeze the container while it is read
    #[arg(short, long, default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_name = "BOOL", hide_default_value = true)]
    pub pause: bool,
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct Diff {
    #[command(flatten)]
    pub container: One,
}

#[derive(Debug, Args)]
pub struct Export {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[arg(value_name = "CONTAINER")]
    pub container: String,
}
