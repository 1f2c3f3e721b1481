//! Limits as the files of cgroup v1.

use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::files::{self, Error, make_dir};
use super::layout::{Hierarchy, find};
use super::{Result, realtime, v2};
use crate::spec::{BlockIo, Cpu, DeviceRule, Memory, Network, Resources, ThrottleDevice, pids_limit};

/// Makes the cgroup in hierarchies that one of these limits needs and that the container is not in yet. Returns the new
/// directories.
pub(super) fn extend(hierarchies: &[Hierarchy], path: &str, resources: &Resources) -> Result<Vec<PathBuf>> {
    let asked = asked(resources);
    let mut added = Vec::new();
    for hierarchy in hierarchies.iter().filter(|one| one.has_any(&asked)) {
        let directory = hierarchy.mount.join(path);
        if !directory.is_dir() {
            make(hierarchy, path)?;
            added.push(directory);
        }
    }
    Ok(added)
}

fn make(hierarchy: &Hierarchy, path: &str) -> Result<()> {
    make_dir(&hierarchy.mount.join(path))?;
    if hierarchy.has_any(&["cpuset"]) {
        inherit_cpuset(&hierarchy.mount, Path::new(path))?;
    }
    Ok(())
}

pub(super) fn create(hierarchies: &[Hierarchy], path: &str, resources: &Resources) -> Result<()> {
    // The container gets a cgroup in every hierarchy: otherwise it would see the host's there, and a systemd in the
    // container would make its slices in that.
    hierarchies.iter().try_for_each(|hierarchy| make(hierarchy, path))?;
    limit(hierarchies, path, resources)
}

/// Controllers that a container uses only for these limits.
fn asked(resources: &Resources) -> Vec<&'static str> {
    let cpuset = resources.cpu.as_ref().is_some_and(|cpu| cpu.cpus.is_some() || cpu.mems.is_some());
    let network = resources.network.as_ref();
    let named = [
        ("cpuset", cpuset),
        ("blkio", resources.block_io.is_some()),
        ("hugetlb", !resources.hugepage_limits.is_empty()),
        ("net_cls", network.is_some_and(|network| network.class_id.is_some())),
        ("net_prio", network.is_some_and(|network| !network.priorities.is_empty())),
        ("rdma", !resources.rdma.is_empty()),
    ];
    named.into_iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| name).collect()
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
        if *cpu != (Cpu { cpus: cpu.cpus.clone(), mems: cpu.mems.clone(), ..Cpu::default() }) {
            let directory = directory("cpu")?;
            if let Some(hierarchy) = find(hierarchies, "cpu") {
                realtime::make_room(&hierarchy.mount, &directory, cpu)?;
            }
            limit_cpu(&directory, cpu)?;
        }
        if cpu.cpus.is_some() || cpu.mems.is_some() {
            let directory = directory("cpuset")?;
            put(&directory, "cpuset.cpus", cpu.cpus.as_deref())?;
            put(&directory, "cpuset.mems", cpu.mems.as_deref())?;
        }
    }
    if let Some(pids) = &resources.pids {
        files::write(&directory("pids")?.join("pids.max"), &v2::number_or_max(pids_limit(pids.limit)))?;
    }
    if !resources.devices.is_empty() {
        limit_devices(&directory("devices")?, &resources.devices)?;
    }
    if let Some(block_io) = resources.block_io.as_ref().filter(|block_io| **block_io != BlockIo::default()) {
        limit_block_io(&directory("blkio")?, block_io)?;
    }
    if !resources.hugepage_limits.is_empty() {
        limit_hugepages(hierarchies, path, resources)?;
    }
    if let Some(network) = &resources.network {
        limit_network(&directory, network)?;
    }
    if !resources.rdma.is_empty() {
        v2::limit_rdma(&directory("rdma")?, resources)?;
    }
    match resources.unified.keys().next() {
        Some(file) => Err(Error::Invalid(format!(
            "invalid configuration: unified: {file} is a file of cgroup v2, and this machine has v1"
        ))),
        None => Ok(()),
    }
}

fn limit_cpu(directory: &Path, cpu: &Cpu) -> Result<()> {
    // The kernel refuses shares for an idle cgroup, so it is made a normal one while they are set.
    if cpu.idle.is_some() && cpu.shares.is_some() {
        put(directory, "cpu.idle", Some(0))?;
    }
    put(directory, "cpu.shares", cpu.shares)?;
    put(directory, "cpu.idle", cpu.idle)?;
    put_dependent(
        directory,
        [
            ("cpu.cfs_period_us", cpu.period.map(|value| value.to_string())),
            ("cpu.cfs_quota_us", cpu.quota.map(|value| value.to_string())),
            ("cpu.cfs_burst_us", cpu.burst.map(|value| value.to_string())),
        ],
    )?;
    put_dependent(
        directory,
        [
            ("cpu.rt_period_us", cpu.realtime_period.map(|value| value.to_string())),
            ("cpu.rt_runtime_us", cpu.realtime_runtime.map(|value| value.to_string())),
        ],
    )
}

/// Writes files whose values the kernel accepts only if they fit together and fit the parent cgroup. A value that
/// another write has yet to make possible is refused with EINVAL, and tried again after the others.
fn put_dependent<const N: usize>(directory: &Path, values: [(&str, Option<String>); N]) -> Result<()> {
    let mut left: Vec<(&str, String)> =
        values.into_iter().filter_map(|(file, value)| Some((file, value?))).collect();
    loop {
        let mut refused = Vec::new();
        let mut first = None;
        let before = left.len();
        for (file, value) in left {
            match files::write(&directory.join(file), &value) {
                Err(error @ Error::Write { errno: Errno::EINVAL, .. }) => {
                    first.get_or_insert(error);
                    refused.push((file, value));
                }
                written => written?,
            }
        }
        match first {
            None => return Ok(()),
            Some(error) if refused.len() == before => return Err(error),
            Some(_) => left = refused,
        }
    }
}

