//! `POST /containers/ID/update`: the limits and the restart policy of a `HostConfig`, put into a container's options.

use std::path::PathBuf;

use hull_docker::wire::host_config::{HostConfig, RestartPolicy};

use super::host::restart_policy;
use super::resources::resources;
use crate::error::{Error, Result};
use crate::records::block_io::{BlockIoOptions, DeviceRate, DeviceWeight};
use crate::records::options::{self, CreateOptions, ResourceOptions};

/// The limits of a request, to be checked by themselves. docker takes a limit of memory and swap without one of memory,
/// which the container may have.
pub(crate) fn asked(request: &HostConfig) -> Result<ResourceOptions> {
    let asked = resources(request)?;
    Ok(ResourceOptions { memory_swap: asked.memory.and(asked.memory_swap), ..asked })
}

/// The options with what the request changes. The sentences are docker's.
pub(crate) fn updated(before: &CreateOptions, request: &HostConfig) -> Result<CreateOptions> {
    refuse_others(request)?;
    let asked = resources(request)?;
    let mut options = before.clone();
    if !request.restart_policy.name.is_empty() {
        let policy = restart_policy(&request.restart_policy)?;
        if options.auto_remove && policy != options::RestartPolicy::No {
            return refused(
                "Restart policy cannot be updated because AutoRemove is enabled for the container",
            );
        }
        options.restart = policy;
    }
    let limits = &mut options.resources;
    check_conflicts(limits, &asked)?;
    // What `inspect` shows of a limit of memory alone stays when that limit changes.
    limits.memory_swap = limits.memory_swap.or(limits.memory.map(|memory| memory.saturating_mul(2)));
    put(&mut limits.memory, asked.memory);
    put(&mut limits.memory_swap, asked.memory_swap);
    put(&mut limits.memory_reservation, asked.memory_reservation);
    put(&mut limits.memory_swappiness, asked.memory_swappiness);
    put(&mut limits.nano_cpus, asked.nano_cpus);
    put(&mut limits.cpu_shares, asked.cpu_shares);
    put(&mut limits.cpu_period, asked.cpu_period);
    put(&mut limits.cpu_quota, asked.cpu_quota);
    put(&mut limits.cpu_rt_period, asked.cpu_rt_period);
    put(&mut limits.cpu_rt_runtime, asked.cpu_rt_runtime);
    put(&mut limits.cpuset_cpus, asked.cpuset_cpus);
    put(&mut limits.cpuset_mems, asked.cpuset_mems);
    // 0 ends a limit here, and is none for `create`.
    put(&mut limits.pids_limit, request.pids_limit);
    put_devices(&mut limits.block_io, asked.block_io);
    Ok(options)
}

fn put<T>(value: &mut Option<T>, asked: Option<T>) {
    if asked.is_some() {
        *value = asked;
    }
}

fn put_devices(all: &mut BlockIoOptions, asked: BlockIoOptions) {
    put(&mut all.weight, asked.weight);
    let of_weight: fn(&DeviceWeight) -> &PathBuf = |one| &one.path;
    let of_rate: fn(&DeviceRate) -> &PathBuf = |one| &one.path;
    put_each(&mut all.weight_devices, asked.weight_devices, of_weight);
    put_each(&mut all.read_bps, asked.read_bps, of_rate);
    put_each(&mut all.write_bps, asked.write_bps, of_rate);
    put_each(&mut all.read_iops, asked.read_iops, of_rate);
    put_each(&mut all.write_iops, asked.write_iops, of_rate);
}

/// A device that has a limit gets the new one in its place.
fn put_each<T>(all: &mut Vec<T>, asked: Vec<T>, path: fn(&T) -> &PathBuf) {
    for one in asked {
        all.retain(|other| path(other) != path(&one));
        all.push(one);
    }
}

fn refused<T>(why: &str) -> Result<T> {
    Err(Error::Invalid { what: "update".into(), why: why.into() })
}

