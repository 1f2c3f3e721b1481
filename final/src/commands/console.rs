//! `console`: the terminal of a container's init.

use std::io::IsTerminal;

use anyhow::{Result, bail};
use hull_engine::{Engine, Status};

use super::{attach, logs, selection};
use crate::cli::launch::Console;
use crate::cli::selection::One;

pub fn console(engine: &Engine, args: &Console) -> Result<u8> {
    let container = selection::one(engine, &args.container)?;
    if args.show_log {
        return logs::all(engine, &container);
    }
    if !engine.stdio(&container)?.tty {
        bail!("container {container} has no console: `hull launch`, --system and --tty give one");
    }
    if !std::io::stdin().is_terminal() {
        bail!("the input device is not a TTY: a console needs a terminal, and --show-log none");
    }
    attach::join(engine, &container, Some(&args.detach_keys), true, false)
}

/// Attaches to the console of a container that has to run.
pub fn of_running(engine: &Engine, name: &str, detach_keys: &str) -> Result<u8> {
    let is_running = |status: Status| matches!(status, Status::Running | Status::Paused);
    if !engine.list()?.iter().any(|one| one.name == name && is_running(one.status)) {
        bail!("{name} is not running");
    }
    let container = One { latest: false, name: Some(name.to_owned()) };
    console(engine, &Console { detach_keys: detach_keys.into(), show_log: false, container })
}
