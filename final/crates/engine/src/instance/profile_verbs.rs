//! The verbs of profiles.

use super::apply::Applied;
use super::profiles::{DEFAULT, Lock, Profile, check_name};
use super::{keys, pending};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::record::Record;

impl Engine {
    /// All profiles, each with its name, sorted by name.
    pub fn profiles(&self) -> Result<Vec<(String, Profile)>> {
        let lock = pending::shared(self)?;
        let names = lock.names()?.into_iter();
        names.map(|name| Ok((name.clone(), lock.get(&name)?))).collect()
    }

    pub fn profile(&self, name: &str) -> Result<Profile> {
        pending::shared(self)?.get(name)
    }

    /// The names of the containers that use a profile.
    pub fn profile_users(&self, name: &str) -> Result<Vec<String>> {
        let mut users = Vec::new();
        for id in self.ids()? {
            // A container that is being removed or is damaged is passed over.
            let Ok(record) = Record::load(self.root(), &id) else { continue };
            if record.instance.profiles.iter().any(|one| one == name) {
                users.push(record.name);
            }
        }
        users.sort();
        Ok(users)
    }

    pub fn create_profile(&self, name: &str, profile: &Profile) -> Result<()> {
        let lock = pending::exclusive(self)?;
        check_new(&lock, name)?;
        keys::check(&profile.settings)?;
        lock.put(name, profile)
    }

    /// Changes a profile, and all containers that use it. Returns the result in each of these.
    pub fn change_profile(
        &self,
        name: &str,
        edit: impl FnOnce(&mut Profile) -> Result<()>,
    ) -> Result<Vec<Applied>> {
        let lock = pending::exclusive(self)?;
        let before = lock.get(name)?;
        let mut profile = before.clone();
        edit(&mut profile)?;
        keys::check(&profile.settings)?;
        match profile == before {
            true => Ok(vec![]),
            false => pending::change(&lock, name, &before, &profile),
        }
    }

    /// Makes another profile with the same settings.
    pub fn copy_profile(&self, name: &str, new: &str) -> Result<()> {
        let lock = pending::exclusive(self)?;
        let profile = lock.get(name)?;
        check_new(&lock, new)?;
        lock.put(new, &profile)
    }

    /// Gives a profile another name. Returns the containers that keep the old one, because they are damaged.
    pub fn rename_profile(&self, name: &str, new: &str) -> Result<Vec<Applied>> {
        let lock = pending::exclusive(self)?;
        refuse_default(name, "renamed")?;
        lock.get(name)?;
        check_new(&lock, new)?;
        pending::rename(&lock, name, new)
    }

    /// Removes a profile that no container uses.
    pub fn delete_profile(&self, name: &str) -> Result<()> {
        let lock = pending::exclusive(self)?;
        refuse_default(name, "deleted")?;
        // A damaged profile can be removed, too.
        match lock.get(name) {
            Ok(_) | Err(Error::DamagedProfile { .. }) => {}
            Err(error) => return Err(error),
        }
        let users = self.profile_users(name)?;
        match users.is_empty() {
            true => lock.remove(name),
            false => Err(Error::ProfileInUse { name: name.into(), users }),
        }
    }
}

fn check_new(lock: &Lock<'_>, name: &str) -> Result<()> {
    check_name(name)?;
    match lock.find(name)? {
        None => Ok(()),
        Some(_) => Err(Error::ProfileExists(name.into())),
    }
}

fn refuse_default(name: &str, what: &str) -> Result<()> {
    match name == DEFAULT {
        true => Err(Error::Unsupported(format!("the profile {DEFAULT} cannot be {what}: it always exists"))),
        false => Ok(()),
    }
}
