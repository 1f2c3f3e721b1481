//! `hull remote …`: servers of LXD's images.

use clap::{Args, Subcommand};

use super::Deferred;

#[derive(Debug, Subcommand)]
pub enum Remote {
    /// Add a server
    Add(Deferred<Add>),
    /// Print the remote in which an image without a remote's name is looked for
    GetDefault(Deferred<Nothing>),
    /// List servers
    #[command(visible_alias = "ls")]
    List(Deferred<List>),
    /// Remove a server from the list
    #[command(visible_alias = "rm")]
    Remove(Deferred<One>),
    /// Change a server's name
    #[command(visible_alias = "mv")]
    Rename(Deferred<Rename>),
    /// Change a server's address
    SetUrl(Deferred<SetUrl>),
    /// Look for images without a remote's name there
    #[command(visible_alias = "set-default")]
    Switch(Deferred<One>),
}

#[derive(Debug, Args)]
pub struct Nothing {}

#[derive(Debug, Args)]
pub struct Add {
    /// simplestreams: the protocol of image servers
    #[arg(long, value_name = "PROTOCOL", default_value = "simplestreams", value_parser = ["simplestreams"])]
    pub protocol: String,
    #[arg(value_name = "REMOTE")]
    pub name: String,
    /// An address of https, or of http on this machine
    #[arg(value_name = "URL")]
    pub url: String,
}

#[derive(Debug, Args)]
pub struct List {
    /// json, table, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

#[derive(Debug, Args)]
pub struct One {
    #[arg(value_name = "REMOTE")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Rename {
    #[arg(value_name = "REMOTE")]
    pub name: String,
    #[arg(value_name = "NEW_NAME")]
    pub new: String,
}

#[derive(Debug, Args)]
pub struct SetUrl {
    #[arg(value_name = "REMOTE")]
    pub name: String,
    #[arg(value_name = "URL")]
    pub url: String,
}