/// docker's rules about the limits that a container has already.
fn check_conflicts(has: &ResourceOptions, asked: &ResourceOptions) -> Result<()> {
    let has_quota = has.cpu_quota.is_some_and(|quota| quota > 0);
    let asks_for_quota = asked.cpu_quota.is_some_and(|quota| quota > 0);
    if asked.nano_cpus.is_some() && has.cpu_period.is_some() {
        return refused(
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        );
    }
    if asked.nano_cpus.is_some() && has_quota {
        return refused("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set");
    }
    if asked.cpu_period.is_some() && has.nano_cpus.is_some() {
        return refused("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
    }
    if asks_for_quota && has.nano_cpus.is_some() {
        return refused("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
    }
    let swap = has.memory_swap.or(has.memory.map(|memory| memory.saturating_mul(2))).unwrap_or(0);
    if asked.memory.is_some_and(|memory| memory > swap) && asked.memory_swap.is_none() {
        return refused(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        );
    }
    Ok(())
}

/// A request has nothing but limits and a restart policy.
fn refuse_others(request: &HostConfig) -> Result<()> {
    let rest = HostConfig {
        restart_policy: RestartPolicy::default(),
        memory: 0,
        memory_swap: 0,
        memory_reservation: 0,
        memory_swappiness: None,
        nano_cpus: 0,
        cpu_shares: 0,
        cpu_period: 0,
        cpu_quota: 0,
        cpu_realtime_period: 0,
        cpu_realtime_runtime: 0,
        cpuset_cpus: String::new(),
        cpuset_mems: String::new(),
        pids_limit: None,
        blkio_weight: 0,
        blkio_weight_device: vec![],
        blkio_device_read_bps: vec![],
        blkio_device_write_bps: vec![],
        blkio_device_read_iops: vec![],
        blkio_device_write_iops: vec![],
        ..request.clone()
    };
    match rest == HostConfig::default() {
        true => Ok(()),
        false => refused("only limits and the restart policy of a container can be updated"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(memory: i64) -> CreateOptions {
        let resources = ResourceOptions { memory: Some(memory), ..ResourceOptions::default() };
        CreateOptions { resources, ..CreateOptions::default() }
    }

    #[test]
    fn a_limit_of_memory_keeps_the_swap_that_it_had() {
        let ask = |memory, memory_swap| HostConfig { memory, memory_swap, ..HostConfig::default() };
        let less = updated(&limited(64 << 20), &ask(32 << 20, 0)).unwrap().resources;
        assert_eq!((less.memory, less.memory_swap), (Some(32 << 20), Some(128 << 20)));
        let why = updated(&limited(64 << 20), &ask(256 << 20, 0)).unwrap_err().to_string();
        assert!(why.contains("already set memoryswap limit"), "{why}");
        assert!(updated(&limited(64 << 20), &ask(256 << 20, -1)).is_ok());
        assert!(updated(&CreateOptions::default(), &ask(32 << 20, 0)).is_err(), "as docker");
    }

    #[test]
    fn cpus_and_a_quota_exclude_each_other() {
        let mut options = CreateOptions::default();
        let cpus = HostConfig { nano_cpus: 500_000_000, ..HostConfig::default() };
        let quota = HostConfig { cpu_quota: 5_000, ..HostConfig::default() };
        options.resources.cpu_quota = Some(5_000);
        assert!(updated(&options, &cpus).is_err() && updated(&options, &quota).is_ok());
        options.resources = ResourceOptions { nano_cpus: Some(1), ..ResourceOptions::default() };
        assert!(updated(&options, &cpus).is_ok() && updated(&options, &quota).is_err());
    }

    #[test]
    fn only_what_can_be_updated_is() {
        let request = HostConfig { privileged: true, ..HostConfig::default() };
        assert!(updated(&CreateOptions::default(), &request).is_err());
        let restart_policy = RestartPolicy { name: "always".into(), maximum_retry_count: 0 };
        let request = HostConfig { restart_policy, ..HostConfig::default() };
        let options = CreateOptions::default();
        assert_eq!(updated(&options, &request).unwrap().restart, options::RestartPolicy::Always);
        assert!(updated(&CreateOptions { auto_remove: true, ..options }, &request).is_err());
    }
}
