//! The containers that a verb is for: by name, the latest, all, or those that fit a filter.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub struct Names {
    /// The latest container
    #[arg(short, long)]
    pub latest: bool,
    #[arg(value_name = "CONTAINER", required_unless_present = "latest", conflicts_with = "latest")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct One {
    /// The latest container
    #[arg(short, long)]
    pub latest: bool,
    #[arg(value_name = "CONTAINER", required_unless_present = "latest", conflicts_with = "latest")]
    pub name: Option<String>,
}

// A verb adds the short names of these flags that it has no other use for.
#[derive(Debug, Args)]
pub struct Selection {
    /// All containers that are in a state for it
    #[arg(long)]
    pub all: bool,
    /// The container whose id is in this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "latest"])]
    pub cidfile: Vec<PathBuf>,
    /// Those that fit, as in ps: KEY=VALUE
    #[arg(long, value_name = "FILTER", conflicts_with_all = ["all", "latest", "cidfile", "names"])]
    pub filter: Vec<String>,
    /// The latest container
    #[arg(short, long, conflicts_with = "all")]
    pub latest: bool,
    #[arg(
        value_name = "CONTAINER",
        required_unless_present_any = ["all", "cidfile", "filter", "latest"],
        conflicts_with_all = ["all", "latest"]
    )]
    pub names: Vec<String>,
}
