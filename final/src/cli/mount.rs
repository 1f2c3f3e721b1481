//! `mount` and `unmount`.

use clap::Args;

#[derive(Debug, Args)]
pub struct Mount {
    /// Mount all containers
    #[arg(short, long, conflicts_with_all = ["latest", "names"])]
    pub all: bool,
    /// Show the list of mounted containers as json
    #[arg(long, value_name = "FORMAT", value_parser = ["json"])]
    pub format: Option<String>,
    /// Use the latest container
    #[arg(short, long, conflicts_with = "names")]
    pub latest: bool,
    /// Do not shorten ids in the list
    #[arg(long, visible_alias = "notruncate")]
    pub no_trunc: bool,
    #[arg(value_name = "CONTAINER")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Unmount {
    /// Unmount all containers
    #[arg(short, long, conflicts_with_all = ["latest", "names"])]
    pub all: bool,
    /// Unmount at once, however often it was mounted and whatever is open there
    #[arg(short, long)]
    pub force: bool,
    /// Use the latest container
    #[arg(short, long, conflicts_with = "names")]
    pub latest: bool,
    #[arg(value_name = "CONTAINER", required_unless_present_any = ["all", "latest"])]
    pub names: Vec<String>,
}
