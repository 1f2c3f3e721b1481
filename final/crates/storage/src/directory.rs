//! Directories: creating them with an exact mode, and listing what is in them.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use crate::error::{IoContext, Result};

/// Creates a directory and its parents. The directory gets exactly this mode, whatever the umask is. An existing
/// directory is not changed.
pub fn make_dirs(dir: &Path, mode: u32) -> Result<()> {
    create_dir(dir, mode).context(|| format!("create the directory {}", dir.display()))
}

fn create_dir(dir: &Path, mode: u32) -> io::Result<()> {
    let create = || match fs::DirBuilder::new().mode(mode).create(dir) {
        Ok(()) => fs::set_permissions(dir, fs::Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(error) => Err(error),
    };
    match (create(), dir.parent()) {
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(parent)?;
            create()
        }
        (created, _) => created,
    }
}

/// The names in a directory, sorted. Names that are not UTF-8 are passed over: hull creates none.
pub fn names_in(dir: &Path) -> Result<Vec<String>> {
    let context = || format!("list {}", dir.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).context(context)? {
        names.extend(entry.context(context)?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}
