//! Snapshots and copies of containers: `snapshot`, `restore`, `copy`, `move`, `snapshots` and `backup`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub use super::boot::{Enable, Nothing};

use super::Deferred;
use super::instance_flags::InstanceFlags;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Take a snapshot of a container: its files, configuration and devices
    Snapshot(Deferred<Snapshot>),
    /// Make a container as it was when a snapshot was taken
    Restore(Deferred<Restore>),
    /// Make a container from another one, or from a snapshot
    Copy(Deferred<Copy>),
    /// Give a container another name, or move it to another storage pool, root or machine
    #[command(visible_alias = "mv")]
    Move(Deferred<Move>),
}

#[derive(Debug, Subcommand)]
pub enum Backup {
    /// Write a container with its snapshots as an archive
    Export(Deferred<Export>),
    /// Make a container from an archive, hull's or LXD's
    Import(Deferred<Import>),
}

#[derive(Debug, Subcommand)]
pub enum Snapshots {
    /// List the snapshots of containers
    #[command(visible_alias = "ls")]
    List(Deferred<List>),
    /// Show a snapshot
    Info(Deferred<Info>),
    /// Rename a snapshot
    Rename(Deferred<Rename>),
    /// Remove snapshots
    #[command(visible_alias = "rm")]
    Delete(Deferred<Delete>),
    /// Take the snapshots that are due by snapshots.schedule, and remove those that have expired
    Run(Deferred<Nothing>),
    /// Install a systemd timer that does so each minute
    Enable(Deferred<Enable>),
    /// Remove the systemd timer of `snapshots enable`
    Disable(Deferred<Nothing>),
    /// Show whether the systemd timer of `snapshots enable` is installed
    Status(Deferred<Nothing>),
}

#[derive(Debug, Args)]
pub struct Snapshot {
    /// Replace the snapshot of this name, if there is one
    #[arg(long)]
    pub reuse: bool,
    /// Keep the snapshot for ever, whatever snapshots.expiry says
    #[arg(long, conflicts_with = "expiry")]
    pub no_expiry: bool,
    /// When it is removed: 1w 2d (S, M, H, d, w, m, y), or a date
    #[arg(long, value_name = "TIME")]
    pub expiry: Option<String>,
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    /// The snapshot's name [default: snap0, snap1…]
    #[arg(value_name = "SNAPSHOT")]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct Restore {
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    #[arg(value_name = "SNAPSHOT")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Copy {
    /// The copy goes when it ends
    #[arg(short, long)]
    pub ephemeral: bool,
    /// Leave out the snapshots
    #[arg(long)]
    pub instance_only: bool,
    /// Give a copy that exists the files and snapshots that its original has now
    #[arg(long, conflicts_with_all = ["ephemeral", "storage", "config", "device", "profile", "no_profiles", "target_root"])]
    pub refresh: bool,
    #[command(flatten)]
    pub flags: InstanceFlags,
    /// Copy into the root in this directory
    #[arg(long, value_name = "DIR")]
    pub target_root: Option<PathBuf>,
    /// The state directory of that root [default: run in it]
    #[arg(long, value_name = "DIR", requires = "target_root")]
    pub target_runroot: Option<PathBuf>,
    #[arg(value_name = "CONTAINER[/SNAPSHOT]")]
    pub source: String,
    /// NAME, or ssh://[USER@]HOST[:PORT][/NAME] for another machine's hull
    #[arg(value_name = "NEW")]
    pub target: String,
}

#[derive(Debug, Args)]
pub struct Move {
    /// Leave out the snapshots
    #[arg(long)]
    pub instance_only: bool,
    #[command(flatten)]
    pub flags: InstanceFlags,
    /// Move into the root in this directory
    #[arg(long, value_name = "DIR")]
    pub target_root: Option<PathBuf>,
    /// The state directory of that root [default: run in it]
    #[arg(long, value_name = "DIR", requires = "target_root")]
    pub target_runroot: Option<PathBuf>,
    #[arg(value_name = "CONTAINER")]
    pub source: String,
    /// NAME, or ssh://[USER@]HOST[:PORT][/NAME] for another machine's hull [default with --storage: its name]
    #[arg(value_name = "NEW", required_unless_present = "storage")]
    pub target: Option<String>,
}

#[derive(Debug, Args)]
pub struct Export {
    /// gzip, zstd or none [default: what the file's name says]
    #[arg(long, value_name = "KIND", value_parser = ["gzip", "zstd", "none"])]
    pub compression: Option<String>,
    /// Leave out the snapshots
    #[arg(long)]
    pub instance_only: bool,
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    /// [default: standard output]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub flags: InstanceFlags,
    /// Give the container what it asks for of this machine: directories, devices, namespaces, ports, rights
    #[arg(long)]
    pub trusted: bool,
    /// - is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// [default: the name in the archive]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct List {
    /// json, table, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// [default: all containers]
    #[arg(value_name = "CONTAINER")]
    pub containers: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Info {
    /// json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    #[arg(value_name = "CONTAINER/SNAPSHOT")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Rename {
    #[arg(value_name = "CONTAINER/SNAPSHOT")]
    pub name: String,
    #[arg(value_name = "NEW")]
    pub new: String,
}

#[derive(Debug, Args)]
pub struct Delete {
    #[arg(value_name = "CONTAINER/SNAPSHOT", required = true)]
    pub names: Vec<String>,
}
