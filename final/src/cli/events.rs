//! The flags of `events`.

use clap::Args;

#[derive(Debug, Args)]
pub struct Events {
    /// Show only events that match: KEY=VALUE, where KEY is type, event, container, image, volume, network, label or scope
    #[arg(short, long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Also show earlier events, from this time on: 2026-01-02T13:04:05Z, 42m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// End at this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub until: Option<String>,
    /// Wait for new events; with --stream=false only show earlier ones [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub stream: Option<bool>,
    /// Ids are never shortened, so this changes nothing
    #[arg(long)]
    pub no_trunc: bool,
}
