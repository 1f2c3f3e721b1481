//! LXD's list of containers: columns, filters and formats as `lxc list` has them.
//!
//! ```text
//! columns  -c: what each letter shows        filter   name, status=running, user.x=y
//! row      a container, and what is measured of it for the columns
//! document the objects of json and yaml
//! ```

mod columns;
mod document;
mod filter;
mod row;

use anyhow::{Result, bail};
use hull_engine::{Engine, Summary};

use crate::ui::{grid, output};
use columns::Column;
pub use columns::{bytes, moment};
use filter::Filter;
pub use row::state;
use row::{Measure, Row};

/// LXD's usual columns without the location, because there is one machine.
const USUAL: &str = "ns46tS";
const FAST: &str = "nsacPt";

/// What is listed, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// `None`: the usual columns.
    pub columns: Option<&'a str>,
    /// Only columns that nothing has to be measured for.
    pub fast: bool,
    /// csv, json, table, yaml or compact; `None` is table.
    pub format: Option<&'a str>,
    pub filters: &'a [String],
}

pub fn list(engine: &Engine, request: &Request<'_>) -> Result<u8> {
    let all = engine.list()?;
    super::say_what_is_damaged(all.iter().map(|one| (&*one.name, one.damage.as_deref())), "hull rm -f");
    list_of(engine, request, &all)
}

/// Lists those of these containers that fit the request's filters.
pub fn list_of(engine: &Engine, request: &Request<'_>, all: &[Summary]) -> Result<u8> {
    let usual = if request.fast { FAST } else { USUAL };
    let columns = columns::parse(request.columns.unwrap_or(usual))?;
    let filters = request.filters.iter().map(|text| Filter::parse(text)).collect::<Result<Vec<_>>>()?;
    let format = request.format.unwrap_or("table");
    let is_document = matches!(format, "json" | "yaml");
    let measure = if is_document { Measure::default() } else { columns::measure(&columns) };
    let mut fitting: Vec<&Summary> = all.iter().collect();
    // Sorted by name, as in LXD.
    fitting.sort_by(|a, b| a.name.cmp(&b.name));
    let rows = row::measured(engine, &fitting, measure)?;
    let rows: Vec<Row<'_>> = rows.into_iter().filter(|row| filters.iter().all(|one| one.fits(row))).collect();
    match format {
        "json" => output::json(&document::all(&rows))?,
        "yaml" => output::text(&hull_lxd::yaml::write(&document::all(&rows)))?,
        _ => {
            let titles = columns.iter().map(Column::title).collect();
            let lines = rows.iter().map(|row| columns.iter().map(|column| column.cell(row)).collect());
            let lines: Vec<Vec<String>> = lines.collect();
            let Some(text) = grid::text(format, titles, &lines) else {
                bail!("invalid format {format:?}: it is csv, json, table, yaml or compact");
            };
            output::text(&text)?;
        }
    }
    Ok(0)
}