fn limit_block_io(directory: &Path, block_io: &BlockIo) -> Result<()> {
    // With BFQ as the scheduler, or with the CFQ of older kernels.
    let bfq = directory.join("blkio.bfq.weight").exists();
    let (weight, weight_device) = match bfq {
        true => ("blkio.bfq.weight", "blkio.bfq.weight_device"),
        false => ("blkio.weight", "blkio.weight_device"),
    };
    if v2::has_weights(block_io) && !directory.join(weight).exists() {
        return Err(v2::no_weights());
    }
    put(directory, weight, block_io.weight)?;
    put(directory, "blkio.leaf_weight", block_io.leaf_weight)?;
    for device in &block_io.weight_device {
        let line =
            |weight: Option<u16>| weight.map(|weight| format!("{}:{} {weight}", device.major, device.minor));
        put(directory, weight_device, line(device.weight))?;
        put(directory, "blkio.leaf_weight_device", line(device.leaf_weight))?;
    }
    for (file, devices) in [
        ("blkio.throttle.read_bps_device", &block_io.throttle_read_bps_device),
        ("blkio.throttle.write_bps_device", &block_io.throttle_write_bps_device),
        ("blkio.throttle.read_iops_device", &block_io.throttle_read_iops_device),
        ("blkio.throttle.write_iops_device", &block_io.throttle_write_iops_device),
    ] {
        for ThrottleDevice { major, minor, rate } in devices {
            files::write_rate(&directory.join(file), &format!("{major}:{minor} {rate}"), *rate)?;
        }
    }
    Ok(())
}

/// On a hybrid machine the controller may be in v2.
fn limit_hugepages(hierarchies: &[Hierarchy], path: &str, resources: &Resources) -> Result<()> {
    if let Some(hierarchy) = find(hierarchies, "hugetlb") {
        return v2::limit_hugepages(&hierarchy.mount.join(path), resources, "limit_in_bytes");
    }
    let unified = hierarchies.iter().find(|one| one.v2).ok_or(Error::NoController("hugetlb"))?;
    v2::enable_controllers(&unified.mount, Path::new(path), &["hugetlb"])?;
    v2::limit_hugepages(&unified.mount.join(path), resources, "max")
}

fn limit_network(directory: &dyn Fn(&'static str) -> Result<PathBuf>, network: &Network) -> Result<()> {
    if network.class_id.is_some() {
        put(&directory("net_cls")?, "net_cls.classid", network.class_id)?;
    }
    for one in &network.priorities {
        put(&directory("net_prio")?, "net_prio.ifpriomap", Some(format!("{} {}", one.name, one.priority)))?;
    }
    Ok(())
}

fn limit_memory(directory: &Path, memory: &Memory) -> Result<()> {
    const BOTH: &str = "memory.memsw.limit_in_bytes";
    const ALONE: &str = "memory.limit_in_bytes";
    let has_swap = directory.join(BOTH).exists();
    let swap = match (memory.limit, memory.swap) {
        // Without a memory limit there can be no limit of memory and swap together.
        (Some(-1), None) if has_swap => Some(-1),
        // Without swap accounting there is no such file, and no user has asked for the default (twice the memory).
        (Some(limit), Some(swap)) if !has_swap && swap == limit.saturating_mul(2) => None,
        (_, swap) => swap,
    };
    // The memory limit may never exceed that of memory and swap together, so when both grow, the latter is written
    // first.
    let grows = |swap: i64| {
        let limit = files::read(&directory.join(ALONE)).ok().and_then(|text| text.trim().parse::<i64>().ok());
        swap < 0 || limit.is_some_and(|limit| limit < swap)
    };
    if swap.is_some_and(grows) {
        put(directory, BOTH, swap)?;
        put(directory, ALONE, memory.limit)?;
    } else {
        put(directory, ALONE, memory.limit)?;
        put(directory, BOTH, swap)?;
    }
    put(directory, "memory.soft_limit_in_bytes", memory.reservation)?;
    put(directory, "memory.swappiness", memory.swappiness)?;
    // Obsolete in the specification and without effect since Linux 5.16, so newer kernels may refuse it.
    match put(directory, "memory.kmem.limit_in_bytes", memory.kernel) {
        Err(Error::Write { errno: Errno::EOPNOTSUPP | Errno::ENOENT, .. }) => {}
        done => done?,
    }
    put(directory, "memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp)?;
    put(directory, "memory.oom_control", memory.disable_oom_killer.map(u8::from))
}

/// `devices.allow` and `devices.deny` take `c 1:3 rwm`; the first rule of a container denies all.
pub(super) fn limit_devices(directory: &Path, rules: &[DeviceRule]) -> Result<()> {
    for alike in rules.chunk_by(|one, other| one.allow == other.allow) {
        let file = directory.join(if alike[0].allow { "devices.allow" } else { "devices.deny" });
        files::write_each(&file, alike.iter().map(device_rule))?;
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
    format!("{kind} {}:{} {}", number(rule.major), number(rule.minor), rule.known_access())
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
        let odd = |access: &str| DeviceRule { access: Some(access.into()), ..rule("c", Some(1), Some(11)) };
        assert_eq!(device_rule(&odd("rwa")), "c 1:11 rw");
        assert_eq!(device_rule(&odd("z")), "c 1:11 z", "which the kernel refuses");
    }
}
