//! Limits as the files of cgroup v1.

use std::path::Path;

use super::files::{self, Error, make_dir};
use super::layout::{Hierarchy, find};
use super::{Result, v2};
use crate::spec::{DeviceRule, Memory, Resources};

pub(super) fn create(hierarchies: &[Hierarchy], path: &str, resources: &Resources) -> Result<()> {
    let cpuset_asked = resources.cpu.as_ref().is_some_and(|cpu| cpu.cpus.is_some() || cpu.mems.is_some());
    for hierarchy in hierarchies.iter().filter(|hierarchy| hierarchy.is_used()) {
        let is_cpuset = hierarchy.controllers.iter().any(|name| name == "cpuset");
        if is_cpuset && !cpuset_asked {
            continue;
        }
        make_dir(&hierarchy.mount.join(path))?;
        if is_cpuset {
            inherit_cpuset(&hierarchy.mount, Path::new(path))?;
        }
    }
    limit(hierarchies, path, resources)
}

/// A new cpuset is empty and takes no process: each level gets what the one above it has (cpuset(7)).
fn inherit_cpuset(mount: &Path, path: &Path) -> Result<()> {
    let mut directory = mount.to_owned();
    for name in path.iter() {
        let parent = directory.clone();
        directory.push(name);
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if files::read(&directory.join(file))?.trim().is_empty() {
                files::write(&directory.join(file), files::read(&parent.join(file))?.trim())?;
            }
        }
    }
    Ok(())
}

pub(super) fn limit(hierarchies: &[Hierarchy], path: &str, resources: &Resources) -> Result<()> {
    let directory = |controller: &'static str| {
        let hierarchy = find(hierarchies, controller).ok_or(Error::NoController(controller))?;
        Ok::<_, Error>(hierarchy.mount.join(path))
    };
    if let Some(memory) = &resources.memory {
        limit_memory(&directory("memory")?, memory)?;
    }
    if let Some(cpu) = &resources.cpu {
        if cpu.shares.is_some() || cpu.quota.is_some() || cpu.period.is_some() {
            let directory = directory("cpu")?;
            put(&directory, "cpu.shares", cpu.shares)?;
            // The period first: a quota is refused that exceeds what the old period allows its parent.
            put(&directory, "cpu.cfs_period_us", cpu.period)?;
            put(&directory, "cpu.cfs_quota_us", cpu.quota)?;
        }
        if cpu.cpus.is_some() || cpu.mems.is_some() {
            let directory = directory("cpuset")?;
            put(&directory, "cpuset.cpus", cpu.cpus.as_deref())?;
            put(&directory, "cpuset.mems", cpu.mems.as_deref())?;
        }
    }
    if let Some(pids) = &resources.pids {
        files::write(&directory("pids")?.join("pids.max"), &v2::number_or_max(pids.limit))?;
    }
    if !resources.devices.is_empty() {
        limit_devices(&directory("devices")?, &resources.devices)?;
    }
    match resources.unified.keys().next() {
        Some(file) => Err(Error::Invalid(format!("{file} is a file of cgroup v2, and this machine has v1"))),
        None => Ok(()),
    }
}

fn limit_memory(directory: &Path, memory: &Memory) -> Result<()> {
    let limit = || put(directory, "memory.limit_in_bytes", memory.limit);
    match (limit(), memory.swap) {
        // Memory may not exceed memory and swap together: where both grow, the second goes first.
        (Err(_), Some(swap)) => {
            let _ = put(directory, "memory.memsw.limit_in_bytes", Some(swap));
            limit()?;
        }
        (done, _) => done?,
    }
    if let Some(swap) = memory.swap {
        let file = directory.join("memory.memsw.limit_in_bytes");
        // Without swap accounting there is no such file, and the default (twice the memory) is nobody's wish.
        let asked = memory.limit.is_none_or(|limit| swap != limit.saturating_mul(2));
        if asked || file.exists() {
            files::write(&file, &swap.to_string())?;
        }
    }
    put(directory, "memory.soft_limit_in_bytes", memory.reservation)?;
    put(directory, "memory.swappiness", memory.swappiness)?;
    put(directory, "memory.oom_control", memory.disable_oom_killer.map(u8::from))
}

/// `devices.allow` and `devices.deny` take `c 1:3 rwm`; the first rule of a container denies all.
fn limit_devices(directory: &Path, rules: &[DeviceRule]) -> Result<()> {
    for rule in rules {
        let file = directory.join(if rule.allow { "devices.allow" } else { "devices.deny" });
        files::write(&file, &device_rule(rule))?;
    }
    Ok(())
}

fn device_rule(rule: &DeviceRule) -> String {
    let kind = rule.kind.as_deref().unwrap_or("a");
    // `a` alone stands for every device; numbers after it are ignored by the kernel.
    if kind == "a" && rule.major.is_none() && rule.minor.is_none() {
        return "a".into();
    }
    let number = |number: Option<i64>| number.filter(|n| *n >= 0).map_or("*".into(), |n| n.to_string());
    let access = rule.access.as_deref().unwrap_or("rwm");
    format!("{kind} {}:{} {access}", number(rule.major), number(rule.minor))
}

fn put(directory: &Path, file: &str, value: Option<impl ToString>) -> Result<()> {
    value.map_or(Ok(()), |value| files::write(&directory.join(file), &value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_rules_are_written_as_the_kernel_reads_them() {
        let rule = |kind: &str, major, minor| DeviceRule {
            allow: true,
            kind: Some(kind.into()),
            major,
            minor,
            access: Some("rw".into()),
        };
        assert_eq!(device_rule(&rule("c", Some(1), Some(3))), "c 1:3 rw");
        assert_eq!(device_rule(&rule("b", Some(8), None)), "b 8:* rw");
        assert_eq!(device_rule(&DeviceRule::default()), "a");
    }
}
