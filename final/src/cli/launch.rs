//! The flags of `launch` and `console`, which are LXD's.

use clap::Args;

use super::selection::One;

#[derive(Debug, Args)]
pub struct Launch {
    /// Remove the container when it is turned off; a reboot keeps it
    #[arg(short, long)]
    pub ephemeral: bool,
    /// Set a key of LXD's configuration: KEY=VALUE
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub config: Vec<String>,
    /// Set a key of a device, of a profile's or of one of its own: DEVICE,KEY=VALUE
    #[arg(short, long, value_name = "DEVICE,KEY=VALUE")]
    pub device: Vec<String>,
    /// Take the settings of this profile instead of those of the profile default
    #[arg(short, long, value_name = "PROFILE")]
    pub profile: Vec<String>,
    /// Take no profile's settings
    #[arg(long, conflicts_with = "profile")]
    pub no_profiles: bool,
    /// Connect the container to this network
    #[arg(short, long, value_name = "NETWORK")]
    pub network: Option<String>,
    /// Keep the container's files in this storage pool
    #[arg(short, long, value_name = "POOL")]
    pub storage: Option<String>,
    /// The root of a whole distribution, with an init at /sbin/init
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// The container's name, which is also its host name
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct Console {
    /// Keys that end this command and leave the container running
    #[arg(long, value_name = "KEYS", default_value = "ctrl-a,q")]
    pub detach_keys: String,
    /// Print what the console has shown so far, and end
    #[arg(long)]
    pub show_log: bool,
    #[command(flatten)]
    pub container: One,
}
