//! The command line, with docker's verbs and flags.
//!
//! ```text
//! boot, container, image, image_system, network, registry, system, healthcheck, book   the verbs of each group, with their own flags
//! options, network_flags, health_flags          the flags of run and create
//! limits                                        the limits among them, which update has, too
//! resources                                     stats, update
//! selection                                     which containers a verb is for
//! request                                       flags → docker's requests
//! values                                        reads the value of one flag, or says what is wrong with it
//! storage, storage_volume                       storage pools, and their volumes
//! events                                        the flags of events
//! launch                                        launch and console
//! file                                          file: LXD's push, pull, edit, delete, mount
//! config, profile                               keys and devices in LXD's words
//! snapshot                                      snapshots of containers
//! instance_flags                                which settings of a copy differ
//! device                                        LXD's devices of a container
//! serve, context                                serve: docker's API, and where clients find it
//! build, build_flags, build_request             build: its flags, and the request that they make
//! compose                                       the verbs of compose
//! lxc                                           the command line of LXD's client, and LXC's programs
//! deferred                                      flags that are defined only when their verb is used
//! ```

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "clap prints these comments as help, where brackets mean: may be left out"
)]

mod attach_flags;
pub mod book;
pub mod boot;
pub mod build;
pub mod build_flags;
pub mod build_request;
#[cfg(test)]
mod build_tests;
pub mod builder;
pub mod compose;
pub mod config;
pub mod container;
pub mod context;
mod deferred;
pub mod device;
pub mod events;
pub mod file;
pub mod generate;
pub mod health_flags;
pub mod healthcheck;
pub mod image;
pub mod image_system;
pub mod instance_flags;
pub mod launch;
pub mod limits;
pub mod lxc;
pub mod mount;
pub mod network;
pub mod network_flags;
pub mod options;
mod podman_flags;
pub mod profile;
pub mod registry;
pub mod remote;
pub mod request;
pub mod resources;
mod runtime_flags;
pub mod selection;
pub mod serve;
pub mod snapshot;
pub mod storage;
pub mod storage_volume;
pub mod system;
#[cfg(test)]
mod tests;
mod userns_flags;
pub mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use deferred::{Deferred, DeferredGroup};

use crate::persona;

/// Reads the command line.
pub fn parse() -> Result<Cli, clap::Error> {
    let words = persona::words();
    Cli::try_parse_from(&words).or_else(|error| {
        // Boolean flags seldom have a value, so flags with optional values are defined only if the first parse fails.
        let is_set = |word: &std::ffi::OsString| {
            word.to_string_lossy().split_once('=').is_some_and(|(flag, _)| flag.starts_with('-'))
        };
        if hull_usage::is_help(&error) || !words.iter().skip(1).any(is_set) {
            return Err(error);
        }
        deferred::allow_values_of_booleans();
        Cli::try_parse_from(&words)
    })
}

/// Containers without a daemon.
#[derive(Debug, Parser)]
#[command(
    name = "hull",
    version,
    about,
    max_term_width = 110,
    disable_help_subcommand = true,
    disable_version_flag = true
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    /// Print version
    #[arg(short = 'v', long, short_alias = 'V', action = clap::ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    pub command: Command,
}

/// The directories in which hull keeps its data.
#[derive(Debug, Args)]
pub struct Global {
    /// Images, containers and volumes [default: /var/lib/hull, or ~/.local/share/hull]
    #[arg(long, env = "HULL_ROOT", value_name = "DIR", hide_env_values = true)]
    pub root: Option<PathBuf>,
    /// State of running containers [default: /run/hull, or $XDG_RUNTIME_DIR/hull; run in another --root]
    #[arg(long, env = "HULL_RUNROOT", value_name = "DIR", hide_env_values = true)]
    pub runroot: Option<PathBuf>,
    /// The cgroup that containers' cgroups are made in
    #[arg(long, env = "HULL_CGROUP_PARENT", value_name = "PATH", hide_env_values = true)]
    pub cgroup_parent: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Verb(container::Verb),
    #[command(flatten)]
    ImageVerb(image::Verb),
    #[command(flatten)]
    SnapshotVerb(snapshot::Verb),
    /// List, rename and remove snapshots of containers
    Snapshots(DeferredGroup<snapshot::Snapshots>),
    /// Write containers with their snapshots as archives, and read them
    Backup(DeferredGroup<snapshot::Backup>),
    /// Manage containers
    #[command(name = "container")]
    Container(DeferredGroup<container::Group>),
    /// Manage images
    #[command(name = "image")]
    Image(DeferredGroup<image::Group>),
    /// Make an image from a Dockerfile
    #[command(aliases = ["bud", "build-using-dockerfile"])]
    Build(Deferred<build::Build>),
    /// Build images, and manage the build cache
    Builder(DeferredGroup<build::Builder>),
    /// Build images, with the words of docker's buildx
    Buildx(DeferredGroup<build::Builder>),
    /// Run the containers that a compose file describes
    Compose(Deferred<compose::Compose>),
    /// Copy, edit and delete files of containers
    File(DeferredGroup<file::FileVerb>),
    /// Manage health checks
    Healthcheck(DeferredGroup<healthcheck::Healthcheck>),
    /// Manage the devices of containers: disks, nics, proxies
    Device(DeferredGroup<device::Device>),
    /// Manage networks
    Network(DeferredGroup<network::Network>),
    /// Manage profiles: settings that containers share
    Profile(DeferredGroup<profile::Profile>),
    /// Manage servers of LXD's images
    Remote(DeferredGroup<remote::Remote>),
    /// Manage volumes
    Volume(DeferredGroup<system::Volume>),
    /// Manage storage pools
    Storage(DeferredGroup<storage::Storage>),
    /// Make files for other programs from a container
    Generate(DeferredGroup<generate::Generate>),
    /// Start containers with the machine
    Boot(DeferredGroup<boot::Boot>),
    /// Manage hull
    System(DeferredGroup<system::System>),
    /// Show what happens to containers, images, volumes and networks
    Events(Deferred<events::Events>),
    /// Serve docker's API on a socket, for docker's clients
    Serve(Deferred<serve::Serve>),
    /// Show which server docker's clients use
    Context(DeferredGroup<context::Context>),
    /// Show information about this machine and hull's state
    Info(Deferred<system::Format>),
    /// Show what this machine can do for containers, and how to get what is missing
    Doctor(Deferred<system::Doctor>),
    /// Open the book about hull, or print where it is
    Book(Deferred<book::Book>),
    /// Show what a command does and which flags it takes
    Help(Deferred<system::Help>),
    /// Show hull's version
    Version(Deferred<system::Format>),
    /// Print a shell's completion script
    Completion(Deferred<system::Completion>),
    /// Write the man pages
    #[command(hide = true)]
    Man(Deferred<system::Man>),
}
