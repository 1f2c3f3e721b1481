//! What the reader sees.

use crate::Task;
use crate::outcome::{Failure, Outcome};
use crate::runner::is_coloured;
use crate::table::Step;

/// How wide the text is.
const WIDTH: usize = 110;

/// The column in which the texts of a failure begin.
const INDENT: usize = 12;

/// One line for each task.
pub fn line(task: &Task, outcome: &Outcome) {
    let (word, colour) = match outcome {
        Ok(()) => ("ok", "32"),
        Err(why) if why.not_checked => ("NOT CHECKED", "33"),
        Err(_) => ("FAILED", "31"),
    };
    let escape = if task.escape { " (escape)" } else { "" };
    println!("  {}  {}  {}{escape}", paint(&format!("{word:<11}"), colour), task.number, task.title);
    if let Err(Failure { not_checked: true, seen, .. }) = outcome {
        // On one line, because it can be a command to copy.
        println!("               {seen}");
    }
}

/// The whole of a failure: what was expected, what was seen, why, and where help is.
pub fn failure(step: &Step, task: &Task, tasks: usize, why: &Failure) {
    let minutes: u32 = step.blanks_of(task.number).map(|blank| blank.minutes).sum();
    println!("\nTask {} of {tasks}: {} (usually takes {minutes} minutes)\n", task.number, task.title);
    paragraph("expected", &why.expected);
    paragraph("seen", &why.seen);
    if !why.why.is_empty() {
        paragraph("why", &why.why);
    }
    for (at, line) in why.printed.iter().enumerate() {
        paragraph(if at == 0 { "printed" } else { "" }, line);
    }
    for blank in step.blanks_of(task.number) {
        paragraph("write", &format!("`{}` in src/{}", blank.item, blank.file));
        blank.hint.iter().for_each(|line| paragraph("", line));
        paragraph("chapter", &step.chapter(blank));
    }
    paragraph("solution", &format!("cargo xtask learn --show {}", task.number));
    println!();
}

/// The last lines, after `count` of all tasks.
pub fn end(failed: &[&Task], unchecked: &[&Task], count: usize, all: usize) {
    let numbers =
        |tasks: &[&Task]| tasks.iter().map(|task| task.number.to_string()).collect::<Vec<_>>().join(", ");
    println!();
    if !failed.is_empty() {
        println!("Tasks that fail: {}.", numbers(failed));
    }
    if !unchecked.is_empty() {
        println!("Tasks that were NOT CHECKED: {}. They may be right or wrong.", numbers(unchecked));
    }
    if !failed.is_empty() || !unchecked.is_empty() {
        return;
    }
    match count == all {
        false => println!("{count} of {all} tasks were checked, and they pass."),
        true => println!(
            "All {all} tasks pass. Next: `cargo test --test lesson`, then `cargo xtask learn --next`."
        ),
    }
}

/// A label, and a text beside it. Each of its lines is wrapped.
fn paragraph(label: &str, text: &str) {
    let lines: Vec<String> = text.lines().flat_map(wrapped).collect();
    for (at, line) in lines.iter().enumerate() {
        let label = if at == 0 { label } else { "" };
        println!("  {label:<width$}{line}", width = INDENT - 2);
    }
}

/// The line, cut between words so that no part is wider than the column.
fn wrapped(line: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split_whitespace() {
        let last = lines.last_mut().expect("there is one");
        if !last.is_empty() && last.chars().count() + word.chars().count() + 1 > WIDTH - INDENT {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

fn paint(text: &str, colour: &str) -> String {
    if is_coloured() { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
}
