//! `attach`: join a running container.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use hull_engine::Engine;

use super::selection;
use crate::cli::container::Attach;
use crate::persona::Persona;
use crate::ui::terminal::{self, WhenUnread};

pub fn attach(engine: &Engine, args: &Attach) -> Result<u8> {
    let container = selection::one(engine, &args.container)?;
    join(engine, &container, args.detach_keys.as_deref(), !args.no_stdin, args.sig_proxy)
}

/// Joins a container's streams. Input is passed on only if the container takes input, and signals only if it has no
/// terminal.
pub fn join(
    engine: &Engine,
    container: &str,
    detach_keys: Option<&str>,
    takes_stdin: bool,
    sig_proxy: bool,
) -> Result<u8> {
    let stdio = engine.stdio(container)?;
    let (tty, stdin) = (stdio.tty, stdio.open_stdin && takes_stdin);
    terminal::require(tty, stdin)?;
    let options = terminal::Options {
        stdin,
        output: [true; 2],
        tty,
        sig_proxy: sig_proxy && !tty,
        detach_keys: terminal::detach_keys(detach_keys)?,
        when_unread: WhenUnread::Detach,
        redraw: tty && stdin,
    };
    let stream = engine.attach(container)?;
    if tty && stdin {
        say_what_to_type(container, detach_keys);
    }
    terminal::attach(stream, options)
}

/// A user at a terminal may see nothing at first, because a shell has printed its prompt before.
fn say_what_to_type(container: &str, keys: Option<&str>) {
    let keys = keys.unwrap_or(terminal::DETACH_KEYS);
    if Persona::own() == Persona::Hull && !keys.is_empty() && std::io::stderr().is_terminal() {
        let keys = keys.replace(',', " ");
        let text = format!("attached to {container}: press Enter for a prompt, {keys} to detach\n");
        // If stderr is closed, there is nowhere to report that.
        let _ = std::io::stderr().write_all(hull_printable::block(&text).as_bytes());
    }
}
