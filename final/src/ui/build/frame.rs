//! The live view as text: a line for each step, below it the last lines that it has printed, and all of it no larger than the
//! terminal.

use std::time::{Duration, SystemTime};

use hull_build::progress::Outcome;

use super::board::{Board, StepState};

/// How many of the last lines of a running step are shown at most.
const MAX_TAIL: usize = 6;

/// Colours, or none where `NO_COLOR` asks for that.
#[derive(Debug, Clone, Copy)]
pub struct Colours(pub bool);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    Plain,
    Blue,
    Red,
    Yellow,
    Faint,
}

impl Colours {
    fn paint(self, text: &str, colour: Colour) -> String {
        // ECMA-48, SGR.
        let code = match colour {
            Colour::Blue => "34",
            Colour::Red => "31",
            Colour::Yellow => "33",
            Colour::Faint => "2",
            Colour::Plain => return text.to_owned(),
        };
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// What is shown of the build in a window of this many rows and columns. `over`: nothing follows, and all steps are shown.
pub fn frame(
    board: &Board,
    started: SystemTime,
    now: SystemTime,
    window: (usize, usize),
    colours: Colours,
    over: bool,
) -> Vec<String> {
    let (rows, columns) = window;
    let mut known: Vec<&StepState> = board.steps.iter().filter(|step| step.number.is_some()).collect();
    known.sort_by_key(|step| step.number);
    let total = board.steps.len();
    let elapsed = now.duration_since(started).unwrap_or_default();
    let state = if over && board.completed() == total && board.failed().is_none() { " FINISHED" } else { "" };
    let head = format!("[+] Building {} ({}/{total}){state}", seconds(elapsed), board.completed());
    let mut lines = vec![
        colours.paint(&fit(&head, columns), if state.is_empty() { Colour::Plain } else { Colour::Blue }),
    ];
    let room = if over { usize::MAX } else { rows.saturating_sub(lines.len()) };
    let shown = chosen(&known, room - if over { 0 } else { reserved(&known, room) });
    let tails = tails(&shown, room.saturating_sub(shown.len()), over);
    for (step, tail) in shown.iter().zip(tails) {
        lines.extend(step_lines(step, now, columns, colours, tail));
    }
    if !over {
        lines.truncate(rows);
    }
    lines
}

/// The steps for which there is room: those that run or have failed first, then those that ended last. In their order.
fn chosen<'a>(known: &[&'a StepState], room: usize) -> Vec<&'a StepState> {
    if known.len() <= room {
        return known.to_vec();
    }
    let mut ranked: Vec<usize> = (0..known.len()).collect();
    ranked.sort_by_key(|at| {
        let step = known[*at];
        let ended = step.finished.as_ref().map(|(at, ..)| *at);
        (!(step.is_running() || step.has_failed()), std::cmp::Reverse((ended, step.number)))
    });
    ranked.truncate(room);
    ranked.sort_unstable();
    ranked.into_iter().map(|at| known[at]).collect()
}

/// How many rows the output of running steps needs. It goes before the steps that have ended, and leaves some of them.
fn reserved(known: &[&StepState], room: usize) -> usize {
    let running = known.iter().filter(|step| step.is_running());
    let wanted: usize = running.clone().map(|step| wanted(step, false)).sum();
    wanted.min(room.saturating_sub(running.count())).min(room / 3 * 2)
}

/// How many rows a step has something for.
fn wanted(step: &StepState, over: bool) -> usize {
    let more = match over || !step.is_running() {
        true => notes(step).count(),
        false => {
            let lines = step.output.len() + step.pending().count();
            lines.min(MAX_TAIL) + usize::from(transfer(step).is_some())
        }
    };
    usize::from(step.why.is_some()) + more
}

/// How many rows below each step are for its output. Few rows are shared fairly.
fn tails(shown: &[&StepState], room: usize, over: bool) -> Vec<usize> {
    let mut tails = vec![0; shown.len()];
    let mut left = room;
    loop {
        let before = left;
        for (step, tail) in shown.iter().zip(&mut tails) {
            if left > 0 && *tail < wanted(step, over) {
                *tail += 1;
                left -= 1;
            }
        }
        if left == before || left == 0 {
            return tails;
        }
    }
}

fn step_lines(
    step: &StepState,
    now: SystemTime,
    columns: usize,
    colours: Colours,
    mut tail: usize,
) -> Vec<String> {
    let (word, colour) = match step.outcome() {
        None => ("", Colour::Plain),
        Some(Outcome::Done(_)) => ("", Colour::Blue),
        Some(Outcome::Cached) => ("CACHED ", Colour::Blue),
        Some(Outcome::Failed(_)) => ("ERROR ", Colour::Red),
        Some(Outcome::Cancelled) => ("CANCELED ", Colour::Yellow),
    };
    let mut lines =
        vec![row(&format!(" => {word}{}", step.name), step.elapsed(now), columns, colours, colour)];
    let over = step.finished.is_some();
    if let Some(why) = step.why.as_ref().filter(|_| tail > 0) {
        tail -= 1;
        lines.push(colours.paint(&fit(&format!(" => => why: {why}"), columns), Colour::Yellow));
    }
    if let Some(text) = transfer(step).filter(|_| tail > 0 && !over) {
        lines.push(fit(&format!(" => => {text}"), columns));
        tail -= 1;
    }
    if over {
        lines.extend(
            notes(step)
                .take(tail)
                .map(|note| fit(&format!(" => => {note}"), columns))
                .map(|line| colours.paint(&line, colour)),
        );
        return lines;
    }
    let texts: Vec<String> = step.output.iter().map(|line| line.text.clone()).chain(step.pending()).collect();
    let shown = texts.iter().skip(texts.len().saturating_sub(tail));
    lines.extend(shown.map(|text| colours.paint(&fit(&format!(" => => # {text}"), columns), Colour::Faint)));
    lines
}

/// What a step that has ended says about its result: the image's id and its names.
fn notes(step: &StepState) -> impl Iterator<Item = &str> {
    let notes = step.transfers.iter().filter(|one| one.current == 0 && one.total.is_none());
    notes.filter(|_| step.finished.is_some()).map(|one| one.what.as_str())
}

fn transfer(step: &StepState) -> Option<String> {
    step.transfers.iter().rev().find(|transfer| !transfer.done).map(super::board::Transfer::shown)
}

/// A text on the left and a time on the right.
fn row(text: &str, time: Duration, columns: usize, colours: Colours, colour: Colour) -> String {
    let time = seconds(time);
    // One column stays free: a terminal that wraps in the last one would break the line.
    let Some(width) = columns.checked_sub(time.len() + 2).filter(|width| *width >= 10) else {
        return colours.paint(&fit(text, columns), colour);
    };
    let text = fit(text, width + 1);
    let padding = " ".repeat(width.saturating_sub(columns_of(&text)) + 1);
    colours.paint(&format!("{text}{padding}{time}"), colour)
}

fn seconds(time: Duration) -> String {
    format!("{:.1}s", time.as_secs_f64())
}

/// Cuts the text to less than this many columns, and shows a tab as a space.
pub fn fit(text: &str, columns: usize) -> String {
    let mut fitted = String::new();
    let mut used = 0;
    for c in text.chars().map(|c| if c == '\t' { ' ' } else { c }) {
        used += width(c);
        if used >= columns {
            break;
        }
        fitted.push(c);
    }
    fitted
}

fn columns_of(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// The columns of a character: two for those that East Asian Width calls wide, and for pictures (Unicode, UAX 11).
fn width(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => 2,
        0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}
