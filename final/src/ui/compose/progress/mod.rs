//! What a command is doing, on stderr.
//!
//! ```text
//! plain   a line for each event, and the same as JSON
//! board   the events so far             frame   the board as lines of a terminal
//! screen  draws them over those before
//! child   the work in a process of its own, so that this one can draw and hear signals
//! ```

mod board;
mod child;
mod frame;
mod plain;
mod screen;
#[cfg(test)]
mod tests;

use anyhow::Result;
use hull_compose::progress::{Progress, Silent};

use super::style::{Mode, Style};
pub use child::{Child, Said};
pub use plain::{Json, Plain};

/// What a line of a rehearsal begins with.
const DRY_RUN: &str = " DRY-RUN MODE - ";

/// The exit code of a command that the user has interrupted.
pub const INTERRUPTED: u8 = 130;

/// How one piece of work is shown.
#[derive(Debug, Clone, Copy)]
pub struct Show<'a> {
    pub style: Style,
    /// What is done: `Running`, `Building`.
    pub title: &'a str,
    pub is_dry_run: bool,
    /// Prints an error, and gives the exit code.
    pub report: fn(&anyhow::Error) -> u8,
}

/// Does some work and shows it. Returns an exit code: on a terminal the work is done by a child, which has printed its
/// own error by then.
pub fn run(show: &Show<'_>, work: impl FnOnce(&mut dyn Progress) -> Result<()>) -> Result<u8> {
    match show.style.resolved() {
        Mode::Quiet => work(&mut Silent)?,
        Mode::Json => work(&mut Json { is_dry_run: show.is_dry_run })?,
        Mode::Auto | Mode::Plain => work(&mut Plain { is_dry_run: show.is_dry_run })?,
        Mode::Tty => return screen::run(show, work),
    }
    Ok(0)
}
