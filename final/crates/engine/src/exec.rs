//! `exec`: another process in a running container.

use std::path::PathBuf;

use hull_runtime::spec::Spec;
use hull_runtime::{ExecTarget, Stdio};

use crate::attach::{AttachEnd, AttachOptions};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::lifecycle::wrong_state;
use crate::monitor::run::reap;
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
            // Opened here: a session closes what it inherits before it comes here.
            let pidfd = crate::lifecycle::open(init)?
                .ok_or_else(|| wrong_state("exec in", &record, Status::Exited))?;
            let target = ExecTarget {
                pid: init.pid,
                pidfd: std::os::fd::AsFd::as_fd(&pidfd),
                cgroup: cgroup.as_ref(),
                spec: &spec,
                seccomp_cache: Some(&seccomp_cache),
            };
            Ok(hull_runtime::exec(target, &process, stdio)?)
        };
        if !options.tty && !options.detach {
            refuse_directories()?;
            return reap(&enter(Stdio::Inherit { stdin: options.interactive })?.0);
        }
        let stream = session::launch(&enter, options.tty, options.interactive, options.detach)?;
        if options.detach {
            return Ok(0);
        }
        let attach = AttachOptions {
            stdin: options.interactive,
            tty: true,
            sig_proxy: false,
            detach_keys: options.detach_keys.clone(),
        };
        match stream.run(&attach)? {
            AttachEnd::Exited(code) => Ok(code),
            AttachEnd::Detached => Ok(0),
        }
    }
}

/// The command's own descriptors go inside. A directory among them would be a way out: `openat(0, "..")`.
fn refuse_directories() -> Result<()> {
    for (fd, name) in [
        (rustix::stdio::stdin(), "stdin"),
        (rustix::stdio::stdout(), "stdout"),
        (rustix::stdio::stderr(), "stderr"),
    ] {
        let stat = rustix::fs::fstat(fd).context(|| format!("look at {name}"))?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
            return Err(Error::Invalid {
                what: name.into(),
                why: "it is a directory of the host, which the container must not reach".into(),
            });
        }
    }
    Ok(())
}
