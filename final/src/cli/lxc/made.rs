//! The programs of LXC's that make containers and snapshots: `lxc-create`, `lxc-copy` and `lxc-snapshot`.

use clap::Args;

#[derive(Debug, Args)]
pub struct Create {
    /// The container's name
    #[arg(short, long, value_name = "NAME")]
    pub name: String,
    /// download, local, or an image of hull's
    #[arg(short, long, value_name = "TEMPLATE")]
    pub template: String,
    /// A configuration file, which hull does not read
    #[arg(short = 'f', long, value_name = "FILE")]
    pub config: Option<String>,
    /// Where the files lie: dir, best, or a storage pool of hull's
    #[arg(short = 'B', long, value_name = "TYPE")]
    pub bdev: Option<String>,
    /// The template's options
    #[arg(last = true, value_name = "OPTIONS")]
    pub options: Vec<String>,
}

/// The options of the template download, which names an image by its parts.
#[derive(Debug, clap::Parser)]
#[command(name = "lxc-create -t download --", disable_help_flag = true, disable_version_flag = true)]
pub struct Download {
    /// The distribution
    #[arg(short, long, value_name = "NAME")]
    pub dist: String,
    /// Its release
    #[arg(short, long, value_name = "RELEASE")]
    pub release: String,
    /// The processor's architecture, which is this machine's
    #[arg(short, long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// Which image of the release
    #[arg(long, default_value = "default", value_name = "VARIANT")]
    pub variant: String,
    /// A remote of hull's with the images
    #[arg(long, default_value = "images", value_name = "REMOTE")]
    pub server: String,
}

/// The options of the template local, which names the two archives of an image.
#[derive(Debug, clap::Parser)]
#[command(name = "lxc-create -t local --", disable_help_flag = true, disable_version_flag = true)]
pub struct Local {
    /// The archive with the image's description
    #[arg(short, long, value_name = "FILE")]
    pub metadata: String,
    /// The archive with the root file system
    #[arg(short, long, value_name = "FILE")]
    pub fstree: String,
}

#[derive(Debug, Args)]
pub struct Copy {
    /// The container
    #[arg(short, long, value_name = "NAME")]
    pub name: String,
    /// The new one's name
    #[arg(short = 'N', long, value_name = "NAME")]
    pub newname: String,
    /// Give the container the name, instead of making a new one
    #[arg(short = 'R', long, conflicts_with = "ephemeral")]
    pub rename: bool,
    /// Share the files with the original, as hull's copies do anyway
    #[arg(short, long)]
    pub snapshot: bool,
    /// Copy a container that runs, which hull's copies can anyway
    #[arg(short, long)]
    pub allowrunning: bool,
    /// Start the copy, and remove it when it ends
    #[arg(short, long)]
    pub ephemeral: bool,
    /// Run the copy in the background, as without it
    #[arg(short, long)]
    pub daemon: bool,
}

#[derive(Debug, Args)]
pub struct Snapshot {
    /// The container
    #[arg(short, long, value_name = "NAME")]
    pub name: String,
    /// List the snapshots
    #[arg(short = 'L', long, conflicts_with_all = ["restore", "destroy"])]
    pub list: bool,
    /// Restore this snapshot
    #[arg(short, long, value_name = "SNAPSHOT", conflicts_with = "destroy")]
    pub restore: Option<String>,
    /// Make a container of the snapshot that is restored
    #[arg(short = 'N', long, value_name = "NAME", requires = "restore")]
    pub newname: Option<String>,
    /// Remove this snapshot, or ALL
    #[arg(short, long, value_name = "SNAPSHOT")]
    pub destroy: Option<String>,
}
