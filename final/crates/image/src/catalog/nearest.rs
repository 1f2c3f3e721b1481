//! Suggests the image name that the user may have meant.

use super::Catalog;
use crate::reference::Reference;

impl Catalog {
    /// A name here that differs by a letter or two.
    pub(crate) fn nearest(&self, name: &str) -> Option<String> {
        let bare = |reference: &Reference| reference.familiar_repository();
        let wanted = Reference::parse(name).ok().map(|reference| bare(&reference))?;
        let names = self.lines().filter_map(|line| Reference::parse(line.name()?).ok());
        let mut near: Vec<(usize, String)> = names
            .map(|known| (distance(&bare(&known), &wanted), known.familiar()))
            .filter(|(far, _)| *far <= 2)
            .collect();
        near.sort();
        near.into_iter().map(|(_, name)| name).next()
    }
}

/// The Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let best = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row.last().copied().unwrap_or(0)
}
