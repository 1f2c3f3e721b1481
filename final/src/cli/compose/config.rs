//! `config` and `version`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub struct Config {
    /// Print the variables that the compose file can use
    #[arg(long)]
    pub environment: bool,
    /// yaml or json
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print the hash of a service's definition; * for all
    #[arg(long, value_name = "SERVICE")]
    pub hash: Option<String>,
    /// Print the names of images
    #[arg(long)]
    pub images: bool,
    /// Print a compose file that pins images to their digests, and nothing else
    #[arg(long)]
    pub lock_image_digests: bool,
    /// Print the names of models
    #[arg(long)]
    pub models: bool,
    /// Print the names of networks
    #[arg(long)]
    pub networks: bool,
    /// Do not verify that the parts of the project fit together
    #[arg(long)]
    pub no_consistency: bool,
    /// Do not read the env_file of services
    #[arg(long)]
    pub no_env_resolution: bool,
    /// Do not replace variables
    #[arg(long)]
    pub no_interpolate: bool,
    /// Do not add what is implied
    #[arg(long)]
    pub no_normalize: bool,
    /// Leave relative paths as they are
    #[arg(long)]
    pub no_path_resolution: bool,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print the names of profiles
    #[arg(long)]
    pub profiles: bool,
    /// Verify only, and print nothing
    #[arg(short, long)]
    pub quiet: bool,
    /// Pin images to their digests
    #[arg(long)]
    pub resolve_image_digests: bool,
    /// Print the names of services
    #[arg(long)]
    pub services: bool,
    /// Print the variables of the compose file and their defaults
    #[arg(long)]
    pub variables: bool,
    /// Print the names of volumes
    #[arg(long)]
    pub volumes: bool,
    #[arg(value_name = "SERVICE", id = "names")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Version {
    /// pretty or json
    #[arg(short, long, value_name = "FORMAT", default_value = "pretty", hide_default_value = true)]
    pub format: String,
    /// Print the number only
    #[arg(long)]
    pub short: bool,
}
