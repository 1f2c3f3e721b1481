//! The caller's terminal.

use rustix::termios::{OptionalActions, OutputModes, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// Raw mode of the terminal on stdin, until this is dropped: each key is passed on at once, none has a special meaning, and
/// there is no echo (termios(3), `cfmakeraw`).
#[derive(Debug)]
pub struct RawMode(Termios);

impl RawMode {
    /// `None` when stdin is no terminal.
    pub fn enter() -> Option<Self> {
        Self::enter_with(|_| {})
    }

    /// Raw mode for input only: a printed newline still returns to the first column, for output whose lines end in a newline
    /// without a carriage return.
    pub fn enter_for_input() -> Option<Self> {
        Self::enter_with(|raw| raw.output_modes |= OutputModes::OPOST)
    }

    /// Changes the terminal's settings, and keeps the old ones, which `drop` restores.
    fn enter_with(change: impl FnOnce(&mut Termios)) -> Option<Self> {
        let stdin = rustix::stdio::stdin();
        let before = tcgetattr(stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        change(&mut raw);
        tcsetattr(stdin, OptionalActions::Now, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // An error means that the terminal is gone, and there is nothing to restore.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Rows and columns of the terminal on stdout, or else on stdin. `None` without a terminal, and for one without a size,
/// for which ioctl_tty(2) returns zeros.
pub fn window_size() -> Option<(u16, u16)> {
    let size =
        tcgetwinsize(rustix::stdio::stdout()).or_else(|_| tcgetwinsize(rustix::stdio::stdin())).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}
