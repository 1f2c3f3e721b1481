//! Limits as the files of cgroup v2.

use std::path::Path;

use super::Result;
use super::devices;
use super::files::{self, Error, make_dir};
use crate::spec::{Cpu, Memory, Resources};

/// Controllers every container gets where the kernel has them.
const ALWAYS: &[&str] = &["memory", "pids", "cpu"];

pub(super) fn create(mount: &Path, path: &str, resources: &Resources) -> Result<()> {
    let directory = mount.join(path);
    enable_controllers(mount, Path::new(path), &wanted(resources))?;
    make_dir(&directory)?;
    limit(&directory, resources)
}

/// Those a limit was asked for, by name.
fn wanted(resources: &Resources) -> Vec<&'static str> {
    let mut wanted = Vec::new();
    if resources.memory.is_some() {
        wanted.push("memory");
    }
    if let Some(cpu) = &resources.cpu {
        if cpu.shares.is_some() || cpu.quota.is_some() {
            wanted.push("cpu");
        }
        if cpu.cpus.is_some() || cpu.mems.is_some() {
            wanted.push("cpuset");
        }
    }
    if resources.pids.is_some() {
        wanted.push("pids");
    }
    wanted
}

/// A controller works in a cgroup when every cgroup above it passes it on (cgroup-v2.rst, "Enabling and Disabling").
fn enable_controllers(mount: &Path, path: &Path, wanted: &[&'static str]) -> Result<()> {
    let mut directory = mount.to_owned();
    let Some(parent) = path.parent() else { return Ok(()) };
    for name in std::iter::once(None).chain(parent.iter().map(Some)) {
        if let Some(name) = name {
            directory.push(name);
            make_dir(&directory)?;
        }
        let available = files::read(&directory.join("cgroup.controllers"))?;
        let enabled = files::read(&directory.join("cgroup.subtree_control"))?;
        let has = |list: &str, name: &str| list.split_whitespace().any(|other| other == name);
        for controller in wanted.iter().chain(ALWAYS) {
            if has(&enabled, controller) {
                continue;
            }
            if has(&available, controller) {
                let file = directory.join("cgroup.subtree_control");
                files::write(&file, &format!("+{controller}"))?;
            } else if wanted.contains(controller) {
                return Err(Error::NoController(controller));
            }
        }
    }
    Ok(())
}

pub(super) fn limit(directory: &Path, resources: &Resources) -> Result<()> {
    if let Some(memory) = &resources.memory {
        limit_memory(directory, memory)?;
    }
    if let Some(cpu) = &resources.cpu {
        limit_cpu(directory, cpu)?;
    }
    if let Some(pids) = &resources.pids {
        files::write(&directory.join("pids.max"), &number_or_max(pids.limit))?;
    }
    if !resources.devices.is_empty() {
        devices::attach(directory, &resources.devices)?;
    }
    for (file, value) in &resources.unified {
        if file.contains('/') {
            return Err(Error::Invalid(format!("{file:?} is no file of a cgroup")));
        }
        files::write(&directory.join(file), value)?;
    }
    Ok(())
}

fn limit_memory(directory: &Path, memory: &Memory) -> Result<()> {
    if memory.disable_oom_killer == Some(true) {
        return Err(Error::Invalid("cgroup v2 cannot switch the OOM killer off".into()));
    }
    if memory.swappiness.is_some() {
        return Err(Error::Invalid("cgroup v2 has no swappiness of its own".into()));
    }
    if let Some(limit) = memory.limit {
        files::write(&directory.join("memory.max"), &number_or_max(limit))?;
    }
    if let Some(swap) = memory.swap {
        // v1 counts memory and swap together, v2 swap alone.
        let alone = match memory.limit {
            Some(limit) if swap >= 0 && limit >= 0 => swap - limit,
            _ => swap,
        };
        let file = directory.join("memory.swap.max");
        // A kernel without swap has no such file, and nothing to limit.
        if file.exists() {
            files::write(&file, &number_or_max(alone))?;
        }
    }
    match memory.reservation {
        Some(reservation) => files::write(&directory.join("memory.low"), &number_or_max(reservation)),
        None => Ok(()),
    }
}

fn limit_cpu(directory: &Path, cpu: &Cpu) -> Result<()> {
    if let Some(shares) = cpu.shares {
        files::write(&directory.join("cpu.weight"), &weight(shares).to_string())?;
    }
    if cpu.quota.is_some() || cpu.period.is_some() {
        let quota = cpu.quota.map_or("max".into(), number_or_max);
        files::write(&directory.join("cpu.max"), &format!("{quota} {}", cpu.period.unwrap_or(100_000)))?;
    }
    if let Some(cpus) = &cpu.cpus {
        files::write(&directory.join("cpuset.cpus"), cpus)?;
    }
    match &cpu.mems {
        Some(mems) => files::write(&directory.join("cpuset.mems"), mems),
        None => Ok(()),
    }
}

/// Shares, 2 to 262,144, as a weight, 1 to 10,000: the straight line between the ends, as runc has it.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9_999 / 262_142
}

pub(super) fn number_or_max(limit: i64) -> String {
    if limit < 0 { "max".into() } else { limit.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_weights_from_end_to_end() {
        assert_eq!((weight(2), weight(1024), weight(262_144)), (1, 39, 10_000));
    }
}
