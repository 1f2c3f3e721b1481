//! `volume`: data that outlives its containers.

use std::path::PathBuf;

use anyhow::{Context, Result};
use hull_docker::size;
use hull_engine::Engine;
use hull_storage::volumes::Volume;
use serde::Serialize;

use super::filter::checked;
use super::{each, exists, inspect, prune};
use crate::cli::system::{
    self, VolumeCreate, VolumeExport, VolumeImport, VolumeList, VolumePrune, VolumeRemove,
};
use crate::ui::list::{self, Columns};
use crate::ui::{errors, human, output};
use hull_docker::filters::prune::Pruned;
use hull_docker::filters::volume::VolumeFilters;
use hull_docker::flags::pairs;
use hull_docker::wire::volume::{CreateRequest, UsageData};

pub fn run(engine: &Engine, verb: &system::Volume) -> Result<u8> {
    match verb {
        system::Volume::Create(args) => create(engine, args),
        system::Volume::Exists(args) => exists::volume(engine, &args.name),
        system::Volume::Inspect(args) => {
            inspect::show(&args.names, args.format.as_deref(), |name| Ok(engine.inspect_volume(name)?))
        }
        system::Volume::Export(args) => export(engine, args),
        system::Volume::Import(args) => import(engine, args),
        system::Volume::Ls(args) => list(engine, args),
        system::Volume::Prune(args) => prune_volumes(engine, args),
        system::Volume::Rm(args) => remove(engine, args),
    }
}

fn create(engine: &Engine, args: &VolumeCreate) -> Result<u8> {
    if let Some(name) = args.name.as_deref().filter(|_| args.ignore)
        && engine.volumes().find(name)?.is_some()
    {
        output::line(name)?;
        return Ok(0);
    }
    let request = CreateRequest {
        name: args.name.clone().unwrap_or_default(),
        labels: pairs::labels(&[], &args.label).map_err(anyhow::Error::msg)?,
        driver: args.driver.clone(),
        driver_opts: pairs::labels(&[], &args.opt).map_err(anyhow::Error::msg)?,
    };
    let volume = engine.create_volume(&request.try_into()?)?;
    output::line(volume.name)?;
    Ok(0)
}

pub(super) const COLUMNS: Columns = Columns {
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

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Row {
    availability: &'static str,
    driver: &'static str,
    group: &'static str,
    labels: String,
    links: String,
    mountpoint: PathBuf,
    name: String,
    scope: &'static str,
    size: String,
    status: &'static str,
}

/// docker's text for a size that was not measured, or a field that only a swarm has.
const UNKNOWN: &str = "N/A";

impl Row {
    pub(super) fn of(volume: Volume) -> Self {
        Self {
            driver: "local",
            name: volume.name,
            scope: "local",
            mountpoint: volume.mountpoint,
            labels: human::labels(&volume.labels),
            availability: UNKNOWN,
            group: UNKNOWN,
            links: UNKNOWN.into(),
            size: UNKNOWN.into(),
            status: UNKNOWN,
        }
    }
}

impl Row {
    /// With what `system df` has counted.
    pub(super) fn with_usage(self, usage: &UsageData) -> Self {
        let size = u64::try_from(usage.size).map_or(UNKNOWN.into(), size::summed);
        Self { links: usage.ref_count.to_string(), size, ..self }
    }
}

fn list(engine: &Engine, args: &VolumeList) -> Result<u8> {
    let filters = checked(&args.filter, VolumeFilters::parse(&args.filter))?;
    let all = engine.volumes().list()?;
    let damage = all.iter().map(|volume| (&*volume.name, volume.damage.as_deref()));
    super::say_what_is_damaged(damage, "hull volume rm");
    let (volumes, unknown) = engine.fitting_volumes(&filters)?;
    for error in &unknown {
        errors::warn(&error.to_string(), "until then every volume counts as used");
    }
    if args.quiet {
        volumes.iter().try_for_each(|volume| output::line(&volume.name))?;
        return Ok(0);
    }
    let rows: Vec<Row> = volumes.into_iter().map(Row::of).collect();
    list::print_as(COLUMNS, &rows, args.format.as_deref(), args.noheading)?;
    Ok(0)
}

fn prune_volumes(engine: &Engine, args: &VolumePrune) -> Result<u8> {
    let filters = prune::filters(&args.filter, Pruned::Volumes)?;
    let all = args.all || filters.ask_for_all();
    let what = if all { "all local volumes" } else { "anonymous local volumes" };
    let question = format!("WARNING! This will remove {what} not used by at least one container.");
    if !args.force && !output::confirm(&question)? {
        return Ok(0);
    }
    let pruned = engine.prune_volumes(all, &|volume| filters.fit(&volume.labels, None))?;
    prune::print("Deleted Volumes:", &pruned.volumes)?;
    prune::print_total(pruned.bytes)?;
    Ok(super::report_unpruned(pruned.errors))
}

fn export(engine: &Engine, args: &VolumeExport) -> Result<u8> {
    match &args.output {
        None => engine.export_volume(&args.name, output::binary("-o")?)?,
        Some(path) => {
            // Before the file is made: a volume with options is mounted in a namespace that the file need not be in.
            engine.inspect_volume(&args.name)?;
            output::file(path, |file| Ok(engine.export_volume(&args.name, file)?))?;
        }
    }
    Ok(0)
}

fn import(engine: &Engine, args: &VolumeImport) -> Result<u8> {
    match args.source.to_str() {
        Some("-") => engine.import_volume(&args.name, std::io::stdin().lock())?,
        _ => {
            let file = std::fs::File::open(&args.source)
                .with_context(|| format!("cannot open {}", args.source.display()))?;
            engine.import_volume(&args.name, file)?;
        }
    }
    Ok(0)
}

fn remove(engine: &Engine, args: &VolumeRemove) -> Result<u8> {
    let names = match args.all {
        true => engine.volumes().list()?.into_iter().map(|volume| volume.name).collect(),
        false => args.names.clone(),
    };
    each(&names, |name| {
        if args.force && matches!(engine.volumes().find(name), Ok(None)) {
            return Ok(None);
        }
        engine.remove_volume(name)?;
        Ok(Some(name.into()))
    })
}
