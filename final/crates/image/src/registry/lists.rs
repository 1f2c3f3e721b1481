//! Lists: tags, repositories, referrers of a manifest, and docker's search. Long lists come in pages.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::{Call, Client};
use super::http::Response;
use super::token::encode;
use crate::config::{Descriptor, Index};
use crate::digest::Digest;
use crate::error::Result;

const LIMIT: u64 = 16 << 20;
/// A hostile registry may send a list without an end.
const PAGES: usize = 10_000;
const NAMES: usize = 1_000_000;
/// The longest name of a repository together with its registry (distribution-spec, "Pulling manifests").
const LONGEST: usize = 255;

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Catalog {
    repositories: Option<Vec<String>>,
}

/// A repository that `search` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub name: String,
    pub description: String,
    pub stars: u64,
    pub official: bool,
}

#[derive(Deserialize)]
struct Results {
    results: Vec<ResultLine>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct ResultLine {
    name: String,
    description: Option<String>,
    star_count: u64,
    is_official: bool,
}

impl Client<'_> {
    pub(crate) fn tags(&self) -> Result<Vec<String>> {
        let first = format!("/v2/{}/tags/list", self.endpoint.repository);
        let mut tags = self.pages(first, &self.pull_scope(), |page: Tags| page.tags.unwrap_or_default())?;
        // distribution-spec, "Listing Tags", asks registries for sorted lists, but some, such as Debian's
        // docker-registry, do not sort them.
        tags.sort();
        Ok(tags)
    }

    pub(crate) fn repositories(&self) -> Result<Vec<String>> {
        self.pages("/v2/_catalog?n=1000".into(), "registry:catalog:*", |page: Catalog| {
            page.repositories.unwrap_or_default()
        })
    }

    /// Signatures, attestations and other manifests that refer to a digest. distribution-spec, "Listing Referrers": a
    /// registry without this request may have the list under a tag that is made from the digest.
    pub(crate) fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>> {
        let path = format!("/v2/{}/referrers/{digest}", self.endpoint.repository);
        let mut response = self.send(&Call::new("GET", path, self.pull_scope()))?;
        match response.status {
            200 => Ok(self.json::<Index>(&mut response)?.manifests),
            404 => match self.manifest(&digest.to_string().replace(':', "-")) {
                Ok(fetched) => serde_json::from_slice::<Index>(&fetched.bytes)
                    .map(|index| index.manifests)
                    .map_err(|error| self.wrong(format!("its list of referrers is no list: {error}"))),
                Err(error) if error.is_not_found() => Ok(vec![]),
                Err(error) => Err(error),
            },
            _ => Err(self.refused("no list of referrers", response)),
        }
    }

    /// Searches with docker's own request. A registry that lacks it is asked for all of its names.
    pub(crate) fn search(&self, term: &str, limit: usize) -> Result<Vec<Found>> {
        let path = format!("/v1/search?q={}&n={limit}", encode(term));
        let response = self.send(&Call::new("GET", path, ""));
        if let Ok(mut response) = response
            && response.status == 200
            && let Ok(found) = self.json::<Results>(&mut response)
        {
            let line = |line: ResultLine| Found {
                name: line.name,
                description: line.description.unwrap_or_default(),
                stars: line.star_count,
                official: line.is_official,
            };
            return Ok(found.results.into_iter().map(line).take(limit).collect());
        }
        let named = self.repositories()?.into_iter().filter(|name| name.contains(term));
        let found = |name| Found { name, description: String::new(), stars: 0, official: false };
        Ok(named.map(found).take(limit).collect())
    }

    fn pages<T: DeserializeOwned>(
        &self,
        first: String,
        scope: &str,
        names: impl Fn(T) -> Vec<String>,
    ) -> Result<Vec<String>> {
        let (mut at, mut all, mut seen) = (first, Vec::new(), HashSet::new());
        for _ in 0..PAGES {
            let mut response = self.expect(&Call::new("GET", at.as_str(), scope), &[200], "no list")?;
            let page = names(self.json(&mut response)?);
            if page.iter().any(|name| name.len() > LONGEST || name.chars().any(char::is_control)) {
                return Err(self.wrong("its list has names that no image can have"));
            }
            all.extend(page);
            if all.len() > NAMES {
                return Err(self.wrong("its list has no end"));
            }
            let Some(next) = next(&response) else { return Ok(all) };
            let base = self.absolute(&at)?;
            let next = super::http::resolve(&base, &next);
            let next = next.ok_or_else(|| self.wrong("its list has no link to the next page"))?;
            if !seen.insert(next.clone()) {
                return Err(self.wrong("its list goes around in circles"));
            }
            at = next;
        }
        Err(self.wrong("its list has no end"))
    }

    fn json<T: DeserializeOwned>(&self, response: &mut Response) -> Result<T> {
        let bytes =
            response.bytes(LIMIT).map_err(|error| self.wrong(format!("its answer is cut short: {error}")))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| self.wrong(format!("its answer is not what was asked for: {error}")))
    }
}

/// `Link: </v2/x/tags/list?last=z>; rel="next"`: RFC 8288.
fn next(response: &Response) -> Option<String> {
    let links = response.headers.get_all("link").iter().filter_map(|link| link.to_str().ok());
    let mut links = links.flat_map(|links| links.split(',')).filter_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let relation = parameters.split(';').filter_map(|parameter| parameter.trim().strip_prefix("rel="));
        let is_next = relation.map(|relation| relation.trim_matches('"')).any(|relation| relation == "next");
        is_next.then(|| target.to_owned())
    });
    links.next()
}
