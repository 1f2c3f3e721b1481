//! Progress as lines, which BuildKit's plain view has, too: `#5 [build 2/4] RUN make`, `#5 0.123 text`, `#5 DONE 0.2s`.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, SystemTime};

use hull_build::progress::{Event, Outcome};

use super::board::{Board, StepState};
use crate::ui::human;

/// A name is cut here, as BuildKit's is.
const MAX_NAME: usize = 72;
/// When the step that is shown has printed nothing for so long, another one that has printed takes its place.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many lines of a step wait at most until the steps that are shown have ended.
const MAX_WAITING: usize = 1000;

pub struct Plain<W> {
    out: W,
    /// The step whose lines are being printed, by its position on the board.
    current: Option<usize>,
    last_line: SystemTime,
    begun: bool,
    /// Lines of other running steps.
    waiting: BTreeMap<usize, Vec<String>>,
}

impl<W: Write> Plain<W> {
    pub fn new(out: W) -> Self {
        Self { out, current: None, last_line: SystemTime::UNIX_EPOCH, begun: false, waiting: BTreeMap::new() }
    }

    /// Shows what an event has changed on the board at this position.
    pub fn show(&mut self, board: &Board, event: &Event, at: usize, now: SystemTime) {
        let step = &board.steps[at];
        let Some(number) = step.number else { return };
        let lines = lines(step, number, event);
        let is_over = step.finished.is_some();
        let takes_over = match self.current {
            None => true,
            Some(current) => {
                current == at
                    || is_over
                    || now.duration_since(self.last_line).is_ok_and(|idle| idle > PATIENCE)
            }
        };
        if !takes_over {
            let waiting = self.waiting.entry(at).or_default();
            waiting.extend(lines);
            if waiting.len() > MAX_WAITING {
                self.switch(board, at);
                self.flush(at, now);
            }
            return;
        }
        if lines.is_empty() && !is_over && self.current.is_some() && self.current != Some(at) {
            return;
        }
        self.switch(board, at);
        self.waiting.entry(at).or_default().extend(lines);
        self.flush(at, now);
        if let Some(outcome) = step.outcome() {
            self.print(&format!("#{number} {}\n", ending(step, outcome)));
            self.current = None;
            self.waiting.remove(&at);
            self.continue_another(board, now);
        }
    }

    /// Makes a step the one that is shown.
    fn switch(&mut self, board: &Board, at: usize) {
        if self.current == Some(at) {
            return;
        }
        let mut text = String::new();
        if let Some(number) = self.current.and_then(|current| board.steps[current].number) {
            text.push_str(&format!("#{number} ...\n"));
        }
        if self.begun {
            text.push('\n');
        }
        self.begun = true;
        let step = &board.steps[at];
        let number = step.number.unwrap_or_default();
        text.push_str(&format!("#{number} {}\n", human::shorten(&step.name, MAX_NAME)));
        self.print(&text);
        self.current = Some(at);
    }

    fn flush(&mut self, at: usize, now: SystemTime) {
        let lines = std::mem::take(self.waiting.entry(at).or_default());
        if !lines.is_empty() {
            self.print(&(lines.join("\n") + "\n"));
            self.last_line = now;
        }
    }

    /// Shows the running step that has most to say.
    fn continue_another(&mut self, board: &Board, now: SystemTime) {
        let next = self.waiting.iter().max_by_key(|(at, lines)| (lines.len(), std::cmp::Reverse(**at)));
        let Some((&at, _)) = next.filter(|(_, lines)| !lines.is_empty()) else { return };
        self.switch(board, at);
        self.flush(at, now);
    }

    fn print(&mut self, text: &str) {
        // If stderr is closed, there is nowhere to report that.
        let _ = self.out.write_all(text.as_bytes());
    }
}

/// The lines that the event adds to its step.
fn lines(step: &StepState, number: u32, event: &Event) -> Vec<String> {
    let output = step.fresh.iter().map(|line| format!("#{number} {:.3} {}", line.seconds, line.text));
    let mut lines: Vec<String> = output.collect();
    match event {
        Event::Why { .. } => {
            lines.extend(step.why.iter().map(|why| format!("#{number} why: {why}")));
        }
        Event::Finished { outcome, .. } => {
            // What failed is what began last.
            let failed =
                matches!(outcome, Outcome::Failed(_)).then(|| step.transfers.len().saturating_sub(1));
            let ends = step.transfers.iter().enumerate().map(|(at, one)| {
                let done = if failed == Some(at) { "" } else { " done" };
                format!("#{number} {}{done}", one.shown())
            });
            lines.extend(ends);
        }
        _ => {}
    }
    lines
}

fn ending(step: &StepState, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(_) => format!("DONE {:.1}s", step.elapsed(SystemTime::UNIX_EPOCH).as_secs_f64()),
        Outcome::Cached => "CACHED".into(),
        Outcome::Failed(why) => format!("ERROR: {}", hull_printable::cell(why)),
        Outcome::Cancelled => "CANCELED".into(),
    }
}
