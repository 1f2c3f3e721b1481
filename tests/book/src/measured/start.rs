//! The parts of a start, from the `execve` of hull to the `execve` of the program.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use hull_test_support::cgroups;
use serde::{Deserialize, Serialize};

use super::watch::{self, Call};
use super::{Machine, shell};

/// What is started.
pub const COMMAND: &str = "hull run --rm --network none busybox true";

/// How many starts are measured. The fastest one is kept, with all of its parts.
const STARTS: usize = 100;

/// The three processes in the order in which they are made.
const PROCESSES: [&str; 3] = ["command", "monitor", "process 1"];

/// The parts of a start. Each has the process that makes it, the call that it begins with, and what it does. The call is the
/// first of that name after the part before.
const PARTS: [(usize, &str, &str); 26] = [
    (0, "execve", "the shell's child becomes hull, whose first code runs before the C library starts"),
    (0, "open_tree", "make a read-only mount of hull's own program"),
    (0, "execveat", "execute hull again from this mount; read the command line, the image and its config"),
    (0, "linkat", "claim the name, with a link to a complete file; this fails if the name exists"),
    (0, "mkdir", "make the container's directory under another name, and rename it to the id"),
    (0, "clone", "fork the monitor; from here on the command waits on a socket"),
    (1, "setsid", "start a session without a terminal; make the container's lock, socket and state"),
    (1, "unshare", "make a mount namespace, and make every mount in it a slave of the host's mount"),
    (1, "fsopen", "mount the overlay: `fsconfig` for each layer, `fsmount`, `move_mount`"),
    (1, "mount", "mount a tmpfs for `hostname`, `hosts` and `resolv.conf`"),
    (1, "prctl", "find out which capabilities exist; make pipes; read the compiled seccomp filter"),
    (1, "mkdir", "make the cgroups, and set which devices may be opened"),
    (1, "clone3", "make process 1, in five new namespaces and in its cgroup of version 2"),
    (2, "prctl", "ask to be killed when the monitor dies; forbid other processes to read the memory"),
    (2, "setsid", "start a session, make a keyring, set the hostname, set `lo` up"),
    (2, "open", "enter the cgroups of version 1: write `0` to each `tasks`"),
    (2, "unshare", "make the cgroup namespace, the last of the six"),
    (2, "mount", "mount `/proc`, `/dev`, `/sys` and the rest, each by descriptor"),
    (2, "mknodat", "make six devices, and links to them"),
    (2, "open_tree", "make paths read-only, and mask paths"),
    (2, "pivot_root", "change the root, and unmount the old one"),
    (2, "prctl", "shrink the bounding set, with one call for each capability"),
    (2, "setgroups", "change groups and user"),
    (2, "capset", "set the capabilities that the container keeps"),
    (2, "sendmsg", "send \"ready\", wait for the monitor's \"go\", restore the handling of all signals"),
    (2, "seccomp", "load the seccomp filter, last: of hull's own calls it has to allow only `execve`"),
];

/// What was measured of one part.
#[derive(Debug, Serialize, Deserialize)]
pub struct Part {
    pub who: String,
    pub call: String,
    /// How many calls it has, including the one that it begins with.
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

/// The reason why a start cannot be divided into these parts on this machine, if there is one.
pub fn hindrance() -> Option<&'static str> {
    if !nix::unistd::geteuid().is_root() {
        return Some("watching a start needs root");
    }
    // Other architectures have neither `open` nor `mkdir`.
    (!cfg!(target_arch = "x86_64")).then_some("the calls are those of x86-64")
}

/// The part that a machine without version 1 of cgroups does not have.
const OF_VERSION_1: (usize, &str) = (2, "open");

/// For each part, the process that makes it, as the pages name it, and its first call.
pub fn sequence() -> Vec<(String, String)> {
    PARTS.iter().map(|(who, call, _)| (PROCESSES[*who].to_owned(), (*call).to_owned())).collect()
}

/// Checks that a start, with the programs in that directory, consists of these parts. The error names the first missing one.
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
    // The fastest start is the one in which the machine did the least other work.
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
        // The processes make more calls after the start, which do not belong to it.
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
