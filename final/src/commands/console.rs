//! `console`: the terminal of a container's init.

use std::io::IsTerminal;

use anyhow::{Result, bail};
use hull_engine::Engine;

use super::{attach, logs, selection};
use crate::cli::launch::Console;

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
