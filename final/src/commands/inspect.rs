//! `inspect`: containers, images, volumes and networks, whichever goes by the name.

use anyhow::{Result, anyhow, bail};
use hull_engine::Engine;
use hull_image::platform::Platform;
use serde_json::Value;

use super::{registry, volume};
use crate::cli::container::Inspect;
use crate::cli::image;
use crate::ui::errors::{self, Code};
use crate::ui::output;

const KINDS: [&str; 4] = ["container", "image", "volume", "network"];

pub fn inspect(engine: &Engine, args: &Inspect) -> Result<u8> {
    let kind = args.kind.as_deref();
    if let Some(kind) = kind.filter(|kind| !KINDS.contains(kind)) {
        bail!("unknown type {kind:?}: it is one of {}", KINDS.join(", "));
    }
    show(&args.names, args.format.as_deref(), |name| any(engine, name, kind))
}

pub fn images(engine: &Engine, args: &image::Inspect) -> Result<u8> {
    let format = args.format.as_deref();
    if !args.remote {
        return show(&args.names, format, |name| Ok(engine.images().inspect(name)?));
    }
    let access = registry::access(&args.access)?;
    let platform = args.platform.as_deref().map(Platform::parse).transpose()?;
    show(&args.names, format, |name| {
        let candidates = access.settings().candidates(name)?;
        Ok(hull_image::remote::inspect(&access, &candidates, platform.as_ref())?)
    })
}

/// Prints what was found, and then says what was not.
pub fn show(names: &[String], format: Option<&str>, look: impl Fn(&str) -> Result<Value>) -> Result<u8> {
    let (mut found, mut missing) = (vec![], vec![]);
    for name in names {
        match look(name) {
            Ok(value) => found.push(value),
            Err(error) => missing.push(error),
        }
    }
    output::inspected(&found, format)?;
    Ok(missing.iter().map(|error| errors::report(error, Code::Plain)).max().unwrap_or(0))
}

fn any(engine: &Engine, name: &str, kind: Option<&str>) -> Result<Value> {
    match kind {
        Some("container") => return Ok(engine.inspect(name)?),
        Some("image") => {
            return Ok(engine.images().inspect(name)?);
        }
        Some("network") => return Ok(engine.inspect_network(name)?),
        Some(_) => return volume::describe(engine, name),
        None => {}
    }
    match engine.inspect(name) {
        Err(error) if error.is_not_found() => {}
        other => return Ok(other?),
    }
    if let Ok(image) = engine.images().inspect(name) {
        return Ok(image);
    }
    if let Ok(volume) = volume::describe(engine, name) {
        return Ok(volume);
    }
    engine.inspect_network(name).map_err(|_| {
        anyhow!("No such object: {name}: neither a container nor an image nor a volume nor a network")
    })
}
