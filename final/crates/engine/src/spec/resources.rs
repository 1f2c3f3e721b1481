//! Limits, in the units of the runtime-spec.

use hull_runtime::security::defaults;
use hull_runtime::spec::{Cpu, DeviceRule, Memory, Pids, Resources};

use crate::error::{Error, Result};
use crate::records::options::{CreateOptions, ResourceOptions};

/// Microseconds: the kernel's own default period (cpu.max, cpu.cfs_period_us).
const PERIOD: u64 = 100_000;
/// docker's minimum: with less, not even a shell starts.
const LEAST_MEMORY: i64 = 6 << 20;

pub(super) fn resources(options: &CreateOptions) -> Result<Resources> {
    let asked = &options.resources;
    Ok(Resources {
        devices: device_rules(options)?,
        memory: memory(asked)?,
        cpu: cpu(asked)?,
        pids: asked.pids_limit.filter(|limit| *limit != 0).map(|limit| Pids { limit }),
        ..Resources::default()
    })
}

/// True if a limit was asked for that needs a cgroup.
pub(crate) fn has_limits(asked: &ResourceOptions) -> bool {
    *asked != ResourceOptions::default()
}

fn device_rules(options: &CreateOptions) -> Result<Vec<DeviceRule>> {
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
    Ok(rules)
}

fn memory(asked: &ResourceOptions) -> Result<Option<Memory>> {
    let invalid = |why: &str| Error::Invalid { what: "memory limit".into(), why: why.into() };
    if asked.memory.is_some_and(|limit| limit > 0 && limit < LEAST_MEMORY) {
        return Err(invalid("the minimum is 6m"));
    }
    let swap = match (asked.memory, asked.memory_swap) {
        (None, Some(_)) => return Err(invalid("--memory-swap needs --memory")),
        (Some(memory), Some(swap)) if swap > 0 && swap < memory => {
            return Err(invalid(
                "--memory-swap counts memory and swap together: it cannot be less than --memory",
            ));
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
    Ok((memory != Memory { swap: memory.swap, ..Memory::default() } || swap.is_some()).then_some(memory))
}

fn cpu(asked: &ResourceOptions) -> Result<Option<Cpu>> {
    if asked.nano_cpus.is_some() && (asked.cpu_quota.is_some() || asked.cpu_period.is_some()) {
        return Err(Error::Invalid {
            what: "cpu limit".into(),
            why: "--cpus is a quota and a period: it cannot be combined with --cpu-quota or --cpu-period"
                .into(),
        });
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
        ..Cpu::default()
    };
    Ok((cpu != Cpu::default()).then_some(cpu))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_become_a_quota_of_the_default_period() {
        let asked = ResourceOptions { nano_cpus: Some(200_000_000), ..Default::default() };
        let cpu = cpu(&asked).unwrap().unwrap();
        assert_eq!((cpu.quota, cpu.period), (Some(20_000), Some(100_000)));
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
    }
}
