//! `ps`: lists the processes of a container, with their pids on the host.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cli::{self, Format};
use crate::list::print;
use crate::state::Root;

pub fn ps(root: &Root, args: &cli::Ps) -> Result<u8> {
    let state = root.container(&args.id)?.read()?;
    let pids = state.open_cgroup()?.pids();
    match args.format {
        Format::Json => print(&serde_json::to_string(&pids)?),
        Format::Table => table(&pids, &args.options),
    }
}

/// Runs ps(1) with the user's options, and prints the lines about the container's processes.
fn table(pids: &[i32], options: &[String]) -> Result<u8> {
    let usual = ["-ef".to_owned()];
    let options = if options.is_empty() { &usual } else { options };
    let output = Command::new("ps").args(options).output().context("cannot run ps(1)")?;
    if !output.status.success() {
        bail!("ps {}: {}", options.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let heading = text.lines().next().unwrap_or_default();
    let Some(column) = heading.split_whitespace().position(|title| title == "PID") else {
        bail!("ps {}: its output has no PID column", options.join(" "));
    };
    let is_in_container = |line: &&str| {
        let pid = line.split_whitespace().nth(column).and_then(|field| field.parse().ok());
        pid.is_some_and(|pid: i32| pids.contains(&pid))
    };
    let lines: Vec<&str> =
        std::iter::once(heading).chain(text.lines().skip(1).filter(is_in_container)).collect();
    print(&lines.join("\n"))
}
