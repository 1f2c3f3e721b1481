//! `network expose`: a container's network namespace under a name that ip-netns(8) knows.
//!
//! ```text
//! <run>/containers/<id>/netns.json    the name, and the process; written before the link is made
//! /run/netns/NAME                     a symbolic link to /proc/PID/ns/net
//! ```
//!
//! `ip netns add` bind-mounts a namespace on its name. That keeps the namespace, with its interfaces and addresses, until
//! somebody unmounts it. A symbolic link keeps nothing: the namespace is destroyed with the container's last process. The
//! dangling link is then removed by the container's monitor or, if that was killed, by the command that cleans up after it.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use hull_storage::directory::make_dirs;
use hull_storage::file;
use hull_storage::root::Root;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::options::NetworkMode;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::wrong_state;

/// The directory of ip-netns(8) with the names of namespaces.
const NAMES: &str = "/run/netns";

#[derive(Debug, Serialize, Deserialize)]
struct Exposed {
    name: String,
    pid: i32,
}

impl Engine {
    /// Gives the container's network namespace a name, by default the container's own. Returns the name.
    pub fn expose_network(&self, container: &str, name: Option<&str>) -> Result<String> {
        if hull_sys::id_map::in_user_namespace() {
            return Err(Error::Unsupported(format!("network expose: {NAMES} is root's; use sudo")));
        }
        let id = self.resolve(container)?;
        let _lock = self.lock(&id)?;
        let record = Record::load(self.root(), &id)?;
        if record.options.network == NetworkMode::Host {
            let what = format!("exposure of container {}", record.name);
            return Err(Error::Invalid { what, why: "it has the host's network".into() });
        }
        let name = name.unwrap_or(&record.name);
        if !hull_storage::names::is_valid(name) {
            return Err(hull_storage::Error::InvalidName { what: "namespace", name: name.into() }.into());
        }
        let snapshot = Snapshot::take(self.root(), &id)?;
        let pid = snapshot.init_pid().ok_or_else(|| wrong_state("expose", &record, snapshot.status))?;
        let exposed = Exposed { name: name.to_owned(), pid };
        match load(self.root(), &id)? {
            Some(other) if other.name != name => Err(Error::Invalid {
                what: format!("exposure of container {} as {name}", record.name),
                why: format!("it is exposed as {}", other.name),
            }),
            Some(same) if same.is_linked() => Ok(same.name),
            _ => {
                file::write_json_atomic(&path(self.root(), &id), &exposed)?;
                if let Err(error) = exposed.link() {
                    file::remove(&path(self.root(), &id))?;
                    return Err(error);
                }
                Ok(exposed.name)
            }
        }
    }

    /// Removes the namespace's name. Returns it, if there was one.
    pub fn unexpose_network(&self, container: &str) -> Result<Option<String>> {
        let id = self.resolve(container)?;
        let _lock = self.lock(&id)?;
        let exposed = load(self.root(), &id)?;
        remove(self.root(), &id)?;
        Ok(exposed.map(|exposed| exposed.name))
    }
}

/// The name by which a container's network namespace can be entered, if it has one.
pub(super) fn name(root: &Root, id: &str) -> Result<Option<String>> {
    Ok(load(root, id)?.filter(Exposed::is_linked).map(|exposed| exposed.name))
}

/// Links the name to the container's new network namespace, when it runs again.
pub(super) fn relink(root: &Root, id: &str, pid: i32) -> Result<()> {
    let Some(before) = load(root, id)? else { return Ok(()) };
    before.unlink()?;
    let exposed = Exposed { pid, ..before };
    file::write_json_atomic(&path(root, id), &exposed)?;
    exposed.link()
}

/// Removes the link, but not the note of it, when the container has ended and may run again.
pub(super) fn unlink(root: &Root, id: &str) -> Result<()> {
    load(root, id)?.map_or(Ok(()), |exposed| exposed.unlink())
}

/// Removes the link and the note of it.
pub(super) fn remove(root: &Root, id: &str) -> Result<()> {
    let path = path(root, id);
    match file::read_json::<Exposed>(&path) {
        Err(hull_storage::Error::Damaged { .. }) => remove_dangling(),
        exposed => exposed?.map_or(Ok(()), |exposed| exposed.unlink())?,
    }
    Ok(file::remove(&path)?)
}

impl Exposed {
    fn name_path(&self) -> PathBuf {
        Path::new(NAMES).join(&self.name)
    }

    fn target(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.pid))
    }

    fn link(&self) -> Result<()> {
        make_dirs(Path::new(NAMES), 0o755)?;
        let link = self.name_path();
        match symlink(self.target(), &link) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Error::Invalid {
                what: format!("name {} for a network namespace", self.name),
                why: format!("{} exists; choose another one with --name", link.display()),
            }),
            made => made.context(|| format!("make {}", link.display())),
        }
    }

    fn is_linked(&self) -> bool {
        std::fs::read_link(self.name_path()).is_ok_and(|target| target == self.target())
    }

    /// A file that another program has put in its place stays.
    fn unlink(&self) -> Result<()> {
        if self.is_linked() { Ok(file::remove(&self.name_path())?) } else { Ok(()) }
    }
}

/// Loads the note. A damaged one counts as none: dangling links are found without it ([`remove_dangling`]).
fn load(root: &Root, id: &str) -> Result<Option<Exposed>> {
    match file::read_json(&path(root, id)) {
        Err(hull_storage::Error::Damaged { .. }) => Ok(None),
        exposed => Ok(exposed?),
    }
}

/// Removes links to processes that have ended. Only hull makes symbolic links in this directory.
fn remove_dangling() {
    for entry in std::fs::read_dir(NAMES).into_iter().flatten().flatten() {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        let process = target.strip_prefix("/proc").ok().and_then(Path::parent).and_then(Path::parent);
        if process.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // An error is ignored: the name of a namespace that is gone does no harm, and the next command tries again.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn path(root: &Root, id: &str) -> PathBuf {
    root.container_run_dir(id).join("netns.json")
}
