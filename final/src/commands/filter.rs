//! `--filter` of lists.

use std::time::SystemTime;

use anyhow::Result;
use hull_docker::filters::FilterError;
use hull_docker::filters::image::ImageFilters;

use crate::ui::errors::Exit;

/// The error for wrong filters. One without a value has docker's exit code.
pub fn checked<T>(texts: &[String], filters: Result<T, FilterError>) -> Result<T> {
    let is_malformed = texts.iter().any(|text| !text.contains('='));
    let filters = filters.map_err(anyhow::Error::msg);
    filters.map_err(|error| if is_malformed { error.context(Exit(125)) } else { error })
}

pub fn images(texts: &[String]) -> Result<ImageFilters> {
    checked(texts, ImageFilters::parse(texts, SystemTime::now()))
}
