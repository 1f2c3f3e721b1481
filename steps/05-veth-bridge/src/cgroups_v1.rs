//! The same limits with cgroup v1: a tree for each controller, and a directory in each of them.
//!
//! | v2 | v1 |
//! |---|---|
//! | `memory.max` | `memory/…/memory.limit_in_bytes` |
//! | `memory.swap.max`, swap alone | `memory/…/memory.memsw.limit_in_bytes`, memory and swap together |
//! | `cpu.max`, quota and period in one | `cpu/…/cpu.cfs_period_us`, `cpu.cfs_quota_us` |
//! | `pids.max` | `pids/…/pids.max` |
//! | `memory.events` | `memory/…/memory.oom_control` |
//! | 0 to `cgroup.procs` | 0 to `tasks` |
//!
//! The last line matters for speed. `cgroup.procs` moves a whole process, `tasks` one thread. To
//! move another process the kernel takes a lock that stops every fork and exec on the machine and,
//! after a quiet moment, waits 4 to 21 ms for an RCU grace period. A thread that moves itself needs
//! no lock (cgroup_procs_write_start in the kernel). The child has one thread and moves itself, so
//! it writes to `tasks`.
//!
//! Why is there a v2? In v1 a process can be below one group in the memory tree and below another
//! group in the cpu tree. So nobody could say what a group uses, and the kernel could not charge
//! the pages that it wrote to disk to the group that had changed them. Linux has had the one tree
//! of v2 since 2016, and most distributions have used only v2 since about 2021.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cgroups::{Limits, PERIOD, Plan, Setting, controllers};

/// The plan for v1: a directory in the tree of each controller that the limits need.
pub fn plan(mounts: &str, limits: &Limits, name: &str) -> Result<Plan> {
    let mut plan = Plan {
        // On v1 any cgroup may hold processes.
        leaf: None,
        directories: Vec::new(),
        settings: Vec::new(),
        optional: Vec::new(),
        procs_files: Vec::new(),
        oom_counter: None,
        // A user with write access to a v1 cgroup can move processes into it from any other one, and so
        // out of the limits there. So distributions do not delegate v1.
        hint: "hint: cgroup v1 cannot be delegated to unprivileged users safely: run this as root, or boot with v2\n      \
               (systemd.unified_cgroup_hierarchy=1)",
    };
    for controller in controllers(limits) {
        let mount = find(mounts, controller)
            .context("hint: see /proc/cgroups for what the kernel has, and mount | grep cgroup for where")
            .with_context(|| format!("no mounted cgroup tree has the controller {controller}"))?;
        let directory = mount.join(name);
        plan.settings.extend(limit_files(controller, &directory, limits));
        if let ("memory", Some(bytes)) = (controller, limits.memory) {
            // Optional settings are written last. Here that order is needed: memory and swap together
            // may not be less than memory alone.
            plan.optional.push((directory.join("memory.memsw.limit_in_bytes"), bytes.to_string()));
            plan.oom_counter = Some(directory.join("memory.oom_control"));
        }
        plan.directories.push(directory);
    }
    // Some machines mount two controllers in one tree.
    plan.directories.dedup();
    plan.procs_files = plan.directories.iter().map(|directory| directory.join("tasks")).collect();
    Ok(plan)
}

/// The limits of one controller: its files in the cgroup's directory.
pub fn limit_files(controller: &str, directory: &Path, limits: &Limits) -> Vec<Setting> {
    let file = |name: &str, value: u64| (directory.join(name), value.to_string());
    let mut files = Vec::new();
    match controller {
        "memory" => files.extend(limits.memory.map(|bytes| file("memory.limit_in_bytes", bytes))),
        "cpu" => {
            // v2 has one file for both. The period is written first, because the quota is a share of
            // the period.
            files.push(file("cpu.cfs_period_us", PERIOD));
            files.extend(limits.cpus.map(|cpus| file("cpu.cfs_quota_us", (cpus * PERIOD as f64) as u64)));
        }
        "pids" => files.extend(limits.pids.map(|count| file("pids.max", count))),
        _ => {}
    }
    files
}

/// Where the tree of a controller is mounted: the last field in mountinfo names the controllers
/// (proc(5)).
fn find(mounts: &str, controller: &str) -> Option<PathBuf> {
    let has_it = |line: &&str| {
        line.rsplit(' ').next().is_some_and(|options| options.split(',').any(|o| o == controller))
    };
    let line = mounts.lines().filter(|line| line.contains(" - cgroup ")).find(has_it)?;
    line.split(' ').nth(4).map(PathBuf::from)
}
