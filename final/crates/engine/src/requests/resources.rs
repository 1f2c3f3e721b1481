//! The limits of a `HostConfig`, which `create` and `update` share.

use hull_docker::wire::host_config::{HostConfig, ThrottleDevice, WeightDevice};

use super::{invalid, non_empty, positive};
use crate::error::Result;
use crate::records::block_io::{BlockIoOptions, DeviceRate, DeviceWeight};
use crate::records::options::ResourceOptions;

/// The valid weights of block I/O.
const WEIGHTS: std::ops::RangeInclusive<u16> = 10..=1000;

pub(super) fn resources(host: &HostConfig) -> Result<ResourceOptions> {
    let swappiness = host.memory_swappiness.filter(|percent| *percent != -1).map(|percent| {
        let known = u64::try_from(percent).ok().filter(|percent| *percent <= 100);
        known.ok_or_else(|| invalid("MemorySwappiness", "it is 0 to 100"))
    });
    let size = |key, bytes| positive(key, bytes).map(|size| size.map(|_| bytes));
    Ok(ResourceOptions {
        memory: size("Memory", host.memory)?,
        memory_swap: Some(host.memory_swap).filter(|bytes| *bytes != 0),
        memory_reservation: size("MemoryReservation", host.memory_reservation)?,
        memory_swappiness: swappiness.transpose()?,
        oom_kill_disable: host.oom_kill_disable.unwrap_or(false),
        nano_cpus: positive("NanoCpus", host.nano_cpus)?,
        cpu_shares: positive("CpuShares", host.cpu_shares)?,
        cpu_period: positive("CpuPeriod", host.cpu_period)?,
        cpu_quota: Some(host.cpu_quota).filter(|quota| *quota != 0),
        cpu_rt_period: positive("CpuRealtimePeriod", host.cpu_realtime_period)?,
        cpu_rt_runtime: positive("CpuRealtimeRuntime", host.cpu_realtime_runtime)?,
        cpuset_cpus: non_empty(host.cpuset_cpus.clone()),
        cpuset_mems: non_empty(host.cpuset_mems.clone()),
        pids_limit: host.pids_limit.filter(|limit| *limit != 0),
        block_io: block_io(host)?,
        hugepages: Default::default(),
    })
}

fn block_io(host: &HostConfig) -> Result<BlockIoOptions> {
    let rates = |devices: &[ThrottleDevice]| {
        let rate =
            |one: &ThrottleDevice| DeviceRate { path: one.path.clone().into(), rate: one.rate, disk: None };
        devices.iter().map(rate).collect()
    };
    let weight = Some(host.blkio_weight).filter(|weight| *weight != 0);
    if weight.is_some_and(|weight| !WEIGHTS.contains(&weight)) {
        return Err(invalid("blkio weight", "the range of blkio weight is from 10 to 1000"));
    }
    Ok(BlockIoOptions {
        weight,
        weight_devices: host.blkio_weight_device.iter().map(device_weight).collect::<Result<_>>()?,
        read_bps: rates(&host.blkio_device_read_bps),
        write_bps: rates(&host.blkio_device_write_bps),
        read_iops: rates(&host.blkio_device_read_iops),
        write_iops: rates(&host.blkio_device_write_iops),
    })
}

fn device_weight(device: &WeightDevice) -> Result<DeviceWeight> {
    let WeightDevice { path, weight } = device;
    match *weight == 0 || WEIGHTS.contains(weight) {
        true => Ok(DeviceWeight { path: path.into(), weight: *weight }),
        false => Err(invalid("blkio weight", format!("invalid weight for device: {path}:{weight}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_limit() {
        let host = HostConfig { memory_swappiness: Some(-1), pids_limit: Some(0), ..HostConfig::default() };
        assert_eq!(resources(&host).unwrap(), ResourceOptions::default());
    }

    #[test]
    fn weights_have_a_range() {
        let of = |blkio_weight| resources(&HostConfig { blkio_weight, ..HostConfig::default() });
        assert!(of(9).is_err() && of(1001).is_err());
        assert_eq!(of(10).unwrap().block_io.weight, Some(10));
        let device = WeightDevice { path: "/dev/sda".into(), weight: 5 };
        let host = HostConfig { blkio_weight_device: vec![device], ..HostConfig::default() };
        assert!(resources(&host).unwrap_err().to_string().contains("/dev/sda:5"));
    }
}
