//! `publish`: an image of a container.

use anyhow::{Context, Result, bail};
use hull_engine::{CommitOptions, Engine, SnapshotName, StartAttach};
use hull_image::Digest;
use hull_image::reference::Reference;

use super::image_aliases::free;
use super::image_import::properties;
use crate::cli::image_system::Publish;
use crate::ui::output;

pub fn publish(engine: &Engine, args: &Publish) -> Result<u8> {
    let (properties, others) = properties(&args.properties)?;
    if let Some(other) = others.first() {
        bail!("{other:?} is no property: expected KEY=VALUE");
    }
    let aliases = args.alias.iter().map(|alias| match args.reuse {
        true => Ok(Reference::parse(alias)?),
        false => free(engine, alias),
    });
    let aliases = aliases.collect::<Result<Vec<_>>>()?;
    let replaced: Vec<Digest> = aliases
        .iter()
        .filter_map(|alias| Some(engine.described_image(&alias.canonical()).ok()?.id))
        .collect();
    let snapshot = SnapshotName::parse(&args.container);
    let was_running = if snapshot.is_none() { stop(engine, args)? } else { false };
    let options = CommitOptions { name: aliases.first().cloned(), properties, ..CommitOptions::default() };
    let published = match &snapshot {
        Some(snapshot) => engine.commit_snapshot(snapshot, &options),
        None => engine.commit(&args.container, &options),
    };
    // The container is started again whether or not the image could be made.
    let started = match was_running {
        true => engine.start(&args.container, StartAttach::Detached, None).map(drop),
        false => Ok(()),
    };
    let id = match (published, started) {
        (Err(error), Err(other)) => return Err(error).context(format!("it was not started again: {other}")),
        (published, Ok(())) => published?,
        (Ok(id), Err(error)) => {
            output::line(format!("Instance published with fingerprint: {}", id.hex()))?;
            return Err(error.into());
        }
    };
    for alias in aliases.iter().skip(1) {
        engine.tag_image(&id.to_string(), alias)?;
    }
    for replaced in replaced.iter().filter(|replaced| **replaced != id) {
        engine.remove_unnamed_image(replaced)?;
    }
    output::line(format!("Instance published with fingerprint: {}", id.hex()))?;
    Ok(0)
}

/// Stops a running container, if that is allowed. Returns whether the container was running.
fn stop(engine: &Engine, args: &Publish) -> Result<bool> {
    if !engine.is_active(&args.container)? {
        return Ok(false);
    }
    if !args.force {
        bail!(
            "{} is running: stop it first, or use --force, which stops it and starts it again",
            args.container
        );
    }
    engine.stop_and_keep(&args.container)?;
    Ok(true)
}
