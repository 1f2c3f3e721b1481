//! A start, from the `execve` of hull to that of the program: the calls that divide it.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use hull_test_support::cgroups;
use serde::{Deserialize, Serialize};

use super::watch::{self, Call};
use super::{Machine, shell};

/// What is started.
pub const COMMAND: &str = "hull run --rm --network none busybox true";

/// The fastest of so many is kept, whole.
const STARTS: usize = 100;

/// The three processes in the order in which they are made.
const PROCESSES: [&str; 3] = ["command", "monitor", "process 1"];

/// A part of a start: who makes it, the call that it begins with, the first of that name after the part before, and what it is.
const PARTS: [(usize, &str, &str); 26] = [
    (0, "execve", "the shell's child becomes hull, which begins before the C library does"),
    (0, "open_tree", "a read-only mount of hull's own file"),
    (0, "execveat", "hull again, from there: the command line, the image, its config"),
    (0, "linkat", "the name is claimed with a file that is written already; it fails if somebody has it"),
    (0, "mkdir", "the container's directory, made under another name and renamed to its id"),
    (0, "clone", "the monitor; from here on the command waits on a socket"),
    (1, "setsid", "a session of its own; no terminal; the container's lock, socket and state"),
    (1, "unshare", "a mount namespace: everything in it becomes a slave of the host's mounts"),
    (1, "fsopen", "the overlay: `fsconfig` for each layer, `fsmount`, `move_mount`"),
    (1, "mount", "a tmpfs for `hostname`, `hosts` and `resolv.conf`"),
    (1, "prctl", "which capabilities there are; pipes; the kept filter"),
    (1, "mkdir", "the cgroups, and the devices that may be opened"),
    (1, "clone3", "process 1, in five new namespaces and in its cgroup of version 2"),
    (2, "prctl", "it dies with the monitor; nobody may look into it"),
    (2, "setsid", "a session and a keyring of its own, the host name, `lo`"),
    (2, "open", "the cgroups of version 1: `0` to each `tasks`"),
    (2, "unshare", "the cgroup namespace, last of the six"),
    (2, "mount", "`/proc`, `/dev`, `/sys` and the rest, each by descriptor"),
    (2, "mknodat", "six devices, and links to them"),
    (2, "open_tree", "what is read-only, and what is covered"),
    (2, "pivot_root", "the new root; the old one is taken away"),
    (2, "prctl", "the bounding set, one call for each capability"),
    (2, "setgroups", "groups and user"),
    (2, "capset", "the capabilities that are left"),
    (2, "sendmsg", "ready; the monitor says go; every signal as it was"),
    (2, "seccomp", "the filter, last: it need only let `execve` pass"),
];

/// What was measured of one part.
#[derive(Debug, Serialize, Deserialize)]
pub struct Part {
    pub who: String,
    pub call: String,
    /// How many calls it has, the one that it begins with included.
    pub calls: usize,
    /// When it begins, in microseconds after the start.
    pub at: u64,
}

/// `book/measured/start.json`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Start {
    #[serde(flatten)]
    pub machine: Machine,
    pub command: String,
    pub starts: usize,
    pub parts: Vec<Part>,
    /// When the program begins.
    pub end: u64,
}

/// Why a start cannot be divided into these parts here, if that is so.
pub fn hindrance() -> Option<&'static str> {
    if !nix::unistd::geteuid().is_root() {
        return Some("to watch a start takes root");
    }
    // Another has neither `open` nor `mkdir`.
    (!cfg!(target_arch = "x86_64")).then_some("the calls are those of x86-64")
}

/// The part that a machine without version 1 of cgroups does not have.
const OF_VERSION_1: (usize, &str) = (2, "open");

/// The process that makes each call, as the pages name it.
pub fn sequence() -> Vec<(String, String)> {
    PARTS.iter().map(|(who, call, _)| (PROCESSES[*who].to_owned(), (*call).to_owned())).collect()
}

/// Whether a start is made of these parts, on the programs in that directory; what is missing if not.
pub fn replay(binaries: &Path) -> Result<()> {
    let calls = watch::order(&mut shell(binaries)?, COMMAND)?;
    let has_v1 = cgroups::hierarchies().iter().any(|hierarchy| !hierarchy.v2);
    divide(&calls, |part| has_v1 || part != OF_VERSION_1).map(drop)
}

