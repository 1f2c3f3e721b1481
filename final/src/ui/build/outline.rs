//! The results of `--call outline` and `--call targets`, in BuildKit's tables.

use hull_build::outline::{Needed, Outline, Targets};
use hull_printable as printable;

/// The stages, each with its description.
pub fn targets(targets: &Targets) -> String {
    let rows = targets.targets.iter().map(|target| {
        let name = match (target.name.as_str(), target.default) {
            ("", true) => "(default)".into(),
            (name, true) => format!("{name} (default)"),
            (name, false) => name.to_owned(),
        };
        vec![name, target.description.clone()]
    });
    table(&["TARGET", "DESCRIPTION"], rows, 1)
}

/// What a target takes: a table for each kind that it has.
pub fn outline(outline: &Outline) -> String {
    let mut tables = Vec::new();
    if !outline.name.is_empty() || !outline.description.is_empty() {
        let name = if outline.name.is_empty() { "(default)" } else { &outline.name };
        let description = (!outline.description.is_empty())
            .then(|| vec!["DESCRIPTION:".to_owned(), outline.description.clone()]);
        tables.push(table(&["TARGET:", name], description.into_iter(), 1));
    }
    if !outline.args.is_empty() {
        let rows =
            outline.args.iter().map(|arg| vec![arg.name.clone(), arg.value.clone(), arg.description.clone()]);
        tables.push(table(&["BUILD ARG", "VALUE", "DESCRIPTION"], rows, 3));
    }
    for (title, needed) in [("SECRET", &outline.secrets), ("SSH", &outline.ssh)] {
        if !needed.is_empty() {
            let required = |one: &Needed| if one.required { "true".into() } else { String::new() };
            let rows = needed.iter().map(|one| vec![one.name.clone(), required(one)]);
            tables.push(table(&[title, "REQUIRED"], rows, 3));
        }
    }
    if !outline.cache.is_empty() {
        tables.push(table(&["CACHE"], outline.cache.iter().map(|cache| vec![cache.id.clone()]), 3));
    }
    tables.iter().map(|table| format!("{table}\n")).collect()
}

/// Columns so many blanks apart. A text that would change the terminal is made harmless.
fn table(titles: &[&str], rows: impl Iterator<Item = Vec<String>>, apart: usize) -> String {
    let titles = titles.iter().map(|title| (*title).to_owned()).collect();
    let cells = |row: Vec<String>| row.iter().map(|cell| printable::cell(cell).into_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(titles).chain(rows).map(cells).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let Some((last, before)) = line.split_last() else { continue };
        for (cell, width) in before.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}{:apart$}", ""));
        }
        text.push_str(last);
        text.push('\n');
    }
    text
}

#[test]
fn tables_are_buildkits() {
    let lines = [["a", "x"], ["bcd", ""]].map(|row| row.map(str::to_owned).to_vec());
    assert_eq!(table(&["N", "V"], lines.into_iter(), 3), "N     V\na     x\nbcd   \n");
}
