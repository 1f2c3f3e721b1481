//! The history and layers of images: `history`, and `image dockerfile|layers|tree|diff`.

use anyhow::Result;
use hull_docker::size;
use hull_engine::Engine;
use hull_image::{Difference, HistoryLine};
use serde::Serialize;

use crate::cli::image::{History, ImageDiff, Layers, One};
use crate::ui::list::{self, Columns};
use crate::ui::{human, output};

const COLUMNS: Columns = Columns {
    titles: &[
        ("ID", "IMAGE"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("Size", "SIZE"),
        ("Comment", "COMMENT"),
    ],
    shown: &["ID", "CreatedSince", "CreatedBy", "Size", "Comment"],
};

const LAYERS: Columns = Columns {
    titles: &[
        ("ID", "LAYER"),
        ("Size", "SIZE"),
        ("Added", "ADDED"),
        ("Changed", "CHANGED"),
        ("Deleted", "DELETED"),
        ("Wasted", "WASTED BELOW"),
        ("CreatedBy", "CREATED BY"),
    ],
    shown: &["ID", "Size", "Added", "Changed", "Deleted", "Wasted", "CreatedBy"],
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    #[serde(rename = "ID")]
    id: String,
    created_since: String,
    created_at: String,
    created_by: String,
    size: String,
    comment: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LayerRow {
    #[serde(rename = "ID")]
    id: String,
    size: String,
    added: String,
    changed: String,
    deleted: String,
    wasted: String,
    created_by: String,
}

pub fn history(engine: &Engine, args: &History) -> Result<u8> {
    let lines = engine.images().history(&args.name)?;
    let id = |line: &HistoryLine| match &line.id {
        None => "<missing>".to_owned(),
        Some(id) if args.no_trunc => id.clone(),
        Some(id) => human::short_id(id).to_owned(),
    };
    if args.quiet {
        lines.iter().try_for_each(|line| output::line(id(line)))?;
        return Ok(0);
    }
    let row = |line: &HistoryLine| {
        let created = line.created.as_deref().and_then(|time| humantime::parse_rfc3339(time).ok());
        let by = shown(&line.created_by);
        let since = created.map_or("N/A".into(), |at| format!("{} ago", human::since(at)));
        let at = shown(line.created.as_deref().unwrap_or_default());
        Row {
            id: id(line),
            created_since: if args.human { since } else { at.clone() },
            created_at: at,
            created_by: if args.no_trunc { by } else { human::shorten(&by, 45) },
            size: if args.human { size::human(line.size) } else { line.size.to_string() },
            comment: shown(&line.comment),
        }
    };
    let rows: Vec<Row> = lines.iter().map(row).collect();
    list::print(COLUMNS, &rows, args.format.as_deref())?;
    Ok(0)
}

/// Text of an image's author, on one line.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

pub fn dockerfile(engine: &Engine, args: &One) -> Result<u8> {
    engine.images().dockerfile(&args.name)?.iter().try_for_each(output::line)?;
    Ok(0)
}

pub fn layers(engine: &Engine, args: &Layers) -> Result<u8> {
    let facts = engine.images().layer_facts(&args.name)?;
    let history = engine.images().history(&args.name)?;
    let by = made_by(&history, facts.len());
    let rows: Vec<LayerRow> = facts
        .iter()
        .zip(by)
        .map(|(layer, by)| LayerRow {
            id: human::short_id(&layer.chain_id).to_owned(),
            size: size::human(layer.bytes),
            added: layer.added.to_string(),
            changed: layer.changed.to_string(),
            deleted: layer.deleted.to_string(),
            wasted: size::human(layer.wasted),
            created_by: human::shorten(&by, 45),
        })
        .collect();
    list::print(LAYERS, &rows, args.format.as_deref())?;
    if args.format.is_none() {
        let total: u64 = facts.iter().map(|layer| layer.bytes).sum();
        let wasted: u64 = facts.iter().map(|layer| layer.wasted).sum();
        let percent = 100 - (wasted * 100).checked_div(total).unwrap_or(0).min(100);
        let (total, wasted) = (size::human(total), size::human(wasted));
        output::line(format!("\nTotal: {total}, of which nobody sees {wasted}. Efficiency: {percent}%"))?;
    }
    Ok(0)
}

/// The instruction that made each layer, the lowest layer first.
fn made_by(history: &[HistoryLine], layers: usize) -> Vec<String> {
    let mut steps: Vec<&HistoryLine> = history.iter().rev().filter(|line| line.layer).collect();
    steps.truncate(layers);
    let mut by: Vec<String> = steps.into_iter().map(|line| shown(&line.created_by)).collect();
    by.resize(layers, String::new());
    by
}

pub fn tree(engine: &Engine, args: &One) -> Result<u8> {
    let inspected = engine.images().inspect(&args.name)?;
    let facts = engine.images().layer_facts(&args.name)?;
    let id = inspected.id.to_string();
    let total: u64 = facts.iter().map(|layer| layer.bytes).sum();
    output::line(format!("Image ID: {}", human::short_id(&id)))?;
    output::line(format!("Tags:     [{}]", inspected.tags.join(" ")))?;
    output::line(format!("Size:     {}", size::human(total)))?;
    output::line(if facts.is_empty() { "No Image Layers" } else { "Image Layers" })?;
    let everybody = engine.images().tops()?;
    for (at, layer) in facts.iter().enumerate() {
        let branch = if at + 1 == facts.len() { "└──" } else { "├──" };
        let tops = everybody.iter().filter(|(chain, _)| *chain == layer.chain_id);
        let names: Vec<&str> = tops.flat_map(|(_, names)| names).map(String::as_str).collect();
        let top =
            if names.is_empty() { String::new() } else { format!(" Top Layer of: [{}]", names.join(" ")) };
        let (id, size) = (human::short_id(&layer.chain_id), size::human(layer.bytes));
        output::line(format!("{branch} ID: {id} Size: {size:>6}{top}"))?;
    }
    Ok(0)
}

pub fn diff(engine: &Engine, args: &ImageDiff) -> Result<u8> {
    for (how, path) in engine.images().difference(&args.name, args.other.as_deref())? {
        let letter = match how {
            Difference::Added => 'A',
            Difference::Changed => 'C',
            Difference::Deleted => 'D',
        };
        output::line(format!("{letter} /{}", hull_image::members::shown(&path)))?;
    }
    Ok(0)
}
