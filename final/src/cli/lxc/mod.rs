//! LXD's command line, which hull has when it is started as `lxc`. LXD's `list`, `info`, `export` and others mean something
//! else than docker's, so this is a command line of its own. A verb that hull has with LXD's meaning has the flags that are
//! defined in `cli/`.
//!
//! ```text
//! instance   the verbs for instances whose meaning or flags are not those of hull's own verbs
//! config, image, network   groups that differ from hull's own
//! tools      LXC's programs, such as lxc-start          made  those that make containers and snapshots
//! ```

pub mod config;
pub mod image;
pub mod instance;
pub mod made;
pub mod network;
pub mod tools;

use clap::{Args, Parser, Subcommand};

use super::file::FileVerb;
use super::profile::Profile;
use super::remote::Remote;
use super::storage::Storage;
use super::{Deferred, DeferredGroup, Global, image_system, launch, snapshot, system};
use config::Config;
use image::Image;
use network::Network;

/// System containers, with the words of LXD's client.
#[derive(Debug, Parser)]
#[command(
    name = "lxc",
    version,
    about,
    max_term_width = 110,
    disable_help_subcommand = true,
    disable_version_flag = true
)]
pub struct Lxc {
    #[command(flatten)]
    pub global: Global,
    #[command(flatten)]
    pub client: Client,
    /// Print version
    #[arg(long, action = clap::ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The flags that each verb of LXD's client has.
#[derive(Debug, Args)]
pub struct Client {
    /// Which project: there is one, default
    #[arg(long, global = true, value_name = "PROJECT")]
    pub project: Option<String>,
    /// Accepted: hull never asks another machine
    #[arg(long, global = true)]
    pub force_local: bool,
    /// Accepted: hull has no levels of messages
    #[arg(long, global = true)]
    pub debug: bool,
    /// Accepted: hull has no levels of messages
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Print no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Manage the keys, devices and profiles of an instance
    Config(DeferredGroup<Config>),
    /// Attach to the console of an instance
    Console(Deferred<launch::Console>),
    /// Remove instances and snapshots
    #[command(visible_alias = "rm")]
    Delete(Deferred<instance::Delete>),
    /// Run a command in an instance
    Exec(Deferred<instance::Exec>),
    /// Write an instance with its snapshots as an archive
    Export(Deferred<instance::Export>),
    /// Push, pull, edit and delete files in instances
    File(DeferredGroup<FileVerb>),
    /// Manage images
    Image(DeferredGroup<Image>),
    /// Make an instance from an archive that `export` has written
    Import(Deferred<snapshot::Import>),
    /// Show an instance, or this machine
    Info(Deferred<instance::Info>),
    /// Create an instance from an image
    Init(Deferred<launch::Launch>),
    /// Create an instance from an image and start it
    Launch(Deferred<launch::Launch>),
    /// List instances
    #[command(visible_alias = "ls")]
    List(Deferred<instance::List>),
    /// Manage networks
    Network(DeferredGroup<Network>),
    /// Freeze running instances
    Pause(Deferred<instance::Many>),
    /// Manage profiles
    Profile(DeferredGroup<Profile>),
    /// Make an image of an instance or a snapshot
    Publish(Deferred<image_system::Publish>),
    /// Manage the list of image servers
    Remote(DeferredGroup<Remote>),
    /// Rename an instance or a snapshot
    Rename(Deferred<instance::Rename>),
    /// Restart instances
    Restart(Deferred<instance::Stop>),
    /// Open a shell in an instance, as by su(1)
    Shell(Deferred<instance::Shell>),
    /// Start instances, or thaw frozen ones
    Start(Deferred<instance::Start>),
    /// Stop instances
    Stop(Deferred<instance::Stop>),
    #[command(flatten)]
    Snapshots(snapshot::Verb),
    /// Manage storage pools and volumes
    Storage(DeferredGroup<Storage>),
    /// Show the version that hull follows
    Version(Deferred<NoFlags>),
    /// Show what a command does and which flags it takes
    Help(Deferred<system::Help>),
}

#[derive(Debug, Args)]
pub struct NoFlags {}
