//! Transcripts: commands with what they print, recorded on one program and compared with another.
//!
//! ```text
//! # A comment.
//! $ docker run --rm busybox sh -c 'echo out; exit 3'
//! out
//! [3]
//! ```
//!
//! A line that begins with `$ ` is a command of a shell; lines with `> ` after it continue it. What follows is its output,
//! both streams in the order in which they were written, and its exit code in brackets where it is not 0. What differs
//! from run to run is put into words first: `<id>`, `<digest>`, `<time>`, `<ago>`, `<size>`.
//!
//! A line `~ text` after a line is what hull may print instead of it: other words for the same thing.
//!
//! `HULL_BLESS=1` writes what was printed into the file: on the oracle, what is expected; on hull, its other words.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use regex_lite::Regex;

use crate::outcome::run;

/// Set to `1` to write what was printed into the file.
pub const BLESS: &str = "HULL_BLESS";

/// Helpers for the commands: `eventually WORDS…` repeats a command, quietly, until it succeeds.
const PRELUDE: &str = "exec 2>&1\n\
    eventually() { n=0; until \"$@\" > /dev/null 2>&1; do n=$((n+1)); [ $n -lt 600 ] || { echo \"never: $*\"; return 1; }; \
    sleep 0.05; done; }\n";

/// Plays the commands of `file` one after the other, each by a shell that `shell` makes of its `-c` text. Panics with all
/// differences. On the oracle, the lines of hull's own are not expected.
#[track_caller]
pub fn play(file: &Path, on_oracle: bool, shell: impl Fn(&str) -> Command) {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let (mut blessed, mut differences) = (String::new(), String::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let _ = writeln!(blessed, "{line}");
        let Some(first) = line.strip_prefix("$ ") else { continue };
        let mut script = first.to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
            let _ = writeln!(blessed, "{more}");
            let _ = write!(script, "\n{}", &more[2..]);
        }
        let mut expected: Vec<Line> = Vec::new();
        while let Some(line) =
            lines.next_if(|line| !line.starts_with("$ ") && !line.starts_with('#') && !line.is_empty())
        {
            match (line.strip_prefix("~ "), expected.last_mut()) {
                (Some(own), Some(last)) => last.own = Some(own.to_owned()),
                _ => expected.push(Line { oracle: line.to_owned(), own: None }),
            }
        }
        let printed = output(&mut shell(&format!("{PRELUDE}{script}")));
        let fits = printed.len() == expected.len()
            && printed.iter().zip(&expected).all(|(printed, line)| line.fits(printed, on_oracle));
        if !fits {
            let wanted: Vec<&str> = expected.iter().map(|line| line.on(on_oracle)).collect();
            let (wanted, printed) = (wanted.join("\n"), printed.join("\n"));
            let _ =
                writeln!(differences, "$ {script}\n--- expected\n{wanted}\n--- printed\n{printed}\n---\n");
        }
        for line in merged(expected, &printed, on_oracle) {
            let _ = writeln!(blessed, "{}", line.oracle);
            if let Some(own) = line.own {
                let _ = writeln!(blessed, "~ {own}");
            }
        }
    }
    if std::env::var_os(BLESS).is_some_and(|v| v == "1") {
        std::fs::write(file, blessed).expect("the file can be written");
        return;
    }
    assert!(differences.is_empty(), "{}:\n{differences}", file.display());
}

/// What the oracle prints, and what hull prints instead of it.
struct Line {
    oracle: String,
    own: Option<String>,
}

impl Line {
    fn on(&self, oracle: bool) -> &str {
        self.own.as_deref().filter(|_| !oracle).unwrap_or(&self.oracle)
    }

    /// The oracle's words are always right.
    fn fits(&self, printed: &str, on_oracle: bool) -> bool {
        printed == self.oracle || printed == self.on(on_oracle)
    }
}

