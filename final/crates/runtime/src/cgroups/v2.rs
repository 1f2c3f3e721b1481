//! Limits as the files of cgroup v2.

use std::path::Path;

use nix::errno::Errno;

use super::Result;
use super::devices;
use super::files::{self, Error, make_dir};
use super::own;
use crate::spec::{
    BlockIo, Cpu, HugepageLimit, Memory, Rdma, Resources, ThrottleDevice, cpu_weight, pids_limit,
};

/// Controllers that every container gets if the kernel has them.
const ALWAYS: &[&str] = &["memory", "pids", "cpu"];

pub(super) fn create(mount: &Path, path: &str, resources: &Resources) -> Result<()> {
    let directory = mount.join(path);
    enable_controllers(mount, Path::new(path), &wanted(resources))?;
    make_dir(&directory)?;
    limit(&directory, resources)
}

/// Changes limits. A controller that the container had no limit of may not have been passed on to it.
pub(super) fn update(mount: &Path, path: &str, asked: &Resources, whole: &Resources) -> Result<()> {
    let wanted = wanted(asked);
    if !wanted.is_empty() {
        enable_controllers(mount, Path::new(path), &wanted)?;
    }
    limit(&mount.join(path), whole)
}

/// The names of the controllers that the requested limits need.
fn wanted(resources: &Resources) -> Vec<&'static str> {
    let mut wanted = Vec::new();
    if resources.memory.is_some() {
        wanted.push("memory");
    }
    if let Some(cpu) = &resources.cpu {
        if *cpu != (Cpu { cpus: cpu.cpus.clone(), mems: cpu.mems.clone(), ..Cpu::default() }) {
            wanted.push("cpu");
        }
        if cpu.cpus.is_some() || cpu.mems.is_some() {
            wanted.push("cpuset");
        }
    }
    if resources.pids.is_some() {
        wanted.push("pids");
    }
    let others = [
        ("io", resources.block_io.as_ref().is_some_and(|block_io| *block_io != BlockIo::default())),
        ("hugetlb", !resources.hugepage_limits.is_empty()),
        ("rdma", !resources.rdma.is_empty()),
    ];
    wanted.extend(others.into_iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| name));
    wanted
}

