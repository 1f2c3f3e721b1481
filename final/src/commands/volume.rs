//! `volume`: data that outlives its containers.

use anyhow::Result;
use hull_engine::Engine;
use serde_json::{Value, json};

use super::filter::parse;
use super::{each, inspect};
use crate::cli::options::label;
use crate::cli::system::{Volume, VolumeCreate, VolumeList, VolumePrune, VolumeRemove};
use crate::ui::list::{self, Columns};
use crate::ui::{human, output};
use hull_docker::filters::Keys;

pub fn run(engine: &Engine, verb: &Volume) -> Result<u8> {
    match verb {
        Volume::Create(args) => create(engine, args),
        Volume::Inspect(args) => {
            inspect::show(&args.names, args.format.as_deref(), |name| describe(engine, name))
        }
        Volume::Ls(args) => list(engine, args),
        Volume::Prune(args) => prune(engine, args),
        Volume::Rm(args) => remove(engine, args),
    }
}

fn create(engine: &Engine, args: &VolumeCreate) -> Result<u8> {
    let labels = args.label.iter().map(|text| label(text)).collect::<Result<_>>()?;
    let volume = engine.create_volume(args.name.as_deref(), &labels)?;
    output::line(volume.name)?;
    Ok(0)
}

pub fn describe(engine: &Engine, name: &str) -> Result<Value> {
    let volume = engine.volumes().get(name)?;
    Ok(json!({
        "CreatedAt": humantime::format_rfc3339_seconds(volume.created()).to_string(),
        "Driver": "local",
        "Labels": volume.labels,
        "Mountpoint": volume.mountpoint,
        "Name": volume.name,
        "Options": null,
        "Scope": "local",
    }))
}

const COLUMNS: Columns = Columns {
    titles: &[
        ("Driver", "DRIVER"),
        ("Name", "VOLUME NAME"),
        ("Scope", "SCOPE"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Labels", "LABELS"),
        ("Availability", "AVAILABILITY"),
        ("Group", "GROUP"),
        ("Links", "LINKS"),
        ("Size", "SIZE"),
        ("Status", "STATUS"),
    ],
    shown: &["Driver", "Name"],
};

const KEYS: Keys = Keys { words: &["driver", "label"], patterns: &["name"], flags: &["dangling"] };

fn list(engine: &Engine, args: &VolumeList) -> Result<u8> {
    let mut volumes = engine.volumes().list()?;
    let damage = volumes.iter().map(|volume| (&*volume.name, volume.damage.as_deref()));
    super::say_what_is_damaged(damage, "hull volume rm");
    let filters = parse(&args.filter, KEYS)?;
    if let Some(wanted) = filters.flag("dangling") {
        let used = engine.used_volumes()?;
        volumes.retain(|volume| used.contains(&volume.name) != wanted);
    }
    volumes.retain(|volume| {
        filters.matches("name", &[&volume.name])
            && filters.labels_fit(&volume.labels)
            && filters.any("driver", |driver| driver == "local")
    });
    if args.quiet {
        volumes.iter().try_for_each(|volume| output::line(&volume.name))?;
        return Ok(0);
    }
    let rows: Vec<Value> = volumes
        .iter()
        .map(|volume| {
            let labels: Vec<String> =
                volume.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            json!({
                "Driver": "local",
                "Name": volume.name,
                "Scope": "local",
                "Mountpoint": volume.mountpoint,
                "Labels": labels.join(","),
                // docker's words for what nobody has measured, or what only a swarm has.
                "Availability": "N/A",
                "Group": "N/A",
                "Links": "N/A",
                "Size": "N/A",
                "Status": "N/A",
            })
        })
        .collect();
    list::print(COLUMNS, &rows, args.format.as_deref())?;
    Ok(0)
}

fn prune(engine: &Engine, args: &VolumePrune) -> Result<u8> {
    let what = if args.all { "all volumes" } else { "anonymous volumes" };
    let question = format!("WARNING! This will remove {what} not used by at least one container.");
    if !args.force && !output::confirm(&question)? {
        return Ok(0);
    }
    let pruned = engine.prune_volumes(args.all)?;
    if !pruned.volumes.is_empty() {
        output::line("Deleted Volumes:")?;
        pruned.volumes.iter().try_for_each(output::line)?;
        output::line("")?;
    }
    output::line(format!("Total reclaimed space: {}", human::size(pruned.bytes)))?;
    Ok(0)
}

fn remove(engine: &Engine, args: &VolumeRemove) -> Result<u8> {
    each(&args.names, |name| {
        if args.force && matches!(engine.volumes().find(name), Ok(None)) {
            return Ok(None);
        }
        engine.remove_volume(name)?;
        Ok(Some(name.into()))
    })
}
