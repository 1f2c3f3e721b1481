//! Limits, in the units of the runtime-spec.

use std::path::Path;

use hull_runtime::security::defaults;
use hull_runtime::spec::{
    BlockIo, Cpu, DeviceRule, HugepageLimit, Memory, NamespaceKind, Pids, Resources, ThrottleDevice,
    WeightDevice,
};
use rustix::fs::FileType;

use crate::error::{Error, IoContext, Result};
use hull_storage::backing;

use crate::records::block_io::{DeviceRate, DeviceWeight};
use crate::records::options::{CreateOptions, NamespaceMode, NetworkMode, ResourceOptions};
use crate::records::record::Record;

/// Microseconds: the kernel's own default period (cpu.max, cpu.cfs_period_us).
const PERIOD: u64 = 100_000;
/// docker's minimum: with less, not even a shell starts.
pub(crate) const LEAST_MEMORY: i64 = 6 << 20;

pub(super) fn resources(record: &Record) -> Result<Resources> {
    Ok(Resources { devices: device_rules(record)?, ..limits(&record.options.resources)? })
}

/// True if a limit was asked for that needs a cgroup.
pub(crate) fn has_limits(asked: &ResourceOptions) -> bool {
    *asked != ResourceOptions::default()
}

/// The device rules of the container's cgroup. An unprivileged user's container has none.
pub(crate) fn device_rules(record: &Record) -> Result<Vec<DeviceRule>> {
    let options = &record.options;
    // In a user namespace the kernel allows no device program (bpf(2)) and no device nodes. The container can only open
    // the devices that are bind-mounted for it, with its user's rights.
    if hull_sys::id_map::in_user_namespace() {
        return Ok(vec![]);
    }
    if options.privileged {
        return Ok(vec![DeviceRule { allow: true, access: Some("rwm".into()), ..DeviceRule::default() }]);
    }
    let mut rules = defaults::device_rules();
    rules.extend(super::devices::rules(options)?);
    rules.extend(super::devices::node_rules(&record.mounts)?);
    Ok(rules)
}

/// Refuses limits that contradict each other or that docker refuses, in docker's words, and devices that do not exist.
pub(crate) fn check(asked: &ResourceOptions) -> Result<()> {
    super::machine_limits::check(asked)?;
    memory(asked)?;
    cpu(asked)?;
    block_io(asked).map(drop)
}

/// Why a key for a sysctl without a namespace is refused.
pub(crate) const OF_MACHINE: &str = "it belongs to no namespace of a container, and would be set for the whole machine; \
    net.*, fs.mqueue.*, kernel.domainname and the kernel's limits of IPC do (namespaces(7))";

/// Refuses sysctls of namespaces that the container shares with the host.
pub(crate) fn check_sysctls(options: &CreateOptions) -> Result<()> {
    for sysctl in options.sysctls.keys() {
        let shared = match hull_runtime::namespace_of_sysctl(sysctl) {
            Some(NamespaceKind::Network) => options.network == NetworkMode::Host,
            Some(NamespaceKind::Uts) => options.uts == NamespaceMode::Host,
            Some(_) => options.ipc == NamespaceMode::Host,
            // dockerd accepts it, and the start fails.
            None => false,
        };
        if shared {
            let why = format!("--sysctl {sysctl} would change the host: its namespace is the host's");
            return Err(invalid("combination of options", why));
        }
    }
    Ok(())
}

/// The limits without the rules for devices.
pub(crate) fn limits(asked: &ResourceOptions) -> Result<Resources> {
    Ok(Resources {
        memory: memory(asked)?,
        cpu: cpu(asked)?,
        pids: asked.pids_limit.map(|limit| Pids { limit: if limit == 0 { -1 } else { limit } }),
        block_io: block_io(asked)?,
        hugepage_limits: hugepages(asked),
        ..Resources::default()
    })
}

fn hugepages(asked: &ResourceOptions) -> Vec<HugepageLimit> {
    let limit = |(size, limit): (&String, &u64)| HugepageLimit { page_size: size.clone(), limit: *limit };
    asked.hugepages.iter().map(limit).collect()
}

