//! `run`: create and start in one, and in the foreground all that follows.

use anyhow::Result;

use crate::create::{After, make};
use crate::relay::{self, Signals};
use crate::state::Root;
use crate::{cli, delete};

pub fn run(root: &Root, args: &cli::Run) -> Result<u8> {
    if args.detach {
        let made = make(root, &args.create, After::Detached { started: true })?;
        made.created.start().inspect_err(|_| forget_pid(args))?;
        made.reservation.keep();
        return Ok(0);
    }
    // Before there is anybody to pass a signal on to: none may be lost in between.
    let signals = Signals::take()?;
    let made = make(root, &args.create, After::Foreground)?;
    let running = made.created.start().inspect_err(|_| forget_pid(args))?;
    let container = made.reservation.container.clone();
    made.reservation.keep();
    let code = relay::wait(&running.pidfd, &signals, made.console);
    if !args.keep {
        let _lock = container.lock()?;
        delete::destroy(&container, &made.state.cgroup, None)?;
    }
    code
}

fn forget_pid(args: &cli::Run) {
    if let Some(file) = &args.create.pid_file {
        let _ = std::fs::remove_file(file);
    }
}
