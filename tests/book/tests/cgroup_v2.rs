//! The transcripts of the book that need a machine with cgroup v2. `cargo xtask vm` types them in one; on a machine that
//! has v2 itself, the test of the transcripts types them with all others.

use std::io::Write;
use std::process::{Command, Stdio};

use hull_book::transcripts::{parse_blocks, same};

/// Pages with such transcripts. The virtual machine has no copy of the repository.
const PAGES: [(&str, &str); 4] = [
    ("steps/03-cgroups/limits.md", include_str!("../../../book/src/steps/03-cgroups/limits.md")),
    ("steps/03-cgroups/oom.md", include_str!("../../../book/src/steps/03-cgroups/oom.md")),
    ("steps/03-cgroups/v1.md", include_str!("../../../book/src/steps/03-cgroups/v1.md")),
    ("lab/cgroups.md", include_str!("../../../book/src/lab/cgroups.md")),
];

const MARK: &str = "--- end of what this command printed ---";

#[test]
#[ignore = "takes a machine with cgroup v2: cargo xtask vm"]
fn the_transcripts_of_cgroup_v2_are_what_is_printed() {
    let mut different = Vec::new();
    for (name, text) in PAGES {
        let typed = parse_blocks(text, &["console,v2"]).expect("every block begins with a prompt");
        assert!(!typed.is_empty(), "{name} has no transcript of cgroup v2");
        let commands = typed.iter().map(|typed| &*typed.command);
        let printed = enter(commands);
        assert_eq!(printed.len(), typed.len(), "{name}: the shell has ended too early: {printed:?}");
        for (typed, printed) in typed.iter().zip(printed) {
            if !same(&typed.expected, &printed) {
                let (line, command, expected) = (typed.line, &typed.command, typed.expected.join("\n"));
                let printed = printed.join("\n");
                different.push(format!(
                    "{name}:{line}: {command}\n--- the page says\n{expected}\n--- it prints\n{printed}\n"
                ));
            }
        }
    }
    assert!(different.is_empty(), "\n{}", different.join("\n"));
}

/// Types commands into one shell. The lines that each of them prints.
fn enter<'a>(commands: impl Iterator<Item = &'a str>) -> Vec<Vec<String>> {
    let script: String =
        commands.map(|command| format!("{{ {command}\n}} </dev/null 2>&1\necho; echo '{MARK}'\n")).collect();
    let mut shell = Command::new("sh");
    shell.env("LC_ALL", "C").env("HOME", "/").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = shell.spawn().expect("a shell");
    let mut input = shell.stdin.take().expect("it is piped");
    // A thread of its own, because the shell may wait until its output is read.
    let writing = std::thread::spawn(move || input.write_all(script.as_bytes()));
    let output = shell.wait_with_output().expect("it ends");
    writing.join().expect("it writes").expect("the shell reads to the end");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut parts: Vec<&str> = text.split(&format!("{MARK}\n")).collect();
    parts.pop();
    let lines = |part: &&str| {
        let mut lines: Vec<String> = part.lines().map(|line| line.trim_end().to_owned()).collect();
        // Of the newline before the mark.
        if lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    };
    parts.iter().map(lines).collect()
}
