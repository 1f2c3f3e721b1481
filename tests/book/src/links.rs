//! Checks that each link leads to an existing chapter and to an existing heading in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::pages::{self, Page, normal};
use crate::{book, look, workspace};

/// Links that lead nowhere, and chapters to which nothing leads.
pub fn broken() -> Result<Vec<String>> {
    let pages = pages::all()?;
    let mut broken = Vec::new();
    for page in &pages {
        for link in links(&page.text) {
            if let Some(why) = check(page, link, &pages) {
                broken.push(format!("{}: {link}: {why}", page.path.display()));
            }
        }
    }
    let summary = fs::read_to_string(book().join("src/SUMMARY.md"))?;
    let listed: BTreeSet<_> = links(&summary).map(|link| normal(Path::new(link))).collect();
    for page in pages.iter().filter(|page| page.path != Path::new("SUMMARY.md")) {
        if !listed.contains(&page.path) {
            broken.push(format!("{} is not in SUMMARY.md", page.path.display()));
        }
    }
    Ok(broken)
}

/// The targets of links, `](…)`, outside of code.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    let prose = text.lines().filter(move |line| {
        is_code ^= line.starts_with("```");
        !is_code
    });
    prose.flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split(')').next()))
}

fn check(page: &Page, link: &str, pages: &[Page]) -> Option<String> {
    if link.starts_with("https://") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = match file {
        "" => page.path.clone(),
        _ => normal(&page.path.parent().unwrap_or(Path::new("")).join(file)),
    };
    let Some(target) = pages.iter().find(|page| page.path == path) else {
        let exists = book().join("src").join(&path).exists() || workspace().join(&path).exists();
        return (!exists).then(|| "there is no such page".into());
    };
    // The interactive page reads its state from the address.
    let is_state = path == Path::new("look.md") && look::is_state(anchor);
    let found = anchor.is_empty() || is_state || headings(&target.text).any(|heading| heading == anchor);
    (!found).then(|| format!("{} has no such heading", path.display()))
}

/// The ids that mdbook gives to headings.
pub(crate) fn headings(text: &str) -> impl Iterator<Item = String> {
    let mut is_code = false;
    let heads = text.lines().filter(move |line| {
        is_code ^= line.starts_with("```");
        !is_code && line.starts_with('#')
    });
    heads.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_headings_are_found_outside_of_code() {
        let text = "# One: `it`\n[a](b.md) and [c](d.md#e)\n```\n[x](y)\n# no\n```\n## Two words\n";
        assert_eq!(links(text).collect::<Vec<_>>(), ["b.md", "d.md#e"]);
        assert_eq!(headings(text).collect::<Vec<_>>(), ["one-it", "two-words"]);
    }
}
