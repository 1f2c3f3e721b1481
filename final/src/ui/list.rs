//! Lists: docker's tables, and the same rows as JSON or through a template.

use anyhow::{Result, anyhow};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{grid, output};
use crate::persona::Persona;
use hull_printable as printable;
use hull_template::Template;

/// A kind of row: its fields by docker's names, each with its column's title.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    pub titles: &'static [(&'static str, &'static str)],
    /// The columns of the table, where no format says otherwise.
    pub shown: &'static [&'static str],
}

/// Prints `rows` as `format` says: nothing or `table` for the usual table, `table TEMPLATE`, `json`, or a template.
pub fn print<T: Serialize>(columns: Columns, rows: &[T], format: Option<&str>) -> Result<()> {
    let rows = rows.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    output::text(&text(columns, &rows, format)?)
}

/// [`print()`], where a table's titles can be left out.
pub fn print_as<T: Serialize>(
    columns: Columns,
    rows: &[T],
    format: Option<&str>,
    noheading: bool,
) -> Result<()> {
    let rows = rows.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    let text = text(columns, &rows, format)?;
    let is_table = format.is_none_or(|format| format.trim_start().starts_with("table"));
    match text.split_once('\n') {
        Some((_, rest)) if noheading && is_table => output::text(rest),
        _ => output::text(&text),
    }
}

/// What [`print()`] prints.
pub fn text(columns: Columns, rows: &[Value], format: Option<&str>) -> Result<String> {
    if Persona::own() == Persona::Lxc {
        return lxds(columns, rows, format.unwrap_or("table"));
    }
    // A shell passes \t on as it is typed.
    let format = format.unwrap_or("table").trim().replace("\\t", "\t").replace("\\n", "\n");
    if format == "json" {
        let lines = rows.iter().map(|row| Ok(format!("{}\n", output::json_line(row)?)));
        return lines.collect();
    }
    let template = match format.strip_prefix("table") {
        Some("") => return Ok(usual(columns, rows)),
        Some(template) if template.starts_with(char::is_whitespace) => template.trim_start(),
        _ => {
            let template = Template::parse(&format)?;
            let lines = rows.iter().map(|row| Ok(format!("{}\n", template.render(row)?)));
            return lines.collect();
        }
    };
    let template = Template::parse(template)?;
    let titles: Map<String, Value> =
        columns.titles.iter().map(|(field, title)| (field.to_string(), (*title).into())).collect();
    let titles = Value::Object(titles);
    let lines = std::iter::once(&titles).chain(rows).map(|row| {
        let line = template.render(row)?;
        Ok(line.split('\t').map(str::to_owned).collect())
    });
    Ok(align(&lines.collect::<Result<Vec<Vec<String>>>>()?))
}

fn usual(columns: Columns, rows: &[Value]) -> String {
    align(&cells(columns, rows))
}

/// The titles and the rows.
fn cells(columns: Columns, rows: &[Value]) -> Vec<Vec<String>> {
    let title = |field: &str| columns.titles.iter().find(|(name, _)| *name == field).map_or("", |(_, t)| t);
    let mut lines = vec![columns.shown.iter().map(|field| title(field).to_owned()).collect()];
    for row in rows {
        let cell = |field: &&str| match &row[*field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        lines.push(columns.shown.iter().map(cell).collect());
    }
    lines
}

/// The list in one of LXD's formats.
fn lxds(columns: Columns, rows: &[Value], format: &str) -> Result<String> {
    match format {
        "json" => return Ok(format!("{}\n", output::json_line(&rows)?)),
        "yaml" => return Ok(hull_lxd::yaml::write(&Value::Array(rows.to_vec()))),
        _ => {}
    }
    let mut lines = cells(columns, rows);
    let titles = lines.remove(0);
    grid::text(format, titles, &lines)
        .ok_or_else(|| anyhow!("invalid format {format:?}: it is csv, json, table, yaml or compact"))
}

/// Columns at least ten wide and three apart, as docker's.
pub fn align(lines: &[Vec<String>]) -> String {
    align_in(lines, 10, 3)
}

/// [`align`], where columns are at least so wide and so far apart: docker's `top` has 20 and 3, Compose's 4 and 2.
pub fn align_in(lines: &[Vec<String>], least: usize, gap: usize) -> String {
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter(|line| line.len() > column + 1).filter_map(|line| line.get(column));
        cells.map(|cell| printable::cell(cell).chars().count() + gap).max().unwrap_or(0).max(least)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for line in lines {
        for (column, cell) in line.iter().enumerate() {
            let cell = printable::cell(cell);
            text.push_str(&cell);
            if column + 1 < line.len() {
                let blank = widths[column].saturating_sub(cell.chars().count());
                text.extend(std::iter::repeat_n(' ', blank));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_harmless_and_stays_on_its_line() {
        let lines = [vec!["NAME".into(), "LABELS".into()], vec!["\x1b[2J".into(), "a\nb".into()]];
        assert_eq!(align(&lines), "NAME      LABELS\n\\x1b[2J   a\\nb\n");
    }

    #[test]
    fn columns_are_aligned_and_the_last_is_not_padded() {
        let lines = [vec!["NAME".into(), "SIZE".into()], vec!["a-long-name-here".into(), "1".into()]];
        assert_eq!(align(&lines), "NAME               SIZE\na-long-name-here   1\n");
        assert_eq!(align_in(&lines, 20, 3), "NAME                SIZE\na-long-name-here    1\n");
    }
}
