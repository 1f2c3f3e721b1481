//! A container's directory below the run root.

use std::io::ErrorKind;
use std::path::Path;

use hull_storage::root::Root;

use crate::error::{IoContext, Result};

/// Removes the directory. The lock file goes last: a command that waits for this lock checks the path again afterwards,
/// and finds that it is gone.
pub(crate) fn remove(root: &Root, id: &str) -> Result<()> {
    let directory = root.container_run_dir(id);
    let entries = match std::fs::read_dir(&directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.context(|| format!("read {}", directory.display()))?,
    };
    for entry in entries.flatten().filter(|entry| entry.file_name() != "lock") {
        // These directories were mount points in the monitor's mount namespace, and are empty.
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => remove_directory(&entry.path())?,
            false => remove_file(&entry.path())?,
        }
    }
    remove_file(&directory.join("lock"))?;
    remove_directory(&directory)
}

/// Removes an empty directory. If it is not empty, another command has begun to start the container again.
fn remove_directory(path: &Path) -> Result<()> {
    match std::fs::remove_dir(path) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(error).context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
