//! `storage volume`: volumes of pools, with LXD's words.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Deferred;

#[derive(Debug, Subcommand)]
pub enum StorageVolume {
    /// Mount a volume in a container, at once if it runs
    Attach(Deferred<VolumeAttach>),
    /// Copy a volume
    #[command(visible_alias = "cp")]
    Copy(Deferred<VolumeCopy>),
    /// Make a volume
    Create(Deferred<VolumeCreate>),
    /// Remove a volume that no container uses, or a snapshot: VOLUME/SNAPSHOT
    #[command(visible_alias = "rm")]
    Delete(Deferred<VolumeName>),
    /// Take a volume from a container, at once if it runs
    Detach(Deferred<VolumeDetach>),
    /// Write a volume's files as a tar
    Export(Deferred<VolumeExport>),
    /// Print a key of a volume
    Get(Deferred<VolumeKey>),
    /// Make a volume of a tar
    Import(Deferred<VolumeImport>),
    /// Show how large a volume is, who uses it, and its snapshots
    Info(Deferred<VolumeName>),
    /// List the volumes of a pool
    #[command(visible_alias = "ls")]
    List(Deferred<VolumeList>),
    /// Move a volume that no container uses to another pool or name
    #[command(visible_alias = "mv")]
    Move(Deferred<VolumeMove>),
    /// Rename a volume that no container uses, or a snapshot: VOLUME/SNAPSHOT
    Rename(Deferred<VolumeRename>),
    /// Give a volume the files of its snapshot
    Restore(Deferred<VolumeRestore>),
    /// Set keys of a volume: size=SIZE
    Set(Deferred<VolumeSet>),
    /// Print a volume's keys and users
    Show(Deferred<VolumeName>),
    /// Take a snapshot of a volume
    Snapshot(Deferred<VolumeSnapshot>),
    /// Remove a key of a volume
    Unset(Deferred<VolumeKey>),
}

#[derive(Debug, Args)]
pub struct VolumeName {
    pub pool: String,
    #[arg(value_name = "VOLUME")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct VolumeAttach {
    pub pool: String,
    #[arg(value_name = "VOLUME")]
    pub name: String,
    pub container: String,
    /// The device's name, which is the volume's if there is only a path
    #[arg(value_name = "DEVICE|PATH")]
    pub device_or_path: String,
    /// Where it is in the container
    pub path: Option<String>,
}

#[derive(Debug, Args)]
pub struct VolumeDetach {
    pub pool: String,
    #[arg(value_name = "VOLUME")]
    pub name: String,
    pub container: String,
    /// The device that has it, if several have
    pub device: Option<String>,
}

#[derive(Debug, Args)]
pub struct VolumeCreate {
    pub pool: String,
    #[arg(value_name = "VOLUME")]
    pub name: String,
    /// size=SIZE
    #[arg(value_name = "KEY=VALUE")]
    pub config: Vec<String>,
}

#[derive(Debug, Args)]
pub struct VolumeList {
    pub pool: String,
    /// json, table, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

#[derive(Debug, Args)]
pub struct VolumeCopy {
    /// Leave the volume's snapshots out
    #[arg(long)]
    pub volume_only: bool,
    #[arg(value_name = "POOL/VOLUME[/SNAPSHOT]")]
    pub from: String,
    #[arg(value_name = "POOL/VOLUME")]
    pub to: String,
}

#[derive(Debug, Args)]
pub struct VolumeMove {
    #[arg(value_name = "POOL/VOLUME")]
    pub from: String,
    #[arg(value_name = "POOL/VOLUME")]
    pub to: String,
}

#[derive(Debug, Args)]
pub struct VolumeRename {
    pub pool: String,
    #[arg(value_name = "VOLUME")]
    pub name: String,
    #[arg(value_name = "NEW_NAME")]
    pub new: String,
}

#[derive(Debug, Args)]
pub struct VolumeSnapshot {
    pub pool: String,
    #[arg(value_name = "VOLUME")]
    pub name: String,
    pub snapshot: Option<String>,
}

#[derive(Debug, Args)]
pub struct VolumeRestore {
    pub pool: String,
    #[arg(value_name = "VOLUME")]
    pub name: String,
    pub snapshot: String,
}

#[derive(Debug, Args)]
pub struct VolumeExport {
    /// gzip, zstd or none [default: what the file's name says]
    #[arg(long, value_name = "KIND", value_parser = ["gzip", "zstd", "none"])]
    pub compression: Option<String>,
    pub pool: String,
    #[arg(value_name = "VOLUME")]
    pub name: String,
    /// Write to this file instead of standard output
    pub file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct VolumeImport {
    pub pool: String,
    /// A tar, plain or compressed; - for stdin
    pub file: PathBuf,
    #[arg(value_name = "VOLUME")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct VolumeSet {
    pub pool: String,
    #[arg(value_name = "VOLUME")]
    pub name: String,
    /// KEY=VALUE, or a key and its value
    #[arg(required = true, value_name = "KEY=VALUE")]
    pub config: Vec<String>,
}

#[derive(Debug, Args)]
pub struct VolumeKey {
    pub pool: String,
    #[arg(value_name = "VOLUME")]
    pub name: String,
    pub key: String,
}
