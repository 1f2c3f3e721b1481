//! Cgroups that systemd makes: a scope for each container (systemd.scope(5)), requested over D-Bus.
//!
//! ```text
//! wire        encoding of messages          bus   the connection to systemd: calls, jobs
//! properties  limits as properties of the scope, so that systemd does not reset them
//! ```
//! systemd makes a scope only for processes that exist already, and removes it when it is empty. A placeholder process
//! keeps the scope until the container's first process is cloned into its cgroup.

mod bus;
mod properties;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use hull_sys::Kind;
use hull_sys::process::{self, Clone3, Cloned};
use nix::errno::Errno;
use nix::libc;
use serde::{Deserialize, Serialize};

use crate::spec::Resources;
use bus::Manager;
use wire::Writer;

use properties::Property;

type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("systemd does not answer ({0})")]
    NoManager(String),
    #[error(transparent)]
    Io(io::Error),
    #[error("it has not answered for {} s", bus::TIMEOUT.as_secs())]
    Silent,
    #[error("{0}")]
    Unknown(String),
    #[error("systemd refused {call}: {why}")]
    Refused { call: String, name: String, why: String },
    #[error("systemd did not {action} {unit}: {result}")]
    Job { action: &'static str, unit: String, result: String },
    #[error("cgroupsPath {0:?}: with systemd it is slice:prefix:name, as in system.slice:hull:web")]
    NotAUnit(String),
    #[error("annotation {name}: {value:?} is no value that systemd's properties have")]
    NotAProperty { name: String, value: String },
    #[error("cannot make a process to begin a scope with: {}", .0.desc())]
    NoPlaceholder(Errno),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        // The error after a timeout by SO_RCVTIMEO or SO_SNDTIMEO (socket(7)).
        if error.kind() == io::ErrorKind::WouldBlock { Self::Silent } else { Self::Io(error) }
    }
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoManager(_) | Self::Silent => Kind::Unavailable,
            Self::Io(error) => Kind::from_io(error),
            Self::NotAUnit(_) | Self::NotAProperty { .. } => Kind::Invalid,
            Self::NoPlaceholder(errno) => Kind::from_errno(*errno as i32),
            Self::Unknown(_) | Self::Refused { .. } | Self::Job { .. } => Kind::Kernel,
        }
    }

    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoManager(_) => {
                let question = match is_machines() {
                    true => "is systemd this machine's first process?",
                    false => {
                        "does a systemd of yours run (systemctl --user status), and is XDG_RUNTIME_DIR its directory?"
                    }
                };
                Some(format!("{question} Without --systemd-cgroup cgroups are written directly"))
            }
            _ => None,
        }
    }

    fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { name, .. } if name.ends_with(wanted))
    }
}

/// A scope and its properties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// `prefix-name.scope`
    pub name: String,
    pub slice: String,
    /// Further properties, for the request that makes the scope.
    #[serde(skip)]
    properties: Vec<Property>,
}

/// A process that keeps a new scope from being empty until the container is in it. It is killed when this is dropped.
#[derive(Debug)]
pub struct Placeholder(OwnedFd);

impl Drop for Placeholder {
    fn drop(&mut self) {
        // A drop cannot return an error. If the process stays, systemd keeps the unit, and the container's removal
        // stops it.
        let _ = process::kill_and_reap(self.0.as_fd());
    }
}

