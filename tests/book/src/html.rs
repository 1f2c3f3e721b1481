//! Faults of a built page that no browser reports, because browsers repair what they can.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use scraper::{Html, Selector};

use crate::{built, look, pages::normal};

/// The mistakes in every page of a built book.
pub fn complaints(directory: &Path) -> Result<Vec<String>> {
    let mut documents = BTreeMap::new();
    for page in built::pages(directory)? {
        let text = fs::read_to_string(directory.join(&page))
            .with_context(|| format!("reading {}", page.display()))?;
        documents.insert(page, Html::parse_document(&text));
    }
    let ids: BTreeMap<_, _> =
        documents.iter().map(|(page, document)| (page.clone(), ids(document).0)).collect();
    let mut complaints = Vec::new();
    for (page, document) in &documents {
        let wrong = form(document).into_iter().chain(links(directory, page, document, &ids));
        complaints.extend(wrong.map(|why| format!("{}: {why}", page.display())));
    }
    Ok(complaints)
}

/// Tags that do not fit, ids that are there twice, pictures that say nothing to who cannot see them.
fn form(document: &Html) -> Vec<String> {
    let mut wrong: Vec<_> = document.errors.iter().map(|error| error.to_string()).collect();
    wrong.extend(ids(document).1.iter().map(|id| format!("the id {id} occurs twice")));
    let silent = select("img:not([alt]), figure svg:not([aria-label])");
    wrong.extend(document.select(&silent).map(|image| {
        let html = image.html();
        format!("no description of {}", html.get(..80).unwrap_or(&html))
    }));
    wrong
}

/// Links to pages or ids of this book that do not exist.
fn links(
    directory: &Path,
    page: &Path,
    document: &Html,
    ids: &BTreeMap<PathBuf, BTreeSet<String>>,
) -> Vec<String> {
    let anchors = select("a[href], script[src], img[src], link[href]");
    let targets =
        document.select(&anchors).filter_map(|element| element.attr("href").or(element.attr("src")));
    let mut wrong = Vec::new();
    for target in targets.filter(|target| !target.contains("://") && !target.starts_with("data:")) {
        let (file, id) = target.split_once('#').unwrap_or((target, ""));
        let file = match file {
            "" => page.to_owned(),
            _ => normal(&page.parent().unwrap_or(Path::new("")).join(file)),
        };
        if !directory.join(&file).exists() {
            wrong.push(format!("{target} is not there"));
        } else if let (false, Some(ids)) = (id.is_empty(), ids.get(&file))
            && !ids.contains(id)
            // The interactive page reads its state from the address.
            && !([Path::new("look.html"), Path::new("print.html")].contains(&&*file) && look::is_state(id))
        {
            wrong.push(format!("{target}: there is no such id"));
        }
    }
    wrong
}

/// All ids, and those that occur more than once.
fn ids(document: &Html) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut all, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for element in document.select(&select("[id]")) {
        let id = element.attr("id").unwrap_or_default().to_owned();
        if !all.insert(id.clone()) {
            twice.insert(id);
        }
    }
    (all, twice)
}

pub(crate) fn select(selector: &str) -> Selector {
    Selector::parse(selector).expect("a selector of ours")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(body: &str) -> Vec<String> {
        form(&Html::parse_document(&format!("<!DOCTYPE html><html><body>{body}</body></html>")))
    }

    #[test]
    fn what_is_wrong_is_found() {
        assert_eq!(wrong("<p id=a>A <em>b</em></p><img src=x alt=y>"), [""; 0]);
        assert_eq!(wrong("<p>A <em>b</p></em>").len(), 2);
        assert_eq!(wrong("<p id=a></p><p id=a></p>"), ["the id a occurs twice"]);
        assert_eq!(wrong("<img src=x>").len(), 1);
        assert_eq!(wrong("<figure><svg></svg></figure>").len(), 1);
    }

    #[test]
    fn links_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let page = |links: &str| format!("<!DOCTYPE html><html><body><p id=here>{links}</p></body></html>");
        let write = |links: &str| fs::write(directory.path().join("a.html"), page(links)).unwrap();
        write("<a href=a.html#here>x</a><a href=#here>x</a><a href=https://example.org/y>z</a>");
        assert_eq!(complaints(directory.path()).unwrap(), [""; 0]);
        write("<a href=b.html>x</a><a href=#there>x</a>");
        assert_eq!(complaints(directory.path()).unwrap().len(), 2);
    }
}
