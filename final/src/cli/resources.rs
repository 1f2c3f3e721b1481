//! The flags of `stats`.

use clap::Args;

#[derive(Debug, Args)]
pub struct Stats {
    /// Show stopped containers too
    #[arg(short, long)]
    pub all: bool,
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Seconds between two readings
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub interval: u32,
    /// The latest container
    #[arg(short, long, conflicts_with_all = ["all", "names"])]
    pub latest: bool,
    /// Print each reading below the one before
    #[arg(long)]
    pub no_reset: bool,
    /// Print one reading and end
    #[arg(long)]
    pub no_stream: bool,
    /// Do not shorten
    #[arg(long)]
    pub no_trunc: bool,
    #[arg(value_name = "CONTAINER")]
    pub names: Vec<String>,
}