/// What is recorded of a command. Of hull's lines only words can be recorded: not their number, nor an exit code.
fn merged(expected: Vec<Line>, printed: &[String], on_oracle: bool) -> Vec<Line> {
    if on_oracle {
        let mut own = expected.into_iter();
        let keep = |line: Line, new: &str| (line.oracle == new).then_some(line.own).flatten();
        let line =
            |new: &String| Line { oracle: new.clone(), own: own.next().and_then(|line| keep(line, new)) };
        return printed.iter().map(line).collect();
    }
    let code = |line: Option<&str>| line.filter(|l| l.starts_with('[')).map(str::to_owned);
    let last = code(expected.last().map(|line| line.oracle.as_str()));
    if printed.len() != expected.len() || code(printed.last().map(String::as_str)) != last {
        return expected;
    }
    let with = |(line, new): (Line, &String)| {
        let own = (line.oracle != *new).then(|| new.clone());
        Line { oracle: line.oracle, own }
    };
    expected.into_iter().zip(printed).map(with).collect()
}

/// The lines of what a command prints, in words that are the same in each run, and its exit code.
fn output(command: &mut Command) -> Vec<String> {
    let outcome = run(command);
    // An empty line would end the output, and one that begins with a mark would be read as a command.
    let mark = |line: &str| {
        if line.starts_with(['$', '#', '>', '~']) { format!("|{line}") } else { line.to_owned() }
    };
    let mut lines: Vec<_> =
        normal(&outcome.stdout).lines().filter(|line| !line.is_empty()).map(mark).collect();
    if outcome.code() != 0 {
        lines.push(format!("[{}]", outcome.code()));
    }
    lines
}

/// Puts what differs from run to run into words.
pub fn normal(text: &str) -> String {
    const UNITS: &str = "(?:nanoseconds?|seconds?|minutes?|hours?|days?)";
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let pattern = |pattern: &str| Regex::new(pattern).expect("a pattern");
        vec![
            // Whether client 20.10 says so after a failed start is chance.
            (pattern("time=\"[^\n]*error waiting for container: context canceled\"\n"), ""),
            (pattern(r"/tmp/hull-test-\w+"), "<dir>"),
            (pattern(r"sha256:[0-9a-f]{64}"), "<digest>"),
            (pattern(r"\b[0-9a-f]{64}\b"), "<id>"),
            (pattern(r"sha256:[0-9a-f]{12}\b"), "<digest>"),
            (pattern(r"\b[0-9a-f]{12}\b"), "<id>"),
            (
                pattern(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| ?[+-]\d\d:?\d\d(?: [A-Z]+)?)"),
                "<time>",
            ),
            (pattern(&format!(r"(?:About an? |Less than a |\d+ ){UNITS} ago")), "<ago>"),
            (pattern(&format!(r"Up (?:About an? |Less than a |\d+ ){UNITS}")), "Up <time>"),
            (
                pattern(r"\b[1-9]\d*(?:\.\d+)?\s?(?:B|kB|MB|GB|KiB|MiB|GiB)\b|\b0\.\d+(?:kB|MB|GB)\b"),
                "<size>",
            ),
            (pattern(r"\b\d+(?:\.\d+)?%"), "<n>%"),
            (pattern(r"digest: <digest> size: \d+"), "digest: <digest> size: <n>"),
            (pattern(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b"), "<mac>"),
            // What the runtime says before it says what is wrong.
            (
                pattern(
                    "(?:failed to create task for container: failed to create shim task: )?OCI runtime \\w+ failed: (?:(?:\\w+ )?\\w+ failed: )?(?:unable to start container process: )?",
                ),
                "<runtime>: ",
            ),
            (pattern(": unknown(\\.?)\r?\n"), "$1\n"),
            (pattern(r"[ \t]*\r?\n"), "\n"),
            (pattern(r" {2,}"), " "),
        ]
    });
    let mut text = text.to_owned();
    for (pattern, word) in PATTERNS.iter() {
        text = pattern.replace_all(&text, *word).into_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn what_differs_is_put_into_words() {
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(normal(&format!("sha256:{id} {id} 0123456789ab x")), "<digest> <id> <id> x");
        assert_eq!(normal("Up About a minute   3 seconds ago\n"), "Up <time> <ago>\n");
        assert_eq!(normal("1.95MB 0B 2026-11-29T17:32:41.801307769Z 0.00%"), "<size> 0B <time> <n>%");
    }
}
