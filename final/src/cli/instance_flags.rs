//! The flags of LXD that change settings of a container while it is made from another one or from an archive.

use clap::Args;

#[derive(Debug, Clone, Default, Args)]
pub struct InstanceFlags {
    /// Put the files into this storage pool
    #[arg(short, long, value_name = "POOL")]
    pub storage: Option<String>,
    /// Set a key of LXD's configuration; with an empty value, take it away
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub config: Vec<String>,
    /// Set a key of a device, its own or a profile's
    #[arg(short, long, value_name = "DEVICE,KEY=VALUE")]
    pub device: Vec<String>,
    /// Take this profile instead of those that it has
    #[arg(short, long, value_name = "PROFILE")]
    pub profile: Vec<String>,
    /// Take no profile's settings
    #[arg(long, conflicts_with = "profile")]
    pub no_profiles: bool,
}
