//! `cp`: files between a container and here.

use anyhow::Result;
use hull_engine::{CopyOptions, CopyPath, Engine};

use crate::cli::container::Cp;

pub fn copy(engine: &Engine, args: &Cp) -> Result<u8> {
    let options = CopyOptions { archive: args.archive, follow_link: args.follow_link };
    engine.copy(&CopyPath::parse(&args.source), &CopyPath::parse(&args.target), &options)?;
    Ok(0)
}
