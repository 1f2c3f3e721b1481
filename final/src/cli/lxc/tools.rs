//! LXC's programs, each a verb here, with the options that are used daily. Their configuration files and template scripts
//! are not read.

use clap::{Args, Parser, Subcommand};

use super::super::{Deferred, Global};
use super::made;

/// LXC's programs.
#[derive(Debug, Parser)]
#[command(name = "lxc", max_term_width = 110, disable_help_subcommand = true)]
pub struct Tools {
    #[command(flatten)]
    pub global: Global,
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub tool: Tool,
}

/// The options that each of them has.
#[derive(Debug, Args)]
pub struct Common {
    /// Accepted: hull has one log of what happens, which `hull events` shows
    #[arg(short = 'o', long, global = true, hide = true, value_name = "FILE")]
    pub logfile: Option<String>,
    /// Accepted: hull has no levels of messages
    #[arg(short = 'l', long, global = true, hide = true, value_name = "LEVEL")]
    pub logpriority: Option<String>,
    /// Where LXC has its containers: hull's are below --root
    #[arg(short = 'P', long, global = true, hide = true, value_name = "DIR")]
    pub lxcpath: Option<String>,
    /// Print no messages
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Tool {
    /// Run a command in a container, or a shell
    #[command(name = "lxc-attach")]
    Attach(Deferred<Attach>),
    /// Show what containers need of this machine, and what is there
    #[command(name = "lxc-checkconfig")]
    Checkconfig(Deferred<Checkconfig>),
    /// Attach to a container's console
    #[command(name = "lxc-console")]
    Console(Deferred<Console>),
    /// Make a container of another one
    #[command(name = "lxc-copy")]
    Copy(Deferred<made::Copy>),
    /// Make a container of an image
    #[command(name = "lxc-create")]
    Create(Deferred<made::Create>),
    /// Remove a container
    #[command(name = "lxc-destroy")]
    Destroy(Deferred<Destroy>),
    /// Freeze a container's processes
    #[command(name = "lxc-freeze")]
    Freeze(Deferred<One>),
    /// Show a container
    #[command(name = "lxc-info")]
    Info(Deferred<Info>),
    /// List containers
    #[command(name = "lxc-ls")]
    Ls(Deferred<Ls>),
    /// Take, list, restore and remove snapshots of a container
    #[command(name = "lxc-snapshot")]
    Snapshot(Deferred<made::Snapshot>),
    /// Start a container
    #[command(name = "lxc-start")]
    Start(Deferred<Start>),
    /// Stop a container
    #[command(name = "lxc-stop")]
    Stop(Deferred<Stop>),
    /// Show what containers use, again and again
    #[command(name = "lxc-top")]
    Top(Deferred<Top>),
    /// Thaw a container's processes
    #[command(name = "lxc-unfreeze")]
    Unfreeze(Deferred<One>),
    /// Wait until a container is in a state
    #[command(name = "lxc-wait")]
    Wait(Deferred<Wait>),
}

// A container, by an option or as an argument. A doc comment would become the help of the verbs that have this.
#[derive(Debug, Args)]
pub struct One {
    /// The container
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<String>,
    #[arg(value_name = "NAME", required_unless_present = "name", conflicts_with = "name")]
    pub positional: Option<String>,
}

impl One {
    pub fn name(&self) -> &str {
        self.name.as_deref().or(self.positional.as_deref()).unwrap_or_default()
    }
}

#[derive(Debug, Args)]
pub struct Attach {
    /// The container
    #[arg(short, long, value_name = "NAME", required = true)]
    pub name: String,
    /// Leave out the caller's variables, which are kept without this
    #[arg(long)]
    pub clear_env: bool,
    /// Keep the caller's variables, as without it
    #[arg(long, conflicts_with = "clear_env")]
    pub keep_env: bool,
    /// Set a variable
    #[arg(short = 'v', long, value_name = "KEY=VALUE")]
    pub set_var: Vec<String>,
    /// Keep one of the caller's variables
    #[arg(long, value_name = "KEY")]
    pub keep_var: Vec<String>,
    /// Run as this user
    #[arg(short, long, value_name = "UID")]
    pub uid: Option<u32>,
    /// Run as this group
    #[arg(short, long, value_name = "GID")]
    pub gid: Option<u32>,
    /// The command [default: /bin/sh]
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Checkconfig {}

#[derive(Debug, Args)]
pub struct Console {
    #[command(flatten)]
    pub one: One,
    /// Which terminal: 0 is the console, and hull has no others
    #[arg(short, long, value_name = "NUMBER", value_parser = ["0"])]
    pub tty: Option<String>,
    /// The key before q, which together end this command: a letter that is pressed with Ctrl
    #[arg(short, long, value_name = "KEY", default_value = "a")]
    pub escape: String,
}

#[derive(Debug, Args)]
pub struct Wait {
    #[command(flatten)]
    pub one: One,
    /// STOPPED, RUNNING or FROZEN, or several with | between them
    #[arg(short, long, value_name = "STATES")]
    pub state: String,
    /// How many seconds at most; -1 for no limit
    #[arg(short, long, value_name = "SECONDS", default_value_t = -1, allow_negative_numbers = true)]
    pub timeout: i64,
}

#[derive(Debug, Args)]
pub struct Top {
    /// Seconds between two readings
    #[arg(short, long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub delay: u16,
    /// By name, CPU, block I/O, memory, memory with swap, or kernel memory
    #[arg(short, long, default_value = "n", value_parser = ["n", "c", "b", "m", "s", "k"])]
    pub sort: String,
    /// The other way round
    #[arg(short, long)]
    pub reverse: bool,
    /// Show it once, for a file
    #[arg(short, long)]
    pub batch: bool,
}

#[derive(Debug, Args)]
pub struct Destroy {
    #[command(flatten)]
    pub one: One,
    /// Stop the container first
    #[arg(short, long)]
    pub force: bool,
    /// Remove its snapshots, too
    #[arg(short, long)]
    pub snapshots: bool,
}

#[derive(Debug, Args)]
pub struct Info {
    #[command(flatten)]
    pub one: One,
    /// Show the state
    #[arg(short, long)]
    pub state: bool,
    /// Show the process id of its init
    #[arg(short, long)]
    pub pid: bool,
    /// Show the addresses
    #[arg(short, long)]
    pub ips: bool,
    /// Show what it uses
    #[arg(short = 'S', long)]
    pub stats: bool,
    /// Show the bare numbers
    #[arg(short = 'H', long)]
    pub no_humanize: bool,
}

#[derive(Debug, Args)]
pub struct Ls {
    /// One name on a line
    #[arg(short = '1', long = "line")]
    pub line: bool,
    /// A table
    #[arg(short, long)]
    pub fancy: bool,
    /// The table's columns: NAME, STATE, PID, RAM, AUTOSTART, GROUPS, INTERFACE, IPV4, IPV6, UNPRIVILEGED
    #[arg(short = 'F', long, value_name = "COLUMNS")]
    pub fancy_format: Option<String>,
    /// Only those that run or are frozen
    #[arg(long)]
    pub active: bool,
    /// Only those that run
    #[arg(long)]
    pub running: bool,
    /// Only those that are frozen
    #[arg(long)]
    pub frozen: bool,
    /// Only those that do not run
    #[arg(long)]
    pub stopped: bool,
    /// Only names that this regular expression matches
    #[arg(long, value_name = "REGEX")]
    pub filter: Option<String>,
}

#[derive(Debug, Args)]
pub struct Start {
    #[command(flatten)]
    pub one: One,
    /// Run in the background, as without it
    #[arg(short, long, conflicts_with = "foreground")]
    pub daemon: bool,
    /// Stay until the container ends, on its console
    #[arg(short = 'F', long)]
    pub foreground: bool,
}

#[derive(Debug, Args)]
pub struct Stop {
    #[command(flatten)]
    pub one: One,
    /// Start it again
    #[arg(short, long)]
    pub reboot: bool,
    /// Do not wait for its end
    #[arg(short = 'W', long)]
    pub nowait: bool,
    /// How many seconds its init has before it is killed [default: 60]
    #[arg(short, long, value_name = "SECONDS")]
    pub timeout: Option<u32>,
    /// Kill instead of asking the init to end
    #[arg(short, long, conflicts_with_all = ["reboot", "nokill", "timeout"])]
    pub kill: bool,
    /// Ask the init to end, and neither wait nor kill
    #[arg(long)]
    pub nokill: bool,
    /// Accepted: no lock waits for a stop
    #[arg(long, requires = "kill")]
    pub nolock: bool,
}
