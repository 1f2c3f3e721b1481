//! Variables of a word, and which of them nothing defines.

use std::collections::HashSet;
use std::rc::Rc;

use crate::variables::{self, Expansion, Options};

/// How many ENV and ARG a stage has at most, with those below it. Variables of a stage with more are not checked.
const MOST: usize = 2000;

/// Variables that are set or declared. A stage shares those of the stage below with it, so that thousands of stages with
/// thousands of variables take no more memory than their text.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables(Option<Rc<Variable>>);

#[derive(Debug)]
struct Variable {
    name: String,
    /// `None` for an ARG without a value.
    value: Option<String>,
    below: Variables,
    /// How many there are with this one.
    count: usize,
}

impl Variables {
    fn all(&self) -> impl Iterator<Item = &Variable> {
        std::iter::successors(self.0.as_deref(), |variable| variable.below.0.as_deref())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all().filter(|variable| variable.name == name).find_map(|variable| variable.value.as_deref())
    }

    /// Whether it is set, or an ARG names it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.all().any(|variable| variable.name == name)
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.add(name, Some(value.into()));
    }

    /// An ARG without a value.
    pub(super) fn declare(&mut self, name: &str) {
        self.add(name, None);
    }

    fn add(&mut self, name: &str, value: Option<String>) {
        let count = self.count() + 1;
        if count <= MOST {
            let below = std::mem::take(self);
            self.0 = Some(Rc::new(Variable { name: name.into(), value, below, count }));
        }
    }

    fn count(&self) -> usize {
        self.0.as_ref().map_or(0, |last| last.count)
    }

    pub(super) fn is_full(&self) -> bool {
        self.count() >= MOST
    }

    /// The names of those that are set, in the order in which they were set last.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let set =
            self.all().filter(|variable| variable.value.is_some()).map(|variable| variable.name.as_str());
        let mut names: Vec<_> = set.filter(|name| seen.insert(*name)).collect();
        names.reverse();
        names
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
    // Long names would take time that grows with the square of their length.
    let is_near = |candidate: &&str| candidate.len() < 100 && candidate.len().abs_diff(name.len()) < 3;
    for candidate in known.filter(is_near) {
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
