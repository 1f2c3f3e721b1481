//! Copying a container's files to another container or to another pool, where they may have another form.
//!
//! ```text
//! layers      → layers       each layer as it is
//! subvolume   → subvolume    in the same pool a snapshot, in another one a copy
//! layers      → subvolume    the whole root, as an overlay of the layers and the image's shows it
//! subvolume   → layers       the difference from the image's files, as one layer
//! ```

use std::path::{Path, PathBuf};

use hull_storage::directory::{make_dirs, names_in};
use hull_storage::pools::subvolume;
use hull_storage::tree::difference;

use super::files;
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::record::Record;
use crate::records::writable::{Files, Writable, layer, private_dir};
use crate::rootfs::mount::layers_of;

/// Copies files from one place to another. A number is added to those of layers and subvolumes, so that they are new
/// there.
pub(super) struct Carrier<'a> {
    engine: &'a Engine,
    from: PathBuf,
    /// Whether the files are subvolumes in the new place.
    is_subvolume: bool,
    is_same_form: bool,
    /// Added to each number.
    offset: u32,
}

impl<'a> Carrier<'a> {
    pub(super) fn new(engine: &'a Engine, original: &Record, to: &Writable, offset: u32) -> Result<Self> {
        let from = engine.home_of(original)?;
        let pool = |writable: &Writable| writable.pool.as_ref().map(|pool| pool.name.clone());
        let is_subvolume = |files: &Files| matches!(files, Files::Subvolume { .. });
        let (old, new) = (is_subvolume(&original.writable.files), is_subvolume(&to.files));
        // A snapshot of btrfs cannot be in another file system than its source.
        let is_same_form = old == new && (!new || pool(&original.writable) == pool(to));
        Ok(Self { engine, from, is_subvolume: new, is_same_form, offset })
    }

    /// The description of these files in the new place.
    pub(super) fn files(&self, files: &Files) -> Files {
        let number = |number: &u32| number + self.offset;
        match files {
            Files::Layers { present, private } if !self.is_subvolume => {
                Files::Layers { present: number(present), private: private.iter().map(number).collect() }
            }
            files if self.is_subvolume => Files::Subvolume { present: number(&files.top()) },
            files => Files::Layers { present: number(&files.top()), private: vec![] },
        }
    }

    /// Copies the layer or subvolume that a container writes to. The caller has frozen the container for this. The rest
    /// of its files does not change.
    pub(super) fn copy_present(&self, record: &Record, to: &Path) -> Result<()> {
        match self.is_same_form {
            true => self.copy_numbers(&record.writable.files, &[record.writable.files.top()], to),
            false => self.write(record, to),
        }
    }

    /// Copies the rest of a container's files, and those of snapshots.
    pub(super) fn copy_rest<'b>(
        &self,
        record: &Record,
        snapshots: impl Iterator<Item = &'b Record>,
        to: &Path,
    ) -> Result<()> {
        let files = &record.writable.files;
        if self.is_same_form {
            let kept = snapshots.flat_map(|snapshot| snapshot.writable.files.numbers());
            let mut numbers: Vec<u32> = files.numbers().into_iter().skip(1).chain(kept).collect();
            numbers.retain(|number| *number != files.top());
            numbers.sort_unstable();
            numbers.dedup();
            return self.copy_numbers(files, &numbers, to);
        }
        let mut written = vec![files.top()];
        for snapshot in snapshots {
            let number = snapshot.writable.files.top();
            if !written.contains(&number) {
                self.write(snapshot, to)?;
                written.push(number);
            }
        }
        Ok(())
    }

    fn copy_numbers(&self, kind: &Files, numbers: &[u32], to: &Path) -> Result<()> {
        files::copy_layers(kind, numbers, &self.from, (to, self.offset))
    }

    /// Writes a container's or a snapshot's files in the form of the new place.
    fn write(&self, record: &Record, to: &Path) -> Result<()> {
        let number = record.writable.files.top() + self.offset;
        if self.is_subvolume {
            let directory = to.join("subvolumes");
            make_dirs(&directory, 0o711)?;
            let empty = self.engine.root().run().join("build/empty");
            let layers = layers_of(self.engine, record)?;
            return Ok(subvolume::write(&directory.join(number.to_string()), &layers, &empty)?);
        }
        let target = layer(to, number);
        make_dirs(target.upper().parent().unwrap_or(to), 0o710)?;
        let base = crate::pools::place::base(self.engine, record)?;
        if let Some(root) = record.subvolume(self.engine.root()) {
            difference(&base, &root, target.upper())?;
        }
        target.create()?;
        Ok(target.note_mounted()?)
    }
}

/// A number that is higher than those of all layers and subvolumes in a place.
pub(super) fn next_number(home: &Path) -> Result<u32> {
    let mut next = 1;
    for directory in [private_dir(home), home.join("subvolumes")] {
        if directory.exists() {
            let numbers = names_in(&directory)?.into_iter().filter_map(|name| name.parse::<u32>().ok());
            next = numbers.fold(next, |next, number| next.max(number.saturating_add(1)));
        }
    }
    Ok(next)
}

/// Moves what a [`Carrier`] has copied into a container's directory, beside the files that are there.
pub(super) fn add(staged: &Path, home: &Path) -> Result<()> {
    for (directory, mode) in [("private", 0o710), ("subvolumes", 0o711)] {
        let from = staged.join(directory);
        if !from.exists() {
            continue;
        }
        make_dirs(&home.join(directory), mode)?;
        for name in names_in(&from)? {
            rename(&from.join(&name), &home.join(directory).join(&name))?;
        }
    }
    let first = layer(staged, 0);
    match first.upper().exists() {
        // rename(2) replaces the empty directory that is there.
        true => rename(first.upper(), layer(home, 0).upper()),
        false => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).context(|| format!("move {} to {}", from.display(), to.display()))
}
