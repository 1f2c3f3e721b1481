//! `exec`: runs another process in a created or running container.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use anyhow::{Context, Result, anyhow, bail};
use hull_runtime::cgroups::Below;
use hull_runtime::config;
use hull_runtime::security::capabilities;
use hull_runtime::security::seccomp::Filter;
use hull_runtime::spec::{ConsoleSize, Process, Spec};
use hull_runtime::{ExecTarget, Running};

use crate::create::{check_preserved, write_pid};
use crate::relay::{self, Signals};
use crate::state::{Root, Status, open};
use crate::{cli, console, report, streams};

pub fn exec(root: &Root, args: &cli::Exec, global: &cli::Global) -> Result<u8> {
    console::refuse_directories()?;
    check_preserved(args.preserve_fds)?;
    let container = root.container(&args.id)?;
    let state = container.read()?;
    let status = container.status(&state);
    match status {
        Status::Created | Status::Running => {}
        Status::Paused if args.ignore_paused => {}
        Status::Paused => {
            bail!("cannot exec in a paused container (use --ignore-paused to override): {}", args.id)
        }
        Status::Stopped => bail!("cannot exec in a stopped container: {}", args.id),
        Status::Creating => bail!("cannot exec in container {}, which is {status}", args.id),
    }
    let spec = container.read_spec()?;
    let mut process = process(&spec, args)?;
    console::check(process.terminal, args.detach, args.console_socket.as_deref())?;
    let socket = args.console_socket.as_deref().map(console::connect).transpose()?;
    let pidfd_socket = args.pidfd_socket.as_deref().map(console::connect).transpose()?;
    let cgroup = state.open_cgroup()?.joined(&cgroups_below(args)?).context("--cgroup")?;
    let init = state.init.as_ref().map(open).transpose()?.flatten();
    let Some(init) = init else { bail!("cannot exec in a stopped container: {}", args.id) };

    let (stdio, copied) = streams::of_process(&spec, &process, socket.is_some(), !args.detach)?;
    let signals = (!args.detach).then(Signals::take).transpose()?;
    if signals.is_some() && !args.no_subreaper {
        hull_sys::process::set_child_subreaper().context("cannot become a subreaper")?;
    }
    let seccomp_cache = root.seccomp_cache();
    let target = ExecTarget {
        id: &state.id,
        bundle: &state.bundle,
        pid: state.init.as_ref().map_or(0, |init| init.pid),
        pidfd: init.as_fd(),
        cgroup: Some(&cgroup),
        leaf: None,
        is_delegated: false,
        spec: &spec,
        filter: Filter::OfSpec { cache: Some(&seccomp_cache) },
        preserved_fds: args.preserve_fds,
    };
    if process.terminal && socket.is_none() && process.console_size.is_none() {
        let size = hull_sys::terminal::window_size();
        process.console_size = size.map(|(height, width)| ConsoleSize { height, width });
    }
    report::step(global, "the process joins the container's namespaces (nsexec container setup)");
    let (running, mut master) = hull_runtime::exec(target, &process, stdio)?;
    if process.exec_cpu_affinity.as_ref().is_some_and(|affinity| affinity.initial.is_some()) {
        report::step(global, &format!("it began on these CPUs (nsexec): affinity: {:#x}", own_cpus()?));
    }
    report::step(global, "the process was set up (child process in init(), setns_init: about to exec)");
    if let Err(error) = hand_over(args, &running, [socket.as_ref(), pidfd_socket.as_ref()], &mut master) {
        let killed = hull_sys::process::kill_and_reap(running.pidfd.as_fd());
        return Err(match killed {
            Ok(_) => error,
            Err(errno) => anyhow!("{error:#}; cannot kill process {}: {errno}", running.pid),
        });
    }
    signals.map_or(Ok(0), |signals| relay::wait(&running.pidfd, &signals, master, copied))
}