fn invalid(what: &str, why: impl Into<String>) -> Error {
    Error::Invalid { what: what.into(), why: why.into() }
}

fn memory(asked: &ResourceOptions) -> Result<Option<Memory>> {
    let refused = |why: &str| Err(invalid("memory limit", why));
    let is_below = |limit: Option<i64>| limit.is_some_and(|limit| limit > 0 && limit < LEAST_MEMORY);
    if is_below(asked.memory) {
        return refused("the minimum memory limit allowed is 6MB");
    }
    if is_below(asked.memory_reservation) {
        return refused("the minimum memory reservation allowed is 6MB");
    }
    if let (Some(memory), Some(reservation)) = (asked.memory, asked.memory_reservation)
        && memory > 0
        && memory < reservation
    {
        return refused("the minimum memory limit can not be less than memory reservation limit");
    }
    let swap = match (asked.memory, asked.memory_swap) {
        (None, Some(swap)) if swap > 0 => return refused("--memory-swap needs --memory"),
        (Some(memory), Some(swap)) if swap > 0 && swap < memory => {
            return refused("the minimum memoryswap limit should be larger than memory limit");
        }
        // `-m L` alone allows as much swap again, as in docker.
        (Some(memory), None | Some(0)) => Some(memory.saturating_mul(2)),
        (_, swap) => swap,
    };
    let memory = Memory {
        limit: asked.memory,
        reservation: asked.memory_reservation,
        swap,
        swappiness: asked.memory_swappiness,
        disable_oom_killer: asked.oom_kill_disable.then_some(true),
        ..Memory::default()
    };
    Ok((memory != Memory::default()).then_some(memory))
}

