//! `--filter` of lists, and of images.

use std::time::SystemTime;

use anyhow::{Context, Result};
use hull_docker::filters::image::{ImageFilters, refers};
use hull_image::store::ImageRecord;

use crate::ui::errors::Exit;

/// The error for wrong filters. One without a value has docker's exit code.
pub fn checked<T>(texts: &[String], filters: Result<T, String>) -> Result<T> {
    let is_malformed = texts.iter().any(|text| !text.contains('='));
    let filters = filters.map_err(anyhow::Error::msg);
    filters.map_err(|error| if is_malformed { error.context(Exit(125)) } else { error })
}

pub fn keep(records: &mut Vec<ImageRecord>, texts: &[String]) -> Result<()> {
    let filters = checked(texts, ImageFilters::parse(texts, SystemTime::now()))?;
    let created_at = |name: &str| Ok(created(find(records, name)?));
    let before = filters.before().map(created_at).collect::<Result<Vec<_>>>()?;
    let since = filters.since().map(created_at).collect::<Result<Vec<_>>>()?;
    records.retain(|record| {
        let created = created(record);
        filters.fit(!record.names.is_empty(), &record.labels, created)
            && before.iter().all(|bound| created < *bound)
            && since.iter().all(|bound| created > *bound)
    });
    if filters.have_references() {
        retain_names(records, |name| filters.name_fits(name));
    }
    Ok(())
}

/// Matches a repository, or a repository with a tag; `*` and `?` do not match a slash.
pub fn by_name(records: &mut Vec<ImageRecord>, pattern: &str) {
    retain_names(records, |name| refers(pattern, name));
}

fn retain_names(records: &mut Vec<ImageRecord>, fits: impl Fn(&str) -> bool) {
    for record in records.iter_mut() {
        record.names.retain(|name| fits(name));
    }
    records.retain(|record| !record.names.is_empty());
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
