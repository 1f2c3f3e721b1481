//! What a process sees with each set of namespaces of its own, for the book's interactive page: two terminals, nine
//! switches, root or an unprivileged user. Everything that the page shows was printed by a kernel.
//!
//! ```text
//! lab.sh          once, as root, in a lab: a network, a neighbour, a cgroup      (Shell of transcripts)
//!   frame.sh        for each state, in namespaces that end with it
//!     host.sh         the left terminal, as root or as `you`
//!       unshare …       with the flags of the switches
//!         inside.sh       the right terminal
//! ```

mod capture;
mod file;
mod table;

use anyhow::{Context, Result};
use hull_test_support::cgroups;

pub use capture::Lab;
pub use file::{read, write};
pub use table::table;

/// Names in /proc/PID/ns, in the order of the page.
const KINDS: [&str; 8] = ["user", "uts", "pid", "mnt", "cgroup", "net", "ipc", "time"];

/// The question of which only the difference between both sides stays the same: the two labs have other mounts.
const MOUNTS: &str = "mount | wc -l";

/// The question about the age of the machine, in days: seconds would differ in every state.
const DAYS: &str = "echo $(($(cut -d. -f1 /proc/uptime) / 86400)) days up";

/// What both terminals are asked.
const COMMANDS: [&str; 9] = [
    "hostname",
    "id",
    "echo $$",
    "busybox ps -o user,pid,comm",
    MOUNTS,
    "ip -brief address",
    "grep ^0:: /proc/self/cgroup",
    "ipcs -q | grep -c 0x",
    DAYS,
];

/// A switch of the page: its name there, and what it adds to the command.
const SWITCHES: [(&str, &str); 9] = [
    ("user", "--user --map-root-user"),
    ("uts", "--uts"),
    // Only children get into a PID namespace.
    ("pid", "--pid --fork"),
    ("mnt", "--mount"),
    // It is no namespace: the box does it.
    ("proc", ""),
    ("cgroup", "--cgroup"),
    ("net", "--net"),
    ("ipc", "--ipc"),
    // A new time namespace has the same clocks until an offset is set, here of 100 days.
    ("time", "--time --boottime 8640000 --fork"),
];

/// What the switch `proc` makes the box do first.
const MOUNT_PROC: &str = "mount -t proc proc /proc";

/// How the switches stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub root: bool,
    /// Bit n is switch n.
    pub on: u16,
}

/// A command and what it prints.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    pub command: String,
    pub answer: Vec<String>,
}

/// The label of a kind, on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub kind: String,
    pub host: String,
    /// None if there is no box.
    pub inside: Option<String>,
}

/// What there is to see at one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub root: bool,
    pub on: Vec<String>,
    /// What made it.
    pub command: String,
    pub labels: Vec<Label>,
    /// What unshare printed, if the kernel refused to make the namespaces. Then there is no box.
    pub refused: Option<String>,
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

/// Whether a link to the page may end with this: `pid,mnt` turns these switches on, and `root` makes the user root.
pub fn is_state(anchor: &str) -> bool {
    anchor.split(',').all(|name| name == "root" || SWITCHES.iter().any(|(switch, _)| *switch == name))
}

/// Why no state can be captured here, if that is so.
pub fn hindrance() -> Option<&'static str> {
    if !nix::unistd::geteuid().is_root() {
        return Some("making a lab takes root");
    }
    let has_v2 = cgroups::hierarchies().iter().any(|hierarchy| hierarchy.v2);
    (!has_v2).then_some("no cgroup v2 hierarchy is mounted")
}

/// Captures every state and writes them to the file.
pub fn capture_all() -> Result<()> {
    if let Some(why) = hindrance() {
        anyhow::bail!("nothing can be captured here: {why}");
    }
    let mut lab = Lab::start()?;
    let states: Result<Vec<_>> = settings()
        .map(|setting| lab.capture(setting).with_context(|| format!("capturing {}", setting.command())))
        .collect();
    write(&states?)
}

impl Setting {
    /// The setting with these switches on.
    pub fn of(root: bool, names: &[&str]) -> Self {
        let bits = SWITCHES.iter().enumerate().filter(|(_, (name, _))| names.contains(name));
        Self { root, on: bits.map(|(n, _)| 1 << n).sum() }
    }

    fn switches(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        SWITCHES
            .into_iter()
            .enumerate()
            .filter(move |(n, _)| self.on & (1 << n) != 0)
            .map(|(_, switch)| switch)
    }

    fn names(self) -> Vec<String> {
        self.switches().map(|(name, _)| name.to_owned()).collect()
    }

    fn has(self, name: &str) -> bool {
        self.switches().any(|(on, _)| on == name)
    }

    /// What is typed to get there; nothing but the program if no namespace is new.
    pub fn make(self) -> String {
        let mut words: Vec<&str> = Vec::new();
        for word in self.switches().flat_map(|(_, flags)| flags.split_whitespace()) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        if words.is_empty() { String::new() } else { format!("unshare {}", words.join(" ")) }
    }

    /// With the program.
    pub fn command(self) -> String {
        format!("{} ./box", self.make()).trim_start().to_owned()
    }
}

impl State {
    /// What stays the same from capture to capture: no pids but 1, no inode numbers, and of mounts and days only how many
    /// more there are inside.
    pub fn shape(&self) -> Vec<String> {
        let mut shape = vec![format!("root {} {:?} {} {:?}", self.root, self.on, self.command, self.refused)];
        for label in &self.labels {
            let is_new = label.inside.as_ref().is_some_and(|inside| *inside != label.host);
            shape.push(format!("{} {}", label.kind, if is_new { "new" } else { "shared" }));
        }
        for counted in [MOUNTS, DAYS] {
            let count = |asked: &[Asked]| -> Option<i64> {
                let answer = &asked.iter().find(|asked| asked.command == counted)?.answer;
                answer.first()?.split(' ').next()?.parse().ok()
            };
            let more = count(&self.inside).zip(count(&self.host)).map(|(inside, host)| inside - host);
            shape.push(format!("{counted}: {more:?} more inside"));
        }
        for (side, asked) in [("first", &self.first), ("host", &self.host), ("inside", &self.inside)] {
            for Asked { command, answer } in
                asked.iter().filter(|asked| ![MOUNTS, DAYS].contains(&&*asked.command))
            {
                let holes = command.contains("ps -o") || command == "echo $$";
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
