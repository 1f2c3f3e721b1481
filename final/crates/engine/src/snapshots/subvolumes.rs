//! The files of containers and snapshots whose root is a subvolume of btrfs. Each snapshot is a subvolume, too. Making
//! one takes the same short time whatever the size of the files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hull_storage::directory::{make_dirs, names_in};
use hull_storage::pools::subvolume;

use crate::error::Result;

fn directory(home: &Path) -> PathBuf {
    home.join("subvolumes")
}

fn path(home: &Path, number: u32) -> PathBuf {
    directory(home).join(number.to_string())
}

/// Makes a snapshot of a subvolume for the same container. Returns its number, which is higher than all others.
pub(super) fn snapshot(home: &Path, number: u32) -> Result<u32> {
    let new = existing(home)?.last().map_or(0, |last| last + 1);
    subvolume::snapshot(&path(home, number), &path(home, new))?;
    Ok(new)
}

/// Makes a snapshot of a subvolume for another container in the same pool.
pub(super) fn copy(from: (&Path, u32), to: (&Path, u32)) -> Result<()> {
    make_dirs(&directory(to.0), 0o711)?;
    Ok(subvolume::snapshot(&path(from.0, from.1), &path(to.0, to.1))?)
}

/// Removes all subvolumes but the used ones.
pub(super) fn collect(home: &Path, used: &BTreeSet<u32>) -> Result<()> {
    for number in existing(home)?.difference(used) {
        subvolume::remove(&path(home, *number))?;
    }
    Ok(())
}

fn existing(home: &Path) -> Result<BTreeSet<u32>> {
    Ok(names_in(&directory(home))?.iter().filter_map(|name| name.parse().ok()).collect())
}
