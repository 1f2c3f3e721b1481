//! The program that a name of `--runtime` means.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::runtime::RuntimeOption;

/// The names of the runtime that is built in.
const BUILT_IN: [&str; 3] = ["", "hull", "hull-oci"];

/// Runtimes that are found by their names, as podman finds them.
pub(crate) const KNOWN: [&str; 8] =
    ["runc", "crun", "youki", "runsc", "kata-runtime", "krun", "crun-vm", "runj"];

/// podman's search path for them, after the caller's own.
const DIRECTORIES: [&str; 6] =
    ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/sbin", "/bin"];

impl Engine {
    /// `None` is the built-in one. An error if there is no such program.
    pub(crate) fn find_runtime(&self, name: &str) -> Result<Option<RuntimeOption>> {
        let configured = self.runtimes().get(name);
        if configured.is_none() && BUILT_IN.contains(&name) {
            return Ok(None);
        }
        let invalid = |why: String| Error::Invalid { what: format!("runtime {name:?}"), why };
        let (path, args) = match configured {
            Some(runtime) => (runtime.path.clone(), runtime.args.clone()),
            None if name.starts_with("io.containerd.") => {
                return Err(invalid(
                    "it is a shim of containerd, and hull runs OCI runtimes themselves".into(),
                ));
            }
            None if name.contains('/') || KNOWN.contains(&name) => (PathBuf::from(name), vec![]),
            None => {
                return Err(invalid(format!(
                    "daemon.json has none of this name; without an entry hull looks for {}",
                    KNOWN.join(", ")
                )));
            }
        };
        let path = match path.to_str() {
            Some(text) if !text.contains('/') => {
                self.find_program(text).ok_or_else(|| invalid(format!("no program {text} is installed")))?
            }
            _ => path,
        };
        check(&path).map_err(invalid)?;
        Ok(Some(RuntimeOption { name: name.to_owned(), path, args }))
    }

    fn find_program(&self, name: &str) -> Option<PathBuf> {
        let others = || DIRECTORIES.iter().map(|directory| Path::new(directory).join(name));
        self.programs().find(name).or_else(|| others().find(|path| check(path).is_ok()))
    }

    /// All that a name can be given for now, with their programs.
    pub(crate) fn available_runtimes(&self) -> Vec<RuntimeOption> {
        let names = self.runtimes().keys().map(String::as_str).chain(KNOWN);
        let mut found: Vec<_> = names.filter_map(|name| self.find_runtime(name).ok().flatten()).collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found.dedup_by(|one, other| one.name == other.name);
        found
    }
}

fn check(path: &Path) -> std::result::Result<(), String> {
    if !path.is_absolute() {
        return Err("a path has to begin with /".into());
    }
    match std::fs::metadata(path) {
        Err(error) => Err(format!("{}: {error}", path.display())),
        Ok(found) if !found.is_file() => Err(format!("{} is not a file", path.display())),
        Ok(_) if access(path, Access::EXEC_OK).is_err() => {
            Err(format!("{} cannot be executed", path.display()))
        }
        Ok(_) => Ok(()),
    }
}
