//! `run`: creates and starts a container, and in the foreground waits for it and deletes it.

use std::os::fd::AsFd;

use anyhow::{Context, Result, anyhow};
use hull_runtime::Running;
use hull_runtime::hooks::{self, Point};
use hull_runtime::spec::Spec;
use nix::libc::SIGKILL;

use crate::create::{After, Made, Reservation, make};
use crate::relay::{self, Signals};
use crate::state::{Container, Root, State};
use crate::{cli, delete};

pub fn run(root: &Root, args: &cli::Run, global: &cli::Global) -> Result<u8> {
    if args.detach {
        let made = make(root, &args.create, global, After::Detached { started: true })?;
        let (_, reservation, _) = start(made, args, global)?;
        reservation.keep();
        return Ok(0);
    }
    // Before the container exists, so that no signal is lost.
    let signals = Signals::take()?;
    if !args.no_subreaper {
        // Orphans of a container without a pid namespace of its own are reaped by this process.
        hull_sys::process::set_child_subreaper().context("cannot become a subreaper")?;
    }
    let mut made = make(root, &args.create, global, After::Foreground)?;
    let (console, copied) = (made.console.take(), std::mem::take(&mut made.copied));
    // Before the program starts, because it may read the size only once.
    console.iter().for_each(relay::pass_size);
    let (running, reservation, ended) = start(made, args, global)?;
    let container = reservation.container.clone();
    reservation.keep();
    let code = relay::wait(&running.pidfd, &signals, console, copied);
    if !args.keep {
        clear(&container, &ended, global)?;
    }
    code
}

/// Deletes the container after it has ended, unless another process has deleted it meanwhile, and perhaps created another
/// container with the same id.
pub fn clear(container: &Container, ended: &Ended, global: &cli::Global) -> Result<()> {
    let lock = container.lock();
    let is_same = match container.read() {
        Ok(state) => state.creator == ended.state.creator,
        Err(_) => container.exists(),
    };
    if !is_same {
        return Ok(());
    }
    let _lock = lock?;
    delete::destroy(container, ended.state.open_cgroup(), None)?;
    delete::run_poststop(global, ended.state.hook_state(&ended.spec, 0));
    Ok(())
}

/// What is needed of a container after it has ended.
pub struct Ended {
    pub state: State,
    pub spec: Spec,
}

/// Starts the program and runs the poststart hooks. After a failure nothing is left of the container.
fn start(made: Made, args: &cli::Run, global: &cli::Global) -> Result<(Running, Reservation, Ended)> {
    let Made { created, state, spec, reservation, .. } = made;
    let pid = created.pid();
    let started = created.start().map_err(anyhow::Error::from).and_then(|running| {
        match hooks::run(Point::Poststart, state.hook_state(&spec, pid)) {
            Ok(()) => Ok(running),
            Err(error) => Err(kill(&running)
                .into_iter()
                .fold(error.into(), |error, failure| anyhow!("{error:#}; {failure:#}"))),
        }
    });
    match started {
        Ok(running) => Ok((running, reservation, Ended { state, spec })),
        Err(error) => {
            forget_pid(args);
            drop(reservation);
            delete::run_poststop(global, state.hook_state(&spec, 0));
            Err(error)
        }
    }
}

/// Kills a container and removes its cgroup. Goes on past errors and returns all of them.
fn kill(running: &Running) -> Vec<anyhow::Error> {
    let killed = hull_sys::process::pidfd_send_signal(running.pidfd.as_fd(), SIGKILL);
    let removed = running.cgroup.as_ref().map_or(Ok(()), |cgroup| cgroup.remove());
    let reaped = hull_sys::process::reap(running.pidfd.as_fd());
    let killed = killed.context("cannot kill the container").err();
    let reaped = reaped.context("cannot read the exit status").err();
    killed.into_iter().chain(removed.map_err(anyhow::Error::from).err()).chain(reaped).collect()
}

fn forget_pid(args: &cli::Run) {
    if let Some(file) = &args.create.pid_file {
        let _ = std::fs::remove_file(file);
    }
}
