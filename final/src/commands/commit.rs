//! `commit`, `diff` and `export`: a container's files and changes.

use anyhow::Result;
use hull_engine::{Change, CommitOptions, Engine, Freezable};
use hull_image::reference::Reference;

use super::selection;
use crate::cli::container::{Commit, Diff, Export};
use crate::ui::{errors, output};

pub fn commit(engine: &Engine, args: &Commit) -> Result<u8> {
    let options = CommitOptions {
        name: args.name.as_deref().map(Reference::parse).transpose()?,
        author: args.author.clone(),
        message: args.message.clone(),
        changes: args.change.clone(),
        pause: args.pause,
        ..CommitOptions::default()
    };
    if args.pause && engine.freezable(&args.container)? == Freezable::NoCgroup {
        errors::warn(
            &format!(
                "{} runs on while it is committed: it has no cgroup that could be frozen",
                args.container
            ),
            "an unprivileged user's container has one in a delegated cgroup only: systemd-run --user --scope -p \
             Delegate=yes hull run …; --pause=false says that it may run on",
        );
    }
    output::line(engine.commit(&args.container, &options)?)?;
    Ok(0)
}

pub fn diff(engine: &Engine, args: &Diff) -> Result<u8> {
    for change in engine.changes(&selection::one(engine, &args.container)?)? {
        let (letter, path) = match &change {
            Change::Added(path) => ('A', path),
            Change::Changed(path) => ('C', path),
            Change::Deleted(path) => ('D', path),
        };
        output::line(format!("{letter} {}", hull_image::members::shown(path)))?;
    }
    Ok(0)
}

pub fn export(engine: &Engine, args: &Export) -> Result<u8> {
    match &args.output {
        None => engine.export(&args.container, output::binary("-o")?)?,
        Some(path) => output::file(path, |file| Ok(engine.export(&args.container, file)?))?,
    }
    Ok(0)
}
