//! `context`: docker's names for the servers that a client uses. There is one, which is this machine.

use clap::{Args, Subcommand};

use super::Deferred;

#[derive(Debug, Subcommand)]
pub enum Context {
    /// Show everything about the context, with the socket that hull serve has
    Inspect(Deferred<ContextInspect>),
    /// List the one context
    #[command(visible_alias = "list")]
    Ls(Deferred<ContextList>),
    /// Print the context's name
    Show(Deferred<ContextShow>),
    /// Succeed for the one context
    Use(Deferred<ContextUse>),
}

#[derive(Debug, Args)]
pub struct ContextInspect {
    /// json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    #[arg(value_name = "CONTEXT")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ContextList {
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Show names only
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct ContextShow {}

#[derive(Debug, Args)]
pub struct ContextUse {
    #[arg(value_name = "CONTEXT")]
    pub name: String,
}
