//! Lesson 2: process 1 of its own PID namespace, on a root file system of its own.
//!
//! ```text
//! run    ── clone(2) into new namespaces ──▶ child        process 1 of its PID namespace, waits on a pipe
//!           write its id maps                             (idmap.rs)
//!           write to the pipe ─────────────▶ execve         this same program again, as `child '{…}'`
//!           forward signals, wait            sethostname
//!           pass its exit code on            mounts, pivot_root                  (rootfs.rs)
//!                                            fork ──▶ the user's program
//!                                            reap orphans, forward signals       (init.rs)
//! enter  ── setns(2) into the namespaces of a process that runs, fork, execve
//! ```

mod idmap;
mod init;
mod namespaces;
mod options;
mod report;
mod rootfs;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use nix::sched::CloneFlags;
use serde_json::{Value, json};

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
    // The child gets its configuration as one argument: a small version of the config.json of an
    // OCI bundle.
    let config = json!({ "hostname": run.hostname, "rootfs": rootfs, "command": run.command });
    let child = namespaces::spawn(flags(), &config)?;
    namespaces::report_changes(child.pid());
    if idmap::is_needed() {
        idmap::write(child.pid())?;
    }
    init::serve(&signals, child.release()?)
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
    init::run(&options::command(config))
}
