//! The lines that are not typed or do not succeed, with the reasons.

/// How a line is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Succeeds,
    /// The line ends with this exit code, and the README shows it for that reason.
    Fails(i32),
    /// The line does not end by itself. ctrl-c ends it, as a reader would.
    Interrupted,
    NotTyped,
}

/// A README, the beginning of a line in it, and how that line is handled.
#[derive(Debug)]
pub struct Row {
    pub readme: &'static str,
    pub line: &'static str,
    pub how: How,
    #[allow(dead_code, reason = "for readers of this table")]
    pub why: &'static str,
}

const ESCAPE: &str = "the escape from a container: it reads this machine's disk and changes its core_pattern; tests/lesson.rs shows it harmlessly";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { readme: "README.md", line: "cargo xtask test", how: How::NotTyped, why: "it is what types these lines, or a part of it" },
    Row { readme: "README.md", line: "hull logs -f web", how: How::Interrupted, why: "the log goes on as long as the container" },
    Row { readme: "CONTRIBUTING.md", line: "cargo xtask test", how: How::NotTyped, why: "it is what types these lines, or a part of it" },
    Row { readme: "CONTRIBUTING.md", line: "cargo xtask vm", how: How::NotTyped, why: "a stage of its own" },
    Row { readme: "CONTRIBUTING.md", line: "cargo xtask bench", how: How::NotTyped, why: "it measures, which takes a machine without other work" },
    Row { readme: "CONTRIBUTING.md", line: "cargo xtask book", how: How::NotTyped, why: "it writes into the repository; the stage `book` builds the pages" },
    Row { readme: "steps/02-pid-mount/README.md", line: "touch /usr/x", how: How::Fails(1), why: "the root is read-only" },
    Row { readme: "steps/02-pid-mount/README.md", line: "exit", how: How::Fails(2), why: "sh cannot hand the terminal back, as the README says" },
    Row { readme: "steps/03-cgroups/README.md", line: "step-03-cgroups run --cpus 0.2", how: How::Interrupted, why: "a loop, to be watched" },
    Row { readme: "steps/07-security/README.md", line: "step-06-images run image sh", how: How::NotTyped, why: ESCAPE },
    Row { readme: "steps/07-security/README.md", line: "mknod /disk b 8 0", how: How::NotTyped, why: ESCAPE },
    Row { readme: "steps/07-security/README.md", line: "head -c 2M /disk", how: How::NotTyped, why: ESCAPE },
    Row { readme: "steps/07-security/README.md", line: "echo '|/tmp/mine'", how: How::NotTyped, why: ESCAPE },
    Row { readme: "steps/07-security/README.md", line: "step-07-security run image mknod", how: How::Fails(1), why: "the capability is gone" },
    Row { readme: "steps/07-security/README.md", line: "step-07-security run image sh -c 'echo x", how: How::Fails(1), why: "the path is read-only" },
];

pub fn row(readme: &str, line: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.readme == readme && line.starts_with(row.line))
}

/// Rows of the table that match no line.
pub fn stale(used: &[&'static Row]) -> Vec<String> {
    let is_used = |row: &&Row| used.iter().any(|used| std::ptr::eq(*used, *row));
    ROWS.iter()
        .filter(|row| !is_used(row))
        .map(|row| format!("{}: no line begins with `{}`", row.readme, row.line))
        .collect()
}
