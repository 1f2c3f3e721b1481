//! Lesson 7: fewer capabilities for root, and a filter for system calls.
//!
//! ```text
//! run       make a cgroup with its limits                  (cgroups.rs)
//!           unpack the image's layers, make upper, work    (image.rs, registry.rs, layer.rs, overlay.rs)
//!           make a bridge, translate addresses             (veth.rs, nat.rs)
//!        ── clone(2) into new namespaces ──▶ child        process 1 of its PID namespace, waits on a pipe
//!           write its id maps, attach its veth            (idmap.rs, veth.rs)
//!           write to the pipe ─────────────▶ execve         this same program again, as `child '{…}'`
//!           forward signals, wait            join the cgroup, unshare its namespace
//!           report a kill for lack of memory sethostname, addresses, routes      (veth.rs)
//!           pass its exit code on            mounts, masks, pivot_root           (rootfs.rs, masks.rs)
//!                                            fork ──▶ drop privileges, program  (capabilities.rs, seccomp.rs; init.rs)
//! enter  ── setns(2) into the namespaces of a process that runs, fork, execve
//! ```

mod capabilities;
mod cgroups;
mod cgroups_v1;
mod digest;
mod idmap;
mod image;
mod init;
mod layer;
mod masks;
mod namespaces;
mod nat;
mod netlink;
mod nftables;
mod options;
mod overlay;
mod registry;
mod report;
mod rootfs;
mod seccomp;
mod supervisor;
mod veth;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use nix::sched::CloneFlags;
use serde_json::{Value, json};

use cgroups::{Cgroup, Limits};
use options::{Options, Run, Verb};
use seccomp::by_default;

fn main() -> ExitCode {
    let options = Options::parse();
    report::begin(options.verbose);
    let result = match options.verb {
        Verb::Run(run) => outside(&run),
        // A fork follows, because setns puts only later children into a PID namespace.
        Verb::Enter { pid, command } => namespaces::enter(pid).and_then(|()| init::run(&command, by_default)),
        Verb::Child { config } => inside(&config),
    };
    // Return from main: process::exit would skip every Drop.
    result.unwrap_or_else(|error| report::failure(&error))
}

/// Makes the container and waits for it.
fn outside(run: &Run) -> Result<ExitCode> {
    // Block the signals first: from here on none can end this program before its cleanup.
    let signals = init::block_signals()?;
    let limits = Limits { memory: run.memory, cpus: run.cpus, pids: run.pids };
    let name = format!("step-07-{}", std::process::id());
    let image = image::fetch(&run.image, &format!("{name}-image"))?;
    let cgroup = cgroups::create(&limits, &name)?;
    let overlay = overlay::prepare(image.lowers.clone(), run.changes.as_deref(), &name)?;
    let mut network = veth::prepare(!run.publish.is_empty())?;
    let address = network.as_ref().map(|network| network.address);
    let _nat = address.map(|address| nat::open(&name, address, &run.publish)).transpose()?;
    // The child's configuration, one argument: a small version of the config.json of an OCI bundle.
    let config = json!({
        "hostname": run.hostname,
        "lowers": overlay.lowers,
        "changes": overlay.dir,
        "address": address,
        "cgroup": cgroup.as_ref().map_or(&[][..], Cgroup::procs_files),
        "image": image.settings(),
        "confine": { "keep": run.keep, "denied": run.denied },
        "command": image.command(&run.command)?,
    });
    let child = namespaces::spawn(flags(), &config)?;
    namespaces::report_changes(child.pid());
    if idmap::is_needed() {
        idmap::write(child.pid())?;
    }
    network.iter_mut().try_for_each(|network| network.attach(child.pid()))?;
    let code = init::serve(&signals, child.release()?)?;
    cgroup.iter().for_each(Cgroup::report_oom);
    overlay.report_changes(run.diff).map(|()| code)
}

/// The namespaces that the child gets. Everybody but root also needs a user namespace, because
/// creating any other kind takes CAP_SYS_ADMIN.
fn flags() -> CloneFlags {
    let mut flags = CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET;
    if idmap::is_needed() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    flags
}

/// The same program after the re-exec: does the setup inside, then runs the command.
fn inside(config: &Value) -> Result<ExitCode> {
    report::inside();
    cgroups::join_and_hide(&options::words(&config["cgroup"]))?;
    namespaces::set_hostname(config["hostname"].as_str().context("the config has no hostname")?)?;
    veth::configure(config["address"].as_str().map(str::parse).transpose()?)?;
    rootfs::detach()?;
    let dir = config["changes"].as_str().context("the config has no changes")?;
    let root = overlay::mount_at(dir.as_ref(), &options::words(&config["lowers"]))?;
    rootfs::mount_kernel(&root)?;
    masks::apply(&root)?;
    rootfs::pivot(&root)?;
    init::run(&options::words(&config["command"]), |program| {
        image::apply_config(program, &config["image"])?;
        seccomp::confine(program, &config["confine"])
    })
}
