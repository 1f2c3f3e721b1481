//! `lxc image`.

use clap::{Args, Subcommand};

use super::super::image::One;
use super::super::image_system::{Alias, Copy, Export, GetProperty, Import, Refresh, SetProperty};
use super::super::{Deferred, DeferredGroup};

#[derive(Debug, Subcommand)]
pub enum Image {
    /// Manage the names of images
    Alias(DeferredGroup<Alias>),
    /// Fetch an image from a remote
    #[command(visible_alias = "cp")]
    Copy(Deferred<Copy>),
    /// Remove images
    #[command(visible_alias = "rm")]
    Delete(Deferred<Names>),
    /// Change an image's properties in an editor, or take them from standard input
    Edit(Deferred<One>),
    /// Write an image as archives
    Export(Deferred<Export>),
    /// Print a property of an image
    GetProperty(Deferred<GetProperty>),
    /// Make an image of archives
    Import(Deferred<Import>),
    /// Show an image and its properties, for people
    Info(Deferred<One>),
    /// List images
    #[command(visible_alias = "ls")]
    List(Deferred<List>),
    /// Fetch newer images of those that came from remotes
    Refresh(Deferred<Refresh>),
    /// Change a property of an image
    SetProperty(Deferred<SetProperty>),
    /// Show an image's properties as YAML
    Show(Deferred<One>),
    /// Remove a property of an image
    UnsetProperty(Deferred<GetProperty>),
}

#[derive(Debug, Args)]
pub struct Names {
    /// By a name, or the beginning of a fingerprint
    #[arg(required = true, value_name = "IMAGE")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct List {
    /// Which columns: letters among lLfFpdatsu
    #[arg(short, long, value_name = "COLUMNS", default_value = "lfpdatsu")]
    pub columns: String,
    /// table, csv, json, yaml or compact
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub format: String,
    /// A remote, parts of names or the beginnings of fingerprints, and properties as KEY=VALUE
    #[arg(value_name = "[REMOTE:] [FILTER]")]
    pub words: Vec<String>,
}
