//! Compares with Go's own answers: each line of `testdata/*.tsv` has a pattern or the text of a file, a path, and what
//! `filepath.Match` or `patternmatcher` says, all as JSON.

use std::path::Path;

use super::{Glob, Matched, Patterns, clean, program::Program};

fn cases(table: &str) -> impl Iterator<Item = (String, String, &str)> {
    table.lines().map(|line| {
        let mut fields = line.split('\t');
        let mut text = || serde_json::from_str(fields.next().unwrap()).unwrap();
        (text(), text(), fields.next().unwrap())
    })
}

fn answer(result: crate::Result<bool>) -> String {
    result.map_or_else(|_| "error".into(), |matches| matches.to_string())
}

#[test]
fn a_glob_matches_what_filepath_match_matches() {
    let mut wrong = Vec::new();
    for (pattern, path, expected) in cases(include_str!("testdata/match.tsv")) {
        let program = Program::parse(pattern.as_bytes(), false);
        let actual = answer(program.map(|program| program.matches(path.as_bytes())));
        if actual != expected {
            wrong.push(format!("{pattern:?} on {path:?}: {actual}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}: {}", wrong.len(), wrong.join("\n"));
}

#[test]
fn an_ignore_file_excludes_what_docker_excludes() {
    let mut wrong = Vec::new();
    for (file, path, expected) in cases(include_str!("testdata/ignore.tsv")) {
        let patterns = Patterns::parse_ignore_file(file.as_bytes());
        let actual = answer(patterns.map(|patterns| patterns.excludes(Path::new(&path))));
        if actual != expected {
            wrong.push(format!("{file:?} on {path:?}: {actual}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}: {}", wrong.len(), wrong.join("\n"));
}

/// A walk that leaves out what `may_include_beneath` says finds the same files as one that looks at every path.
#[test]
fn nothing_that_an_exception_includes_is_pruned() {
    for (file, path, expected) in cases(include_str!("testdata/ignore.tsv")) {
        let Ok(patterns) = Patterns::parse_ignore_file(file.as_bytes()) else { continue };
        let (path, mut above) = (Path::new(&path), Matched::default());
        let mut pruned = false;
        let mut directories: Vec<&Path> = path.ancestors().skip(1).collect();
        directories.pop();
        for directory in directories.into_iter().rev() {
            let (excluded, matched) = patterns.excludes_in(directory, &above);
            above = matched;
            pruned |= excluded && !patterns.may_include_beneath(directory);
        }
        assert!(
            !pruned || expected == "true",
            "{file:?} on {path:?} is included, and its directory is pruned"
        );
    }
}

#[test]
fn a_path_is_cleaned_as_in_go() {
    for (path, expected) in [
        ("", "."),
        ("a//b/../c/.", "a/c"),
        ("../../a", "../../a"),
        ("/../a", "/a"),
        ("a/..", "."),
        ("/", "/"),
        ("a/../..", ".."),
    ] {
        assert_eq!(clean(path.as_bytes()), expected.as_bytes(), "{path}");
    }
}

#[test]
fn a_source_has_a_base_without_wildcards_and_never_leaves_the_tree() {
    let glob = Glob::new("../a/./b*/c").unwrap();
    assert_eq!(glob.base(), Path::new("a"));
    assert!(glob.matches(Path::new("bx/c")) && !glob.matches(Path::new("b/x/c")));
    assert!(glob.may_match_beneath(Path::new("bx")) && !glob.may_match_beneath(Path::new("x")));
    let plain = Glob::new("/x/../y").unwrap();
    assert!(plain.base() == Path::new("y") && !plain.has_wildcards());
    let deep = Glob::deep("a/**/*.txt").unwrap();
    assert!(deep.matches(Path::new("x.txt")) || deep.matches(Path::new("b/c/x.txt")));
    assert!(Glob::new("a[").is_err());
}

#[test]
fn the_work_is_bounded_by_the_lengths_of_pattern_and_path() {
    let pattern = "*a".repeat(200) + "b";
    let path = "a".repeat(4000);
    assert!(!Program::parse(pattern.as_bytes(), false).unwrap().matches(path.as_bytes()));
    let deep = "**/a/".repeat(200) + "b*";
    let path = "a/".repeat(2000);
    assert!(!Program::parse(deep.as_bytes(), true).unwrap().matches(path.as_bytes()));
}
