//! Profiles: settings that containers share. Their files, and their lock.
//!
//! ```text
//! <data>/profiles/<name>.json   a profile
//!                 pending       a change that is not in force in all containers yet ([`super::pending`])
//!                 lock          exclusive while a profile is changed, shared while a container is
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use hull_lxd::expand::{self, Settings};
use hull_storage::directory::{make_dirs, names_in};
use hull_storage::{file, lock};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::instance::Instance;

/// The profile that `launch` gives to a container if no other is asked for. It always exists.
pub const DEFAULT: &str = "default";

const DESCRIPTION: &str = "The profile of containers that ask for no other";

const ENDING: &str = ".json";

/// Settings that containers share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub description: String,
    pub settings: Settings,
}

/// A lock on the profiles: no other command changes them while it is held.
pub(crate) struct Lock<'a> {
    pub(super) engine: &'a Engine,
    _lock: lock::Lock,
}

impl<'a> Lock<'a> {
    /// For a command that changes a container.
    pub(super) fn take_shared(engine: &'a Engine) -> Result<Self> {
        Ok(Self { engine, _lock: lock::Lock::shared_unless_stopped(&lock_of(engine)?)? })
    }

    /// For a command that changes profiles.
    pub(super) fn take_exclusive(engine: &'a Engine) -> Result<Self> {
        Ok(Self { engine, _lock: lock::Lock::exclusive_within(&lock_of(engine)?, None)? })
    }

    pub(super) fn directory(&self) -> PathBuf {
        directory(self.engine)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory().join(format!("{name}{ENDING}"))
    }

    pub(super) fn find(&self, name: &str) -> Result<Option<Profile>> {
        check_name(name)?;
        match file::read_json(&self.file(name)) {
            Ok(None) if name == DEFAULT => {
                Ok(Some(Profile { description: DESCRIPTION.into(), ..Profile::default() }))
            }
            Ok(profile) => Ok(profile),
            Err(error @ hull_storage::Error::Damaged { .. }) => {
                Err(Error::DamagedProfile { name: name.into(), why: error.to_string() })
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn get(&self, name: &str) -> Result<Profile> {
        self.find(name)?.ok_or_else(|| Error::NoSuchProfile(name.into()))
    }

    pub(super) fn names(&self) -> Result<Vec<String>> {
        let files = names_in(&self.directory())?;
        let names = files.iter().filter_map(|file| file.strip_suffix(ENDING));
        let mut names: Vec<String> =
            names.filter(|name| check_name(name).is_ok()).map(str::to_owned).collect();
        if names.iter().all(|name| name != DEFAULT) {
            names.push(DEFAULT.into());
            names.sort();
        }
        Ok(names)
    }

    pub(super) fn put(&self, name: &str, profile: &Profile) -> Result<()> {
        Ok(file::write_json_atomic(&self.file(name), profile)?)
    }

    pub(super) fn remove(&self, name: &str) -> Result<()> {
        Ok(file::remove(&self.file(name))?)
    }

    /// The settings of the instance's profiles, in their order, and then its own. Later ones override earlier ones.
    pub(crate) fn expand(&self, instance: &Instance) -> Result<Settings> {
        let mut known: BTreeMap<&str, Settings> = BTreeMap::new();
        for name in &instance.profiles {
            known.insert(name, self.get(name)?.settings);
        }
        let own = instance.own();
        let profiles = instance.profiles.iter().filter_map(|name| known.get(name.as_str()));
        Ok(expand::expand(profiles.chain([&own])))
    }
}

fn directory(engine: &Engine) -> PathBuf {
    engine.root().data().join("profiles")
}

fn lock_of(engine: &Engine) -> Result<PathBuf> {
    let directory = directory(engine);
    make_dirs(&directory, 0o700)?;
    Ok(directory.join("lock"))
}

/// Checks the name of a profile, which becomes the name of a file.
pub(super) fn check_name(name: &str) -> Result<()> {
    let is_sane = |letter: char| letter.is_alphanumeric() || "-_.+@".contains(letter);
    let is_name =
        (1..=100).contains(&name.len()) && name.chars().all(is_sane) && !name.starts_with(['.', '-']);
    match is_name {
        true => Ok(()),
        false => Err(Error::Invalid {
            what: format!("profile name {name:?}"),
            why: "it has letters, digits and any of - _ . + @, and begins with none of - and .".into(),
        }),
    }
}
