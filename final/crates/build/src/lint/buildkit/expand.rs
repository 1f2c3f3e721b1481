//! Variables of a word, and which of them nothing defines.

use crate::variables::{self, Expansion, Options};

/// Variables in the order in which they were set; a variable that is set again moves to the end.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables(Vec<(String, String)>);

impl Variables {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.into(), value.into()));
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }
}

/// A word with its variables expanded; what is `unset` is so even if the word has a default for it. A word that cannot be
/// expanded stays as it is: the build reports it.
pub(super) fn word(text: &str, escape: char, variables: &Variables) -> Expansion {
    expand(text, escape, variables, Options::default())
}

/// The content of a heredoc.
pub(super) fn heredoc(text: &str, variables: &Variables) -> Expansion {
    expand(text, '\\', variables, Options { ignore_quotes: true, ..Options::default() })
}

fn expand(text: &str, escape: char, variables: &Variables, options: Options) -> Expansion {
    let lookup = |name: &str| variables.get(name).map(str::to_owned);
    variables::expand(text, escape, &lookup, options)
        .unwrap_or_else(|_| Expansion { text: text.into(), ..Expansion::default() })
}

/// The known name that is nearest to a misspelt one, at most two letters away.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut best = None;
    let mut least = 3;
    for candidate in known {
        let distance = strsim::levenshtein(name, candidate);
        if distance == 0 {
            return None;
        }
        if distance < least {
            least = distance;
            best = Some(candidate);
        }
    }
    best
}