/// A controller works in a cgroup when every cgroup above it passes it on (cgroup-v2.rst, "Enabling and Disabling").
pub(super) fn enable_controllers(mount: &Path, path: &Path, wanted: &[&'static str]) -> Result<()> {
    let mut directory = mount.to_owned();
    let Some(parent) = path.parent() else { return Ok(()) };
    for name in std::iter::once(None).chain(parent.iter().map(Some)) {
        if let Some(name) = name {
            directory.push(name);
            make_dir(&directory)?;
        }
        match pass_on(&directory, wanted) {
            // Controllers without a limit may be missing: an unprivileged user cannot change the cgroups above a
            // delegated one, and a cgroup that holds other users' processes stays as it is.
            Err(Error::NoRoom { .. } | Error::Write { errno: Errno::EACCES | Errno::EPERM, .. })
                if wanted.is_empty() => {}
            passed => passed?,
        }
    }
    Ok(())
}

/// Enables the `wanted` controllers for the children of a cgroup, and those that are always enabled if that is
/// possible.
fn pass_on(directory: &Path, wanted: &[&'static str]) -> Result<()> {
    let available = files::read(&directory.join("cgroup.controllers"))?;
    let enabled = files::read(&directory.join("cgroup.subtree_control"))?;
    let has = |list: &str, name: &str| list.split_whitespace().any(|other| other == name);
    // An unprivileged user's processes are moved only if the bundle has a limit.
    let always = if wanted.is_empty() && hull_sys::id_map::in_user_namespace() { &[] } else { ALWAYS };
    let file = directory.join("cgroup.subtree_control");
    let mut has_room = false;
    for controller in wanted.iter().chain(always).filter(|controller| !has(&enabled, controller)) {
        if !has(&available, controller) {
            match wanted.contains(controller) {
                true => return Err(Error::NoController(controller)),
                false => continue,
            }
        }
        if !has_room {
            own::make_room(directory)?;
            has_room = true;
        }
        match files::write(&file, &format!("+{controller}")) {
            Err(Error::Write { errno: Errno::EACCES | Errno::EPERM, .. }) if !wanted.contains(controller) => {
            }
            written => written?,
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
        files::write(&directory.join("pids.max"), &number_or_max(pids_limit(pids.limit)))?;
    }
    if !resources.devices.is_empty() {
        devices::attach(directory, &resources.devices)?;
    }
    if let Some(block_io) = &resources.block_io {
        limit_block_io(directory, block_io)?;
    }
    limit_hugepages(directory, resources, "max")?;
    limit_rdma(directory, resources)?;
    let network = resources.network.as_ref();
    if network.is_some_and(|network| network.class_id.is_some() || !network.priorities.is_empty()) {
        return Err(Error::Invalid("cgroup v2 has no classes and priorities of network traffic".into()));
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
    if memory.kernel.is_some() || memory.kernel_tcp.is_some() {
        return Err(Error::Invalid("cgroup v2 counts the kernel's memory with the rest".into()));
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
    if cpu.realtime_runtime.is_some() || cpu.realtime_period.is_some() {
        return Err(Error::Invalid("cgroup v2 has no limits of realtime scheduling".into()));
    }
    // An idle cgroup has no weight that could be set.
    if cpu.idle == Some(0) {
        files::write(&directory.join("cpu.idle"), "0")?;
    }
    if let Some(shares) = cpu.shares {
        files::write(&directory.join("cpu.weight"), &cpu_weight(shares).to_string())?;
    }
    if let Some(idle) = cpu.idle.filter(|idle| *idle != 0) {
        files::write(&directory.join("cpu.idle"), &idle.to_string())?;
    }
    if cpu.quota.is_some() || cpu.period.is_some() {
        let quota = cpu.quota.map_or("max".into(), number_or_max);
        files::write(&directory.join("cpu.max"), &format!("{quota} {}", cpu.period.unwrap_or(100_000)))?;
    }
    if let Some(burst) = cpu.burst {
        files::write(&directory.join("cpu.max.burst"), &burst.to_string())?;
    }
    if let Some(cpus) = &cpu.cpus {
        put_set(directory, "cpuset.cpus", cpus)?;
    }
    match &cpu.mems {
        Some(mems) => put_set(directory, "cpuset.mems", mems),
        None => Ok(()),
    }
}

/// Writes a cpuset. An empty set stands for that of the cgroup above, but the kernel accepts it only in a cgroup
/// without processes (`validate_change` of Linux 6.1). In a cgroup with processes the members of the set above are
/// written instead.
fn put_set(directory: &Path, file: &str, set: &str) -> Result<()> {
    match (files::write(&directory.join(file), set), directory.parent()) {
        (Err(Error::Write { errno: Errno::ENOSPC, .. }), Some(parent)) if set.trim().is_empty() => {
            let above = files::read(&parent.join(format!("{file}.effective")))?;
            files::write(&directory.join(file), above.trim())
        }
        (written, _) => written,
    }
}

fn limit_block_io(directory: &Path, block_io: &BlockIo) -> Result<()> {
    if block_io.leaf_weight.is_some() || block_io.weight_device.iter().any(|one| one.leaf_weight.is_some()) {
        return Err(Error::Invalid("cgroup v2 has no leaf weights".into()));
    }
    // The scheduler BFQ has a file of its own, with the range of v1.
    let bfq = directory.join("io.bfq.weight").exists();
    let file = directory.join(if bfq { "io.bfq.weight" } else { "io.weight" });
    if has_weights(block_io) && !file.exists() {
        return Err(no_weights());
    }
    let converted = |weight: u16| if bfq { u64::from(weight) } else { io_weight(weight) };
    if let Some(weight) = block_io.weight {
        files::write(&file, &format!("default {}", converted(weight)))?;
    }
    for device in &block_io.weight_device {
        if let Some(weight) = device.weight {
            files::write(&file, &format!("{}:{} {}", device.major, device.minor, converted(weight)))?;
        }
    }
    for (key, devices) in [
        ("rbps", &block_io.throttle_read_bps_device),
        ("wbps", &block_io.throttle_write_bps_device),
        ("riops", &block_io.throttle_read_iops_device),
        ("wiops", &block_io.throttle_write_iops_device),
    ] {
        for ThrottleDevice { major, minor, rate } in devices {
            let text = if *rate == 0 { "max".to_owned() } else { rate.to_string() };
            let line = format!("{major}:{minor} {key}={text}");
            files::write_rate(&directory.join("io.max"), &line, *rate)?;
        }
    }
    Ok(())
}

pub(super) fn has_weights(block_io: &BlockIo) -> bool {
    block_io.weight.is_some() || block_io.weight_device.iter().any(|one| one.weight.is_some())
}

pub(super) fn no_weights() -> Error {
    Error::Unusable(
        "this kernel has no weights of block I/O: they need the scheduler BFQ, or blk-iocost".into(),
    )
}

/// `file` is the limit's name in this hierarchy.
pub(super) fn limit_hugepages(directory: &Path, resources: &Resources, file: &str) -> Result<()> {
    for HugepageLimit { page_size, limit } in &resources.hugepage_limits {
        if page_size.contains('/') {
            return Err(Error::Invalid(format!("page size {page_size:?}")));
        }
        files::write(&directory.join(format!("hugetlb.{page_size}.{file}")), &limit.to_string())?;
        // Since Linux 5.7 the kernel can count reserved pages too.
        let reserved = directory.join(format!("hugetlb.{page_size}.rsvd.{file}"));
        if reserved.exists() {
            files::write(&reserved, &limit.to_string())?;
        }
    }
    Ok(())
}

pub(super) fn limit_rdma(directory: &Path, resources: &Resources) -> Result<()> {
    for (device, Rdma { hca_handles, hca_objects }) in &resources.rdma {
        let number = |number: &Option<u32>| number.map_or("max".to_owned(), |number| number.to_string());
        let line = format!("{device} hca_handle={} hca_object={}", number(hca_handles), number(hca_objects));
        files::write(&directory.join("rdma.max"), &line)?;
    }
    Ok(())
}

/// Converts v1's range of 10 to 1,000 to v2's of 1 to 10,000.
fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight).clamp(10, 1_000) - 10) * 9_999 / 990
}

pub(super) fn number_or_max(limit: i64) -> String {
    if limit < 0 { "max".into() } else { limit.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_weights_from_end_to_end() {
        assert_eq!((cpu_weight(2), cpu_weight(1024), cpu_weight(262_144)), (1, 39, 10_000));
        assert_eq!((io_weight(10), io_weight(500), io_weight(1_000)), (1, 4_950, 10_000));
    }
}
