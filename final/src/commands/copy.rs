//! `cp`: copies files between a container and the host.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use anyhow::{Context, Result, bail};
use hull_docker::path::CopyPath;
use hull_engine::{CopyOptions, CopySource, CopyTarget, Engine};

use crate::cli::container::Cp;

pub fn copy(engine: &Engine, args: &Cp) -> Result<u8> {
    let options = CopyOptions { archive: args.archive, follow_link: args.follow_link };
    match (CopyPath::parse(&args.source), CopyPath::parse(&args.target)) {
        (CopyPath::Container { .. }, CopyPath::Container { .. }) => {
            bail!("invalid copy: copying between containers is not supported")
        }
        (CopyPath::Container { name, path }, CopyPath::Host(to)) => {
            engine.copy_out(&name, &path, CopyTarget::Host(&to), options)?;
        }
        (CopyPath::Container { name, path }, CopyPath::Stream) => {
            let mut stdout = duplicate(io::stdout(), "stdout")?;
            engine.copy_out(&name, &path, CopyTarget::Tar(&mut stdout), options)?;
        }
        (CopyPath::Host(from), CopyPath::Container { name, path }) => {
            engine.copy_in(CopySource::Host(&from), &name, &path, options)?;
        }
        (CopyPath::Stream, CopyPath::Container { name, path }) => {
            let mut stdin = duplicate(io::stdin(), "stdin")?;
            engine.copy_in(CopySource::Tar(&mut stdin), &name, &path, options)?;
        }
        _ => bail!("invalid copy: must specify at least one container source"),
    }
    Ok(0)
}

/// The stream without the standard library's buffer, which searches all data for newlines.
pub(super) fn duplicate(stream: impl AsFd, name: &str) -> Result<File> {
    let copy = stream.as_fd().try_clone_to_owned();
    Ok(File::from(copy.with_context(|| format!("cannot duplicate {name}"))?))
}
