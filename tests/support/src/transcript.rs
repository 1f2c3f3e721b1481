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
//! `HULL_BLESS=1` writes what was printed into the file.

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
/// differences.
#[track_caller]
pub fn play(file: &Path, shell: impl Fn(&str) -> Command) {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let (mut played, mut differences) = (String::new(), String::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let _ = writeln!(played, "{line}");
        let Some(first) = line.strip_prefix("$ ") else { continue };
        let mut script = first.to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
            let _ = writeln!(played, "{more}");
            let _ = write!(script, "\n{}", &more[2..]);
        }
        let mut expected = String::new();
        while let Some(line) =
            lines.next_if(|line| !line.starts_with("$ ") && !line.starts_with('#') && !line.is_empty())
        {
            let _ = writeln!(expected, "{line}");
        }
        let printed = output(&mut shell(&format!("{PRELUDE}{script}")));
        played.push_str(&printed);
        if printed != expected {
            let _ = writeln!(differences, "$ {script}\n--- expected\n{expected}--- printed\n{printed}---\n");
        }
    }
    if std::env::var_os(BLESS).is_some_and(|v| v == "1") {
        std::fs::write(file, played).expect("the file can be written");
        return;
    }
    assert!(differences.is_empty(), "{}:\n{differences}", file.display());
}

/// What a command prints, in words that are the same in each run, and its exit code.
fn output(command: &mut Command) -> String {
    let outcome = run(command);
    let mut text = String::new();
    // An empty line would end the output, and one that begins with a mark would be read as a command.
    for line in normal(&outcome.stdout).lines().filter(|line| !line.is_empty()) {
        let mark = if line.starts_with(['$', '#', '>']) { "|" } else { "" };
        let _ = writeln!(text, "{mark}{line}");
    }
    if outcome.code() != 0 {
        let _ = writeln!(text, "[{}]", outcome.code());
    }
    text
}

/// Puts what differs from run to run into words.
pub fn normal(text: &str) -> String {
    const UNITS: &str = "(?:nanoseconds?|seconds?|minutes?|hours?|days?)";
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let pattern = |pattern: &str| Regex::new(pattern).expect("a pattern");
        vec![
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
