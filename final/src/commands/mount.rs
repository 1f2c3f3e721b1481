//! `mount` and `unmount`: containers' roots on the host.

use anyhow::Result;
use hull_engine::Engine;
use serde_json::json;

use super::{each, selection};
use crate::cli::mount::{Mount, Unmount};
use crate::ui::{human, output};

pub fn mount(engine: &Engine, args: &Mount) -> Result<u8> {
    let names = match () {
        () if args.all => engine.list()?.into_iter().map(|one| one.id).collect(),
        () if args.latest => vec![selection::latest(engine)?],
        () => args.names.clone(),
    };
    if names.is_empty() && !args.all {
        return list(engine, args).map(|()| 0);
    }
    each(&names, |name| Ok(Some(engine.mount(name)?.display().to_string())))
}

fn list(engine: &Engine, args: &Mount) -> Result<()> {
    let mounted = engine.mounted()?;
    if args.format.is_some() {
        // podman's keys.
        let mounted =
            mounted.iter().map(|one| json!({"id": one.id, "Names": [one.name], "mountpoint": one.path}));
        let text = serde_json::to_string_pretty(&mounted.collect::<Vec<_>>())?;
        return output::line(hull_printable::json(&text));
    }
    mounted.iter().try_for_each(|one| {
        let id = if args.no_trunc { &one.id } else { human::short_id(&one.id) };
        output::line(format!("{id}  {}", one.path.display()))
    })
}

pub fn unmount(engine: &Engine, args: &Unmount) -> Result<u8> {
    let names = match () {
        () if args.all => engine.mounted()?.into_iter().map(|one| one.id).collect(),
        () if args.latest => vec![selection::latest(engine)?],
        () => args.names.clone(),
    };
    each(&names, |name| {
        engine.unmount(name, args.force)?;
        Ok(Some(name.to_owned()))
    })
}
