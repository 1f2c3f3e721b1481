//! Checks that the files and directories exist that the pages about the code name.

use std::collections::BTreeSet;

use crate::workspace::{output, root};

/// These pages name files from the root of the repository, or by the end of their path: `monitor/timers.rs`.
const PAGES: [&str; 3] = ["CONTRIBUTING.md", "README.md", "final/ARCHITECTURE.md"];

/// The directories with the repository's own files. Other paths belong to the machine or to a container.
const OURS: [&str; 6] = ["final/", "steps/", "tests/", "book/", ".ci/", "src/"];

/// The words in backquotes that look like a file or directory of the repository.
fn named(text: &str) -> BTreeSet<&str> {
    let prose = text.split("```").step_by(2);
    let quoted = prose.flat_map(|prose| prose.split('`').skip(1).step_by(2));
    let is_path = |word: &&str| {
        let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        is_plain && (word.ends_with(".rs") || OURS.iter().any(|start| word.starts_with(start)))
    };
    quoted.filter(is_path).collect()
}

/// The part of a path before a name that the reader chooses: `book/diagrams` of `book/diagrams/NAME.picture`.
fn fixed(path: &str) -> &str {
    let chosen = ["NAME", "0N"].into_iter().filter_map(|part| path.find(part)).min();
    chosen.map_or(path, |at| path[..at].rsplit_once('/').map_or("", |(directory, _)| directory))
}

#[test]
fn every_path_in_the_pages_about_the_code_exists() {
    let mut git = std::process::Command::new("git");
    let listed =
        output(git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root()));
    let files: Vec<String> = listed.unwrap().lines().map(|file| format!("/{file}")).collect();
    let exists = |path: &str| {
        let path = format!("/{}", path.trim_end_matches('/'));
        files.iter().any(|file| file.ends_with(&path) || file.contains(&format!("{path}/")))
    };
    for page in PAGES {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let gone: Vec<_> = named(&text).into_iter().filter(|path| !exists(fixed(path))).collect();
        assert!(gone.is_empty(), "{page} names what is not there: {gone:?}");
    }
}
