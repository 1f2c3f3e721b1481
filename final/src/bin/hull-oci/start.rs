//! `start`: lets the program run of a container that was created.

use anyhow::{Result, bail};
use hull_runtime::rendezvous;

use crate::cli;
use crate::state::{Root, Status};

pub fn start(root: &Root, args: &cli::Id) -> Result<u8> {
    let container = root.container(&args.id)?;
    let _lock = container.lock()?;
    let state = container.read()?;
    match container.status(&state) {
        Status::Created => {}
        status => bail!("cannot start container {:?}, which is {status}", args.id),
    }
    let socket = container.start_socket();
    let started = hull_runtime::start(&socket);
    // Nobody waits there any more, whatever came of it. What else answers was started by a command that was killed
    // before it could say so.
    hull_storage::file::remove(&socket)?;
    match started {
        Err(error) if rendezvous::is_nobody_waiting(&error) => {
            bail!("cannot start container {:?}, which is {}", args.id, container.status(&state))
        }
        started => Ok(started.map(|()| 0)?),
    }
}
