//! `system df`: how much space images, containers and volumes take, in docker's tables.

use std::collections::HashMap;

use anyhow::Result;
use hull_build::cache::usage::Entry;
use hull_docker::size;
use hull_docker::wire::disk_usage::{DiskUsage, ImageSummary};
use hull_docker::wire::volume::Volume;
use hull_engine::{Engine, UsageOptions};
use serde::Serialize;
use serde_json::{Value, json};

use super::build_cache::{self, CacheRow};
use super::{images, ps, volume};
use crate::cli::system::Df;
use crate::ui::list::{self, Columns};
use crate::ui::output;
use hull_template::Template;

const COLUMNS: Columns = Columns {
    titles: &[
        ("Type", "TYPE"),
        ("TotalCount", "TOTAL"),
        ("Active", "ACTIVE"),
        ("Size", "SIZE"),
        ("Reclaimable", "RECLAIMABLE"),
    ],
    shown: &["Type", "TotalCount", "Active", "Size", "Reclaimable"],
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    #[serde(rename = "Type")]
    kind: &'static str,
    total_count: String,
    active: String,
    size: String,
    reclaimable: String,
}

impl Row {
    fn of(kind: &'static str, counts: (usize, usize), bytes: u64, reclaimable: u64) -> Self {
        let percent = (reclaimable * 100).checked_div(bytes);
        let share = percent.map_or(String::new(), |percent| format!(" ({percent}%)"));
        Self {
            kind,
            total_count: counts.0.to_string(),
            active: counts.1.to_string(),
            size: size::summed(bytes),
            reclaimable: format!("{}{share}", size::summed(reclaimable)),
        }
    }
}

pub fn df(engine: &Engine, args: &Df) -> Result<u8> {
    let usage = engine.disk_usage(UsageOptions::ALL)?;
    let cache = hull_build::cache::usage::entries(engine)?;
    let format = args.format.as_deref().filter(|format| !format.is_empty());
    match args.verbose {
        true => verbose(engine, &usage, &cache, format)?,
        false => list::print(COLUMNS, &summary(&usage, &cache), format)?,
    }
    Ok(0)
}

/// docker's sums: an image that no container has counts with all of its layers, one in use with those that no other has.
fn summary(usage: &DiskUsage, cache: &[Entry]) -> [Row; 4] {
    let (images, containers, volumes) = (&usage.images, &usage.containers, &usage.volumes);
    let in_use = images.iter().filter(|image| image.containers > 0);
    let used: i64 = in_use.clone().map(|image| image.size - image.shared_size).sum();
    let active = |state: &str| ["running", "paused", "restarting"].contains(&state);
    let written = |is_active: bool| {
        let fitting = containers.iter().filter(move |one| active(&one.state) == is_active);
        (fitting.clone().count(), fitting.filter_map(|one| one.size_rw).sum::<u64>())
    };
    let (running, ended) = (written(true), written(false));
    let sizes = |fits: &dyn Fn(i64) -> bool| {
        let known = volumes.iter().filter_map(|volume| volume.usage_data.as_ref());
        let known = known.filter(|usage| fits(usage.ref_count));
        (known.clone().count(), known.map(|usage| u64::try_from(usage.size).unwrap_or(0)).sum::<u64>())
    };
    let (cached, unused_cache) = build_cache::sums(cache);
    let (all, unused) = (sizes(&|_| true), sizes(&|count| count == 0));
    [
        Row::of(
            "Images",
            (images.len(), in_use.count()),
            usage.layers_size,
            usage.layers_size.saturating_sub(u64::try_from(used).unwrap_or(0)),
        ),
        Row::of("Containers", (containers.len(), running.0), running.1 + ended.1, ended.1),
        Row::of("Local Volumes", (volumes.len(), all.0 - unused.0), all.1, unused.1),
        Row::of(
            "Build Cache",
            (cache.len(), cache.iter().filter(|one| one.in_use).count()),
            cached,
            unused_cache,
        ),
    ]
}

fn verbose(engine: &Engine, usage: &DiskUsage, cache: &[Entry], format: Option<&str>) -> Result<()> {
    let is_table = format.is_none_or(|format| format == "table");
    let no_trunc = !is_table;
    let images = image_rows(engine, &usage.images, no_trunc)?;
    let written: HashMap<&str, u64> =
        usage.containers.iter().map(|one| (one.id.as_str(), one.size_rw.unwrap_or(0))).collect();
    let listed = engine.list()?;
    let containers = listed.iter().filter_map(|one| {
        let bytes = written.get(one.id.as_str())?;
        Some(ps::Row::of(one, size::human(*bytes), no_trunc))
    });
    let containers: Vec<ps::Row> = containers.collect();
    let known: HashMap<&str, &Volume> =
        usage.volumes.iter().map(|volume| (volume.name.as_str(), volume)).collect();
    let volumes = engine.volumes().list()?.into_iter().filter_map(|one| {
        let usage = known.get(one.name.as_str())?.usage_data.clone()?;
        Some(volume::Row::of(one).with_usage(&usage))
    });
    let volumes: Vec<volume::Row> = volumes.collect();
    let cached: Vec<CacheRow> = cache.iter().rev().map(|entry| CacheRow::of(entry, no_trunc)).collect();
    match format.filter(|_| !is_table) {
        None => {
            tables(&images, &containers, &volumes)?;
            let (total, _) = build_cache::sums(cache);
            output::line(format!("\nBuild cache usage: {}\n", size::summed(total)))?;
            list::print(build_cache::DF, &cached, None)
        }
        Some(format) => {
            let all: Value =
                json!({"Images": images, "Containers": containers, "Volumes": volumes, "BuildCache": cached});
            match format {
                "json" => output::json(&all),
                format => output::line(Template::parse(format)?.render(&all)?),
            }
        }
    }
}

fn image_rows(engine: &Engine, usage: &[ImageSummary], no_trunc: bool) -> Result<Vec<images::Row>> {
    let usage: HashMap<&str, &ImageSummary> = usage.iter().map(|image| (image.id.as_str(), image)).collect();
    let mut rows = Vec::new();
    for record in engine.images().list()? {
        if let Some(usage) = usage.get(record.id.to_string().as_str()) {
            // docker's table has one row for each image, with its first name.
            let first = images::rows(&record, no_trunc).into_iter().next();
            rows.extend(first.map(|row| row.with_usage(usage)));
        }
    }
    Ok(rows)
}

fn tables(images: &[images::Row], containers: &[ps::Row], volumes: &[volume::Row]) -> Result<()> {
    const IMAGES: Columns = Columns {
        shown: &["Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers"],
        ..images::COLUMNS
    };
    const CONTAINERS: Columns = Columns {
        shown: &["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"],
        ..ps::COLUMNS
    };
    const VOLUMES: Columns = Columns { shown: &["Name", "Links", "Size"], ..volume::COLUMNS };
    output::line("Images space usage:\n")?;
    list::print(IMAGES, images, None)?;
    output::line("\nContainers space usage:\n")?;
    list::print(CONTAINERS, containers, None)?;
    output::line("\nLocal Volumes space usage:\n")?;
    list::print(VOLUMES, volumes, None)
}
