//! The texts that a project was read from, so that a place can be shown.

use std::collections::BTreeSet;

use hull_yaml::tree::Place;

/// Every file that was read, by the number in [`Place::file`].
#[derive(Debug, Default, Clone)]
pub struct Sources(Vec<Source>);

#[derive(Debug, Clone)]
pub struct Source {
    /// Its absolute path, or `-`.
    pub name: String,
    pub text: String,
}

impl Sources {
    /// Keeps a text. Returns its number.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> u32 {
        self.0.push(Source { name: name.into(), text: text.into() });
        u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX)
    }

    pub fn get(&self, place: Place) -> Option<&Source> {
        self.0.get(usize::try_from(place.file).ok()?)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }
}

/// Something that the user should know, in Compose's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub text: String,
    pub place: Option<Place>,
}

/// What has been warned about. A text is kept once.
#[derive(Debug, Default)]
pub struct Warnings {
    warnings: Vec<Warning>,
    texts: BTreeSet<String>,
}

impl Warnings {
    pub fn add(&mut self, text: impl Into<String>, place: Option<Place>) {
        let text = text.into();
        if self.texts.insert(text.clone()) {
            self.warnings.push(Warning { text, place });
        }
    }

    pub fn into_vec(self) -> Vec<Warning> {
        self.warnings
    }
}
