//! `search` and `image tags`: queries to registries.

use anyhow::{Result, bail};
use hull_docker::filters::search::SearchFilters;
use hull_image::reference::Reference;
use hull_image::remote;
use serde::Serialize;

use super::{filter, registry};
use crate::cli::registry::{Search, Tags};
use crate::ui::human;
use crate::ui::list::{self, Columns};

const COLUMNS: Columns = Columns {
    titles: &[
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("StarCount", "STARS"),
        ("IsOfficial", "OFFICIAL"),
    ],
    shown: &["Name", "Description", "StarCount", "IsOfficial"],
};

const TAGS: Columns = Columns { titles: &[("Name", "NAME"), ("Tag", "TAG")], shown: &["Name", "Tag"] };

pub fn search(args: &Search) -> Result<u8> {
    let access = registry::access(&args.access)?;
    let (registries, term) = match args.term.split_once('/') {
        Some((registry, term)) if !Reference::is_short(&args.term) => (vec![registry.to_owned()], term),
        _ => (access.settings().search_registries(), args.term.as_str()),
    };
    // Filters are checked before a registry is queried.
    let filters = filter::checked(&args.filter, SearchFilters::parse(&args.filter))?;
    let mut rows = Vec::new();
    for registry in registries {
        let mut found = remote::search(&access, &registry, term, args.limit.clamp(1, 100))?;
        found.retain(|found| filters.fit(found.official, found.stars));
        rows.extend(found.iter().map(|found| {
            let name = match registry.as_str() {
                "docker.io" => found.name.clone(),
                registry => format!("{registry}/{}", found.name),
            };
            let description = found.description.replace(|c: char| c.is_control(), " ");
            Row {
                name,
                description: if args.no_trunc { description } else { human::shorten(&description, 45) },
                star_count: found.stars.to_string(),
                is_official: if found.official { "[OK]" } else { "" },
            }
        }));
    }
    list::print(COLUMNS, &rows, args.format.as_deref())?;
    Ok(0)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    name: String,
    description: String,
    star_count: String,
    is_official: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagRow<'a> {
    name: &'a str,
    tag: String,
}

pub fn tags(args: &Tags) -> Result<u8> {
    let access = registry::access(&args.access)?;
    if Reference::names_tag(&args.name) {
        bail!("{} names one image; a repository has tags", args.name);
    }
    let (repository, tags) = remote::tags(&access, &access.settings().candidates(&args.name)?)?;
    let name = repository.familiar_repository();
    let rows: Vec<_> = tags.into_iter().map(|tag| TagRow { name: &name, tag }).collect();
    list::print(TAGS, &rows, args.format.as_deref())?;
    Ok(0)
}
