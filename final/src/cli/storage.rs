//! `storage`: pools, with LXD's words.

use clap::{Args, Subcommand};

use super::storage_volume::StorageVolume;
use super::{Deferred, DeferredGroup};

#[derive(Debug, Subcommand)]
pub enum Storage {
    /// Make a pool: a directory (dir), a directory of a btrfs (btrfs), or a file with a file system in it (image)
    Create(Deferred<PoolCreate>),
    /// Remove pools that nothing uses
    #[command(visible_alias = "rm")]
    Delete(Deferred<PoolDelete>),
    /// Change a pool's keys with an editor
    Edit(Deferred<PoolName>),
    /// Print a key of a pool
    Get(Deferred<PoolKey>),
    /// Show how full a pool is, and who uses it
    Info(Deferred<PoolInfo>),
    /// List pools
    #[command(visible_alias = "ls")]
    List(Deferred<PoolList>),
    /// Set keys of a pool; size=SIZE lets an image grow while it is used
    Set(Deferred<PoolSet>),
    /// Print a pool's keys and users
    Show(Deferred<PoolName>),
    /// Remove a key of a pool
    Unset(Deferred<PoolKey>),
    /// Manage the volumes of pools
    Volume(DeferredGroup<StorageVolume>),
}

#[derive(Debug, Args)]
pub struct PoolCreate {
    /// Say what the pool is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub description: String,
    #[arg(value_name = "POOL")]
    pub name: String,
    #[arg(value_name = "DRIVER")]
    pub driver: String,
    /// source=PATH, and of an image size=SIZE and fs=xfs or fs=btrfs
    #[arg(value_name = "KEY=VALUE")]
    pub config: Vec<String>,
}

#[derive(Debug, Args)]
pub struct PoolDelete {
    #[arg(required = true, value_name = "POOL")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct PoolName {
    #[arg(value_name = "POOL")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct PoolKey {
    #[arg(value_name = "POOL")]
    pub name: String,
    pub key: String,
}

#[derive(Debug, Args)]
pub struct PoolInfo {
    /// Print bytes
    #[arg(long)]
    pub bytes: bool,
    #[arg(value_name = "POOL")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct PoolList {
    /// json, table, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

#[derive(Debug, Args)]
pub struct PoolSet {
    #[arg(value_name = "POOL")]
    pub name: String,
    /// KEY=VALUE, or a key and its value
    #[arg(required = true, value_name = "KEY=VALUE")]
    pub config: Vec<String>,
}
