//! Tables and JSON as Compose's own lists have them. Docker's lists, which `ps` and `volumes` are like, are narrower.

use anyhow::{Result, bail};
use serde::Serialize;

use crate::ui::{list, output};

/// Prints `rows` as JSON, or `cells` as a table with these titles.
pub fn print<T: Serialize>(rows: &[T], format: &str, titles: &[&str], cells: Vec<Vec<String>>) -> Result<()> {
    match format.to_ascii_lowercase().as_str() {
        "" | "table" | "pretty" => {
            let titles = titles.iter().map(|title| (*title).to_owned()).collect();
            let lines: Vec<Vec<String>> = std::iter::once(titles).chain(cells).collect();
            output::text(&list::align_in(&lines, 20, 3))
        }
        "json" => output::line(json(rows)?),
        // An object on each line, as Compose v1 had it.
        "{{json.}}" => rows.iter().try_for_each(|row| output::json(row)),
        _ => bail!("format value {format:?} could not be parsed: it takes table or json"),
    }
}

fn json<T: Serialize>(rows: &[T]) -> Result<String> {
    output::json_line(&rows)
}
