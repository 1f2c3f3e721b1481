//! Completion scripts and man pages, made from the command line's definition.

use std::io::Write;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::cli::Cli;
use crate::cli::system::{Completion, Man};

pub fn completion(args: &Completion) -> Result<u8> {
    // Written to memory first: the generator panics where stdout is a pipe that has closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hull", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(0)
}

pub fn man(args: &Man) -> Result<u8> {
    let directory = &args.directory;
    std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    clap_mangen::generate_to(Cli::command(), directory)
        .with_context(|| format!("cannot write to {}", directory.display()))?;
    Ok(0)
}
