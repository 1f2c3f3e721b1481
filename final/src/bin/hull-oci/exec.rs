//! `exec`: another process in a container that is created or running.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use anyhow::{Context, Result, bail};
use hull_runtime::security::capabilities;
use hull_runtime::spec::{Process, Spec, check_process, parse_process};
use hull_runtime::{ExecTarget, Running, Stdio};
use nix::libc::SIGKILL;

use crate::create::{check_preserved, write_pid};
use crate::relay::{self, Signals};
use crate::state::{Root, Status, cgroup, open};
use crate::{cli, console};

pub fn exec(root: &Root, args: &cli::Exec) -> Result<u8> {
    console::refuse_directories()?;
    check_preserved(args.preserve_fds)?;
    let container = root.container(&args.id)?;
    let state = container.read()?;
    let status = container.status(&state);
    match status {
        Status::Created | Status::Running => {}
        Status::Paused if args.ignore_paused => {}
        _ => bail!("cannot exec in container {:?}, which is {status}", args.id),
    }
    let spec = container.read_spec()?;
    let process = process(&spec, args)?;
    console::check(process.terminal, args.detach, args.console_socket.as_deref())?;
    let socket = args.console_socket.as_deref().map(console::connect).transpose()?;
    let cgroup = cgroup(&cgroup_path(&state.cgroup, args)?, state.unit.clone())?;
    if args.cgroup.is_some() && !cgroup.exists() {
        bail!("--cgroup: there is no cgroup {}", cgroup.path());
    }
    let init = state.init.as_ref().map(open).transpose()?.flatten();
    let Some(init) = init else { bail!("cannot exec in container {:?}, which is stopped", args.id) };

    console::give_pipes(process.user.uid)?;
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
        spec: &spec,
        seccomp_cache: Some(&seccomp_cache),
        preserved_fds: args.preserve_fds,
    };
    let stdio = if process.terminal { Stdio::Terminal } else { Stdio::Inherit { stdin: true } };
    let (running, mut master) = hull_runtime::exec(target, &process, stdio)?;
    if let Err(error) = hand_over(args, &running, socket.as_ref(), &mut master) {
        let _ = hull_sys::process::pidfd_send_signal(running.pidfd.as_fd(), SIGKILL);
        let _ = hull_sys::process::reap(running.pidfd.as_fd());
        return Err(error);
    }
    signals.map_or(Ok(0), |signals| relay::wait(&running.pidfd, &signals, master))
}

fn hand_over(
    args: &cli::Exec,
    running: &Running,
    socket: Option<&OwnedFd>,
    master: &mut Option<OwnedFd>,
) -> Result<()> {
    if let Some(socket) = socket {
        console::send(socket, master.take())?;
    }
    args.pid_file.as_ref().map_or(Ok(()), |file| write_pid(file, running.pid))
}

/// From a file, or the container's own with what the command line changes.
fn process(spec: &Spec, args: &cli::Exec) -> Result<Process> {
    if let Some(file) = &args.process {
        let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let process = parse_process(&text).with_context(|| format!("cannot use {}", file.display()))?;
        return Ok(Process { terminal: process.terminal || args.tty, ..process });
    }
    if args.command.is_empty() {
        bail!("exec needs a command, or --process FILE");
    }
    let mut process = spec.process.clone().context("the container has no process to go by")?;
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
    check_process(&process)?;
    Ok(process)
}

/// The container's, or one below it.
fn cgroup_path(own: &str, args: &cli::Exec) -> Result<String> {
    let Some(below) = &args.cgroup else { return Ok(own.to_owned()) };
    let is_plain = |component| matches!(component, Component::RootDir | Component::Normal(_));
    if !Path::new(below).components().all(is_plain) || below.contains(':') {
        bail!("--cgroup {below:?}: expected a path below the container's cgroup");
    }
    Ok(format!("{}/{}", own.trim_end_matches('/'), below.trim_matches('/')))
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
    // An ambient one must be inheritable as well (capabilities(7)), and that is not ours to give.
    let inheritable = sets.inheritable.iter().any(|other| other == name);
    for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
        set.push(name.to_owned());
    }
    if inheritable {
        sets.ambient.push(name.to_owned());
    }
    Ok(())
}
