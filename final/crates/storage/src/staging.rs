//! Directories that are filled under a temporary name and appear whole under their own.
//!
//! A staging directory is created next to its future place, because rename(2) works within one file system only. Its
//! temporary name identifies the process that fills it, so that the remains of a killed process can be told from work
//! in progress and collected.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::directory::names_in;
use crate::error::{IoContext, Result};
use crate::process_id::ProcessId;
use crate::tree::remove_tree;

const PREFIX: &str = ".staging-";

/// A directory being filled; removed unless it is published.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
}

impl Staging {
    /// Creates an empty staging directory with mode 0710 in `parent`.
    pub fn new(parent: &Path) -> Result<Self> {
        let path = unused_path(parent)?;
        crate::directory::make_dirs(&path, 0o710)?;
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Renames the directory to `target`. If a directory of that name exists already, the staging directory is removed
    /// and the result is `false`.
    pub fn publish(self, target: &Path) -> Result<bool> {
        match fs::rename(&self.path, target) {
            // The old path is gone, so drop removes nothing.
            Ok(()) => Ok(true),
            // rename(2) replaces empty directories only, and a published directory is never empty.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTEMPTY | libc::EEXIST)) => Ok(false),
            Err(error) => Err(error).context(|| format!("make {}", target.display())),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // If this fails, a later command collects the rest, because this process has ended by then.
        let _ = remove_tree(&self.path);
    }
}

/// Removes a directory so that its name is free at once: it is renamed before its content is removed.
pub fn remove_whole(path: &Path) -> Result<()> {
    let doomed = unused_path(path.parent().unwrap_or(path))?;
    match fs::rename(path, &doomed) {
        Ok(()) => remove_tree(&doomed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).context(|| format!("remove {}", path.display())),
    }
}

/// Removes the staging directories of dead processes from `parent`. Goes on past errors and reports the first.
pub fn collect(parent: &Path) -> Result<()> {
    let mut outcome = Ok(());
    for name in names_in(parent)? {
        let left_over = name.strip_prefix(PREFIX).is_some_and(|tag| !maker_is_alive(tag));
        if left_over {
            outcome = outcome.and(remove_tree(&parent.join(name)));
        }
    }
    outcome
}

/// `.staging-<pid>_<start time>_<boot id>_<count>`. No part contains an underscore.
fn unused_path(parent: &Path) -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let ProcessId { pid, start_time, boot_id } = ProcessId::of_self()?;
    Ok(parent.join(format!("{PREFIX}{pid}_{start_time}_{boot_id}_{count}")))
}

fn maker_is_alive(tag: &str) -> bool {
    let mut parts = tag.split('_');
    let mut maker = || {
        let pid = parts.next()?.parse().ok()?;
        let start_time = parts.next()?.parse().ok()?;
        Some(ProcessId { pid, start_time, boot_id: parts.next()?.to_owned() })
    };
    maker().is_some_and(|maker| maker.is_alive())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn what_is_not_published_is_gone_with_its_maker() {
        let scratch = Scratch::new();
        let staging = Staging::new(scratch.path()).unwrap();
        fs::write(staging.path().join("file"), "x").unwrap();
        drop(staging);
        assert_eq!(names_in(scratch.path()).unwrap(), [""; 0]);
    }

    #[test]
    fn the_dead_are_collected_and_the_living_are_not() {
        let scratch = Scratch::new();
        let living = Staging::new(scratch.path()).unwrap();
        fs::create_dir_all(scratch.path().join(".staging-1_1_another-boot_0/diff")).unwrap();
        fs::create_dir(scratch.path().join(".staging-nonsense")).unwrap();
        fs::create_dir(scratch.path().join("kept")).unwrap();
        collect(scratch.path()).unwrap();
        let left = names_in(scratch.path()).unwrap();
        assert_eq!(left, [living.path().file_name().unwrap().to_str().unwrap(), "kept"]);
    }

    #[test]
    fn of_two_publishers_of_one_name_the_first_one_stays() {
        let scratch = Scratch::new();
        let target = scratch.path().join("target");
        for (content, first) in [("one", true), ("two", false)] {
            let staging = Staging::new(scratch.path()).unwrap();
            fs::write(staging.path().join("file"), content).unwrap();
            assert_eq!(staging.publish(&target).unwrap(), first);
        }
        assert_eq!(fs::read_to_string(target.join("file")).unwrap(), "one");
        assert_eq!(names_in(scratch.path()).unwrap(), ["target"]);
    }
}
