//! An image in lines of text, for comparison.
//!
//! ```text
//! layers 2
//! config Env ["PATH=/bin"]
//! history COPY a /a # buildkit
//! history (empty) CMD ["sh"]
//! /a file 644 0:0 "hello\n" 2020-01-01
//! /gone is deleted
//! ```

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};

use serde_json::Value;

use super::archive::Image;
use super::tree::{Kind, Node, Tree};

/// The keys of a configuration that a Dockerfile determines.
const KEYS: [&str; 13] = [
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "StopSignal",
    "Healthcheck",
    "Shell",
    "OnBuild",
    "MacAddress",
];

/// An image of one layer that others are built on.
#[derive(Debug)]
pub struct Base {
    diff_id: Value,
    tree: Tree,
}

impl Base {
    pub fn new(image: &Image) -> std::io::Result<Self> {
        Ok(Self { diff_id: diff_id(image), tree: image.tree()? })
    }
}

fn diff_id(image: &Image) -> Value {
    image.config["rootfs"]["diff_ids"][0].clone()
}

/// The image, with those files only that are not the same in `base`, if its lowest layer is the base's.
///
/// A time that is not before `started` is left out: a file gets it when the image is built.
pub fn describe(image: &Image, base: &Base, started: u64) -> std::io::Result<Vec<String>> {
    let mut lines = vec![format!("layers {}", image.layers.len())];
    for key in ["architecture", "os", "variant", "author"] {
        describe_value(&mut lines, key, &image.config[key]);
    }
    for key in KEYS {
        describe_value(&mut lines, &format!("config {key}"), &image.config["config"][key]);
    }
    for entry in image.config["history"].as_array().into_iter().flatten() {
        let empty = if entry["empty_layer"] == true { "(empty) " } else { "" };
        let text = entry["created_by"].as_str().unwrap_or_default();
        lines.push(format!("history {empty}{}", text.replace('\n', "\\n")));
    }
    let nothing = Tree::default();
    let is_based = diff_id(image) == base.diff_id;
    let (lower, own) =
        if is_based { (&base.tree, &image.layers[1..]) } else { (&nothing, &image.layers[..]) };
    let mut tree = lower.clone();
    for layer in own {
        tree.apply(layer)?;
    }
    describe_files(&mut lines, &tree, lower, started);
    Ok(lines)
}

fn describe_value(lines: &mut Vec<String>, key: &str, value: &Value) {
    let is_empty = match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    if !is_empty {
        // The order of a map's keys means nothing.
        lines.push(format!("{key} {}", sorted(value)));
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(values) => {
            let sorted_values: BTreeMap<_, _> =
                values.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            Value::Object(sorted_values.into_iter().collect())
        }
        other => other.clone(),
    }
}

fn describe_files(lines: &mut Vec<String>, tree: &Tree, lower: &Tree, started: u64) {
    let mut names: BTreeMap<u64, &str> = BTreeMap::new();
    for (path, node) in &tree.nodes {
        let first = *names.entry(node.inode).or_insert(path);
        let same = lower.nodes.get(path).is_some_and(|old| is_same(old, node));
        if same {
            continue;
        }
        let path = if path.is_empty() { "/" } else { path };
        if first.is_empty() || first == path {
            lines.push(format!("{path} {}", describe_node(node, started)));
        } else {
            lines.push(format!("{path} is {first}"));
        }
    }
    for path in lower.nodes.keys() {
        if !tree.nodes.contains_key(path) {
            lines.push(format!("{path} is deleted"));
        }
    }
}

/// Times of directories are those of the last change in them, which builders set or do not set.
fn is_same(old: &Node, new: &Node) -> bool {
    let plain = |node: &Node| Node { inode: 0, modified: 0, ..node.clone() };
    let same_time = old.modified == new.modified || new.kind == Kind::Directory;
    same_time && plain(old) == plain(new)
}

fn describe_node(node: &Node, started: u64) -> String {
    let kind = match &node.kind {
        Kind::File(_) => "file",
        Kind::Directory => "directory",
        Kind::Symlink(_) => "symlink",
        Kind::Fifo => "fifo",
        Kind::Device(true, ..) => "block",
        Kind::Device(false, ..) => "character",
    };
    let mut text = kind.to_owned();
    if !matches!(node.kind, Kind::Symlink(_)) {
        text += &format!(" {:o}", node.mode);
    }
    text += &format!(" {}:{}", node.owner.0, node.owner.1);
    match &node.kind {
        Kind::File(content) => text += &format!(" {}", describe_content(content)),
        Kind::Symlink(target) => text += &format!(" to {target}"),
        Kind::Device(_, major, minor) => text += &format!(" {major}:{minor}"),
        Kind::Directory | Kind::Fifo => {}
    }
    if node.modified < started && node.kind != Kind::Directory {
        text += &format!(" at {}", node.modified);
    }
    for (name, value) in &node.attributes {
        text += &format!(" {name}={}", value.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    text
}

fn describe_content(content: &[u8]) -> String {
    match std::str::from_utf8(content) {
        Ok(text) if text.len() <= 100 => format!("{text:?}"),
        _ => {
            let mut hasher = DefaultHasher::new();
            hasher.write(content);
            format!("{} bytes, {:016x}", content.len(), hasher.finish())
        }
    }
}

/// The lines that only one of two descriptions has: `- ` for the first's, `+ ` for the second's.
pub fn differences(first: &[String], second: &[String]) -> Vec<String> {
    let mut left: Vec<&String> = second.iter().collect();
    let mut found = Vec::new();
    for line in first {
        match left.iter().position(|other| *other == line) {
            Some(at) => drop(left.remove(at)),
            None => found.push(format!("- {line}")),
        }
    }
    found.extend(left.iter().map(|line| format!("+ {line}")));
    let history = |lines: &[String]| -> Vec<String> {
        lines.iter().filter(|line| line.starts_with("history")).cloned().collect()
    };
    if found.is_empty() && history(first) != history(second) {
        found.push("! the history is in another order".to_owned());
    }
    found
}
