//! Draws the live view over the one before it, in one write and without erasing it first, which would flicker.
//!
//! Nothing of the terminal's state is changed beyond a write, so nothing is left to restore when the command is killed.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use hull_sys::terminal::window_size;

use super::board::Board;
use super::frame::{self, Colours};

/// How often it is drawn at most.
pub const INTERVAL: Duration = Duration::from_millis(100);
/// A build that is over sooner is drawn once.
const QUIET: Duration = Duration::from_millis(150);

/// ECMA-48: erases to the end of the line (EL), and to the end of the screen (ED). The cursor is hidden within a write
/// (DECTCEM), and shown at its end.
const END_OF_LINE: &str = "\x1b[K";
const END_OF_SCREEN: &str = "\x1b[J";
const HIDE: &str = "\x1b[?25l";
const SHOW: &str = "\x1b[?25h";

pub struct Screen<W> {
    out: W,
    colours: Colours,
    started: SystemTime,
    begun: Instant,
    drawn: Option<Instant>,
    /// The widths of the lines on the terminal.
    widths: Vec<usize>,
    window: fn() -> Option<(u16, u16)>,
}

impl<W: Write> Screen<W> {
    pub fn new(out: W, colours: Colours) -> Self {
        let (started, begun) = (SystemTime::now(), Instant::now());
        Self { out, colours, started, begun, drawn: None, widths: vec![], window: window_size }
    }

    /// Draws the board if the last time was long enough ago.
    pub fn refresh(&mut self, board: &Board) {
        let due = self.drawn.map_or(self.begun + QUIET, |drawn| drawn + INTERVAL);
        if Instant::now() >= due {
            self.draw(board, false);
        }
    }

    /// Draws all steps once more. What follows is printed below.
    pub fn end(&mut self, board: &Board) {
        self.draw(board, true);
        self.widths.clear();
    }

    fn draw(&mut self, board: &Board, over: bool) {
        let (rows, columns) =
            (self.window)().map_or((24, 80), |(rows, columns)| (rows.into(), columns.into()));
        // The cursor stands in the row below the view.
        let room = usize::max(rows, 2) - 1;
        let lines = frame::frame(board, self.started, SystemTime::now(), (room, columns), self.colours, over);
        let text = self.text(&lines, room, columns);
        // If stderr is closed, there is nowhere to report that.
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
        self.drawn = Some(Instant::now());
        self.widths = lines.iter().map(|line| visible(line)).collect();
    }

    fn text(&self, lines: &[String], room: usize, columns: usize) -> String {
        let mut text = String::from(HIDE);
        // A line that was drawn in a wider window takes several rows of this one.
        let above: usize = self.widths.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum();
        let above = above.min(room);
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
}

/// The characters of a line without its colours.
fn visible(line: &str) -> usize {
    let mut count = 0;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        match c {
            '\x1b' => rest = rest.split_once('m').map_or("", |(_, rest)| rest),
            _ => {
                count += 1;
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    count
}
