//! `file`: files of a container, in LXD's words.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Deferred;

#[derive(Debug, Subcommand)]
pub enum FileVerb {
    /// Copy files into a container
    #[command(override_usage = "hull file push [OPTIONS] SOURCE... CONTAINER/PATH")]
    Push(Deferred<Push>),
    /// Copy files out of a container
    #[command(override_usage = "hull file pull [OPTIONS] CONTAINER/PATH... TARGET")]
    Pull(Deferred<Pull>),
    /// Change a file of a container with $VISUAL or $EDITOR
    Edit(Deferred<Edit>),
    /// Delete files of a container
    #[command(visible_alias = "rm")]
    Delete(Deferred<Delete>),
    /// Mount a directory of a container on this machine until Ctrl-C
    Mount(Deferred<Mount>),
}

#[derive(Debug, Args)]
pub struct Push {
    /// Make the directories that are missing
    #[arg(short = 'p', long)]
    pub create_dirs: bool,
    /// Copy directories with all that is in them
    #[arg(short, long)]
    pub recursive: bool,
    /// The file's mode instead of that of the source: 0640
    #[arg(long, value_name = "MODE", value_parser = mode)]
    pub mode: Option<u32>,
    /// The file's owner in the container instead of that of the source
    #[arg(long, value_name = "ID")]
    pub uid: Option<u32>,
    /// The file's group in the container instead of that of the source
    #[arg(long, value_name = "ID")]
    pub gid: Option<u32>,
    // Files, or - for standard input, and at the end the target.
    #[arg(required = true, num_args = 2.., value_name = "SOURCE... CONTAINER/PATH")]
    pub words: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Pull {
    /// Make the directories that are missing
    #[arg(short = 'p', long)]
    pub create_dirs: bool,
    /// Copy directories with all that is in them
    #[arg(short, long)]
    pub recursive: bool,
    // The files, and at the end the target, or - for standard output.
    #[arg(required = true, num_args = 2.., value_name = "CONTAINER/PATH... TARGET")]
    pub words: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Edit {
    #[arg(value_name = "CONTAINER/PATH")]
    pub file: String,
}

#[derive(Debug, Args)]
pub struct Delete {
    /// Delete directories with all that is in them, and ignore what does not exist
    #[arg(short, long)]
    pub force: bool,
    /// Delete directories with all that is in them
    #[arg(short, long)]
    pub recursive: bool,
    #[arg(required = true, value_name = "CONTAINER/PATH")]
    pub files: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Mount {
    #[arg(value_name = "CONTAINER[/PATH]")]
    pub source: String,
    /// A directory of this machine
    #[arg(value_name = "TARGET")]
    pub target: PathBuf,
}

/// chmod(1): octal digits.
fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 => Ok(mode),
        _ => Err("expected octal digits up to 7777".into()),
    }
}
