//! Lesson 3: limits on memory, CPU and processes.
//!
//! ```text
//! run       make a cgroup with its limits                  (cgroups.rs)
//!        ── clone(2) into new namespaces ──▶ child        process 1 of its PID namespace, waits on a pipe
//!           write its id maps                             (idmap.rs)
//!           write to the pipe ─────────────▶ execve         this same program again, as `child '{…}'`
//!           forward signals, wait            join the cgroup, unshare its namespace
//!           report a kill for lack of memory sethostname
//!           pass its exit code on            mounts, pivot_root                  (rootfs.rs)
//!                                            fork ──▶ the user's program
//!                                            reap orphans, forward signals       (init.rs)
//! enter  ── setns(2) into the namespaces of a process that runs, fork, execve
//! ```

mod cgroups;
mod cgroups_v1;
mod idmap;
mod init;
mod namespaces;
mod options;
mod report;
mod rootfs;
mod supervisor;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use nix::sched::CloneFlags;
use serde_json::{Value, json};

use cgroups::{Cgroup, Limits};
use options::{Options, Run, Verb};

fn main() -> ExitCode {
    let options = Options::parse();
    report::begin(options.verbose);
    let result = match options.verb {
        Verb::Run(run) => outside(&run),
        // A fork is needed: setns puts only later children into a PID namespace, and a process
        // keeps its own pid.
        Verb::Enter { pid, command } => namespaces::enter(pid).and_then(|()| init::run(&command)),
        Verb::Child { config } => inside(&config),
    };
    // Return from main: process::exit would skip every Drop.
    result.unwrap_or_else(|error| report::failure(&error))
}

/// Makes the container and waits for it.
fn outside(run: &Run) -> Result<ExitCode> {
    let rootfs = run.rootfs.as_deref().map(rootfs::check).transpose()?;
    // Block the signals first: from here on none can end this program before its cleanup.
    let signals = init::block_signals()?;
    let limits = Limits { memory: run.memory, cpus: run.cpus, pids: run.pids };
    let cgroup = cgroups::create(&limits, &format!("step-03-{}", std::process::id()))?;
    // The child gets its configuration as one argument: a small version of the config.json of an
    // OCI bundle.
    let config = json!({
        "hostname": run.hostname,
        "rootfs": rootfs,
        "cgroup": cgroup.as_ref().map_or(&[][..], Cgroup::procs_files),
        "command": run.command,
    });
    let child = namespaces::spawn(flags(), &config)?;
    namespaces::report_changes(child.pid());
    if idmap::is_needed() {
        idmap::write(child.pid())?;
    }
    let code = init::serve(&signals, child.release()?)?;
    cgroup.iter().for_each(Cgroup::report_oom);
    Ok(code)
}

/// The namespaces that the child gets. Everybody but root also needs a user namespace, because
/// creating any other kind takes CAP_SYS_ADMIN.
fn flags() -> CloneFlags {
    let mut flags = CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWIPC;
    if idmap::is_needed() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    flags
}

/// The same program after the re-exec, now in the new namespaces: does the setup that is possible
/// only there, then runs the command.
fn inside(config: &Value) -> Result<ExitCode> {
    report::inside();
    cgroups::join_and_hide(&options::words(&config["cgroup"]))?;
    namespaces::set_hostname(config["hostname"].as_str().context("the config has no hostname")?)?;
    rootfs::detach()?;
    let root = match config["rootfs"].as_str() {
        Some(dir) => rootfs::adopt(Path::new(dir))?,
        None => {
            let root = rootfs::stage()?;
            rootfs::skeleton(&root)?;
            rootfs::bind_usr(&root)?;
            root
        }
    };
    rootfs::mount_kernel(&root)?;
    rootfs::pivot(&root)?;
    init::run(&options::words(&config["command"]))
}
