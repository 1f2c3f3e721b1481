//! The verbs on images.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::image_system::{Alias, Copy, Export, GetProperty, Import, Refresh, SetProperty};
use super::registry::{Access, Login, Logout, Pull, Push, Search, Tags};
use super::{Deferred, DeferredGroup};

/// At the top level, by their short names.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List images
    Images(Deferred<List>),
    /// Fetch images from a registry
    Pull(Deferred<Pull>),
    /// Send an image to a registry
    Push(Deferred<Push>),
    /// Log in to a registry
    Login(Deferred<Login>),
    /// Log out of a registry
    Logout(Deferred<Logout>),
    /// Search for images in registries
    Search(Deferred<Search>),
    /// Make an image from a root file system, or from an image of LXD's
    Import(Deferred<Import>),
    /// Load images from an archive: docker's, OCI's, or an OCI layout
    Load(Deferred<Load>),
    /// Write images to an archive
    Save(Deferred<Save>),
    /// Show how an image was made
    History(Deferred<History>),
    /// Give an image another name in addition
    Tag(Deferred<Tag>),
    /// Remove names from an image, but keep the image
    Untag(Deferred<Untag>),
    /// Remove images
    Rmi(Deferred<Remove>),
}

/// `hull image …`.
#[derive(Debug, Subcommand)]
pub enum Group {
    /// Manage the names of images
    Alias(DeferredGroup<Alias>),
    /// Make an image from a Dockerfile
    Build(Deferred<super::build::Build>),
    /// List images
    #[command(visible_alias = "list")]
    Ls(Deferred<List>),
    /// Show everything about images
    Inspect(Deferred<Inspect>),
    /// Exit with 0 if an image has this name, and with 1 if not
    Exists(Deferred<One>),
    /// Fetch images from a registry
    Pull(Deferred<Pull>),
    /// Send an image to a registry
    Push(Deferred<Push>),
    /// Make an image from a root file system, or from an image of LXD's
    Import(Deferred<Import>),
    /// Load images from an archive: docker's, OCI's, or an OCI layout
    Load(Deferred<Load>),
    /// Write images to an archive
    Save(Deferred<Save>),
    /// Search for images in registries
    Search(Deferred<Search>),
    /// Show how an image was made
    History(Deferred<History>),
    /// List what differs between two images, or what an image's last layer changed
    Diff(Deferred<ImageDiff>),
    /// Turn an image's history back into a Dockerfile
    Dockerfile(Deferred<One>),
    /// Show what each layer of an image adds, and what later layers delete or replace
    Layers(Deferred<Layers>),
    /// Show an image's layers as a tree
    Tree(Deferred<One>),
    /// Give an image another name in addition
    Tag(Deferred<Tag>),
    /// Remove names from an image, but keep the image
    Untag(Deferred<Untag>),
    /// List a repository's tags in its registry
    Tags(Deferred<Tags>),
    /// Remove images
    #[command(visible_alias = "remove")]
    Rm(Deferred<Remove>),
    /// Remove images that nothing uses
    Prune(Deferred<Prune>),
    /// Fetch an image from a remote
    #[command(visible_alias = "cp")]
    Copy(Deferred<Copy>),
    /// Fetch newer images of those that came from remotes
    Refresh(Deferred<Refresh>),
    /// Write an image as LXD's archives
    Export(Deferred<Export>),
    /// Show an image and its properties, for people
    Info(Deferred<One>),
    /// Show an image's properties as YAML
    Show(Deferred<One>),
    /// Change an image's properties in an editor, or take them from standard input
    Edit(Deferred<One>),
    /// Print a property of an image
    GetProperty(Deferred<GetProperty>),
    /// Change a property of an image
    SetProperty(Deferred<SetProperty>),
    /// Remove a property of an image
    UnsetProperty(Deferred<GetProperty>),
}

#[derive(Debug, Args)]
pub struct List {
    /// Show images without a name too
    #[arg(short, long)]
    pub all: bool,
    /// Show manifest digests
    #[arg(long)]
    pub digests: bool,
    /// Show only objects that match: KEY=VALUE
    #[arg(short, long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print no titles
    #[arg(short = 'n', long)]
    pub noheading: bool,
    /// Do not shorten long columns
    #[arg(long)]
    pub no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    pub quiet: bool,
    /// Only images of this repository, or this one
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct Inspect {
    /// json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// With --remote, of another platform than this machine's: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM", requires = "remote")]
    pub platform: Option<String>,
    /// In the registry, without pulling
    #[arg(long)]
    pub remote: bool,
    #[command(flatten)]
    pub access: Access,
    #[arg(required = true, value_name = "IMAGE")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Load {
    /// The archive or layout, instead of stdin
    #[arg(short, long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Choose another platform than that of this machine: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
    /// Accepted because docker has it; hull prints no progress here
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct Save {
    /// gzip or zstd
    #[arg(long, value_name = "KIND", value_parser = ["gzip", "zstd"])]
    pub compress: Option<String>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// docker-archive (which is an OCI archive too) or oci-archive
    #[arg(long, value_name = "FORMAT", default_value = "docker-archive", value_parser = ["docker-archive", "oci-archive"])]
    pub format: String,
    /// The images; a name without a tag stands for all tags of its repository
    #[arg(required = true, value_name = "IMAGE")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct History {
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print sizes and times for people; with =false for programs
    #[arg(short = 'H', long, default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set, value_name = "BOOL", hide_default_value = true)]
    pub human: bool,
    /// Do not shorten long columns
    #[arg(long)]
    pub no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    pub quiet: bool,
    #[arg(value_name = "IMAGE")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct ImageDiff {
    #[arg(value_name = "IMAGE")]
    pub name: String,
    /// The image to compare with
    #[arg(value_name = "OTHER")]
    pub other: Option<String>,
}

#[derive(Debug, Args)]
pub struct One {
    #[arg(value_name = "IMAGE")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Layers {
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    #[arg(value_name = "IMAGE")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Untag {
    #[arg(value_name = "IMAGE")]
    pub name: String,
    /// The names to remove [default: all of them]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Tag {
    #[arg(value_name = "IMAGE")]
    pub source: String,
    #[arg(value_name = "NEW_NAME")]
    pub target: String,
}

#[derive(Debug, Args)]
pub struct Remove {
    /// Remove all names, even if stopped containers use the image
    #[arg(short, long)]
    pub force: bool,
    /// All images
    #[arg(short, long, conflicts_with_all = ["names", "remote"])]
    pub all: bool,
    /// Ignore images that do not exist
    #[arg(short, long, conflicts_with = "remote")]
    pub ignore: bool,
    /// Remove the image from the registry, and not from this machine
    #[arg(long, conflicts_with = "force")]
    pub remote: bool,
    #[command(flatten)]
    pub access: Access,
    #[arg(required_unless_present = "all", value_name = "IMAGE")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Prune {
    /// Remove only what matches: dangling=BOOL, label=KEY[=VALUE], label!=KEY[=VALUE], until=TIME
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Remove images with a name as well, if no container uses them
    #[arg(short, long)]
    pub all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
}
