//! The same limits by cgroup v1: a tree for each controller, and a directory in each of them.
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
//! Why v2 came: here one process could be in the memory tree below one group and in the cpu tree
//! below another, so that nobody could say of a group what it uses, and pages written by one were
//! accounted to nobody. Since 2016 there is the one tree; most distributions use it alone since
//! 2021.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cgroups::{Limits, PERIOD, Plan};

pub fn plan(mounts: &str, limits: &Limits, name: &str) -> Result<Plan> {
    let directory = |controller: &str| {
        let mount = find(mounts, controller)
            .context("hint: see /proc/cgroups for what the kernel has, and mount | grep cgroup for where")
            .with_context(|| format!("no mounted cgroup tree has the controller {controller}"))?;
        Ok::<_, anyhow::Error>(mount.join(name))
    };
    let mut plan = Plan {
        // On v1 any cgroup may hold processes.
        leaf: None,
        directories: Vec::new(),
        settings: Vec::new(),
        optional: Vec::new(),
        procs_files: Vec::new(),
        oom_counter: None,
        // With write access to a v1 cgroup a user can escape the limits above it, so distributions
        // do not delegate it.
        hint: "hint: cgroup v1 cannot be delegated to unprivileged users safely: run this as root, or boot with v2\n      \
               (systemd.unified_cgroup_hierarchy=1)",
    };
    if let Some(bytes) = limits.memory {
        let directory = directory("memory")?;
        plan.settings.push((directory.join("memory.limit_in_bytes"), bytes.to_string()));
        // Written after the first: memory and swap together may not be less than memory alone.
        plan.optional.push((directory.join("memory.memsw.limit_in_bytes"), bytes.to_string()));
        plan.oom_counter = Some(directory.join("memory.oom_control"));
        plan.directories.push(directory);
    }
    if let Some(cpus) = limits.cpus {
        let directory = directory("cpu")?;
        // v2 has one file for both. The period is written first, because the quota is a share of
        // it.
        plan.settings.push((directory.join("cpu.cfs_period_us"), PERIOD.to_string()));
        plan.settings.push((directory.join("cpu.cfs_quota_us"), ((cpus * PERIOD as f64) as u64).to_string()));
        plan.directories.push(directory);
    }
    if let Some(count) = limits.pids {
        let directory = directory("pids")?;
        plan.settings.push((directory.join("pids.max"), count.to_string()));
        plan.directories.push(directory);
    }
    // Some machines mount two controllers in one tree.
    plan.directories.dedup();
    plan.procs_files = plan.directories.iter().map(|directory| directory.join("tasks")).collect();
    Ok(plan)
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
