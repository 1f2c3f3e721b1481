//! Draws the board over the one before it, in one write and without erasing it first, which would flicker.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hull_compose::progress::Progress;
use hull_sys::terminal::window_size;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::board::Board;
use super::child::{Child, Said};
use super::frame::Layout;
use super::{INTERRUPTED, Show};
use crate::ui::compose::signals::Signals;

const INTERVAL: Duration = Duration::from_millis(100);

/// ECMA-48: erases to the end of the line (EL), and to the end of the screen (ED). The cursor is hidden within a write
/// (DECTCEM), and shown at its end.
const END_OF_LINE: &str = "\x1b[K";
const END_OF_SCREEN: &str = "\x1b[J";
const HIDE: &str = "\x1b[?25l";
const SHOW: &str = "\x1b[?25h";

struct Screen<'a> {
    show: &'a Show<'a>,
    board: Board,
    tick: usize,
    /// The lines on the terminal, which the next ones replace.
    drawn: usize,
}

/// Does the work in a child and draws what it says.
pub(super) fn run(show: &Show<'_>, work: impl FnOnce(&mut dyn Progress) -> Result<()>) -> Result<u8> {
    let signals = Signals::take_over()?;
    let mut child = Child::start(show.report, work)?;
    let mut screen = Screen { show, board: Board::default(), tick: 0, drawn: 0 };
    let mut is_interrupted = false;
    let mut has_failed = false;
    loop {
        let mut fds = [PollFd::new(&child, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
        let interval = INTERVAL.try_into().ok();
        match poll(&mut fds, interval.as_ref()) {
            Ok(0) => {
                screen.tick += 1;
                screen.draw(false);
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).context("cannot wait for a child"),
        }
        if !fds[1].revents().is_empty() && signals.next()? {
            is_interrupted = true;
            child.terminate();
        }
        if fds[0].revents().is_empty() {
            continue;
        }
        for said in child.read()? {
            match said {
                Said::Event(event) => screen.board.take(event, Instant::now()),
                Said::Note(text) => screen.board.notes.push(text),
                // Only a command that shows what containers print shows this.
                Said::Output(..) => {}
                Said::Failed => {
                    screen.draw(true);
                    has_failed = true;
                    child.let_it_report();
                }
                Said::Ended(code) => {
                    // The child's error is below the board by now, and a drawing would replace it.
                    if !has_failed {
                        screen.draw(true);
                    }
                    return Ok(if is_interrupted { INTERRUPTED } else { code });
                }
            }
        }
    }
}

impl Screen<'_> {
    fn draw(&mut self, is_last: bool) {
        let (rows, columns) = window_size().map_or((24, 80), |(rows, columns)| (rows.into(), columns.into()));
        let layout = Layout {
            title: self.show.title,
            rows,
            columns,
            is_monochrome: self.show.style.is_monochrome,
            is_dry_run: self.show.is_dry_run,
            tick: self.tick,
            is_last,
        };
        let mut lines = layout.lines(&self.board, Instant::now());
        if is_last {
            lines.extend(self.board.notes.drain(..).map(|note| hull_printable::block(&note).into_owned()));
        }
        // If stderr is closed, there is nowhere to report that.
        let _ = std::io::stderr().write_all(over(&lines, self.drawn.min(rows)).as_bytes());
        self.drawn = lines.len();
    }
}

/// The text that replaces so many lines above the cursor by these.
pub(super) fn over(lines: &[String], above: usize) -> String {
    if lines.is_empty() && above == 0 {
        return String::new();
    }
    let mut text = String::from(HIDE);
    if above > 0 {
        text.push_str(&format!("\x1b[{above}A\r"));
    }
    for line in lines {
        text.push_str(line);
        text.push_str(END_OF_LINE);
        text.push_str("\r\n");
    }
    text.push_str(END_OF_SCREEN);
    text.push_str(SHOW);
    text
}