fn cpu(asked: &ResourceOptions) -> Result<Option<Cpu>> {
    let refused = |why: &str| Err(invalid("cpu limit", why));
    if asked.nano_cpus.is_some() && asked.cpu_period.is_some() {
        return refused("conflicting options: Nano CPUs and CPU Period cannot both be set");
    }
    if asked.nano_cpus.is_some() && asked.cpu_quota.is_some() {
        return refused("conflicting options: Nano CPUs and CPU Quota cannot both be set");
    }
    if asked.cpu_period.is_some_and(|period| !(1_000..=1_000_000).contains(&period)) {
        return refused(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        );
    }
    if asked.cpu_quota.is_some_and(|quota| (1..1_000).contains(&quota)) {
        return refused("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    if let (Some(period), Some(runtime)) = (asked.cpu_rt_period, asked.cpu_rt_runtime)
        && runtime > period
    {
        return refused("cpu real-time runtime cannot be higher than cpu real-time period");
    }
    if asked.cpu_shares == Some(1) {
        return refused("the minimum allowed cpu-shares is 2");
    }
    let (quota, period) = match asked.nano_cpus {
        Some(nano) => {
            let quota = i64::try_from(nano / (1_000_000_000 / PERIOD)).unwrap_or(i64::MAX);
            (Some(quota), Some(PERIOD))
        }
        None => (asked.cpu_quota, asked.cpu_period),
    };
    let cpu = Cpu {
        shares: asked.cpu_shares.filter(|shares| *shares != 0),
        quota,
        period,
        cpus: asked.cpuset_cpus.clone(),
        mems: asked.cpuset_mems.clone(),
        realtime_period: asked.cpu_rt_period,
        realtime_runtime: asked.cpu_rt_runtime.map(|runtime| i64::try_from(runtime).unwrap_or(i64::MAX)),
        ..Cpu::default()
    };
    Ok((cpu != Cpu::default()).then_some(cpu))
}

fn block_io(asked: &ResourceOptions) -> Result<Option<BlockIo>> {
    let asked = &asked.block_io;
    if asked.is_empty() {
        return Ok(None);
    }
    let weight = |one: &DeviceWeight| {
        let (major, minor) = device(&one.path)?;
        Ok(WeightDevice { major, minor, weight: Some(one.weight), leaf_weight: None })
    };
    let rates = |devices: &[DeviceRate]| {
        let rate = |one: &DeviceRate| {
            let (major, minor) = limited_disk(one)?;
            Ok(ThrottleDevice { major, minor, rate: one.rate })
        };
        devices.iter().map(rate).collect::<Result<Vec<_>>>()
    };
    Ok(Some(BlockIo {
        weight: asked.weight,
        leaf_weight: None,
        weight_device: asked.weight_devices.iter().map(weight).collect::<Result<_>>()?,
        throttle_read_bps_device: rates(&asked.read_bps)?,
        throttle_write_bps_device: rates(&asked.write_bps)?,
        throttle_read_iops_device: rates(&asked.read_iops)?,
        throttle_write_iops_device: rates(&asked.write_iops)?,
    }))
}

/// The numbers of the disk to limit. For a disk device they are looked up again, because they may differ after a
/// reboot.
fn limited_disk(rate: &DeviceRate) -> Result<(i64, i64)> {
    let Some(disk) = &rate.disk else { return device(&rate.path) };
    let (major, minor) = backing::disk_of(&rate.path).unwrap_or(disk.numbers);
    Ok((major.into(), minor.into()))
}

/// The numbers of a block device.
fn device(path: &Path) -> Result<(i64, i64)> {
    let stat = rustix::fs::stat(path)
        .map_err(std::io::Error::from)
        .context(|| format!("limit the block I/O of a device: stat {}", path.display()))?;
    match FileType::from_raw_mode(stat.st_mode).is_block_device() {
        true => Ok((rustix::fs::major(stat.st_rdev).into(), rustix::fs::minor(stat.st_rdev).into())),
        false => Err(invalid("block I/O limit", format!("{} is no block device", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::block_io::BlockIoOptions;

    #[test]
    fn cpus_become_a_quota_of_the_default_period() {
        let asked = ResourceOptions { nano_cpus: Some(200_000_000), ..Default::default() };
        let cpu = cpu(&asked).unwrap().unwrap();
        assert_eq!((cpu.quota, cpu.period), (Some(20_000), Some(100_000)));
    }

    #[test]
    fn only_a_block_device_has_rates() {
        let rate = |path: &str| {
            let rates = vec![DeviceRate { path: path.into(), rate: 1, disk: None }];
            let block_io = BlockIoOptions { read_bps: rates, ..BlockIoOptions::default() };
            check(&ResourceOptions { block_io, ..Default::default() }).unwrap_err().to_string()
        };
        assert!(rate("/dev/null").contains("/dev/null is no block device"));
        assert!(rate("/dev/no-such-device").contains("stat /dev/no-such-device"));
    }

    #[test]
    fn memory_alone_allows_as_much_swap_again() {
        let asked = ResourceOptions { memory: Some(64 << 20), ..Default::default() };
        assert_eq!(memory(&asked).unwrap().unwrap().swap, Some(128 << 20));
        assert!(memory(&ResourceOptions::default()).unwrap().is_none());
    }

    #[test]
    fn limits_that_contradict_each_other_are_refused() {
        let memory_of = |memory, swap| {
            super::memory(&ResourceOptions { memory, memory_swap: swap, ..Default::default() })
        };
        assert!(memory_of(None, Some(1 << 30)).is_err());
        assert!(memory_of(Some(64 << 20), Some(32 << 20)).is_err());
        assert!(memory_of(Some(1 << 20), None).is_err());
        assert!(memory_of(Some(64 << 20), Some(-1)).is_ok());
        assert!(memory_of(None, Some(-1)).is_ok());
        let cpu_of = |cpu_rt_period, cpu_rt_runtime| {
            super::cpu(&ResourceOptions { cpu_rt_period, cpu_rt_runtime, ..Default::default() })
        };
        assert!(cpu_of(Some(100), Some(200)).is_err());
        assert!(cpu_of(Some(1_000_000), Some(900_000)).is_ok());
    }
}