impl Unit {
    /// Parses a `cgroupsPath` of the form `slice:prefix:name`. Without a path the scope is named after the container.
    pub fn parse(path: Option<&str>, id: &str) -> Result<Self> {
        let Some(path) = path.filter(|path| !path.is_empty()) else {
            return Ok(Self {
                name: format!("hull-oci-{id}.scope"),
                slice: default_slice(),
                properties: Vec::new(),
            });
        };
        let refused = || Error::NotAUnit(path.to_owned());
        let [slice, prefix, name] = path.split(':').collect::<Vec<_>>()[..] else { return Err(refused()) };
        let slice = if slice.is_empty() { default_slice() } else { slice.to_owned() };
        let name = if prefix.is_empty() { format!("{name}.scope") } else { format!("{prefix}-{name}.scope") };
        let is_plain =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":_.-\\@".contains(&byte));
        if path.ends_with(':') || !is_plain(&name) || !is_plain(&slice) || expand(&slice).is_none() {
            return Err(refused());
        }
        Ok(Self { name, slice, properties: Vec::new() })
    }

    /// Adds the properties that annotations name.
    pub fn annotated(self, annotations: &BTreeMap<String, String>) -> Result<Self> {
        Ok(Self { properties: properties::of_annotations(annotations)?, ..self })
    }

    /// The path of its cgroup, below the roots of the hierarchies, whether or not the cgroup exists.
    pub fn cgroup_path(&self) -> Result<String> {
        let root = Manager::connect()?.property("ControlGroup")?;
        let slice = expand(&self.slice).ok_or_else(|| Error::NotAUnit(self.slice.clone()))?;
        Ok(format!("{}{slice}/{}", root.trim_end_matches('/'), self.name))
    }

    /// Makes the scope. A failed scope of the same name is removed first.
    pub(crate) fn start(&self, v2: bool, resources: &Resources) -> Result<Placeholder> {
        let mut manager = Manager::connect()?;
        let (pid, placeholder) = placeholder().map_err(Error::NoPlaceholder)?;
        let mut all = properties::of_scope(self, pid, v2);
        all.extend(properties::of_resources(resources, v2));
        all.extend_from_slice(&self.properties);
        let mut start = || {
            let mut body = Writer::default();
            body.text(&self.name);
            body.text("fail");
            body.properties(&all);
            // Auxiliary units: none.
            body.array(8, |_| ());
            manager.job("StartTransientUnit", "ssa(sv)a(sa(sv))", body)
        };
        let started = match start() {
            Err(error) if error.is("UnitExists") && self.forget_failed().is_ok() => start(),
            started => started,
        };
        self.expect_done("start", started?)?;
        Ok(placeholder)
    }

    fn forget_failed(&self) -> Result<()> {
        let mut body = Writer::default();
        body.text(&self.name);
        Manager::connect()?.ask("ResetFailedUnit", "s", body).map(drop)
    }

    fn expect_done(&self, action: &'static str, result: String) -> Result<()> {
        if result == "done" {
            return Ok(());
        }
        Err(Error::Job { action, unit: self.name.clone(), result })
    }

    /// Sets the properties of limits that are about to be changed.
    pub(crate) fn limit(&self, v2: bool, resources: &Resources) -> Result<()> {
        let limits = properties::of_resources(resources, v2);
        if limits.is_empty() {
            return Ok(());
        }
        let mut body = Writer::default();
        body.text(&self.name);
        // `runtime`: until the unit ends, not persistently.
        body.flag(true);
        body.properties(&limits);
        Manager::connect()?.ask("SetUnitProperties", "sba(sv)", body).map(drop)
    }

    /// Stops the unit. No process is left in it, so systemd may have removed it already.
    pub(crate) fn stop(&self) -> Result<()> {
        let mut body = Writer::default();
        body.text(&self.name);
        body.text("replace");
        match Manager::connect()?.job("StopUnit", "ss", body) {
            Err(error) if error.is("NoSuchUnit") => Ok(()),
            stopped => self.expect_done("stop", stopped?),
        }
    }
}

/// Root of the machine uses the machine's systemd. All other users, and root of a user namespace, use their own.
fn is_machines() -> bool {
    rustix::process::geteuid().is_root() && !hull_sys::id_map::in_user_namespace()
}

fn default_slice() -> String {
    if is_machines() { "system.slice" } else { "user.slice" }.to_owned()
}

/// `a-b.slice` is in `a.slice` (systemd.slice(5)). `None` if it is not the name of a slice.
fn expand(slice: &str) -> Option<String> {
    let stem = slice.strip_suffix(".slice")?;
    if stem == "-" {
        return Some(String::new());
    }
    let mut path = String::new();
    let mut name = String::new();
    for part in stem.split('-') {
        if part.is_empty() || part == ".." {
            return None;
        }
        name = if name.is_empty() { part.to_owned() } else { format!("{name}-{part}") };
        path.push_str(&format!("/{name}.slice"));
    }
    Some(path)
}

/// A child that only waits, and is killed when this process dies.
fn placeholder() -> nix::Result<(u32, Placeholder)> {
    let parent = std::process::id();
    match process::clone3(&Clone3::default())? {
        Cloned::Parent { pid, pidfd } => Ok((pid.unsigned_abs(), Placeholder(pidfd))),
        Cloned::Child => {
            let tied = process::set_parent_death_signal(libc::SIGKILL);
            while tied.is_ok() && std::os::unix::process::parent_id() == parent {
                // pause(2): until a signal comes.
                nix::unistd::pause();
            }
            process::exit_now(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_scope_in_a_slice_or_is_refused() {
        let unit = |path| Unit::parse(Some(path), "id").map(|unit| (unit.slice, unit.name)).ok();
        let pair = |slice: &str, name: &str| Some((slice.to_owned(), name.to_owned()));
        assert_eq!(unit("a-b.slice:libpod:c1"), pair("a-b.slice", "libpod-c1.scope"));
        assert_eq!(unit("-.slice::c1"), pair("-.slice", "c1.scope"));
        assert_eq!(Unit::parse(None, "c1").unwrap().name, "hull-oci-c1.scope");
        for wrong in
            ["/a/b", "a:b", "a:b:c", "a.slice:b:", "a.slice:b:../c", "../a.slice:b:c", "a--b.slice:b:c"]
        {
            assert_eq!(unit(wrong), None, "{wrong}");
        }
        assert_eq!(expand("a-b-c.slice").as_deref(), Some("/a.slice/a-b.slice/a-b-c.slice"));
        assert_eq!(expand("-.slice").as_deref(), Some(""));
    }
}
