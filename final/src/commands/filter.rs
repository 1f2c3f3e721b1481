//! `--filter` of images: docker's.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use hull_image::store::ImageRecord;

use super::images::split;
use crate::cli::values;

pub fn keep(records: &mut Vec<ImageRecord>, filters: &[String]) -> Result<()> {
    let all = records.clone();
    let mut references = Vec::new();
    for filter in filters {
        match filter.split_once('=') {
            Some(("dangling", "true")) => records.retain(|record| record.names.is_empty()),
            Some(("dangling", "false")) => records.retain(|record| !record.names.is_empty()),
            Some(("label", label)) => records.retain(|record| has_label(record, label)),
            Some(("label!", label)) => records.retain(|record| !has_label(record, label)),
            Some(("before", name)) => {
                let bound = created(find(&all, name)?);
                records.retain(|record| created(record) < bound);
            }
            Some(("since", name)) => {
                let bound = created(find(&all, name)?);
                records.retain(|record| created(record) > bound);
            }
            Some(("until", time)) => {
                let bound = moment(time)?;
                records.retain(|record| created(record).is_some_and(|created| created < bound));
            }
            Some(("reference", pattern)) => references.push(pattern),
            _ => bail!(
                "invalid filter {filter:?}: there are dangling=true|false, reference=PATTERN, label=KEY[=VALUE], \
                 before=IMAGE, since=IMAGE and until=TIME"
            ),
        }
    }
    // Of several patterns one is enough.
    if !references.is_empty() {
        retain_names(records, |name| references.iter().any(|pattern| refers(pattern, name)));
    }
    Ok(())
}

/// By repository, or by repository and tag; `*` and `?` stand for what has no slash.
pub fn by_name(records: &mut Vec<ImageRecord>, pattern: &str) {
    retain_names(records, |name| refers(pattern, name));
}

fn retain_names(records: &mut Vec<ImageRecord>, fits: impl Fn(&str) -> bool) {
    for record in records.iter_mut() {
        record.names.retain(|name| fits(name));
    }
    records.retain(|record| !record.names.is_empty());
}

fn refers(pattern: &str, name: &str) -> bool {
    let repository = split(name).0;
    name == pattern
        || matches(pattern.as_bytes(), name.as_bytes())
        || matches(pattern.as_bytes(), repository.as_bytes())
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            matches(rest, text)
                || text.split_first().is_some_and(|(first, text)| *first != b'/' && matches(pattern, text))
        }
        ([b'?', rest @ ..], [first, text @ ..]) => *first != b'/' && matches(rest, text),
        ([one, rest @ ..], [first, text @ ..]) => one == first && matches(rest, text),
        _ => false,
    }
}

fn has_label(record: &ImageRecord, label: &str) -> bool {
    match label.split_once('=') {
        Some((key, value)) => record.labels.get(key).is_some_and(|found| found == value),
        None => record.labels.contains_key(label),
    }
}

fn created(record: &ImageRecord) -> Option<SystemTime> {
    humantime::parse_rfc3339(record.created.as_deref()?).ok()
}

fn find<'a>(records: &'a [ImageRecord], name: &str) -> Result<&'a ImageRecord> {
    let familiar =
        hull_image::reference::Reference::parse(name).map(|name| name.familiar()).unwrap_or_default();
    let hex = name.strip_prefix("sha256:").unwrap_or(name);
    let fits = |record: &&ImageRecord| {
        record.names.contains(&familiar) || hex.len() > 2 && record.id.hex().starts_with(hex)
    };
    records.iter().find(fits).with_context(|| format!("No such image: {name}"))
}

/// A point in time, or so long ago.
fn moment(text: &str) -> Result<SystemTime> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH + Duration::ZERO));
    }
    values::time(text).map_err(|why| anyhow::anyhow!("invalid time {text:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_ends_at_a_slash() {
        for (pattern, name, fits) in [
            ("debian", "debian:12", true),
            ("debian:*", "debian:12", true),
            ("deb*", "debian:12", true),
            ("*", "team/tool:1", false),
            ("*/*", "team/tool:1", true),
            ("team/t??l", "team/tool:1", true),
            ("tool", "team/tool:1", false),
        ] {
            assert_eq!(refers(pattern, name), fits, "{pattern} {name}");
        }
    }
}
