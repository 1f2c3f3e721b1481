//! The containers that a verb is for: by name, the latest, all, or those that fit a filter.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub struct Names {
    /// Use the latest container
    #[arg(short, long)]
    pub latest: bool,
    #[arg(value_name = "CONTAINER", required_unless_present = "latest", conflicts_with = "latest")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct One {
    /// Use the latest container
    #[arg(short, long)]
    pub latest: bool,
    #[arg(value_name = "CONTAINER", required_unless_present = "latest", conflicts_with = "latest")]
    pub name: Option<String>,
}

// A verb adds the short names of these flags that it has no other use for.
#[derive(Debug, Args)]
pub struct Selection {
    /// Apply to all containers in a state that allows it
    #[arg(long)]
    pub all: bool,
    /// Apply to the container with the id in this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "latest"])]
    pub cidfile: Vec<PathBuf>,
    /// Apply to the containers that match, as in `hull ps`: KEY=VALUE
    #[arg(long, value_name = "FILTER", conflicts_with_all = ["all", "latest", "cidfile", "names"])]
    pub filter: Vec<String>,
    /// Use the latest container
    #[arg(short, long, conflicts_with = "all")]
    pub latest: bool,
    #[arg(
        value_name = "CONTAINER",
        required_unless_present_any = ["all", "cidfile", "filter", "latest"],
        conflicts_with_all = ["all", "latest"]
    )]
    pub names: Vec<String>,
}
