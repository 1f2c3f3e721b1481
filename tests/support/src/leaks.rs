//! What a scenario may not leave behind: mounts, cgroups, links, nft rules, processes, files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::mount::{UnmountFlags, unmount};

use crate::scenario::Scenario;
use crate::{cgroups, skip};

/// What is in the scenario's namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    mounts: Vec<PathBuf>,
    links: Vec<String>,
    rules: Vec<String>,
}

impl Traces {
    /// Of the calling thread's own mount and network namespace.
    pub fn of_namespaces() -> Self {
        Self { mounts: mounts(), links: links(), rules: rules() }
    }
}

/// Looks until nothing is left, because the monitor cleans up while the command has already returned. What is left
/// after twenty seconds is a leak.
pub fn settle(scenario: &Scenario) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let left = look(scenario);
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What there is at this moment.
pub fn look(scenario: &Scenario) -> Vec<String> {
    let mut left = Vec::new();
    let (before, after) = (scenario.before(), Traces::of_namespaces());
    let new = |list: &[PathBuf], old: &[PathBuf]| {
        list.iter().filter(|m| !old.contains(m)).cloned().collect::<Vec<_>>()
    };
    left.extend(new(&after.mounts, &before.mounts).iter().map(|m| format!("mount {}", m.display())));
    // A network's bridge, tunnel and tables stay after its last container; what belongs to a container does not.
    let links = after.links.iter().filter(|l| !before.links.contains(l) && !is_bridge(l));
    left.extend(links.map(|l| format!("link {l}")));
    left.extend(
        after.rules.iter().filter(|rule| !before.rules.contains(rule)).map(|rule| format!("nft {rule}")),
    );
    left.extend(cgroups::below(scenario.cgroup_parent()).iter().map(|c| format!("cgroup {}", c.display())));
    left.extend(processes(scenario).iter().map(|(pid, what)| format!("process {pid}: {what}")));
    // Files that live as long as a container. Volumes, images and the event log stay on purpose.
    let run = scenario.run_root();
    let data = scenario.data_root();
    for dir in [run.join("containers"), data.join("containers"), data.join("names")] {
        // Lock files stay: removing one while another process waits for it would break the lock.
        let left_there = entries(&dir).into_iter().filter(|file| !file.ends_with(".lock"));
        left.extend(left_there.map(|file| format!("file {}", file.display())));
    }
    left
}

/// Removes what [`settle`] found, so that one failure does not cause others.
pub fn sweep(scenario: &Scenario) {
    for (pid, _) in processes(scenario) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
    for dir in cgroups::below(scenario.cgroup_parent())
        .into_iter()
        .chain(cgroups::directories_of(scenario.cgroup_parent()))
    {
        kill_members(&dir);
        let deadline = Instant::now() + Duration::from_secs(1);
        while fs::remove_dir(&dir).is_err() && dir.exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    for mount in mounts_below(&scenario.path("")).iter().rev() {
        let _ = unmount(mount, UnmountFlags::DETACH);
    }
}

fn kill_members(cgroup: &Path) {
    // A frozen process handles SIGKILL only after it is thawed.
    let _ = fs::write(cgroup.join("freezer.state"), "THAWED");
    let _ = fs::write(cgroup.join("cgroup.freeze"), "0");
    for pid in fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default().lines() {
        if let Ok(pid) = pid.parse() {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }
}

/// Mount points below `dir`, in the order they were mounted.
pub fn mounts_below(dir: &Path) -> Vec<PathBuf> {
    mounts().into_iter().filter(|m| m.starts_with(dir)).collect()
}

fn mounts() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").expect("/proc is mounted");
    table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from).collect()
}

fn links() -> Vec<String> {
    let table = fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    table.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

fn is_bridge(link: &str) -> bool {
    link.starts_with("hull0") || link.starts_with("hl-") || link.starts_with("hx-")
}

/// The elements of hull's sets, and every line of other tables. Empty where `nft` is not installed, so that nobody
/// can add rules by hand either.
fn rules() -> Vec<String> {
    if skip::find_program("nft").is_none() {
        return Vec::new();
    }
    let output = Command::new("nft").args(["list", "ruleset"]).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let (mut ours, mut set, mut found) = (false, "", Vec::new());
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["table", _, name, "{"] => {
                ours = name.starts_with("hull");
                set = "";
            }
            ["set" | "map", name, "{"] => set = name,
            ["elements", "=", ..] if ours && !OF_NETWORKS.contains(&set) => {
                found.push(format!("{set}: {}", line.trim()));
            }
            _ => {}
        }
        if !ours {
            found.push(line.to_owned());
        }
    }
    found
}

/// The sets that know of networks; all others are about containers.
const OF_NETWORKS: [&str; 5] = ["bridges", "same", "open", "masquerading", "internal"];

/// Processes that belong to the scenario: by an environment or command line that names its directory, by a mount table
/// with a piece of it, or by a cgroup below its parent.
fn processes(scenario: &Scenario) -> Vec<(i32, String)> {
    let directory = scenario.path("").to_string_lossy().trim_end_matches('/').to_owned();
    let cgroup = format!("{}/", scenario.cgroup_parent());
    let belongs = |proc: &Path| {
        let mentions = |file: &str, text: &str| {
            let content = fs::read(proc.join(file)).unwrap_or_default();
            content.windows(text.len()).any(|w| w == text.as_bytes())
        };
        mentions("cgroup", &cgroup)
            || ["environ", "cmdline", "mountinfo"].iter().any(|file| mentions(file, &directory))
    };
    let own = std::process::id() as i32;
    let mut found = Vec::new();
    for entry in entries(Path::new("/proc")) {
        let Some(pid) = entry.file_name().and_then(|n| n.to_str()?.parse::<i32>().ok()) else { continue };
        if pid != own && belongs(&entry) {
            let command = fs::read_to_string(entry.join("cmdline")).unwrap_or_default().replace('\0', " ");
            let name = fs::read_to_string(entry.join("comm")).unwrap_or_default();
            // Zombies hold nothing. Their parent is found by itself if it belongs to the scenario.
            if !command.is_empty() {
                found.push((pid, format!("{} ({command})", name.trim())));
            }
        }
    }
    found
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect()
}
