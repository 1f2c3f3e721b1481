//! A container's directory below the run root.

use std::io::ErrorKind;
use std::path::Path;

use hull_storage::root::Root;

use crate::error::{Errors, IoContext, Result};

/// The name of the lock file.
pub(crate) const LOCK: &str = "lock";

/// The name of a file that exists from the moment on at which the container is to end. The command that wanted so may be
/// killed, and the next one finds out.
const STOPPING: &str = "stopping";

/// Records that the container is to end. If it cannot be recorded, it ends all the same.
pub(crate) fn mark_stopping(root: &Root, id: &str) {
    let _ = std::fs::write(root.container_run_dir(id).join(STOPPING), b"");
}

/// Whether a running container is to end.
pub(crate) fn is_stopping(root: &Root, id: &str) -> bool {
    root.container_run_dir(id).join(STOPPING).exists()
}

/// Removes the directory. The lock file goes last: a command that waits for this lock checks the path again afterwards,
/// and finds that it is gone. Goes on past errors and reports them all.
pub(crate) fn remove(root: &Root, id: &str) -> Result<()> {
    let directory = root.container_run_dir(id);
    let entries = match std::fs::read_dir(&directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.context(|| format!("read {}", directory.display()))?,
    };
    let mut errors = Errors::default();
    for entry in entries {
        let entry = match entry.context(|| format!("read {}", directory.display())) {
            Ok(entry) if entry.file_name() == LOCK => continue,
            Ok(entry) => entry,
            // The kernel would report the same again for the next entry.
            Err(error) => {
                errors.note(Err(error));
                break;
            }
        };
        // These directories were mount points in the monitor's mount namespace, and are empty.
        errors.note(match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => remove_directory(&entry.path()),
            false => remove_file(&entry.path()),
        });
    }
    errors.note(remove_file(&directory.join(LOCK)));
    errors.note(remove_directory(&directory));
    errors.into_result()
}

/// Removes a directory that something has put where the lock file belongs. No process can hold a lock there.
pub(crate) fn repair_lock(root: &Root, id: &str) -> Result<()> {
    let path = root.container_run_dir(id).join(LOCK);
    match std::fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => Ok(hull_storage::tree::remove_tree(&path)?),
        _ => Ok(()),
    }
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
