//! The layers of containers and snapshots: making, copying and collecting them.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use hull_storage::directory::{make_dirs, names_in};
use hull_storage::overlay::most_lowers;
use hull_storage::staging::{self, Staging};
use hull_storage::tree::{copy_layer, copy_metadata, merge_layers, remove_tree};
use hull_storage::writable_layer::WritableLayer;

use super::subvolumes;
use crate::error::{Error, IoContext, Result};
use crate::records::record::Record;
use crate::records::writable::{Files, Writable, layer, private_dir};

/// The files that a snapshot keeps, and those with which its container goes on.
pub(super) struct Divided {
    pub kept: Files,
    pub next: Files,
}

/// Keeps the files of a container that does not run: its present layer is no longer written to, and a new layer is put
/// above it. If the present layer is empty and the layer below is already kept, that one is kept again.
pub(super) fn divide(record: &Record, home: &Path, image: Option<&Path>) -> Result<Divided> {
    let (present, private) = match &record.writable.files {
        Files::Layers { present, private } => (present, private),
        Files::Subvolume { present } => {
            let kept = Files::Subvolume { present: subvolumes::snapshot(home, *present)? };
            return Ok(Divided { kept, next: record.writable.files.clone() });
        }
    };
    let written = layer(home, *present);
    if let Some((top, rest)) = private.split_first()
        && is_unchanged(&written, &layer(home, *top))?
    {
        let kept = Files::Layers { present: *top, private: rest.to_vec() };
        return Ok(Divided { kept, next: record.writable.files.clone() });
    }
    if written.first_mounted().is_none()
        && let Some(image) = image
    {
        // The first mount as the upper layer would do so, but this layer is never mounted as the upper one again.
        adopt(image, written.upper())?;
    }
    let next = on_top(&merged_if_deep(&record.writable.files, home, record.layers.len())?, home)?;
    Ok(Divided { kept: record.writable.files.clone(), next })
}

/// Returns the files as they are, or, if an overlay could not have as many layers, one new layer with their common
/// content. The layers that snapshots name stay as they are.
fn merged_if_deep(files: &Files, home: &Path, of_image: usize) -> Result<Files> {
    let numbers = files.numbers();
    // One more layer is put above, and the mountpoint layer is below all.
    if numbers.len() + of_image + 2 < most_lowers() {
        return Ok(files.clone());
    }
    let layers: Vec<PathBuf> = numbers.iter().map(|number| layer(home, *number).upper().to_owned()).collect();
    let merged = new_layer(home, |made| merge_layers(&layers, made.upper()).map_err(Error::from))?;
    Ok(Files::Layers { present: merged, private: vec![] })
}

/// A snapshot of btrfs waits until the disk has everything that was written. This writes most of it back before the
/// container is frozen, so that the container is frozen for a shorter time.
pub(super) fn write_back(kind: &Files, home: &Path) -> Result<()> {
    let Files::Subvolume { .. } = kind else { return Ok(()) };
    sync(home)
}

/// Waits until the disk has what was written to the file system of this directory.
pub(super) fn sync(directory: &Path) -> Result<()> {
    let context = || format!("write back {}", directory.display());
    let opened = File::open(directory).context(context)?;
    rustix::fs::syncfs(&opened).context(context)
}

/// Copies the files of a running container, which the caller has frozen. The file system shares the content where it
/// can.
pub(super) fn copy_present(record: &Record, home: &Path) -> Result<Files> {
    let (present, private) = match &record.writable.files {
        Files::Layers { present, private } => (present, private),
        Files::Subvolume { present } => {
            return Ok(Files::Subvolume { present: subvolumes::snapshot(home, *present)? });
        }
    };
    let copy = new_layer(home, |layer_made| {
        // The upper directory of the new layer is empty, as a copy requires.
        copy_layer(layer(home, *present).upper(), layer_made.upper()).map_err(Error::from)
    })?;
    Ok(Files::Layers { present: copy, private: private.clone() })
}

/// Puts a new, empty layer above these files. For a subvolume it makes a snapshot.
pub(super) fn on_top(below: &Files, home: &Path) -> Result<Files> {
    let (present, private) = match below {
        Files::Layers { present, private } => (present, private),
        Files::Subvolume { present } => {
            return Ok(Files::Subvolume { present: subvolumes::snapshot(home, *present)? });
        }
    };
    let top = layer(home, *present);
    let made = new_layer(home, |layer_made| adopt(top.upper(), layer_made.upper()))?;
    let private = [&[*present], private.as_slice()].concat();
    Ok(Files::Layers { present: made, private })
}

