//! Starts a process in a running container: for `exec`, and for a health check.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hull_runtime::cgroups::Cgroup;
use hull_runtime::spec::{Process, Spec};
use hull_runtime::{ExecTarget, Running, Stdio};
use hull_storage::process_id::ProcessId;

use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::exec_instance::Identity;
use crate::records::options::ExecOptions;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::{Status, wrong_state};
use crate::rootfs::mount::rootfs;
use crate::runtimes::Runtime;
use crate::spec::user::UserFiles;
use crate::spec::{exec_process, seccomp};

/// How long to wait for the end of a container's init to become visible.
const END: Duration = Duration::from_millis(100);

/// A process that is ready to be started in a running container.
pub(crate) struct Entry<'a> {
    record: &'a Record,
    init: ProcessId,
    bundle: PathBuf,
    spec: Spec,
    process: Process,
    cgroup: Option<Cgroup>,
    seccomp_cache: PathBuf,
    instance: Identity,
    /// The name of its own cgroup below the container's, if the container's takes no process.
    leaf: String,
    runtime: Runtime,
}

impl<'a> Entry<'a> {
    /// Reads everything that the start needs. An error if the container does not run.
    pub(crate) fn prepare(
        engine: &Engine,
        record: &'a Record,
        snapshot: &Snapshot,
        options: &ExecOptions,
        instance: Identity,
    ) -> Result<Self> {
        let init = first_process(record, snapshot)?;
        let bundle = engine.root().container_run_dir(&record.id);
        let unless_ended = |error| unless_ended(error, record, init);
        let spec: Spec = hull_storage::file::read_json(&bundle.join("config.json"))?.ok_or_else(|| {
            let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
            let action = format!("read the bundle of container {}", record.name);
            unless_ended(Error::Io { action, source: gone })
        })?;
        let users = user_files(engine, record, snapshot, init).map_err(unless_ended)?;
        let linked = crate::net::link_variables(engine.root(), record)?;
        let process = exec_process(record, &users, options, &linked)?;
        let cgroup = match snapshot.state.as_ref().and_then(|state| state.cgroup.as_ref()) {
            Some(path) => Some(engine.cgroup(path)?),
            None => None,
        };
        let seccomp_cache = engine.root().run().join("seccomp");
        let leaf = format!("exec-{}", &instance.id[..12]);
        let init = init.clone();
        let runtime = Runtime::of(record.options.runtime.as_ref(), engine.root(), &record.id);
        Ok(Self { record, init, bundle, spec, process, cgroup, seccomp_cache, instance, leaf, runtime })
    }

    /// Starts the process as a child of the caller, which must have only one thread. Returns the terminal's master too, if
    /// the process has a terminal.
    pub(crate) fn start(&self, stdio: Stdio) -> Result<(Running, Option<OwnedFd>)> {
        // Opened here: a session closes what it inherits before it comes here.
        let pidfd = crate::records::process::open(&self.init)?
            .ok_or_else(|| wrong_state("exec in", self.record, Status::Exited))?;
        if let Some(external) = self.runtime.external() {
            return external.exec(&self.process, stdio);
        }
        let target = ExecTarget {
            id: &self.record.id,
            bundle: &self.bundle,
            pid: self.init.pid,
            pidfd: pidfd.as_fd(),
            cgroup: self.cgroup.as_ref(),
            leaf: Some(&self.leaf),
            is_delegated: self.record.options.system,
            spec: &self.spec,
            filter: seccomp::filter(&self.record.options, &self.spec, &self.seccomp_cache),
            preserved_fds: 0,
        };
        Ok(hull_runtime::exec(target, &self.process, stdio)?)
    }

    /// The exec instance of the process.
    pub(crate) fn instance(&self) -> &Identity {
        &self.instance
    }

    /// Removes what [`Self::start`] has made for the process. Called when it has ended.
    pub(crate) fn leave(&self) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.remove_leaf(&self.leaf);
        }
    }

    /// If the container has ended meanwhile, reports that instead of `error`, which only followed from it.
    pub(crate) fn unless_ended(&self, error: Error) -> Error {
        unless_ended(error, self.record, &self.init)
    }

    /// Whether the container ends at this moment. Its first process ends last, so that is waited for a little.
    pub(crate) fn has_ended(&self) -> bool {
        has_ended(&self.init)
    }
}

/// The first process of a container in which a process can be started.
pub(crate) fn first_process<'a>(record: &Record, snapshot: &'a Snapshot) -> Result<&'a ProcessId> {
    match (snapshot.status, snapshot.state.as_ref().and_then(|state| state.init.as_ref())) {
        (Status::Running, Some(init)) => Ok(init),
        (Status::Running, None) => {
            Err(Error::WrongState { verb: "exec in", name: record.name.clone(), state: "starting" })
        }
        (status, _) => Err(wrong_state("exec in", record, status)),
    }
}

fn unless_ended(error: Error, record: &Record, init: &ProcessId) -> Error {
    // An error about the user's program stays.
    let is_own = !error.is_about_program();
    if is_own && has_ended(init) { wrong_state("exec in", record, Status::Exited) } else { error }
}

fn has_ended(init: &ProcessId) -> bool {
    match crate::records::process::open(init) {
        Ok(Some(pidfd)) => hull_sys::wait::until_readable(&pidfd, Some(END)).unwrap_or(false),
        Ok(None) => true,
        Err(_) => false,
    }
}

/// The container's current user files: a process inside may have changed them, or mounted something over them.
fn user_files(engine: &Engine, record: &Record, snapshot: &Snapshot, init: &ProcessId) -> Result<UserFiles> {
    let root = std::fs::File::open(format!("/proc/{}/root", init.pid))
        .context(|| format!("open the root of container {}", record.name))?;
    // Looked up in the monitor's mount namespace, which no process inside can change.
    let mounted = snapshot.state.as_ref().and_then(|state| {
        let rootfs = rootfs(engine, record);
        let below = rootfs.strip_prefix("/").ok()?;
        std::fs::metadata(Path::new(&format!("/proc/{}/root", state.monitor.pid)).join(below)).ok()
    });
    UserFiles::of_running(root, mounted.map(|found| found.dev()))
}
