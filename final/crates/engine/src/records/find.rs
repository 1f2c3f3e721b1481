//! Containers by name, by id, and by the beginning of an id.

use std::path::Path;

use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::record::Record;

impl Engine {
    /// The full id of a container given by name, id, or the beginning of an id.
    pub fn resolve(&self, name_or_id: &str) -> Result<String> {
        // docker's order: whole id, name, beginning of an id.
        if name_or_id.len() == 64 && self.ids()?.iter().any(|id| id == name_or_id) {
            return Ok(name_or_id.to_owned());
        }
        if let Some(id) = hull_storage::names::resolve(self.root(), name_or_id)? {
            return Ok(id);
        }
        let is_id = !name_or_id.is_empty() && name_or_id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut found: Vec<String> = match is_id {
            true => self.ids()?.into_iter().filter(|id| id.starts_with(name_or_id)).collect(),
            false => vec![],
        };
        match found.len() {
            0 => Err(Error::NoSuchContainer(name_or_id.into())),
            1 => Ok(found.remove(0)),
            _ => {
                found.iter_mut().for_each(|id| id.truncate(12));
                Err(Error::Ambiguous { name: name_or_id.into(), candidates: found })
            }
        }
    }

    pub(crate) fn find(&self, name_or_id: &str) -> Result<Record> {
        let id = self.resolve(name_or_id)?;
        // Between the name and the record another command may have removed it.
        Record::load(self.root(), &id).map_err(|error| error.for_container(name_or_id))
    }

    /// All containers' ids.
    pub(crate) fn ids(&self) -> Result<Vec<String>> {
        directories(&self.root().containers_dir())
    }
}

/// The names in a directory that are container ids.
pub(crate) fn directories(parent: &Path) -> Result<Vec<String>> {
    names_of_length(parent, 64)
}

/// The names in a directory that are ids of steps of builds.
pub(crate) fn step_directories(parent: &Path) -> Result<Vec<String>> {
    names_of_length(parent, 32)
}

fn names_of_length(parent: &Path, length: usize) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(parent) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        other => other.context(|| format!("read {}", parent.display()))?,
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| name.len() == length && !name.starts_with('.')).collect())
}
