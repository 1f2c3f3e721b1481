//! `restore`: restores a container from a checkpoint. Before and after that it does what `run` does.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail};
use hull_runtime::checkpoint::{self, Criu, Restore, Restored};
use hull_storage::process_id::ProcessId;

use crate::bundle::{Bundle, cgroup_path};
use crate::create::{Reservation, write_pid};
use crate::relay::{self, Signals};
use crate::run::{Ended, clear};
use crate::state::{Root, State};
use crate::{cli, console, delete, streams};

pub fn restore(root: &Root, args: &cli::Restore, global: &cli::Global) -> Result<u8> {
    let context = || format!("cannot restore container {:?}", args.id);
    if args.no_pivot {
        bail!("--no-pivot: without pivot_root(2) a privileged process can escape from its root");
    }
    let options = crate::checkpoint::options(&args.images).with_context(context)?;
    console::refuse_directories()?;
    let container = root.container(&args.id)?;
    let bundle = Bundle::load(&args.bundle)?;
    let process = bundle.spec.process.as_ref().context("the bundle has no process")?;
    console::check(process.terminal, args.detach, args.console_socket.as_deref())?;
    let socket = args.console_socket.as_deref().map(console::connect).transpose()?;
    let place = cgroup_path(&bundle.spec, &args.id, global.systemd_cgroup)?;
    let criu = Criu::find(global.criu.as_deref()).with_context(context)?;
    let signals = (!args.detach).then(Signals::take).transpose()?;
    if signals.is_some() && !args.no_subreaper {
        hull_sys::process::set_child_subreaper().context("cannot become a subreaper")?;
    }

    let (reservation, mut state, cgroup) = Reservation::claim(container, &bundle, place)?;
    streams::of(&bundle.spec, process.user.uid, false)?;
    let asked = Restore {
        id: &args.id,
        bundle: &bundle.directory,
        spec: &bundle.spec,
        rootfs: &state.rootfs,
        cgroup: &cgroup,
        options: &options,
    };
    let restored = checkpoint::restore(&criu, &asked).with_context(context).and_then(|mut restored| {
        match hand_over(args, &mut restored, socket.as_ref(), &mut state, &reservation) {
            Ok(()) => Ok(restored),
            Err(error) => {
                let killed = restored.kill();
                let removed = cgroup.remove().map_err(hull_runtime::Error::from);
                let failures = [killed, removed].into_iter().filter_map(Result::err);
                Err(failures.fold(error, |error, failure| anyhow::anyhow!("{error:#}; {failure}")))
            }
        }
    });
    let ended = Ended { state, spec: bundle.spec };
    match (restored, signals) {
        (Ok(restored), Some(signals)) => foreground(restored, &signals, reservation, &ended, global),
        (Ok(_), None) => {
            reservation.keep();
            Ok(0)
        }
        (Err(error), _) => {
            drop(reservation);
            delete::run_poststop(global, ended.state.hook_state(&ended.spec, 0));
            Err(error)
        }
    }
}

/// Passes the terminal to the console socket, and records the pid.
fn hand_over(
    args: &cli::Restore,
    restored: &mut Restored,
    socket: Option<&OwnedFd>,
    state: &mut State,
    reservation: &Reservation,
) -> Result<()> {
    if let Some(socket) = socket {
        console::send(socket, restored.console.take())?;
    }
    state.init = Some(ProcessId::of(restored.pid)?);
    reservation.container.write(state)?;
    args.pid_file.as_ref().map_or(Ok(()), |file| write_pid(file, restored.pid))
}

fn foreground(
    restored: Restored,
    signals: &Signals,
    reservation: Reservation,
    ended: &Ended,
    global: &cli::Global,
) -> Result<u8> {
    let container = reservation.container.clone();
    reservation.keep();
    let code = relay::wait(&restored.pidfd, signals, restored.console, Vec::new());
    clear(&container, ended, global)?;
    code
}
