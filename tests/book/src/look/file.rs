//! `book/src/look/states.js`: a script, since a page that is opened as a file may load no data but in scripts.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Asked, State};
use crate::book;

const START: &str = "// Written by `cargo xtask book --capture`. Do not edit.\nwindow.lookStates = [\n";
const END: &str = "\n];\n";

fn path() -> PathBuf {
    book().join("src/look/states.js")
}

/// One state on a line, so that a difference can be read.
pub fn write(states: &[State]) -> Result<()> {
    let lines: Result<Vec<_>, _> = states.iter().map(serde_json::to_string).collect();
    let path = path();
    fs::write(&path, format!("{START}{}{END}", lines?.join(",\n")))
        .with_context(|| format!("writing {}", path.display()))
}

/// What was written last.
pub fn read() -> Result<Vec<State>> {
    let path = path();
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let states = text.strip_prefix(START).and_then(|rest| rest.strip_suffix(END));
    let states = states.context("it is not as `cargo xtask book --capture` writes it")?;
    serde_json::from_str(&format!("[{states}]")).with_context(|| format!("reading {}", path.display()))
}

/// The states that teach most, for readers without scripts: `generated/look/table.html`.
pub fn table() -> Result<String> {
    let states = read()?;
    let mut text = String::new();
    for (root, who) in [(true, "As root"), (false, "As yourself")] {
        write!(
            text,
            "<table class=\"look-table\">\n<caption>{who}</caption>\n<thead><tr><th>own namespaces</th>"
        )?;
        let columns = ["hostname", "id", "echo $$", "ps", "mount", "ip", "cgroup"];
        columns.iter().try_for_each(|column| write!(text, "<th><code>{column}</code></th>"))?;
        text.push_str("</tr></thead>\n<tbody>\n");
        let shown = |state: &&State| {
            state.root == root && matches!(state.on.len(), 0 | 1 | 5) || is_pair(state, root)
        };
        for state in states.iter().filter(shown) {
            let name = if state.on.is_empty() { "none".to_owned() } else { state.on.join(", ") };
            write!(text, "<tr><th>{name}</th>")?;
            state.inside.iter().try_for_each(|asked| write!(text, "<td>{}</td>", short(asked)))?;
            text.push_str("</tr>\n");
        }
        text.push_str("</tbody>\n</table>\n");
    }
    Ok(text)
}

/// What `ps` takes to tell the truth.
fn is_pair(state: &State, root: bool) -> bool {
    state.root == root && state.on == ["pid", "mount"]
}

/// An answer that fits into a cell.
fn short(Asked { command, answer }: &Asked) -> String {
    let first = answer.first().map(String::as_str).unwrap_or_default();
    if command.contains("ps -o") {
        return format!("{} processes", answer.len().saturating_sub(1));
    }
    if command.starts_with("ip") {
        let links = answer.iter().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
        return links.collect::<Vec<_>>().join(", ");
    }
    first.split(' ').next().unwrap_or_default().to_owned()
}
