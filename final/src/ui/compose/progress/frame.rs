//! The board as lines of a terminal, in Compose's layout:
//!
//! ```text
//! [+] Running 1/2
//!  ✔ Network shop_default    Created                                      0.0s
//!  ⠋ Container shop-web-1    Starting                                     0.3s
//! ```

use std::time::Instant;

use hull_compose::progress::Status;
use hull_docker::size;

use super::DRY_RUN;
use super::board::{Board, Row};

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// How much of a part has arrived.
const PARTS: [char; 9] = ['⠀', '⡀', '⣀', '⣄', '⣤', '⣦', '⣶', '⣷', '⣿'];

const BLUE: &str = "34";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";
const BOLD_YELLOW: &str = "33;1";
const BOLD_RED: &str = "31;1";

#[derive(Debug, Clone, Copy)]
pub(super) struct Layout<'a> {
    pub title: &'a str,
    pub rows: usize,
    pub columns: usize,
    pub is_monochrome: bool,
    pub is_dry_run: bool,
    /// Which picture of the spinner.
    pub tick: usize,
    /// The last one shows every row, for a reader who scrolls back.
    pub is_last: bool,
}

impl Layout<'_> {
    fn paint(&self, colour: &str, text: &str) -> String {
        match self.is_monochrome {
            true => text.to_owned(),
            false => format!("\x1b[{colour}m{text}\x1b[0m"),
        }
    }

    pub(super) fn lines(&self, board: &Board, now: Instant) -> Vec<String> {
        if board.rows.is_empty() {
            return Vec::new();
        }
        let done = board.done();
        let head = format!("[+] {} {done}/{}", self.title, board.rows.len());
        let head = if done == board.rows.len() { self.paint(BLUE, &head) } else { head };
        let mut lines = vec![head];
        let wholes: Vec<&Row> = board.rows.iter().filter(|row| row.event.parent.is_empty()).collect();
        let has_room_for_parts = self.is_last || board.rows.len() + 1 < self.rows;
        let width = wholes.iter().map(|row| title_width(row)).max().unwrap_or(0);
        let room = self.rows.saturating_sub(2).max(1);
        let hidden = if self.is_last { 0 } else { wholes.len().saturating_sub(room) };
        // Rows that are done make room for those in work.
        let mut to_hide = hidden;
        for whole in wholes {
            if to_hide > 0 && (!whole.is_working() || lines.len() > room) {
                to_hide -= 1;
                continue;
            }
            lines.push(self.line(board, whole, "", width, now));
            if has_room_for_parts {
                lines.extend(board.parts_of(whole).map(|part| self.line(board, part, "  ", width, now)));
            }
        }
        if hidden > 0 {
            lines.push(format!("   and {hidden} more"));
        }
        lines
    }

    fn line(&self, board: &Board, row: &Row, indent: &str, width: usize, now: Instant) -> String {
        let mark = match row.event.status {
            Status::Done => self.paint(GREEN, "✔"),
            Status::Warning => self.paint(BOLD_YELLOW, "!"),
            Status::Error => self.paint(BOLD_RED, "✘"),
            Status::Working => self.paint(YELLOW, SPINNER[self.tick % SPINNER.len()]),
        };
        let rehearsal = if self.is_dry_run { DRY_RUN } else { "" };
        let title = hull_printable::cell(&format!("{} {}", row.event.id, row.event.text)).into_owned();
        let parts = if row.is_working() { self.parts(board, row) } else { (0, String::new()) };
        let used =
            indent.len() + 3 + rehearsal.len() + usize::max(title.chars().count() + parts.0, width) + 1;
        let timer = format!("{:.1}s ", row.took(now).as_secs_f64());
        let room = self.columns.saturating_sub(used + timer.len() + 1);
        let word = cut(&hull_printable::cell(&row.event.word), room);
        let padding = width.saturating_sub(title.chars().count() + parts.0);
        let gap = room.saturating_sub(word.chars().count()) + 1;
        let word = match row.event.status {
            Status::Working => word,
            Status::Done => self.paint(GREEN, &word),
            Status::Warning => self.paint(BOLD_YELLOW, &word),
            Status::Error => self.paint(BOLD_RED, &word),
        };
        let rehearsal = if self.is_dry_run { self.paint(CYAN, rehearsal) } else { String::new() };
        let timer = self.paint(BLUE, &timer);
        let parts = parts.1;
        format!("{indent} {mark}{rehearsal} {title}{parts}{:padding$} {word}{:gap$}{timer}", "", "")
    }

    /// The parts of a row in one cell each, and the sum of their bytes. Also how wide that is.
    fn parts(&self, board: &Board, row: &Row) -> (usize, String) {
        let parts: Vec<&Row> = board.parts_of(row).collect();
        if parts.is_empty() {
            return (0, String::new());
        }
        let cell = |part: &&Row| PARTS[(PARTS.len() - 1) * usize::from(part.event.percent.min(100)) / 100];
        let cells: String = parts.iter().map(cell).collect();
        let total: u64 = parts.iter().map(|part| part.event.total).sum();
        let is_known = total > 0 && parts.iter().all(|part| !part.is_working() || part.event.total > 0);
        let bytes = match is_known {
            true => {
                let current: u64 = parts.iter().map(|part| part.event.current).sum();
                format!(" {:>7} / {:<7}", size::human(current), size::human(total))
            }
            false => String::new(),
        };
        let width = cells.chars().count() + 2 + bytes.chars().count();
        (width, format!("[{}]{bytes}", self.paint(GREEN, &cells)))
    }
}

fn title_width(row: &Row) -> usize {
    format!("{} {}", row.event.id, row.event.text).chars().count()
}

fn cut(text: &str, room: usize) -> String {
    match text.char_indices().nth(room) {
        None => text.to_owned(),
        Some(_) => text.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
    }
}
