//! Filters of `builder prune` and `builder du` (<https://docs.docker.com/reference/cli/docker/buildx/du/#filter>).

use std::time::SystemTime;

use super::{FilterError, Filters, Keys};

#[derive(Debug, Default)]
pub struct BuildCacheFilters {
    filters: Filters,
    until: Vec<SystemTime>,
}

/// An entry of the build cache, as the filters see it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub id: &'a str,
    pub parent: Option<&'a str>,
    pub kind: &'a str,
    pub description: &'a str,
    pub in_use: bool,
    pub shared: bool,
    pub mutable: bool,
    pub last_used: SystemTime,
}

const FLAGS: &[&str] = &["inuse", "shared", "private", "mutable", "immutable"];

impl BuildCacheFilters {
    /// `KEY=VALUE`; a flag may be alone.
    pub fn parse(texts: &[String], now: SystemTime) -> Result<Self, FilterError> {
        let whole = |text: &String| match FLAGS.contains(&text.as_str()) {
            true => format!("{text}=true"),
            false => text.replacen("unused-for=", "until=", 1),
        };
        let texts: Vec<String> = texts.iter().map(whole).collect();
        let words = &["id", "parents", "type", "description", "until"];
        let filters = Filters::parse(&texts, Keys { words, patterns: &[], flags: FLAGS })?;
        Ok(Self { until: filters.until(now)?, filters })
    }

    pub fn fit(&self, entry: Entry<'_>) -> bool {
        let flag = |key, value| self.filters.flag(key).is_none_or(|wanted| wanted == value);
        self.filters.any("id", |id| entry.id.starts_with(id))
            && self.filters.any("parents", |id| entry.parent.is_some_and(|parent| parent.starts_with(id)))
            && self.filters.any("type", |kind| entry.kind == kind)
            && self.filters.any("description", |part| entry.description.contains(part))
            && flag("inuse", entry.in_use)
            && flag("shared", entry.shared)
            && flag("private", !entry.shared)
            && flag("mutable", entry.mutable)
            && flag("immutable", !entry.mutable)
            && self.until.iter().all(|bound| entry.last_used < *bound)
    }
}

#[test]
fn an_entry_fits_every_key() {
    let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(100_000);
    let entry = Entry {
        id: "abcdef",
        parent: None,
        kind: "regular",
        description: "RUN make",
        in_use: false,
        shared: true,
        mutable: false,
        last_used: SystemTime::UNIX_EPOCH,
    };
    let fits = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        BuildCacheFilters::parse(&texts, now).map(|filters| filters.fit(entry))
    };
    for (texts, expected) in [
        (&[][..], true),
        (&["id=abc"], true),
        (&["id=b"], false),
        (&["type=exec.cachemount"], false),
        (&["type=regular", "description=make"], true),
        (&["shared", "inuse=false"], true),
        (&["private"], false),
        (&["mutable"], false),
        (&["parents=a"], false),
        (&["until=24h"], true),
        (&["unused-for=30h"], false),
    ] {
        assert_eq!(fits(texts), Ok(expected), "{texts:?}");
    }
    assert!(fits(&["size=1"]).is_err() && fits(&["until=x"]).is_err() && fits(&["id"]).is_err());
}