/// A bit for each CPU below 64 that this process may run on. The process in the container was cloned with this affinity.
fn own_cpus() -> Result<u64> {
    let set =
        nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).context("cannot read our affinity")?;
    Ok((0..64).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).fold(0, |mask, cpu| mask | 1 << cpu))
}

fn hand_over(
    args: &cli::Exec,
    running: &Running,
    [console_socket, pidfd_socket]: [Option<&OwnedFd>; 2],
    master: &mut Option<OwnedFd>,
) -> Result<()> {
    if let Some(socket) = console_socket {
        console::send(socket, master.take())?;
    }
    if let Some(socket) = pidfd_socket {
        console::send_pidfd(socket, running.pidfd.as_fd())?;
    }
    args.pid_file.as_ref().map_or(Ok(()), |file| write_pid(file, running.pid))
}

/// The process to run: read from a file, or the container's own with the changes of the command line.
fn process(spec: &Spec, args: &cli::Exec) -> Result<Process> {
    if let Some(file) = &args.process {
        let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let process =
            config::parse_process(&text).with_context(|| format!("cannot use {}", file.display()))?;
        return Ok(Process { terminal: process.terminal || args.tty, ..process });
    }
    if args.command.is_empty() {
        bail!("exec needs a command, or --process FILE");
    }
    let mut process = spec.process.clone().context("the container's config.json has no process")?;
    process.args = args.command.clone();
    process.terminal = args.tty;
    process.env.extend(args.env.iter().cloned());
    if let Some(cwd) = &args.cwd {
        process.cwd = cwd.clone();
    }
    if let Some(user) = &args.user {
        (process.user.uid, process.user.gid) = parse_user(user, process.user.gid)?;
    }
    process.no_new_privileges |= args.no_new_privs;
    process.user.additional_gids.extend(&args.additional_gids);
    process.apparmor_profile = args.apparmor.clone().or(process.apparmor_profile);
    process.selinux_label = args.process_label.clone().or(process.selinux_label);
    for name in &args.cap {
        add_capability(&mut process, name)?;
    }
    config::check_process(&process)?;
    Ok(process)
}

/// Parses `--cgroup`: one `PATH`, or several `CONTROLLER,…:PATH`.
fn cgroups_below(args: &cli::Exec) -> Result<Vec<Below>> {
    let mut seen = BTreeSet::new();
    let parse = |text: &String| {
        let (controllers, path) = match text.split_once(':') {
            Some(("", _)) => bail!("--cgroup {text}: no controller before the colon"),
            Some((controllers, path)) => (controllers.split(',').map(str::to_owned).collect(), path),
            None if args.cgroup.len() > 1 => bail!("--cgroup {text}: several of them need their controllers"),
            None => (Vec::new(), text.as_str()),
        };
        if let Some(twice) = controllers.iter().find(|name| !seen.insert((*name).clone())) {
            bail!("--cgroup {text}: {twice} is named twice");
        }
        let is_plain = |component| matches!(component, Component::RootDir | Component::Normal(_));
        if !Path::new(path).components().all(is_plain) {
            bail!("--cgroup: {path} is not a sub cgroup path");
        }
        Ok(Below { controllers, path: path.trim_matches('/').to_owned() })
    };
    args.cgroup.iter().map(parse).collect()
}

fn parse_user(text: &str, gid: u32) -> Result<(u32, u32)> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let number = |text: &str| {
        text.parse::<u32>().with_context(|| format!("--user {text:?}: expected numbers, as in 1000:1000"))
    };
    Ok((number(user)?, group.map_or(Ok(gid), number)?))
}

fn add_capability(process: &mut Process, name: &str) -> Result<()> {
    if !capabilities::is_known(name) {
        bail!("--cap {name:?}: see capabilities(7) for the names");
    }
    let sets = process.capabilities.get_or_insert_default();
    // An ambient capability must be inheritable too (capabilities(7)), and the bundle decides that.
    let inheritable = sets.inheritable.iter().any(|other| other == name);
    for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
        set.push(name.to_owned());
    }
    if inheritable {
        sets.ambient.push(name.to_owned());
    }
    Ok(())
}
