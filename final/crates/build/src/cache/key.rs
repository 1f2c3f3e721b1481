//! The key of a step: a digest of everything that its result depends on.

use std::collections::BTreeMap;

use hull_image::Digest;
use serde::{Deserialize, Serialize};

pub type Key = Digest;

/// What the result of a step depends on. Two steps with equal inputs have the same key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// The key of the step below: none for a copy with `--link`, which does not depend on it.
    pub parent: Option<Key>,
    /// The instruction after expansion: its name, words and flags.
    pub instruction: Vec<String>,
    /// Everything else by its name: variables (`env PATH`), the user, the working directory, mounts.
    pub settings: BTreeMap<String, String>,
    /// What is read from build contexts, stages and images: the place and the path, and the digest of contents, modes and
    /// owners.
    pub files: BTreeMap<String, Digest>,
}

impl Inputs {
    pub fn new(parent: Option<&Key>, instruction: Vec<String>) -> Self {
        Self { parent: parent.cloned(), instruction, ..Self::default() }
    }

    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.settings.insert(name.into(), value.into());
    }

    /// The digest of the inputs. Their JSON has a fixed order, and escapes what could make two inputs look alike.
    pub fn key(&self) -> Key {
        Digest::of(&serde_json::to_vec(self).expect("maps with keys of text become JSON"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_changes_the_key() {
        let base = Inputs::new(None, vec!["RUN".into(), "true".into()]);
        let mut changed = vec![base.clone()];
        changed.push(Inputs::new(Some(&base.key()), base.instruction.clone()));
        changed.push(Inputs::new(None, vec!["RUN true".into()]));
        let with = |change: fn(&mut Inputs)| {
            let mut inputs = base.clone();
            change(&mut inputs);
            inputs
        };
        changed.push(with(|inputs| inputs.set("env A", "b")));
        changed.push(with(|inputs| inputs.set("env A", "")));
        changed.push(with(|inputs| drop(inputs.files.insert("a".into(), Digest::of(b"")))));
        let keys: std::collections::BTreeSet<Key> = changed.iter().map(Inputs::key).collect();
        assert_eq!(keys.len(), changed.len());
        assert_eq!(base.key(), base.clone().key());
    }
}
