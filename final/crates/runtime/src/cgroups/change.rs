//! Changing the limits of a cgroup that exists: all that were asked for, or none.

use serde_json::Value;

use super::{Cgroup, Error, Result, files};
use crate::spec::{BlockIo, Cpu, HugepageLimit, Memory, Pids, Resources, ThrottleDevice};

/// The kernel's defaults.
const SHARES: u64 = 1024;
/// The shares that become v2's default weight of 100.
const SHARES_ON_V2: u64 = 2598;
/// Microseconds.
const PERIOD: u64 = 100_000;
const REALTIME_PERIOD: u64 = 1_000_000;
const BLOCK_IO_WEIGHT: u16 = 100;
/// Bytes that no machine has, to lift a limit. It is the largest number of the kernel's signed counters.
const NO_LIMIT: u64 = i64::MAX as u64;

impl Cgroup {
    /// Changes the limits that `asked` has from those that `before` has. Returns all limits that result. If one of them is
    /// refused, those that have changed already are set back.
    pub fn change(&self, before: &Resources, asked: &Resources) -> Result<Resources> {
        let merged = merge(before, asked)?;
        let Err(first) = self.update(asked, &restrict(&merged, asked)) else { return Ok(merged) };
        match self.set_back(before, asked) {
            Ok(()) => Err(first),
            Err(failure) => Err(Error::NotRestored { first: Box::new(first), failure: Box::new(failure) }),
        }
    }

    /// Gives the limits that `asked` has the values that they have in `before`, or the kernel's defaults.
    pub fn set_back(&self, before: &Resources, asked: &Resources) -> Result<()> {
        let all = self.with_defaults(restrict(before, asked), asked);
        self.update(&all, &all)
    }

    fn with_defaults(&self, mut all: Resources, asked: &Resources) -> Resources {
        if let Some(asked) = &asked.memory {
            self.default_memory(all.memory.get_or_insert_default(), asked);
        }
        if let Some(asked) = &asked.cpu {
            self.default_cpu(all.cpu.get_or_insert_default(), asked);
        }
        if asked.pids.is_some() {
            all.pids.get_or_insert(Pids { limit: -1 });
        }
        if let Some(asked) = &asked.block_io {
            default_block_io(all.block_io.get_or_insert_default(), asked);
        }
        for one in &asked.hugepage_limits {
            if all.hugepage_limits.iter().all(|other| other.page_size != one.page_size) {
                all.hugepage_limits.push(HugepageLimit { limit: NO_LIMIT, ..one.clone() });
            }
        }
        all
    }

    fn default_memory(&self, memory: &mut Memory, asked: &Memory) {
        fill(&mut memory.limit, asked.limit.map(|_| -1));
        fill(&mut memory.swap, asked.swap.or(asked.limit).map(|_| -1));
        // v2 protects nothing by default; v1 has a limit of what is not reclaimed first.
        fill(&mut memory.reservation, asked.reservation.map(|_| if self.is_v2() { 0 } else { -1 }));
        let above = || self.of_parent("memory", "memory.swappiness")?.parse().ok();
        fill(&mut memory.swappiness, asked.swappiness.and_then(|_| above()));
    }

    fn default_cpu(&self, cpu: &mut Cpu, asked: &Cpu) {
        fill(&mut cpu.shares, asked.shares.map(|_| if self.is_v2() { SHARES_ON_V2 } else { SHARES }));
        fill(&mut cpu.quota, asked.quota.map(|_| -1));
        fill(&mut cpu.period, asked.period.map(|_| PERIOD));
        fill(&mut cpu.burst, asked.burst.map(|_| 0));
        fill(&mut cpu.idle, asked.idle.map(|_| 0));
        fill(&mut cpu.realtime_runtime, asked.realtime_runtime.map(|_| 0));
        fill(&mut cpu.realtime_period, asked.realtime_period.map(|_| REALTIME_PERIOD));
        // On v2 an empty list means that of the cgroup above. An empty write is no write, so there is a newline.
        let above = |file: &str| match self.is_v2() {
            true => Some("\n".to_owned()),
            false => self.of_parent("cpuset", file),
        };
        fill(&mut cpu.cpus, asked.cpus.as_ref().and_then(|_| above("cpuset.cpus")));
        fill(&mut cpu.mems, asked.mems.as_ref().and_then(|_| above("cpuset.mems")));
    }

    fn of_parent(&self, controller: &str, file: &str) -> Option<String> {
        let text = files::read(&self.controller(controller).parent()?.join(file)).ok()?;
        Some(text.trim().to_owned())
    }
}

fn fill<T>(value: &mut Option<T>, default: Option<T>) {
    if value.is_none() {
        *value = default;
    }
}

