//! `exec`: another process in a running container.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use hull_runtime::spec::Spec;
use hull_runtime::{ExecTarget, Stdio};
use hull_storage::process_id::ProcessId;

use crate::attach::AttachStream;
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::monitor::session;
use crate::records::options::ExecOptions;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;
use crate::records::state::wrong_state;
use crate::rootfs::mount::rootfs;
use crate::spec::exec_process;
use crate::spec::user::UserFiles;

/// How long to wait for the end of a container's init to become visible.
const END: Duration = Duration::from_millis(100);

/// If the container has ended meanwhile, reports that instead of `error`, which only followed from it.
fn unless_ended(error: Error, record: &Record, init: &ProcessId) -> Error {
    // An error about the user's program stays.
    let is_own = !error.is_about_program();
    let has_ended = || match crate::records::process::open(init) {
        Ok(Some(pidfd)) => hull_sys::wait::until_readable(&pidfd, Some(END)).unwrap_or(false),
        Ok(None) => true,
        Err(_) => false,
    };
    if is_own && has_ended() { wrong_state("exec in", record, Status::Exited) } else { error }
}

impl Engine {
    /// Starts a command in a container. Returns an attachment to it, or `None` when detached.
    pub fn exec(&self, name: &str, options: &ExecOptions) -> Result<Option<AttachStream>> {
        let record = self.find(name)?;
        let snapshot = Snapshot::take(self.root(), &record.id)?;
        let init = match (snapshot.status, snapshot.state.as_ref().and_then(|state| state.init.as_ref())) {
            (Status::Running, Some(init)) => init,
            (Status::Running, None) => {
                return Err(Error::WrongState { verb: "exec in", name: record.name, state: "starting" });
            }
            (status, _) => return Err(wrong_state("exec in", &record, status)),
        };
        let bundle = self.root().container_run_dir(&record.id);
        let unless_ended = |error| unless_ended(error, &record, init);
        let spec: Spec = hull_storage::file::read_json(&bundle.join("config.json"))?.ok_or_else(|| {
            let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
            unless_ended(Error::Io { action: format!("read the bundle of container {name}"), source: gone })
        })?;
        let users = self.user_files(&record, &snapshot, init).map_err(unless_ended)?;
        let linked = crate::net::link_variables(self.root(), &record)?;
        let process = exec_process(&record, &users, options, &linked)?;
        let cgroup = match snapshot.state.as_ref().and_then(|state| state.cgroup.as_ref()) {
            Some(path) => Some(self.cgroup(path)?),
            None => None,
        };
        let seccomp_cache = self.root().run().join("seccomp");
        let enter = |stdio: Stdio| {
            // Opened here: the session closes what it inherits before it comes here.
            let pidfd = crate::records::process::open(init)?
                .ok_or_else(|| wrong_state("exec in", &record, Status::Exited))?;
            let target = ExecTarget {
                id: &record.id,
                bundle: &bundle,
                pid: init.pid,
                pidfd: std::os::fd::AsFd::as_fd(&pidfd),
                cgroup: cgroup.as_ref(),
                spec: &spec,
                seccomp_cache: Some(&seccomp_cache),
                preserved_fds: 0,
            };
            Ok(hull_runtime::exec(target, &process, stdio)?)
        };
        let stream = session::launch(&enter, options.tty, options.interactive, options.detach)
            .map_err(unless_ended)?;
        Ok((!options.detach).then_some(stream))
    }

    /// The container's current user files: a process inside may have changed them, or mounted something over them.
    fn user_files(&self, record: &Record, snapshot: &Snapshot, init: &ProcessId) -> Result<UserFiles> {
        let root = std::fs::File::open(format!("/proc/{}/root", init.pid))
            .context(|| format!("open the root of container {}", record.name))?;
        // Looked up in the monitor's mount namespace, which no process inside can change.
        let mounted = snapshot.state.as_ref().and_then(|state| {
            let rootfs = rootfs(self, record);
            let below = rootfs.strip_prefix("/").ok()?;
            std::fs::metadata(Path::new(&format!("/proc/{}/root", state.monitor.pid)).join(below)).ok()
        });
        UserFiles::of_running(root, mounted.map(|found| found.dev()))
    }
}
