//! `--filter`: of any listing, of images, and of the containers to remove.

use std::time::SystemTime;

use anyhow::{Context, Result};
use hull_engine::Summary;
use hull_image::store::ImageRecord;

use super::images::split;
use crate::ui::errors::Exit;
use hull_docker::filters::{Filters, Keys};
use hull_docker::time;

/// Parses filters. A malformed one has docker's exit code.
pub fn parse(texts: &[String], keys: Keys) -> Result<Filters> {
    let filters = Filters::parse(texts, keys).map_err(anyhow::Error::msg);
    let is_malformed = texts.iter().any(|text| !text.contains('='));
    filters.map_err(|error| if is_malformed { error.context(Exit(125)) } else { error })
}

const KEYS: Keys = Keys {
    words: &["reference", "label", "label!", "before", "since", "until"],
    patterns: &[],
    flags: &["dangling"],
};

pub fn keep(records: &mut Vec<ImageRecord>, texts: &[String]) -> Result<()> {
    let filters = parse(texts, KEYS)?;
    let bounds = |key: &str| -> Result<Vec<_>> {
        filters.values(key).map(|name| Ok(created(find(records, name)?))).collect()
    };
    let (before, since) = (bounds("before")?, bounds("since")?);
    let until = filters.values("until").map(moment).collect::<Result<Vec<_>>>()?;
    records.retain(|record| {
        let created = created(record);
        filters.flag("dangling").is_none_or(|wanted| record.names.is_empty() == wanted)
            && filters.labels_fit(&record.labels)
            && before.iter().all(|bound| created < *bound)
            && since.iter().all(|bound| created > *bound)
            && until.iter().all(|bound| created.is_some_and(|created| created < *bound))
    });
    // Of several patterns one is enough.
    if filters.has("reference") {
        retain_names(records, |name| filters.any("reference", |pattern| refers(pattern, name)));
    }
    Ok(())
}

/// Whether `container prune` may take a container with these filters.
pub fn prunes(texts: &[String]) -> Result<impl Fn(&Summary) -> bool> {
    let filters = parse(texts, Keys { words: &["label", "label!", "until"], patterns: &[], flags: &[] })?;
    let until = filters.values("until").map(moment).collect::<Result<Vec<_>>>()?;
    Ok(move |container: &Summary| {
        filters.labels_fit(&container.labels) && until.iter().all(|bound| container.created < *bound)
    })
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
    let now = SystemTime::now();
    if let Ok(ago) = time::parse_duration(text) {
        return Ok(now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH));
    }
    time::parse(text, now).map_err(|why| anyhow::anyhow!("invalid time {text:?}: {why}"))
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
