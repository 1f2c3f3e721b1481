//! `start`: lets the program run of a container that was created.

use anyhow::{Result, anyhow};
use hull_runtime::hooks::{self, Point};
use hull_runtime::rendezvous;

use crate::state::{Container, Root, State, Status};
use crate::{cli, delete};

pub fn start(root: &Root, args: &cli::Id, global: &cli::Global) -> Result<u8> {
    let container = root.container(&args.id)?;
    let _lock = container.lock()?;
    let state = container.read()?;
    match container.status(&state) {
        Status::Created => {}
        status => return Err(refusal(&args.id, status)),
    }
    let socket = container.start_socket();
    let started = hull_runtime::start(&socket);
    // Whatever the outcome, no container waits at the socket any more. If the container was running already, the command
    // that started it was killed before it could remove the socket.
    hull_storage::file::remove(&socket)?;
    match started {
        Err(error) if rendezvous::is_nobody_waiting(&error) => {
            Err(refusal(&args.id, container.status(&state)))
        }
        Err(error) => {
            // After a startContainer hook that failed the program is never started.
            if matches!(error, hull_runtime::Error::Hook(_)) {
                stop(&container, &state, global)?;
            }
            Err(error.into())
        }
        Ok(()) => poststart(&container, &state, global),
    }
}

/// The sentences are runc's, because engines compare them.
fn refusal(id: &str, status: Status) -> anyhow::Error {
    match status {
        Status::Stopped => anyhow!("cannot start a container that has stopped: {id}"),
        Status::Running => anyhow!("cannot start an already running container: {id}"),
        status => anyhow!("cannot start a container in the {status} state: {id}"),
    }
}

fn poststart(container: &Container, state: &State, global: &cli::Global) -> Result<u8> {
    let spec = container.read_spec()?;
    let pid = state.init.as_ref().map_or(0, |init| init.pid);
    match hooks::run(Point::Poststart, state.hook_state(&spec, pid)) {
        Ok(()) => Ok(0),
        Err(error) => {
            stop(container, state, global)?;
            Err(error.into())
        }
    }
}

/// Removes the container after a hook has failed (runtime.md, "Lifecycle", steps 7 and 9).
fn stop(container: &Container, state: &State, global: &cli::Global) -> Result<()> {
    let spec = container.read_spec()?;
    delete::destroy(container, state.open_cgroup(), state.init.as_ref())?;
    delete::run_poststop(global, state.hook_state(&spec, 0));
    Ok(())
}
