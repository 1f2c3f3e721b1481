//! The crates below the command line are libraries: they leave the stdio, the terminal, the signals and the environment of
//! their process alone, and get what they need with the call. A server calls them for many users at the same time.

use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 7] = ["docker", "engine", "image", "netlink", "network", "storage", "yaml"];

/// Words that the source of a library may not contain.
const FORBIDDEN: [&str; 16] = [
    "env::var",
    "env::args",
    "env::set_var",
    "env::remove_var",
    "env::current_dir",
    "env::set_current_dir",
    "io::stdin",
    "io::stdout",
    "io::stderr",
    "rustix::stdio",
    "print!(",
    "println!(",
    "SignalFd",
    "sigaction",
    "thread_block",
    "sys::terminal",
];

/// The places where a library may do so, because each of them runs in a process of its own.
const EXCEPTIONS: [(&str, &str); 3] = [
    // The child that executes newuidmap or newgidmap: its stderr becomes a pipe.
    ("engine/src/rootless/idmap.rs", "rustix::stdio"),
    // The monitor, and the session of an `exec`: they leave the stdio of the command that forked them.
    ("engine/src/monitor/detach.rs", "rustix::stdio"),
    // The child that could not execute a runtime: its stderr is a pipe to the monitor.
    ("engine/src/runtimes/invoke.rs", "io::stderr"),
];

#[test]
fn libraries_leave_the_stdio_and_the_environment_of_their_process_alone() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../final/crates");
    let mut found = Vec::new();
    for name in CRATES {
        for file in sources(&crates.join(name).join("src")) {
            let shown = file.strip_prefix(&crates).unwrap().display().to_string();
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate() {
                let code = line.trim_start();
                for word in FORBIDDEN.iter().filter(|word| !code.starts_with("//") && code.contains(**word)) {
                    found.push((shown.clone(), *word, format!("{shown}:{}: {code}", number + 1)));
                }
            }
        }
    }
    let is_exception = |file: &str, word: &str| EXCEPTIONS.contains(&(file, word));
    let wrong: Vec<_> = found.iter().filter(|(file, word, _)| !is_exception(file, word)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (file, word) in EXCEPTIONS {
        let is_needed = found.iter().any(|(other, found, _)| (other.as_str(), *found) == (file, word));
        assert!(is_needed, "{file} has no {word}: the exception can go");
    }
}

/// The files of a directory that are not only for tests.
fn sources(directory: &Path) -> Vec<PathBuf> {
    const FOR_TESTS: [&str; 4] = ["tests", "tests.rs", "testing.rs", "fuzz"];
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if FOR_TESTS.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        match entry.path() {
            path if path.is_dir() => files.extend(sources(&path)),
            path => files.push(path),
        }
    }
    files
}
