//! The modules that each module uses, read from the source: `use` declarations, and paths that begin with `crate::` or
//! `super::`.  Calls of methods are not seen: an `impl Engine` in one file may call a method that another file adds to
//! `Engine`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module, as `directory/file`, and the modules that it uses.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// The graph of all files below a crate's `src`, without programs of their own in `bin`.
pub(crate) fn graph(source: &Path) -> Graph {
    let mut files = Vec::new();
    list(source, &mut files);
    let names: BTreeMap<String, &PathBuf> =
        files.iter().map(|path| (module_of(source, path), path)).collect();
    let mut graph = Graph::new();
    for (module, path) in &names {
        if module.split('/').any(|part| part == "tests") {
            continue;
        }
        let text = std::fs::read_to_string(path).expect("a source file can be read");
        let used = paths(&text).into_iter().filter_map(|path| resolve(module, &path, &names));
        // The items that a directory's `mod.rs` defines are meant for all files of the directory.
        let is_own = |used: &String| used.is_empty() || Path::new(module).starts_with(used);
        let used: BTreeSet<String> = used.filter(|used| !is_own(used)).collect();
        graph.insert(module.clone(), used);
    }
    graph
}

/// The same between the directories and files at the top of `src`.
pub(crate) fn directories(graph: &Graph) -> Graph {
    let directory = |module: &str| module.split('/').next().unwrap_or_default().to_owned();
    let mut directories = Graph::new();
    for (module, used) in graph {
        let used = used.iter().map(|used| directory(used)).filter(|used| *used != directory(module));
        directories.entry(directory(module)).or_default().extend(used);
    }
    directories
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a source directory can be read") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true if path.ends_with("bin") => {}
            true => list(&path, files),
            false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            false => {}
        }
    }
}

/// `net/mod.rs` and `net.rs` are `net`; the crate's root is the empty name.
fn module_of(source: &Path, path: &Path) -> String {
    let below = path.strip_prefix(source).expect("a file lies below the source").with_extension("");
    let name = below.to_string_lossy().into_owned();
    let name = name.strip_suffix("/mod").unwrap_or(&name);
    if matches!(name, "lib" | "main" | "mod") { String::new() } else { name.to_owned() }
}

/// All paths in a text that begin with `crate::` or `super::`, without comments and unit tests. `{…}` is split into single
/// paths.
fn paths(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some(at) = ["crate::", "super::"].iter().filter_map(|start| rest.find(start)).min() {
        let is_inside_a_name = rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        rest = &rest[at..];
        let length = tree_length(rest);
        if !is_inside_a_name {
            expand("", &rest[..length], &mut found);
        }
        rest = &rest[length.max(1)..];
    }
    found
}

/// The end of a path, including its braces.
fn tree_length(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' if depth > 0 || text[..at].ends_with("::") => depth += 1,
            '}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ if depth > 0 || c.is_alphanumeric() || c == '_' || c == ':' => {}
            _ => return at,
        }
    }
    text.len()
}

/// `a::{b, c::d}` into `a::b` and `a::c::d`.
fn expand(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, inner)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        found.push(format!("{prefix}{path}"));
        return;
    };
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[start..at].trim().is_empty() {
                    expand(&format!("{prefix}{head}"), &inner[start..at], found);
                }
                start = (at + 1).min(inner.len());
            }
            _ => {}
        }
    }
}

/// The module that a path leads to: the longest beginning of the path that is a file. An item of the directory's own
/// `mod.rs` belongs to the directory.
fn resolve(from: &str, path: &str, names: &BTreeMap<String, &PathBuf>) -> Option<String> {
    let mut at: Vec<&str> = if path.starts_with("crate::") { vec![] } else { from.split('/').collect() };
    let mut parts = path.split("::").map(str::trim).peekable();
    parts.next_if_eq(&"crate");
    while parts.next_if_eq(&"super").is_some() {
        at.pop();
    }
    for part in parts {
        at.push(part);
        if !names.contains_key(&at.join("/")) {
            at.pop();
            break;
        }
    }
    Some(at.join("/"))
}

#[test]
fn paths_are_taken_apart() {
    let text = "use crate::a::{b, c::{D, e}};\nfn f() { super::g::h(); } // crate::not::this\n\
                #[cfg(test)]\nmod tests { use crate::nor::this; }";
    assert_eq!(paths(text), ["crate::a::b", "crate::a::c::D", "crate::a::c::e", "super::g::h"]);
    assert_eq!(paths("hull_crate::x"), Vec::<String>::new());
}
