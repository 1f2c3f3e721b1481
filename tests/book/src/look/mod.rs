//! What a process sees with each set of namespaces of its own, for the book's interactive page: two terminals, five
//! switches, root or an unprivileged user. Everything the page shows has been printed by a kernel, here.
//!
//! ```text
//! lab.sh      as root, in a lab: a network, a neighbour, a cgroup          (Shell of transcripts)
//!   host.sh     the left terminal, as root or as `you`
//!     unshare …   with the flags of the switches
//!       inside.sh   the right terminal
//! ```

mod capture;
mod file;

use anyhow::{Context, Result};
use hull_test_support::cgroups;
use serde::{Deserialize, Serialize};

pub use capture::capture;
pub use file::{read, table, write};

/// Names in /proc/PID/ns, in the order of the page.
const KINDS: [&str; 8] = ["uts", "pid", "mnt", "cgroup", "net", "ipc", "user", "time"];

/// What both terminals are asked.
const COMMANDS: [&str; 7] = [
    "hostname",
    "id",
    "echo $$",
    "busybox ps -o user,pid,comm",
    "mount | wc -l",
    "ip -brief address",
    "grep ^0:: /proc/self/cgroup",
];

/// A switch of the page: its name there, and what it adds to the command.
const SWITCHES: [(&str, &str); 5] = [
    ("uts", "--uts"),
    // Only children get into a PID namespace.
    ("pid", "--pid --fork"),
    ("mount", "--mount"),
    ("cgroup", "--cgroup"),
    ("net", "--net"),
];

/// How the switches stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub root: bool,
    /// Bit n is switch n.
    pub on: u8,
}

/// A command and what it prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub command: String,
    pub answer: Vec<String>,
}

/// The label of a kind, on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub kind: String,
    pub host: String,
    pub inside: String,
}

/// What there is to see at one setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub root: bool,
    pub on: Vec<String>,
    /// What made it.
    pub command: String,
    pub labels: Vec<Label>,
    /// What the inside did before it was asked.
    pub first: Vec<Asked>,
    pub host: Vec<Asked>,
    pub inside: Vec<Asked>,
}

/// Every setting, in the order of the file: root's first.
pub fn settings() -> impl Iterator<Item = Setting> {
    let all = |root| (0..1 << SWITCHES.len()).map(move |on| Setting { root, on });
    all(true).chain(all(false))
}

/// Why no state can be captured here, if that is so.
pub fn hindrance() -> Option<&'static str> {
    if !nix::unistd::geteuid().is_root() {
        return Some("a machine of its own for each state takes root");
    }
    let has_v2 = cgroups::hierarchies().iter().any(|hierarchy| hierarchy.v2);
    (!has_v2).then_some("no cgroup v2 hierarchy is mounted")
}

/// Captures every state and writes them to the file.
pub fn capture_all() -> Result<()> {
    if let Some(why) = hindrance() {
        anyhow::bail!("nothing can be captured here: {why}");
    }
    let states: Result<Vec<_>> = settings()
        .map(|setting| capture(setting).with_context(|| format!("capturing {}", setting.command())))
        .collect();
    write(&states?)
}

impl Setting {
    fn switches(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        SWITCHES
            .into_iter()
            .enumerate()
            .filter(move |(n, _)| self.on & (1 << n) != 0)
            .map(|(_, switch)| switch)
    }

    /// What is typed to get there; nothing but the program if no switch is on.
    pub fn make(self) -> String {
        if self.on == 0 {
            return String::new();
        }
        // An unprivileged user has no power over any namespace but those of a user namespace of their own.
        let user = if self.root { "" } else { " --user --map-root-user" };
        let flags: String = self.switches().map(|(_, flags)| format!(" {flags}")).collect();
        format!("unshare{user}{flags}")
    }

    /// With the program.
    pub fn command(self) -> String {
        format!("{} ./box", self.make()).trim_start().to_owned()
    }
}

impl State {
    /// What stays the same from capture to capture: no pids but 1, no inode numbers, and of mounts only how many more.
    pub fn shape(&self) -> Vec<String> {
        let mut shape = vec![format!("root {} {:?} {}", self.root, self.on, self.command)];
        for label in &self.labels {
            let is_new = label.host != label.inside;
            shape.push(format!("{} {}", label.kind, if is_new { "new" } else { "shared" }));
        }
        let mounts = |asked: &[Asked]| -> i64 {
            let count = asked.iter().find(|asked| asked.command.starts_with("mount |"));
            count.and_then(|asked| asked.answer.first()?.parse().ok()).unwrap_or_default()
        };
        shape.push(format!("{} mounts more inside", mounts(&self.inside) - mounts(&self.host)));
        for (side, asked) in [("first", &self.first), ("host", &self.host), ("inside", &self.inside)] {
            for Asked { command, answer } in
                asked.iter().filter(|asked| !asked.command.starts_with("mount |"))
            {
                let holes = command.contains("ps -o") || command.starts_with("echo");
                let lines = answer.iter().map(|line| if holes { without_pids(line) } else { line.clone() });
                shape.push(format!("{side}: {command}\n{}", lines.collect::<Vec<_>>().join("\n")));
            }
        }
        shape
    }
}

fn without_pids(line: &str) -> String {
    let words = line.split_whitespace();
    let words = words.map(|word| if word != "1" && word.parse::<u32>().is_ok() { "<pid>" } else { word });
    words.collect::<Vec<_>>().join(" ")
}
