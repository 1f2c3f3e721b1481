//! `GET /images/search`.

use hull_docker::filters::search::SearchFilters;
use hull_image::reference::Reference;
use hull_image::registry::{Access, AccessOptions, Found};
use hull_image::remote;
use serde::Serialize;

use super::access::login_of;
use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;

const MOST: i64 = 100;
const USUAL: i64 = 25;

#[derive(Serialize)]
struct Row {
    star_count: u64,
    is_official: bool,
    name: String,
    /// Docker Hub builds nothing itself any more.
    is_automated: bool,
    description: String,
}

impl From<Found> for Row {
    fn from(found: Found) -> Self {
        let Found { name, description, stars: star_count, official: is_official } = found;
        Self { star_count, is_official, name, is_automated: false, description }
    }
}

pub fn search(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let query = exchange.query();
    let limit = query.number("limit")?.filter(|limit| *limit != 0).unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Failure::invalid(format!("limit {limit} is outside the range of [1, {MOST}]")));
    }
    let filters = SearchFilters::parse(&query.filters()?)?;
    let term = query.text("term").unwrap_or_default().to_owned();
    exchange.in_child(|exchange| {
        let (registry, term) = match term.split_once('/') {
            Some((registry, rest)) if !Reference::is_short(&term) => (registry.to_owned(), rest),
            _ => ("docker.io".to_owned(), term.as_str()),
        };
        let logins = login_of(exchange)?.map(|credential| (registry.clone(), credential));
        let access =
            Access::new(AccessOptions { logins: logins.into_iter().collect(), ..api.registry.clone() })?;
        let found = remote::search(&access, &registry, term, limit as usize);
        let found = found.map_err(|error| Failure::new(500, error.to_string()))?;
        let fitting = found.into_iter().filter(|found| filters.fit(found.official, found.stars));
        exchange.json(200, &fitting.map(Row::from).collect::<Vec<_>>())
    })
}
