//! `builder prune` and `builder du`: the build cache.

use clap::Args;

#[derive(Debug, Args)]
pub struct BuilderPrune {
    /// Also what images share with the cache
    #[arg(short, long)]
    pub all: bool,
    /// Remove only what matches: until=TIME, id=ID, type=TYPE, description=TEXT, inuse, shared, private, mutable
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
    /// Bytes that stay in any case
    #[arg(long, visible_alias = "keep-storage", value_name = "SIZE")]
    pub reserved_space: Option<String>,
    /// Bytes that may stay
    #[arg(long, value_name = "SIZE")]
    pub max_used_space: Option<String>,
    /// Bytes that the disk should have free
    #[arg(long, value_name = "SIZE")]
    pub min_free_space: Option<String>,
    /// Show everything about what is removed
    #[arg(long)]
    pub verbose: bool,
}

#[derive(Debug, Args)]
pub struct BuilderDu {
    /// Show only what matches: until=TIME, id=ID, type=TYPE, description=TEXT, inuse, shared, private, mutable
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Show everything about each entry
    #[arg(long)]
    pub verbose: bool,
}
