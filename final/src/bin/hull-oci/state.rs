//! The files of a container, which commands share.
//!
//! ```text
//! <root>/<id>/        made by create, removed by delete
//!   lock              held during a change; never while waiting for a container's end
//!   state.json        [`State`]: written before the cgroup and process that it names are made, so that `delete -f` finds them
//!   config.json       the bundle's, as applied; exec and update read it
//!   start.sock        the socket at which a created container waits to be started
//! <root>/seccomp:compiled/   filters, by the digest of their policy
//! ```

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use hull_runtime::cgroups::Cgroup;
use hull_runtime::hooks::HookState;
use hull_runtime::spec::Spec;
use hull_runtime::systemd::Unit;
use hull_storage::file;
use hull_storage::lock::Lock;
use hull_storage::process_id::ProcessId;
use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;

/// How long others may keep a directory from being removed.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Of state.json; another one is refused.
const FORMAT: u32 = 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub format: u32,
    pub id: String,
    pub bundle: PathBuf,
    pub rootfs: PathBuf,
    /// Below the roots of the hierarchies.
    pub cgroup: String,
    /// Of systemd's, which has made the cgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// RFC 3339.
    pub created: String,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// The process that makes it: while there is no first process yet, the container is as alive as this one.
    pub creator: ProcessId,
    pub init: Option<ProcessId>,
}

/// OCI runtime-spec, runtime.md, "State"; `paused` is runc's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}

/// Where every container's directory is.
#[derive(Debug)]
pub struct Root(PathBuf);

impl Root {
    pub fn new(asked: Option<PathBuf>) -> Self {
        let user = || match std::env::var_os("XDG_RUNTIME_DIR") {
            Some(dir) if !rustix::process::geteuid().is_root() => Some(PathBuf::from(dir).join("hull-oci")),
            _ => None,
        };
        Self(asked.or_else(user).unwrap_or_else(|| "/run/hull-oci".into()))
    }

    /// The container that `id` names, whether it exists or not.
    pub fn container(&self, id: &str) -> Result<Container> {
        check_id(id)?;
        Ok(Container { id: id.to_owned(), directory: self.0.join(id) })
    }

    /// Compiled system call filters. The colon is in no id.
    pub fn seccomp_cache(&self) -> PathBuf {
        self.0.join("seccomp:compiled")
    }

    /// Those there are, by id.
    pub fn containers(&self) -> Result<Vec<Container>> {
        let entries = match std::fs::read_dir(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("cannot list {}", self.0.display()))?,
        };
        let mut ids: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        ids.sort();
        Ok(ids.iter().filter_map(|id| self.container(id).ok()).collect())
    }
}

/// runc's rule: letters, digits and `_+-.`, and no name that means another directory.
fn check_id(id: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    if id.is_empty() || !id.bytes().all(is_plain) || matches!(id, "." | "..") || id.len() > 255 {
        bail!("invalid container id {id:?}: expected letters, digits and _+-.");
    }
    Ok(())
}

/// A container's directory.
#[derive(Debug, Clone)]
pub struct Container {
    pub id: String,
    pub directory: PathBuf,
}