fn default_block_io(block_io: &mut BlockIo, asked: &BlockIo) {
    fill(&mut block_io.weight, asked.weight.map(|_| BLOCK_IO_WEIGHT));
    let rates = |all: &mut Vec<ThrottleDevice>, asked: &[ThrottleDevice]| {
        for one in asked {
            if !all.iter().any(|other| (other.major, other.minor) == (one.major, one.minor)) {
                all.push(ThrottleDevice { rate: 0, ..one.clone() });
            }
        }
    };
    rates(&mut block_io.throttle_read_bps_device, &asked.throttle_read_bps_device);
    rates(&mut block_io.throttle_write_bps_device, &asked.throttle_write_bps_device);
    rates(&mut block_io.throttle_read_iops_device, &asked.throttle_read_iops_device);
    rates(&mut block_io.throttle_write_iops_device, &asked.throttle_write_iops_device);
    for one in &asked.weight_device {
        if !block_io.weight_device.iter().any(|other| (other.major, other.minor) == (one.major, one.minor)) {
            let mut one = one.clone();
            one.weight = one.weight.map(|_| BLOCK_IO_WEIGHT);
            block_io.weight_device.push(one);
        }
    }
}

/// The limits of `after` that `before` does not have, or has with another value.
pub fn changed(before: &Resources, after: &Resources) -> Result<Resources> {
    let (before, mut after) = (to_json(before)?, to_json(after)?);
    keep_changed(&before, &mut after);
    from_json(after)
}

fn keep_changed(before: &Value, after: &mut Value) {
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return };
    after.retain(|name, value| before.get(name) != Some(value));
    for (name, value) in after {
        keep_changed(before.get(name).unwrap_or(&Value::Null), value);
    }
}

/// The limits in which two sets differ, including those that only `before` has.
pub fn differing(before: &Resources, after: &Resources) -> Result<Resources> {
    let mut all = to_json(&changed(after, before)?)?;
    unite(&mut all, to_json(&changed(before, after)?)?);
    from_json(all)
}

fn unite(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                unite(below.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(below), Value::Array(above)) => below.extend(above),
        (below, above) => *below = above,
    }
}

/// The limits before, with the requested ones in their place.
pub fn merge(before: &Resources, asked: &Resources) -> Result<Resources> {
    let mut merged = to_json(before)?;
    overlay(&mut merged, to_json(asked)?);
    from_json(merged)
}

fn overlay(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                overlay(below.entry(name).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

fn to_json(resources: &Resources) -> Result<Value> {
    serde_json::to_value(resources).map_err(|error| Error::Invalid(error.to_string()))
}

fn from_json(value: Value) -> Result<Resources> {
    serde_json::from_value(value).map_err(|error| Error::Invalid(error.to_string()))
}

/// The groups of limits in `all` that `asked` changes. Each group is whole, because a file of the kernel may depend on two
/// limits (memory and swap, quota and period).
fn restrict(all: &Resources, asked: &Resources) -> Resources {
    Resources {
        devices: if asked.devices.is_empty() { Vec::new() } else { all.devices.clone() },
        memory: asked.memory.as_ref().and(all.memory.clone()),
        cpu: asked.cpu.as_ref().and(all.cpu.clone()),
        pids: asked.pids.as_ref().and(all.pids.clone()),
        block_io: asked.block_io.as_ref().and(all.block_io.clone()),
        network: asked.network.as_ref().and(all.network.clone()),
        hugepage_limits: if asked.hugepage_limits.is_empty() {
            Vec::new()
        } else {
            all.hugepage_limits.clone()
        },
        rdma: if asked.rdma.is_empty() { Default::default() } else { all.rdma.clone() },
        unified: all
            .unified
            .clone()
            .into_iter()
            .filter(|(file, _)| asked.unified.contains_key(file))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(limit: Option<i64>, swap: Option<i64>) -> Resources {
        Resources { memory: Some(Memory { limit, swap, ..Memory::default() }), ..Resources::default() }
    }

    #[test]
    fn limits_that_are_not_requested_stay_and_are_written_with_those_that_depend_on_them() {
        let before = Resources { pids: Some(Pids { limit: 5 }), ..memory(Some(100), None) };
        let asked = memory(None, Some(150));
        let merged = merge(&before, &asked).unwrap();
        assert_eq!(merged, Resources { pids: before.pids.clone(), ..memory(Some(100), Some(150)) });
        assert_eq!(restrict(&merged, &asked), memory(Some(100), Some(150)));
        assert_eq!(changed(&before, &merged).unwrap(), asked);
        assert_eq!(changed(&merged, &merged).unwrap(), Resources::default());
    }

    #[test]
    fn what_had_no_limit_gets_the_kernels_default_back() {
        let layout = super::super::Layout::V2 { mount: "/no/such/directory".into() };
        let cgroup = layout.cgroup("/box");
        let mut asked = memory(Some(100), None);
        asked.cpu = Some(Cpu { quota: Some(5), cpus: Some("0".into()), ..Cpu::default() });
        asked.pids = Some(Pids { limit: 7 });
        let all = cgroup.with_defaults(restrict(&Resources::default(), &asked), &asked);
        let cpu = all.cpu.as_ref().unwrap();
        assert_eq!((cpu.quota, cpu.period, cpu.cpus.as_deref()), (Some(-1), None, Some("\n")));
        assert_eq!((all.memory, all.pids), (memory(Some(-1), Some(-1)).memory, Some(Pids { limit: -1 })));
    }
}
