//! A text on the terminal that is replaced by the next one, until the user presses ctrl-c.

use std::time::Duration;

use anyhow::{Context, Result};
use hull_sys::terminal::window_size;
use hull_sys::wait::until_readable;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::output;

/// Moves to the first column of the first row (ECMA-48, CUP).
const HOME: &str = "\x1b[H";
/// Erases from here to the end of the line, and to the end of the screen (EL, ED).
const END_OF_LINE: &str = "\x1b[K";
const END_OF_SCREEN: &str = "\x1b[J";

/// Takes SIGINT and SIGTERM over, so that they end the command between two texts and not within one.
#[derive(Debug)]
pub struct Live(SignalFd);

impl Live {
    pub fn start() -> Result<Self> {
        let mut set = SigSet::empty();
        set.extend([Signal::SIGINT, Signal::SIGTERM]);
        let fd = set.thread_block().and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC));
        fd.map(Self).map_err(std::io::Error::from).context("cannot take over the signals")
    }

    /// Waits; false if the user has ended the command meanwhile.
    pub fn wait(&self, pause: Duration) -> Result<bool> {
        let ended = until_readable(&self.0, Some(pause)).map_err(std::io::Error::from);
        Ok(!ended.context("cannot wait for a signal")?)
    }

    /// Writes the text over the one before, in one write and without erasing the screen first, which would flicker.
    pub fn show(&self, text: &str) -> Result<()> {
        output::raw(&frame(text, window_size()))
    }
}

/// A line that is wider than the window, or a row below it, would move the screen on: it is cut.
fn frame(text: &str, window: Option<(u16, u16)>) -> String {
    let (rows, columns) =
        window.map_or((usize::MAX, usize::MAX), |(rows, columns)| (rows.into(), columns.into()));
    let mut frame = String::from(HOME);
    // The cursor stands in the last row.
    for line in text.lines().take(rows.saturating_sub(1)) {
        let cut: String = line.chars().take(columns).collect();
        frame.push_str(&hull_printable::cell(&cut));
        frame.push_str(END_OF_LINE);
        frame.push('\n');
    }
    frame.push_str(END_OF_SCREEN);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_the_window_and_what_was_below_it_is_erased() {
        assert_eq!(frame("abcdef\ngh\nij\n", Some((3, 4))), "\x1b[Habcd\x1b[K\ngh\x1b[K\n\x1b[J");
        assert_eq!(frame("a\n", None), "\x1b[Ha\x1b[K\n\x1b[J");
        assert_eq!(frame("\x1b[2J\n", None), "\x1b[H\\x1b[2J\x1b[K\n\x1b[J");
    }
}
