//! `build`, by all its names, and the groups `builder` and `buildx`.

use clap::{Args, Subcommand};

use super::Deferred;
use super::build_flags::{CacheArgs, CompatibleArgs, ImageArgs, LookArgs, OutputArgs, RunArgs, SourceArgs};
use super::builder::{BuilderDu, BuilderPrune};
use super::registry::Access;

/// `hull builder …` and `hull buildx …`.
#[derive(Debug, Subcommand)]
pub enum Builder {
    /// Make an image from a Dockerfile
    #[command(visible_alias = "b")]
    Build(Deferred<Build>),
    /// Show what the build cache holds
    Du(Deferred<BuilderDu>),
    /// Show the builder, which is hull itself
    Inspect(Deferred<BuilderInspect>),
    /// List the builder
    Ls(Deferred<BuilderList>),
    /// Remove what the build cache holds
    Prune(Deferred<BuilderPrune>),
    /// Choose the builder: there is one, called default
    Use(Deferred<BuilderUse>),
    /// Show the version of the builder
    Version(Deferred<BuilderVersion>),
}

#[derive(Debug, Args)]
pub struct Build {
    // The groups below have headings, which would be those of what follows them.
    /// The build context: a directory, the URL of a tar or of a git repository, or - for a tar or a Dockerfile on stdin
    #[arg(value_name = "PATH|URL|-")]
    pub context: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub image: ImageArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub look: LookArgs,
    #[command(flatten)]
    pub cache: CacheArgs,
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub compatible: CompatibleArgs,
}

#[derive(Debug, Args)]
pub struct BuilderInspect {
    /// Accepted because docker has it: the builder is always ready
    #[arg(long)]
    pub bootstrap: bool,
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct BuilderList {
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Do not shorten long columns
    #[arg(long)]
    pub no_trunc: bool,
}

#[derive(Debug, Args)]
pub struct BuilderUse {
    /// Accepted because docker has it
    #[arg(long)]
    pub default: bool,
    /// Accepted because docker has it
    #[arg(long)]
    pub global: bool,
    #[arg(value_name = "NAME")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct BuilderVersion {}
