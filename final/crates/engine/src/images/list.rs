//! The list of images, by docker's filters.

use std::time::SystemTime;

use hull_docker::filters::image::ImageFilters;
use hull_image::reference::Reference;
use hull_image::store::ImageRecord;

use crate::engine::Engine;
use crate::error::Result;

impl Engine {
    /// The images that fit, the newest first. With patterns of `reference` each has only the names that match.
    pub fn list_images(&self, filters: &ImageFilters) -> Result<Vec<ImageRecord>> {
        let mut records = self.images().list()?;
        let created_at = |name: &str| Ok(created(self.find_image(&records, name)?));
        let before = filters.before().map(created_at).collect::<Result<Vec<_>>>()?;
        let since = filters.since().map(created_at).collect::<Result<Vec<_>>>()?;
        records.retain(|record| {
            let created = created(record);
            filters.fit(!record.names.is_empty(), &record.labels, created)
                && before.iter().all(|bound| created < *bound)
                && since.iter().all(|bound| created > *bound)
        });
        if filters.have_references() {
            retain_names(&mut records, |name| filters.name_fits(name));
        }
        Ok(records)
    }

    fn find_image<'a>(&self, records: &'a [ImageRecord], name: &str) -> Result<&'a ImageRecord> {
        let familiar = Reference::parse(name).map(|name| name.familiar()).unwrap_or_default();
        let hex = name.strip_prefix("sha256:").unwrap_or(name);
        let fits = |record: &&ImageRecord| {
            record.names.contains(&familiar) || hex.len() > 2 && record.id.hex().starts_with(hex)
        };
        let missing = || self.images().missing(name).into();
        records.iter().find(fits).ok_or_else(missing)
    }
}

/// Keeps the names that fit, and the images that have one.
pub fn retain_names(records: &mut Vec<ImageRecord>, fits: impl Fn(&str) -> bool) {
    for record in records.iter_mut() {
        record.names.retain(|name| fits(name));
    }
    records.retain(|record| !record.names.is_empty());
}

fn created(record: &ImageRecord) -> Option<SystemTime> {
    humantime::parse_rfc3339(record.created.as_deref()?).ok()
}