pub fn measure(binaries: &Path) -> Result<Start> {
    if let Some(why) = hindrance() {
        anyhow::bail!("nothing can be measured here: {why}");
    }
    let machine = Machine::this()?;
    let mut shell = shell(binaries)?;
    let starts = watch::times(&mut shell, COMMAND, STARTS)?;
    let divided: Vec<Vec<(u64, usize)>> =
        starts.iter().map(|calls| divide(calls, |_| true)).collect::<Result<_>>()?;
    // Whatever else the machine did meanwhile, in this one it did least.
    let fastest = divided.into_iter().min_by_key(|parts| parts.last().map(|end| end.0));
    let mut fastest = fastest.context("at least one start")?;
    let (end, _) = fastest.pop().context("a start ends")?;
    let parts = PARTS.iter().zip(fastest).map(|((who, call, _), (at, calls))| Part {
        who: PROCESSES[*who].into(),
        call: (*call).into(),
        calls,
        at,
    });
    let parts = parts.collect();
    Ok(Start { machine, command: COMMAND.into(), starts: STARTS, parts, end })
}

/// When each part that is wanted begins, in microseconds, and how many calls it has; at the end the program's own `execve`.
fn divide(calls: &[Call], is_wanted: impl Fn((usize, &str)) -> bool) -> Result<Vec<(u64, usize)>> {
    let processes = watch::processes(calls);
    ensure!(processes.len() >= PROCESSES.len(), "a start has {} processes only", processes.len());
    let zero = processes[0].first().context("a process makes calls")?.at;
    let program = processes[2].iter().rfind(|call| call.name == "execve");
    let end = program.context("process 1 executes nothing")?.at;
    let mut found = Vec::new();
    for (who, name) in PROCESSES.iter().enumerate() {
        let calls = &processes[who];
        let mut parts: Vec<_> = PARTS
            .iter()
            .filter(|part| part.0 == who && is_wanted((part.0, part.1)))
            .map(|part| part.1)
            .collect();
        if who == PROCESSES.len() - 1 {
            parts.push("execve");
        }
        let mut begins = Vec::new();
        let mut from = 0;
        for part in parts {
            let next = calls[from..].iter().position(|call| call.name == part);
            let next = from
                + next.with_context(|| format!("{name}: no {part} where the book has it: {calls:#?}"))?;
            begins.push(next);
            from = next + 1;
        }
        // What they do later is no part of the start.
        let until = calls.iter().filter(|call| call.at <= end).count();
        let ends = begins.iter().skip(1).copied().chain([until]);
        found.extend(
            begins.iter().zip(ends).map(|(&begin, end)| (calls[begin].at - zero, end.saturating_sub(begin))),
        );
    }
    Ok(found)
}

/// The table of the chapter, in the order of the times, for all processes together.
pub fn table(start: &Start) -> Result<String> {
    let known: Vec<_> = start.parts.iter().map(|part| (part.who.clone(), part.call.clone())).collect();
    ensure!(known == sequence(), "other parts were measured than there are: cargo xtask book --measure");
    let mut rows: Vec<_> = start.parts.iter().zip(PARTS).collect();
    rows.sort_by_key(|(part, _)| part.at);
    let mut text = String::from("| ms | who | begins with | calls | what |\n|---:|---|---|---:|---|\n");
    let milliseconds = |at: u64| format!("{:.2}", at as f64 / 1000.0);
    let mut last = "";
    for (part, (_, _, what)) in rows {
        let who = if part.who == last { "" } else { &part.who };
        let Part { call, calls, .. } = part;
        writeln!(text, "| {} | {who} | `{call}` | {calls} | {what} |", milliseconds(part.at))?;
        last = &part.who;
    }
    writeln!(text, "| {} | | `execve` | | your program |", milliseconds(start.end))?;
    let calls: usize = start.parts.iter().map(|part| part.calls).sum();
    let (starts, machine) = (start.starts, start.machine.shown());
    writeln!(text, "\n{calls} calls. The fastest of {starts} starts of `{}`; {machine}.", start.command)?;
    Ok(text)
}
