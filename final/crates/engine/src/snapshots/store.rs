//! What a snapshot is, and its file: `containers/<id>/snapshots/<name>.json`.

use std::path::{Path, PathBuf};

use hull_storage::directory::{make_dirs, names_in};
use hull_storage::file;
use hull_storage::root::Root;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::records::record::Record;
use crate::records::time::Timestamp;

/// In bytes. A file name has at most 255, and the name of the temporary file that is written first is longer.
const LONGEST_NAME: usize = 200;

/// A container at an earlier moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceSnapshot {
    pub name: String,
    pub created: Timestamp,
    /// The time from which a run of the schedules removes it. `None`: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Taken by the container's schedule.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scheduled: bool,
    /// The container as it was: its configuration, and in `writable` the files that are kept.
    pub record: Record,
}

/// The name of a snapshot: `CONTAINER/SNAPSHOT`. No container's name has a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotName {
    pub container: String,
    pub snapshot: String,
}

impl SnapshotName {
    /// `None` for a name without a slash, or with a slash at its beginning, which docker allows in a container's name.
    pub fn parse(text: &str) -> Option<Self> {
        let (container, snapshot) = text.split_once('/').filter(|(container, _)| !container.is_empty())?;
        Some(Self { container: container.into(), snapshot: snapshot.into() })
    }
}

impl std::fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.container, self.snapshot)
    }
}

impl InstanceSnapshot {
    pub(super) fn load(root: &Root, container: &Record, name: &str) -> Result<Self> {
        let missing = || Error::NoSuchSnapshot { container: container.name.clone(), name: name.to_owned() };
        if check_name(name).is_err() {
            return Err(missing());
        }
        let found: Option<Self> = file::read_json(&path(root, &container.id, name))?;
        let mut found = found.ok_or_else(missing)?;
        found.record.writable = container.writable.of_snapshot(&found.record.writable.files);
        Ok(found)
    }

    pub(super) fn store(&self, root: &Root, container: &str) -> Result<()> {
        self.store_in(&directory(root, container))
    }

    /// Writes the snapshot's file into `directory`, that of a container's snapshots.
    pub(super) fn store_in(&self, directory: &Path) -> Result<()> {
        make_dirs(directory, 0o700)?;
        Ok(file::write_json_atomic(&directory.join(format!("{}.json", self.name)), self)?)
    }

    pub(super) fn remove(root: &Root, container: &str, name: &str) -> Result<()> {
        Ok(file::remove(&path(root, container, name))?)
    }
}

/// The names of a container's snapshots, sorted.
pub(super) fn names(root: &Root, container: &str) -> Result<Vec<String>> {
    let directory = directory(root, container);
    if !directory.exists() {
        return Ok(vec![]);
    }
    let names = names_in(&directory)?.into_iter();
    Ok(names.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect())
}

/// All snapshots of a container, the oldest first.
pub(super) fn all(root: &Root, container: &Record) -> Result<Vec<InstanceSnapshot>> {
    let names = names(root, &container.id)?;
    let mut all: Vec<InstanceSnapshot> =
        names.iter().map(|name| InstanceSnapshot::load(root, container, name)).collect::<Result<_>>()?;
    all.sort_by_key(|snapshot| snapshot.created);
    Ok(all)
}

/// Checks a name, which becomes a file's name and is written after the container's name and a slash.
pub(super) fn check_name(name: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:+@-".contains(&byte);
    let why = match name {
        "" => "it is empty",
        name if name.len() > LONGEST_NAME => "it is longer than 200 bytes",
        name if name.starts_with(['.', '-']) => "it begins with a dot or a dash",
        name if !name.bytes().all(is_plain) => "it may have letters, digits and _.:+@- only",
        _ => return Ok(()),
    };
    Err(Error::Invalid { what: format!("name of a snapshot {name:?}"), why: why.into() })
}

pub(super) fn directory(root: &Root, container: &str) -> PathBuf {
    root.container_dir(container).join("snapshots")
}

fn path(root: &Root, container: &str, name: &str) -> PathBuf {
    directory(root, container).join(Path::new(&format!("{name}.json")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_divides_a_snapshots_name() {
        let name = SnapshotName::parse("web/before").unwrap();
        assert_eq!((name.container.as_str(), name.snapshot.as_str()), ("web", "before"));
        for other in ["web", "/web", ""] {
            assert_eq!(SnapshotName::parse(other), None, "{other:?}");
        }
    }

    #[test]
    fn names_stay_in_their_directory() {
        for good in ["snap0", "2026-11-30_12:00", "a"] {
            check_name(good).unwrap();
        }
        for bad in ["", ".", "..", "a/b", "-a", "a b", "ä", &"x".repeat(201)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