/// Copies layers or subvolumes to another place. `offset` is added to their numbers: a new container must not have
/// layer 0, whose work directory says that a container was started.
pub(super) fn copy_layers(
    kind: &Files,
    numbers: &[u32],
    from: &Path,
    (to, offset): (&Path, u32),
) -> Result<()> {
    for number in numbers {
        if let Files::Subvolume { .. } = kind {
            subvolumes::copy((from, *number), (to, number + offset))?;
            continue;
        }
        let (source, target) = (layer(from, *number), layer(to, number + offset));
        target.create()?;
        copy_layer(source.upper(), target.upper())?;
        // Otherwise the first mount would give the layer's root directory the metadata of the image's root directory.
        if source.first_mounted().is_some() {
            target.note_mounted()?;
        }
    }
    Ok(())
}

/// Removes what neither the container nor its snapshots name, and what killed commands have left.
pub(super) fn collect<'a>(kind: &Files, home: &Path, used: impl Iterator<Item = &'a Writable>) -> Result<()> {
    let used: BTreeSet<u32> = used.flat_map(|writable| writable.files.numbers()).collect();
    if let Files::Subvolume { .. } = kind {
        return subvolumes::collect(home, &used);
    }
    let private = private_dir(home);
    if !private.exists() {
        return Ok(());
    }
    staging::collect(&private)?;
    for number in existing(home)?.difference(&used) {
        remove_tree(&private.join(number.to_string()))?;
    }
    // The work directory of layer 0 stays: it says that the container was started.
    if !used.contains(&0) {
        remove_tree(layer(home, 0).upper())?;
    }
    Ok(())
}

fn existing(home: &Path) -> Result<BTreeSet<u32>> {
    let private = private_dir(home);
    make_dirs(&private, 0o710)?;
    Ok(names_in(&private)?.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Makes a layer, which appears under its name when it is complete. Returns its number, which is higher than all
/// others.
fn new_layer(home: &Path, fill: impl FnOnce(&WritableLayer) -> Result<()>) -> Result<u32> {
    let number = existing(home)?.last().map_or(1, |last| last + 1);
    let private = private_dir(home);
    let staged = Staging::new(&private)?;
    let made = WritableLayer::of(staged.path());
    made.create()?;
    fill(&made)?;
    // The root directory has its metadata. Without this note the first mount would replace them by the image's.
    made.note_mounted()?;
    match staged.publish(&private.join(number.to_string()))? {
        true => Ok(number),
        false => Err(Error::Unsupported(format!("layer {number} in {} exists", private.display()))),
    }
}

/// Whether a layer is empty, and its root directory has the same metadata as the one below.
fn is_unchanged(written: &WritableLayer, below: &WritableLayer) -> Result<bool> {
    let context = || format!("look at {}", written.upper().display());
    let mut entries = std::fs::read_dir(written.upper()).context(context)?;
    if entries.next().is_some() {
        return Ok(false);
    }
    let roots = [written.upper(), below.upper()].map(|path: &Path| {
        let opened = File::open(path)?;
        let stat = rustix::fs::fstat(&opened)?;
        let mut attributes = hull_sys::fs::xattrs(&opened)?;
        attributes.retain(|(name, _)| hull_sys::tree::describes_content(name.to_bytes()));
        attributes.sort_unstable();
        Ok::<_, std::io::Error>((stat.st_uid, stat.st_gid, stat.st_mode, attributes))
    });
    let [written, below] = roots;
    Ok(written.context(context)? == below.context(context)?)
}

/// Gives the root directory of a layer the metadata of the one below it.
fn adopt(below: &Path, upper: &Path) -> Result<()> {
    let copy = || copy_metadata(File::open(below)?.as_fd(), File::open(upper)?.as_fd());
    copy().context(|| format!("make {} like {}", upper.display(), below.display()))
}

/// The highest layer of the container's image.
pub(super) fn top_of_image(data: &Path, record: &Record) -> Option<PathBuf> {
    record.layers.last().map(|layer| data.join(layer))
}
