//! Why a build has failed: the last lines that the step printed, and the Dockerfile around its instruction.

use hull_build::dockerfile::Span;

use super::board::{Board, StepState};

/// How many lines of output are shown.
const OUTPUT: usize = 20;
/// A longer instruction is cut in its middle.
const MAX_LINES: u32 = 24;

/// The last output of the step that failed, as BuildKit shows it.
pub fn output(step: &StepState) -> String {
    let mut text = format!("------\n > {}:\n", step.name);
    if step.lines > OUTPUT {
        text.push_str(&format!("… {} lines before\n", step.lines - OUTPUT));
    }
    for line in step.output.iter().skip(step.output.len().saturating_sub(OUTPUT)) {
        text.push_str(&format!("{:.3} {}\n", line.seconds, line.text));
    }
    text.push_str("------\n");
    text
}

/// The lines of the instruction, marked, with those around them.
pub(super) fn excerpt(name: &str, source: &str, span: Span) -> String {
    // BuildKit shows fewer lines around an instruction of several.
    let around = if span.first == span.last { 2 } else { 1 };
    let first = span.first.saturating_sub(around).max(1);
    let last = span.last.saturating_add(around);
    let numbered = (1..).zip(source.lines()).skip_while(|(number, _)| *number < first);
    if source.is_empty() {
        return String::new();
    }
    let mut text = format!("{}:{}\n--------------------\n", hull_printable::cell(name), span.first);
    let cut = (span.first + MAX_LINES / 2)..=span.last.saturating_sub(MAX_LINES / 2);
    for (number, line) in numbered.take_while(|(number, _)| *number <= last) {
        if cut.contains(&number) {
            if number == *cut.start() {
                text.push_str("     | >>> …\n");
            }
            continue;
        }
        let mark = if (span.first..=span.last).contains(&number) { ">>>" } else { "   " };
        let line = hull_printable::block(line.trim_end_matches('\r'));
        text.push_str(format!("{number:4} | {mark} {line}").trim_end());
        text.push('\n');
    }
    text.push_str("--------------------\n");
    text
}

/// What is shown above the error.
pub fn shown(board: &Board, at: Option<(&str, Span)>) -> String {
    let mut text = String::new();
    if let Some(step) = board.failed().filter(|step| step.lines > 0) {
        text.push_str(&output(step));
    }
    if let (Some((name, span)), Some((_, source))) = (at, &board.dockerfile) {
        text.push_str(&excerpt(name, source, span));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instruction_is_marked_among_the_lines_around_it() {
        let source = "FROM a\nRUN one\nRUN two \\\n  three\n\nRUN four\nUSER x\nCMD y\nCMD z\n";
        let shown = excerpt("Dockerfile", source, Span { first: 3, last: 4 });
        let wanted = "\
Dockerfile:3
--------------------
   2 |     RUN one
   3 | >>> RUN two \\
   4 | >>>   three
   5 |
--------------------
";
        assert_eq!(shown, wanted);
    }

    #[test]
    fn a_long_instruction_is_cut_in_its_middle() {
        let source = (1..=1000).map(|line| format!("line {line}\n")).collect::<String>();
        let shown = excerpt("a\x1b", &source, Span { first: 10, last: 900 });
        assert!(shown.lines().count() < 40 && shown.starts_with("a\\x1b:10\n"), "{shown}");
        assert!(shown.contains("  10 | >>> line 10\n") && shown.contains(" 900 | >>> line 900\n"), "{shown}");
        assert!(!excerpt("a", "one\n", Span { first: 9, last: 9 }).contains("one"));
    }
}
