//! `network expose`: a container's network namespace under a name that ip-netns(8) knows.
//!
//! ```text
//! <run>/containers/<id>/netns.json    the name, and the process it leads to; written before the link is made
//! /run/netns/NAME                     a symbolic link to /proc/PID/ns/net
//! ```
//!
//! `ip netns add` binds a namespace to its name, which keeps it alive, with the links and addresses in it, until somebody
//! unbinds it. A link keeps nothing: with the container's last process the namespace ends as always. What leads nowhere then
//! is removed by the container's monitor or, when that was killed, by whoever clears up after it.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use hull_storage::file;
use hull_storage::root::make_dirs;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::options::NetworkMode;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::wrong_state;

/// Where iproute2 looks.
const NAMES: &str = "/run/netns";

#[derive(Debug, Serialize, Deserialize)]
struct Exposed {
    name: String,
    pid: i32,
}

impl Engine {
    /// Gives the namespace a name, the container's own unless another one is said. What the name is.
    pub fn expose_network(&self, container: &str, name: Option<&str>) -> Result<String> {
        if hull_sys::process::in_user_namespace() {
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
        match load(self, &id)? {
            Some(other) if other.name != name => Err(Error::Invalid {
                what: format!("exposure of container {} as {name}", record.name),
                why: format!("it is exposed as {}", other.name),
            }),
            Some(same) if same.is_there() => Ok(same.name),
            _ => {
                file::write_json_atomic(&note(self, &id), &exposed)?;
                if let Err(error) = exposed.make() {
                    file::remove(&note(self, &id))?;
                    return Err(error);
                }
                Ok(exposed.name)
            }
        }
    }

    /// Takes the name away. The name, if there was one.
    pub fn unexpose_network(&self, container: &str) -> Result<Option<String>> {
        let id = self.resolve(container)?;
        let _lock = self.lock(&id)?;
        let exposed = load(self, &id)?;
        forget(self, &id)?;
        Ok(exposed.map(|exposed| exposed.name))
    }
}

/// By which name a container's namespace can be entered.
pub(super) fn name(engine: &Engine, id: &str) -> Result<Option<String>> {
    Ok(load(engine, id)?.filter(Exposed::is_there).map(|exposed| exposed.name))
}

/// The container runs again, in another namespace. That the name could not follow is no reason not to start.
pub(super) fn follow(engine: &Engine, id: &str, pid: i32) -> Result<()> {
    let Some(before) = load(engine, id)? else { return Ok(()) };
    before.remove()?;
    let exposed = Exposed { pid, ..before };
    file::write_json_atomic(&note(engine, id), &exposed)?;
    exposed.make()
}

/// The container has ended, but may run again: its name leads nowhere until then.
pub(super) fn suspend(engine: &Engine, id: &str) -> Result<()> {
    load(engine, id)?.map_or(Ok(()), |exposed| exposed.remove())
}

/// The end of the name.
pub(super) fn forget(engine: &Engine, id: &str) -> Result<()> {
    let note = note(engine, id);
    match file::read_json::<Exposed>(&note) {
        Err(hull_storage::Error::Damaged { .. }) => remove_dangling(),
        exposed => exposed?.map_or(Ok(()), |exposed| exposed.remove())?,
    }
    Ok(file::remove(&note)?)
}

impl Exposed {
    fn link(&self) -> PathBuf {
        Path::new(NAMES).join(&self.name)
    }

    fn target(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.pid))
    }

    fn make(&self) -> Result<()> {
        make_dirs(Path::new(NAMES), 0o755)?;
        let link = self.link();
        match symlink(self.target(), &link) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Error::Invalid {
                what: format!("name {} for a network namespace", self.name),
                why: format!("{} exists; choose another one with --name", link.display()),
            }),
            made => made.context(|| format!("make {}", link.display())),
        }
    }

    fn is_there(&self) -> bool {
        std::fs::read_link(self.link()).is_ok_and(|target| target == self.target())
    }

    /// What somebody else has put in its place stays.
    fn remove(&self) -> Result<()> {
        if self.is_there() { Ok(file::remove(&self.link())?) } else { Ok(()) }
    }
}

/// A damaged note counts as none: names that lead to ended processes are removed without it ([`remove_dangling`]).
fn load(engine: &Engine, id: &str) -> Result<Option<Exposed>> {
    match file::read_json(&note(engine, id)) {
        Err(hull_storage::Error::Damaged { .. }) => Ok(None),
        exposed => Ok(exposed?),
    }
}

/// Removes names that lead to processes that have ended. Only hull makes symbolic links in this directory.
fn remove_dangling() {
    for entry in std::fs::read_dir(NAMES).into_iter().flatten().flatten() {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        let process = target.strip_prefix("/proc").ok().and_then(Path::parent).and_then(Path::parent);
        if process.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn note(engine: &Engine, id: &str) -> PathBuf {
    engine.root().container_run_dir(id).join("netns.json")
}
