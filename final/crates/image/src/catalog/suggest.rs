//! Suggests the image name that the user may have meant.

use super::Catalog;
use crate::reference::Reference;

impl Catalog {
    /// The name of an image here whose repository differs from `name` by at most two letters.
    pub(crate) fn nearest(&self, name: &str) -> Option<String> {
        let bare = |reference: &Reference| reference.familiar_repository();
        let wanted = Reference::parse(name).ok().map(|reference| bare(&reference))?;
        let names = self.lines().filter_map(|line| Reference::parse(line.name()?).ok());
        let mut near: Vec<(usize, String)> = names
            .map(|known| (strsim::levenshtein(&bare(&known), &wanted), known.familiar()))
            .filter(|(far, _)| *far <= 2)
            .collect();
        near.sort();
        near.into_iter().map(|(_, name)| name).next()
    }
}
