//! The names that `snapshots.pattern` gives.

use hull_lxd::pattern::{self, Moment};

use crate::error::{Error, Result};
use crate::records::record::Record;
use crate::records::time::Timestamp;

/// The name that the container's pattern gives to a snapshot that is taken at this time.
pub(super) fn name_by_pattern(record: &Record, now: Timestamp, taken: &[String]) -> Result<String> {
    let pattern = record.instance.expanded.config.get("snapshots.pattern").map_or("", String::as_str);
    let pattern = if pattern.is_empty() { "snap%d" } else { pattern };
    let local = hull_sys::clock::local(now.seconds());
    let at = local.map(|local| Moment {
        year: u64::try_from(local.year).unwrap_or_default(),
        month: local.month.into(),
        day: local.day.into(),
        hour: local.hour.into(),
        minute: local.minute.into(),
        second: local.second.into(),
    });
    let at = at.unwrap_or(Moment { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0 });
    pattern::name(pattern, &at, taken)
        .map_err(|why| Error::Invalid { what: format!("snapshots.pattern {pattern:?}"), why })
}
