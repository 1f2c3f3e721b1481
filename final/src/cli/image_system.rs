//! The verbs on images that LXD has and docker does not have.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Deferred;

/// `hull image alias …`.
#[derive(Debug, Subcommand)]
pub enum Alias {
    /// Give an image a name
    Create(Deferred<AliasCreate>),
    /// Remove a name
    #[command(visible_alias = "rm")]
    Delete(Deferred<AliasDelete>),
    /// List names and the images that they stand for
    #[command(visible_alias = "ls")]
    List(Deferred<AliasList>),
    /// Change a name
    #[command(visible_alias = "mv")]
    Rename(Deferred<AliasRename>),
}

#[derive(Debug, Args)]
pub struct AliasCreate {
    #[arg(value_name = "ALIAS")]
    pub alias: String,
    #[arg(value_name = "IMAGE")]
    pub image: String,
}

#[derive(Debug, Args)]
pub struct AliasDelete {
    #[arg(value_name = "ALIAS")]
    pub alias: String,
}

#[derive(Debug, Args)]
pub struct AliasList {
    /// json, table, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Only names with this text in them
    #[arg(value_name = "TEXT")]
    pub text: Option<String>,
}

#[derive(Debug, Args)]
pub struct AliasRename {
    #[arg(value_name = "ALIAS")]
    pub alias: String,
    #[arg(value_name = "NEW_ALIAS")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct GetProperty {
    #[arg(value_name = "IMAGE")]
    pub name: String,
    #[arg(value_name = "KEY")]
    pub key: String,
}

#[derive(Debug, Args)]
pub struct SetProperty {
    #[arg(value_name = "IMAGE")]
    pub name: String,
    #[arg(value_name = "KEY")]
    pub key: String,
    #[arg(value_name = "VALUE")]
    pub value: String,
}

#[derive(Debug, Args)]
pub struct Copy {
    /// Give the image this name
    #[arg(long, value_name = "NAME")]
    pub alias: Vec<String>,
    /// Give the image the names that it has there
    #[arg(long)]
    pub copy_aliases: bool,
    /// By a name, or the beginning of a fingerprint
    #[arg(value_name = "[REMOTE:]IMAGE")]
    pub source: String,
    /// This machine, which need not be said
    #[arg(value_name = "local:")]
    pub target: Option<String>,
}

#[derive(Debug, Args)]
pub struct Refresh {
    /// An image that was copied from a remote by a name of the remote's
    #[arg(required = true, value_name = "IMAGE")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Export {
    /// gzip, zstd or none
    #[arg(long, value_name = "KIND", default_value = "gzip", value_parser = ["gzip", "zstd", "none"])]
    pub compression: String,
    /// Write two archives: the description, and the files
    #[arg(long)]
    pub split: bool,
    #[arg(value_name = "IMAGE")]
    pub name: String,
    /// A directory, the beginning of the file's name, or - for standard output [default: the image's id]
    #[arg(value_name = "TARGET")]
    pub target: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Publish {
    /// Give the image this name
    #[arg(long, value_name = "NAME")]
    pub alias: Vec<String>,
    /// Stop the container first if it runs, and start it again afterwards
    #[arg(short, long)]
    pub force: bool,
    /// Take the name away from an image that has it, and remove that image
    #[arg(long)]
    pub reuse: bool,
    #[arg(value_name = "CONTAINER[/SNAPSHOT]")]
    pub container: String,
    /// Properties of the image
    #[arg(value_name = "KEY=VALUE")]
    pub properties: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Import {
    /// Give the image this name
    #[arg(long, value_name = "NAME")]
    pub alias: Vec<String>,
    /// Apply a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,
    /// Refuse what has another checksum; of two files that of their content one after the other: sha256:HASH
    #[arg(long, value_name = "CHECKSUM")]
    pub checksum: Option<String>,
    /// Write this remark into the image's history
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// OS/ARCH of what is in the archive [default: what the archive says, or this machine's]
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
    /// A root file system, an image of LXD's or its metadata: a tar, plain or packed with gzip, zstd, xz or bzip2, or squashfs; - for stdin, or an address of http or https
    #[arg(value_name = "FILE|URL|-")]
    pub file: PathBuf,
    /// The image's name; after LXD's metadata the file or address of the root file system; properties
    #[arg(value_name = "REPOSITORY[:TAG]|ROOTFS|KEY=VALUE")]
    pub words: Vec<String>,
}
