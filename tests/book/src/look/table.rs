//! The states that teach most, for a browser without scripts: `generated/look/table.html`.

use std::fmt::Write;

use anyhow::Result;

use super::{Asked, COMMANDS, DAYS, State, read};

/// What the columns are called, in the order of the commands.
const COLUMNS: [&str; COMMANDS.len()] =
    ["hostname", "id", "echo $$", "ps", "mount", "ip", "cgroup", "ipcs", "uptime"];

/// What is on in the rows: as root, and after `user` also as an unprivileged user.
const ROWS: [&[&str]; 13] = [
    &[],
    &["user"],
    &["uts"],
    &["pid"],
    &["mnt"],
    &["pid", "mnt"],
    &["pid", "mnt", "proc"],
    &["proc"],
    &["cgroup"],
    &["net"],
    &["ipc"],
    &["time"],
    &["user", "uts", "pid", "mnt", "proc", "cgroup", "net", "ipc", "time"],
];

pub fn table() -> Result<String> {
    let states = read()?;
    let mut text = String::new();
    for (root, who) in [(true, "As root"), (false, "As yourself")] {
        write!(
            text,
            "<table class=\"look-table\">\n<caption>{who}</caption>\n<thead><tr><th>turned on</th>"
        )?;
        COLUMNS.iter().try_for_each(|column| write!(text, "<th><code>{column}</code></th>"))?;
        text.push_str("</tr></thead>\n<tbody>\n");
        for on in rows(root) {
            if let Some(state) = states.iter().find(|state| state.root == root && state.on == on) {
                row(&mut text, state)?;
            }
        }
        text.push_str("</tbody>\n</table>\n");
    }
    Ok(text)
}

/// Without `user` the kernel refuses everything to an unprivileged user: one such row is enough.
fn rows(root: bool) -> Vec<Vec<&'static str>> {
    let refused: &[&str] = &["uts"];
    let usual = ROWS.iter().map(|on| match root || on.is_empty() || on.contains(&"user") {
        true => on.to_vec(),
        false => [&["user"], *on].concat(),
    });
    let mut rows: Vec<_> = usual.collect();
    if !root {
        rows.insert(1, refused.to_vec());
    }
    rows
}

fn row(text: &mut String, state: &State) -> Result<()> {
    let name = if state.on.is_empty() { "nothing".to_owned() } else { state.on.join(", ") };
    write!(text, "<tr><th>{name}</th>")?;
    match &state.refused {
        Some(said) => write!(text, "<td colspan=\"{}\">{said}</td>", COLUMNS.len())?,
        None => state.inside.iter().try_for_each(|asked| write!(text, "<td>{}</td>", short(asked)))?,
    }
    text.push_str("</tr>\n");
    Ok(())
}

/// An answer that fits into a cell.
fn short(Asked { command, answer }: &Asked) -> String {
    let first = answer.first().map(String::as_str).unwrap_or_default();
    if command.contains("ps -o") {
        return format!("{} processes", answer.len().saturating_sub(1));
    }
    if command.starts_with("ip ") {
        let links = answer.iter().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
        return links.collect::<Vec<_>>().join(", ");
    }
    if command == DAYS {
        return first.strip_suffix(" up").unwrap_or(first).to_owned();
    }
    first.split(' ').next().unwrap_or_default().to_owned()
}
