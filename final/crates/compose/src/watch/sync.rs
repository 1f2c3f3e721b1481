//! Copies changed files into the containers of a service, and removes there what is gone from the host.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hull_composefile::model::{Hook, Project, ShellCommand};
use hull_engine::{ArchiveOptions, Engine, in_child};

use super::rules::Mapping;
use crate::error::{Context, Error, Result};
use crate::observe::{self, Container};
use crate::progress::Silent;

/// Goes on past errors and returns them all.
pub fn sync(engine: &Engine, project: &Project, service: &str, files: &BTreeSet<Mapping>) -> Result<()> {
    let (there, gone): (Vec<&Mapping>, Vec<&Mapping>) =
        files.iter().partition(|mapping| std::fs::symlink_metadata(&mapping.host).is_ok());
    let mut errors = Vec::new();
    if !gone.is_empty() {
        let remove = ["rm", "-rf", "--"].map(str::to_owned).into_iter();
        let paths = gone.iter().map(|mapping| mapping.container.display().to_string());
        let command = ShellCommand(Some(remove.chain(paths).collect()));
        let hook = Hook { command, user: "0".into(), ..Hook::default() };
        errors.extend(super::exec(engine, project, service, &hook, &mut Silent).err());
    }
    if !there.is_empty() {
        let containers = observe::containers(engine, &project.name)?;
        for one in containers.iter().filter(|one| one.service == service && !one.one_off) {
            errors.extend(copy(engine, one, &there).err());
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::all(errors)) }
}

fn copy(engine: &Engine, container: &Container, files: &[&Mapping]) -> Result<()> {
    let what = || format!("copy files into container {}", container.name);
    let tar = archive(files).map_err(|error| Error::Invalid(format!("{}: {error}", what())))?;
    let options = ArchiveOptions { owned_by_user: true, ..ArchiveOptions::default() };
    let copied = in_child("copy files", || {
        engine.archive_in(&container.id, Path::new("/"), &mut tar.as_slice(), options)?;
        Ok(String::new())
    });
    copied.context(what)?.map_err(hull_engine::Error::from).context(what)?;
    Ok(())
}

/// A tar of the files. One that vanishes meanwhile is left out: the next batch removes it.
fn archive(files: &[&Mapping]) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.follow_symlinks(false);
    for mapping in files {
        let name = mapping.container.as_os_str().as_bytes();
        let name = Path::new(std::ffi::OsStr::from_bytes(name.strip_prefix(b"/").unwrap_or(name)));
        let Ok(metadata) = std::fs::symlink_metadata(&mapping.host) else { continue };
        // The entries of a directory are changes of their own: what `ignore` leaves out must not come along with it.
        let kind = metadata.file_type();
        if kind.is_dir() {
            tar.append_dir(name, &mapping.host)?;
        } else if kind.is_file() || kind.is_symlink() {
            tar.append_path_with_name(&mapping.host, name)?;
        }
    }
    tar.into_inner()
}
