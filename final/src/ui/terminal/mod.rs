//! The caller's terminal, or its pipes, connected to a container or to a program of `exec`.
//!
//! ```text
//! session  the loop: stdin to the program, its output to stdout and stderr
//! output   writing the output, as far as somebody reads it
//! signals  signals that are passed on, and changes of the window's size
//! prompt   questions: a name, a password
//! ```
//! The engine gives an [`AttachStream`]; all that concerns this process's own descriptors and signals is here. Raw mode and
//! the window's size are in [`hull_sys::terminal`], which hull-oci uses too.

mod output;
mod prompt;
mod session;
mod signals;

use std::io::{IsTerminal, Write};

use anyhow::{Result, anyhow};
use hull_docker::detach_keys::DetachKeys;
use hull_engine::AttachStream;

use super::errors::{self, Exit};
pub use hull_docker::detach_keys::DEFAULT as DETACH_KEYS;
pub use prompt::ask;
use session::{End, Session};

#[derive(Debug)]
pub struct Options {
    /// Forward stdin.
    pub stdin: bool,
    /// Print stdout, and stderr.
    pub output: [bool; 2],
    /// The program has a terminal: this one goes into raw mode, and its size is passed on.
    pub tty: bool,
    /// Pass signals on to the program.
    pub sig_proxy: bool,
    pub detach_keys: DetachKeys,
    pub when_unread: WhenUnread,
    /// The program has run before, and is to print its prompt again.
    pub redraw: bool,
}

/// What follows when nobody reads the output any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenUnread {
    /// The command ends and the container keeps running, as it does when docker's client is in a pipe.
    Detach,
    /// The program's output is closed. A program of `exec` is a part of the caller's pipeline and should end with it.
    CloseOutput,
}

/// Carries bytes, sizes and signals until the program ends or the user detaches. Returns the command's exit code: the
/// program's, or 0 if the program keeps running.
pub fn attach(stream: AttachStream, options: Options) -> Result<u8> {
    let is_shown = options.tty && options.stdin && std::io::stderr().is_terminal();
    match Session::run(stream, options)? {
        End::Exited(code) => Ok(code),
        End::Detached if is_shown => {
            // The program has left its prompt on this line, and the next one is to begin on a line of its own.
            let _ = std::io::stderr().write_all(b"\ndetached: the program is still running\n");
            Ok(0)
        }
        End::Detached | End::ReaderGone => Ok(0),
        End::Interrupted => {
            errors::warn(
                "got 3 SIGTERM/SIGINTs, forcefully exiting",
                "the container may still run: hull ps shows it, hull kill ends it",
            );
            Ok(1)
        }
    }
}

/// docker's rule: a terminal in the container that takes input needs a terminal here. The exit code is 1 for `run` too.
pub fn require(tty: bool, interactive: bool) -> Result<()> {
    if tty && interactive && !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        let error = anyhow!("the input device is not a TTY: leave out -t, or run it from a terminal");
        return Err(error.context(Exit(1)));
    }
    Ok(())
}

/// The value of `--detach-keys`.
pub fn detach_keys(flag: Option<&str>) -> Result<DetachKeys> {
    DetachKeys::new(flag).map_err(anyhow::Error::msg)
}
