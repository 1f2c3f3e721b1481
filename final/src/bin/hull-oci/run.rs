//! `run`: create and start in one, and in the foreground all that follows.

use std::os::fd::AsFd;

use anyhow::{Context, Result};
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
        let (_, reservation, _) = begin(made, args, global)?;
        reservation.keep();
        return Ok(0);
    }
    // Before there is anybody to pass a signal on to: none may be lost in between.
    let signals = Signals::take()?;
    if !args.no_subreaper {
        // Orphans of a container without a pid namespace of its own are ours to collect.
        hull_sys::process::set_child_subreaper().context("cannot become a subreaper")?;
    }
    let mut made = make(root, &args.create, global, After::Foreground)?;
    let (console, copied) = (made.console.take(), std::mem::take(&mut made.copied));
    // Before the program starts, which may ask only once.
    console.iter().for_each(relay::pass_size);
    let (running, reservation, ended) = begin(made, args, global)?;
    let container = reservation.container.clone();
    reservation.keep();
    let code = relay::wait(&running.pidfd, &signals, console, copied);
    if !args.keep {
        clear(&container, &ended, global)?;
    }
    code
}

/// Somebody else may have deleted it meanwhile, and even made another one with its id.
pub fn clear(container: &Container, ended: &Ended, global: &cli::Global) -> Result<()> {
    let lock = container.lock();
    let is_ours = match container.read() {
        Ok(state) => state.creator == ended.state.creator,
        Err(_) => container.exists(),
    };
    if !is_ours {
        return Ok(());
    }
    let _lock = lock?;
    delete::destroy(container, ended.state.open_cgroup(), None)?;
    delete::after(global, ended.state.hook_state(&ended.spec, 0));
    Ok(())
}

/// What is needed when it is over.
pub struct Ended {
    pub state: State,
    pub spec: Spec,
}

/// Lets the program run, with the hooks that follow. What fails leaves nothing of the container.
fn begin(made: Made, args: &cli::Run, global: &cli::Global) -> Result<(Running, Reservation, Ended)> {
    let Made { created, state, spec, reservation, .. } = made;
    let pid = created.pid();
    let started = created.start().map_err(anyhow::Error::from).and_then(|running| {
        let told = hooks::run(Point::Poststart, state.hook_state(&spec, pid));
        if told.is_err() {
            let _ = hull_sys::process::pidfd_send_signal(running.pidfd.as_fd(), SIGKILL);
            let _ = running.cgroup.as_ref().map(|cgroup| cgroup.remove());
            let _ = hull_sys::process::reap(running.pidfd.as_fd());
        }
        Ok(told.map(|()| running)?)
    });
    match started {
        Ok(running) => Ok((running, reservation, Ended { state, spec })),
        Err(error) => {
            forget_pid(args);
            drop(reservation);
            delete::after(global, state.hook_state(&spec, 0));
            Err(error)
        }
    }
}

fn forget_pid(args: &cli::Run) {
    if let Some(file) = &args.create.pid_file {
        let _ = std::fs::remove_file(file);
    }
}
