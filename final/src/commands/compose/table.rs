//! Tables and JSON as Compose's own lists have them. Docker's lists, which `ps` and `volumes` are like, are narrower.

use anyhow::{Result, bail};
use serde::Serialize;

use crate::ui::{list, output};

/// Prints `rows` as JSON, or `cells` as a table with these titles.
pub fn print<T: Serialize>(rows: &[T], format: &str, titles: &[&str], cells: Vec<Vec<String>>) -> Result<()> {
    match format.to_ascii_lowercase().as_str() {
        "json" => output::json(&rows),
        // An object on each line, as Compose v1 had it.
        "{{json.}}" => rows.iter().try_for_each(output::json),
        _ => output::text(&text(format, titles, cells)?),
    }
}

/// The table that `format` asks for.
pub fn text(format: &str, titles: &[&str], cells: Vec<Vec<String>>) -> Result<String> {
    if !["", "table", "pretty"].contains(&format.to_ascii_lowercase().as_str()) {
        bail!("format value {format:?} could not be parsed: it takes table or json");
    }
    let titles = titles.iter().map(|title| (*title).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(titles).chain(cells).collect();
    Ok(list::align_in(&lines, 20, 3))
}
