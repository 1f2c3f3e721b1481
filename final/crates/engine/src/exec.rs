//! `exec`: another process in a running container.

use std::path::PathBuf;

use hull_runtime::spec::Spec;
use hull_runtime::{ExecTarget, Stdio};

use crate::attach::{AttachEnd, AttachOptions};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::lifecycle::wrong_state;
use crate::monitor::session;
use crate::options::ExecOptions;
use crate::spec::exec_process;
use crate::state::{Snapshot, Status};

impl Engine {
    /// Runs a command in a container and returns its exit code; 0 at once when detached.
    pub fn exec(&self, name: &str, options: &ExecOptions) -> Result<u8> {
        let record = self.find(name)?;
        let snapshot = Snapshot::take(self.root(), &record.id)?;
        let init = match (snapshot.status, snapshot.state.as_ref().and_then(|state| state.init.as_ref())) {
            (Status::Running, Some(init)) => init,
            (status, _) => return Err(wrong_state("exec in", &record, status)),
        };
        let bundle = self.root().container_run_dir(&record.id);
        let spec: Spec = hull_storage::file::read_json(&bundle.join("config.json"))?
            .ok_or_else(|| Error::NoSuchContainer(name.into()))?;
        let rootfs = PathBuf::from(format!("/proc/{}/root", init.pid));
        let process = exec_process(&record, &rootfs, options)?;
        let cgroup = match snapshot.state.as_ref().and_then(|state| state.cgroup.as_ref()) {
            Some(path) => Some(self.cgroup(path)?),
            None => None,
        };
        let seccomp_cache = self.root().run().join("seccomp");
        let enter = |stdio: Stdio| {
            // Opened here: the session closes what it inherits before it comes here.
            let pidfd = crate::lifecycle::open(init)?
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
        let stream = session::launch(&enter, options.tty, options.interactive, options.detach)?;
        if options.detach {
            return Ok(0);
        }
        let attach = AttachOptions {
            stdin: options.interactive,
            tty: options.tty,
            sig_proxy: false,
            detach_keys: options.detach_keys.clone(),
        };
        match stream.run(&attach)? {
            AttachEnd::Exited(code) => Ok(code),
            AttachEnd::Detached => Ok(0),
        }
    }
}