impl Container {
    /// Makes the directory, which reserves the id, and locks it.
    pub fn reserve(&self) -> Result<Lock> {
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        if let Some(root) = self.directory.parent() {
            builder
                .recursive(true)
                .create(root)
                .with_context(|| format!("cannot create {}", root.display()))?;
        }
        match builder.recursive(false).create(&self.directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("container with given ID already exists: {}", self.id)
            }
            made => made.with_context(|| format!("cannot create {}", self.directory.display()))?,
        }
        self.lock().inspect_err(|_| {
            // The error of the lock is the one to report.
            let _ = hull_storage::tree::remove_tree(&self.directory);
        })
    }

    pub fn exists(&self) -> bool {
        self.directory.is_dir()
    }

    pub fn lock(&self) -> Result<Lock> {
        if !self.exists() {
            return Err(self.missing());
        }
        Ok(Lock::exclusive(&self.directory.join("lock"))?)
    }

    /// Removes the directory, under its lock. A process that waits for the lock may create the lock file again before the
    /// directory is removed, so the removal is retried; that process then finds no container, and gives up.
    pub fn remove(&self) -> Result<()> {
        let started = Instant::now();
        loop {
            match hull_storage::tree::remove_tree(&self.directory) {
                Err(hull_storage::Error::Io { source, .. })
                    if source.kind() == ErrorKind::DirectoryNotEmpty && started.elapsed() < TIMEOUT =>
                {
                    std::thread::sleep(Duration::from_millis(1));
                }
                removed => return Ok(removed?),
            }
        }
    }

    fn missing(&self) -> anyhow::Error {
        anyhow!("container does not exist: {}", self.id)
    }

    /// The socket at which the container waits to be started.
    pub fn start_socket(&self) -> PathBuf {
        self.directory.join("start.sock")
    }

    pub fn read(&self) -> Result<State> {
        let hint = || format!("`hull-oci delete --force {}` clears what is left of it", self.id);
        let state: Option<State> = file::read_json(&self.directory.join("state.json")).with_context(hint)?;
        match state {
            Some(state) if state.format == FORMAT => Ok(state),
            Some(state) => bail!("{}: state.json has format {}, not {FORMAT}", self.id, state.format),
            None if self.exists() => bail!("container {:?} has no state.json: {}", self.id, hint()),
            None => Err(self.missing()),
        }
    }

    pub fn write(&self, state: &State) -> Result<()> {
        Ok(file::write_json_atomic(&self.directory.join("state.json"), state)?)
    }

    pub fn read_spec(&self) -> Result<Spec> {
        let path = self.directory.join("config.json");
        file::read_json(&path)?.ok_or_else(|| anyhow!("{} is missing", path.display()))
    }

    pub fn write_spec(&self, spec: &Spec) -> Result<()> {
        Ok(file::write_json_atomic(&self.directory.join("config.json"), spec)?)
    }

    pub fn status(&self, state: &State) -> Status {
        let Some(init) = &state.init else {
            return if state.creator.is_alive() { Status::Creating } else { Status::Stopped };
        };
        if !init.is_alive() {
            return Status::Stopped;
        }
        if state.open_cgroup().is_ok_and(|cgroup| cgroup.is_frozen()) {
            return Status::Paused;
        }
        if self.start_socket().exists() { Status::Created } else { Status::Running }
    }
}

impl State {
    pub fn open_cgroup(&self) -> Result<Cgroup> {
        cgroup(&self.cgroup, self.unit.clone())
    }

    /// The state that the bundle's hooks get.
    pub fn hook_state<'a>(&'a self, spec: &'a Spec, pid: i32) -> HookState<'a> {
        HookState { id: &self.id, bundle: &self.bundle, spec, pid, env: &[] }
    }

    /// The state of a container that this process is about to create.
    pub fn new(id: &str, bundle: &Bundle, (cgroup, unit): (String, Option<Unit>)) -> Result<Self> {
        let now = humantime::format_rfc3339_nanos(std::time::SystemTime::now());
        Ok(Self {
            format: FORMAT,
            id: id.to_owned(),
            bundle: bundle.directory.clone(),
            rootfs: bundle.rootfs(),
            cgroup,
            unit,
            created: now.to_string(),
            annotations: bundle.spec.annotations.clone(),
            creator: ProcessId::of_self()?,
            init: None,
        })
    }
}

/// A cgroup on this machine's hierarchies.
pub fn cgroup(path: &str, unit: Option<Unit>) -> Result<Cgroup> {
    Ok(hull_runtime::cgroups::detect()?.cgroup(path).of_unit(unit))
}

/// Opens a process. `None` if it has ended since its pid was recorded.
pub fn open(process: &ProcessId) -> Result<Option<std::os::fd::OwnedFd>> {
    let pidfd = match hull_sys::process::pidfd_open(process.pid) {
        Err(nix::errno::Errno::ESRCH) => return Ok(None),
        pidfd => pidfd.with_context(|| format!("cannot open process {}", process.pid))?,
    };
    // Checked after it was opened, because the pid may have been reused before.
    Ok(process.is_alive().then_some(pidfd))
}
