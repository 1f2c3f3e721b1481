//! `lxc config`: the configuration of instances. LXD's server has a configuration, too, but hull has no server.

use clap::Subcommand;

use super::super::DeferredGroup;
use super::super::config;
use super::super::device::Device;

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Manage the devices of an instance
    Device(DeferredGroup<Device>),
    #[command(flatten)]
    Keys(config::Config),
}
