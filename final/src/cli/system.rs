//! Volumes, and hull itself.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Deferred;

#[derive(Debug, Subcommand)]
pub enum Volume {
    /// Create a volume
    Create(Deferred<VolumeCreate>),
    /// Exit with 0 if a volume has this name, and with 1 if not
    Exists(Deferred<VolumeExists>),
    /// Write a volume's files as a tar
    Export(Deferred<VolumeExport>),
    /// Add the files of a tar to a volume
    Import(Deferred<VolumeImport>),
    /// Show everything about volumes
    Inspect(Deferred<VolumeInspect>),
    /// List volumes
    #[command(visible_alias = "list")]
    Ls(Deferred<VolumeList>),
    /// Remove volumes that no container uses
    Prune(Deferred<VolumePrune>),
    /// Remove volumes
    #[command(visible_alias = "remove")]
    Rm(Deferred<VolumeRemove>),
}

#[derive(Debug, Args)]
pub struct VolumeCreate {
    /// The volume's driver: local
    #[arg(short, long, value_name = "DRIVER", default_value = "local", hide_default_value = true)]
    pub driver: String,
    /// An option of the driver: type=FILESYSTEM, device=DEVICE, o=OPTIONS of mount(8), size=SIZE of a tmpfs
    #[arg(short, long = "opt", value_name = "KEY=VALUE")]
    pub opt: Vec<String>,
    /// Succeed even if the name exists already
    #[arg(long)]
    pub ignore: bool,
    /// Set a label: KEY=VALUE
    #[arg(short, long, value_name = "LABEL")]
    pub label: Vec<String>,
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct VolumeExists {
    #[arg(value_name = "VOLUME")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct VolumeExport {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[arg(value_name = "VOLUME")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct VolumeImport {
    #[arg(value_name = "VOLUME")]
    pub name: String,
    /// A tar, plain or compressed; - for stdin
    #[arg(value_name = "FILE|-")]
    pub source: PathBuf,
}

#[derive(Debug, Args)]
pub struct VolumeInspect {
    /// json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    #[arg(required = true, value_name = "VOLUME")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct VolumeList {
    /// Show only objects that match: KEY=VALUE
    #[arg(short, long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print no titles
    #[arg(short = 'n', long)]
    pub noheading: bool,
    /// Show names only
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct VolumePrune {
    /// Remove only what matches: label=KEY[=VALUE], label!=KEY[=VALUE], all=BOOL
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Remove volumes with a name as well
    #[arg(short, long)]
    pub all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct VolumeRemove {
    /// All volumes
    #[arg(short, long, conflicts_with = "names")]
    pub all: bool,
    /// Ignore names that do not exist
    #[arg(short, long)]
    pub force: bool,
    #[arg(required_unless_present = "all", value_name = "VOLUME")]
    pub names: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum System {
    /// Verify images and layers, and repair damaged ones
    Check(Deferred<Check>),
    /// Show disk usage
    Df(Deferred<Df>),
    /// Serve docker's API on standard input and output, for docker's client on another machine
    #[command(hide = true)]
    DialStdio(Deferred<DialStdio>),
    /// Show what happens to containers, images, volumes and networks
    Events(Deferred<super::events::Events>),
    /// Show information about this machine and hull's state
    Info(Deferred<Format>),
    /// Remove stopped containers and unused networks and images
    Prune(Deferred<Prune>),
    /// Serve docker's API, with podman's words
    Service(Deferred<super::serve::Service>),
}

#[derive(Debug, Args)]
pub struct DialStdio {}

#[derive(Debug, Args)]
pub struct Df {
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Show every image, container and volume
    #[arg(short, long)]
    pub verbose: bool,
}

#[derive(Debug, Args)]
pub struct Prune {
    /// Remove only what matches: label=KEY[=VALUE], label!=KEY[=VALUE], until=TIME
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Remove images with a name as well, if no container uses them
    #[arg(short, long)]
    pub all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
    /// Remove anonymous volumes as well
    #[arg(long)]
    pub volumes: bool,
}

#[derive(Debug, Args)]
pub struct Format {
    /// json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

#[derive(Debug, Args)]
pub struct Help {
    /// The command's full name, such as: network create
    #[arg(value_name = "COMMAND")]
    pub words: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Completion {
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct Man {
    /// Where to write them
    pub directory: PathBuf,
}

#[derive(Debug, Args)]
pub struct Check {
    /// Do not verify unpacked layers
    #[arg(long)]
    pub quick: bool,
    /// Fetch damaged images again from their registries
    #[arg(long)]
    pub repair: bool,
    #[command(flatten)]
    pub access: super::registry::Access,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// json
    #[arg(short, long, value_name = "FORMAT", value_parser = ["json"])]
    pub format: Option<String>,
}
