//! `update`: changes the limits of a container.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use hull_runtime::config;
use hull_runtime::spec::{Cpu, Memory, Pids, Resources};
use serde_json::Value;

use crate::bundle::{allow_default_devices, unset_zeros};
use crate::cli;
use crate::state::{Root, Status};

pub fn update(root: &Root, args: &cli::Update) -> Result<u8> {
    let asked = asked(args)?;
    let container = root.container(&args.id)?;
    let _lock = container.lock()?;
    let state = container.read()?;
    let status = container.status(&state);
    if matches!(status, Status::Creating | Status::Stopped) {
        bail!("container not running: cannot update {}, which is {status}", args.id);
    }
    let mut spec = container.read_spec()?;
    let stored = spec.linux.get_or_insert_default().resources.get_or_insert_default();
    let before = stored.clone();
    let merged = merge(&before, &asked)?;
    let cgroup = state.open_cgroup()?;
    if let Err(error) = cgroup.update(&asked, &restrict(&merged, &asked)) {
        // Some limits may have changed already. All are set back to the old ones.
        let before = restrict(&before, &asked);
        return Err(match cgroup.update(&before, &before) {
            Ok(()) => error.into(),
            Err(failure) => anyhow!("{error}; cannot restore the limits before: {failure}"),
        });
    }
    *stored = merged;
    container.write_spec(&spec)?;
    Ok(0)
}

fn asked(args: &cli::Update) -> Result<Resources> {
    if args.l3_cache_schema.is_some() || args.mem_bw_schema.is_some() {
        bail!("--l3-cache-schema and --mem-bw-schema: hull-oci does not support resctrl (Intel RDT)");
    }
    let mut asked = match &args.resources {
        Some(file) => {
            config::parse_resources(&read(file)?).with_context(|| format!("cannot use {}", file.display()))?
        }
        None => Resources::default(),
    };
    let memory = asked.memory.get_or_insert_default();
    memory.limit = args.memory.or(memory.limit);
    memory.reservation = args.memory_reservation.or(memory.reservation);
    memory.swap = args.memory_swap.or(memory.swap);
    memory.kernel = args.kernel_memory.or(memory.kernel);
    memory.kernel_tcp = args.kernel_memory_tcp.or(memory.kernel_tcp);
    let cpu = asked.cpu.get_or_insert_default();
    cpu.period = args.cpu_period.or(cpu.period);
    cpu.quota = args.cpu_quota.or(cpu.quota);
    cpu.shares = args.cpu_share.or(cpu.shares);
    cpu.burst = args.cpu_burst.or(cpu.burst);
    cpu.idle = args.cpu_idle.or(cpu.idle);
    cpu.realtime_period = args.cpu_rt_period.or(cpu.realtime_period);
    cpu.realtime_runtime = args.cpu_rt_runtime.or(cpu.realtime_runtime);
    cpu.cpus = args.cpuset_cpus.clone().or(cpu.cpus.take());
    cpu.mems = args.cpuset_mems.clone().or(cpu.mems.take());
    if args.blkio_weight.is_some() {
        asked.block_io.get_or_insert_default().weight = args.blkio_weight;
    }
    asked.pids = args.pids_limit.map(|limit| Pids { limit }).or(asked.pids);
    unset_zeros(&mut asked);
    asked.memory = asked.memory.filter(|memory| *memory != Memory::default());
    asked.cpu = asked.cpu.filter(|cpu| *cpu != Cpu::default());
    if !asked.devices.is_empty() {
        allow_default_devices(&mut asked);
    }
    if asked == Resources::default() {
        bail!("update needs a limit: --resources FILE, or one of the options that name one");
    }
    Ok(asked)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    if file != Path::new("-") {
        return std::fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    }
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text).context("cannot read the limits from stdin")?;
    Ok(text)
}

/// The limits before, with the requested ones in their place.
fn merge(before: &Resources, asked: &Resources) -> Result<Resources> {
    let mut merged = serde_json::to_value(before)?;
    overlay(&mut merged, serde_json::to_value(asked)?);
    Ok(serde_json::from_value(merged)?)
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

    #[test]
    fn limits_that_are_not_requested_stay_and_are_written_with_those_that_depend_on_them() {
        let memory = |limit, swap| Resources {
            memory: Some(Memory { limit, swap, ..Memory::default() }),
            ..Resources::default()
        };
        let before = Resources { pids: Some(Pids { limit: 5 }), ..memory(Some(100), None) };
        let asked = memory(None, Some(150));
        let merged = merge(&before, &asked).unwrap();
        assert_eq!(merged, Resources { pids: before.pids.clone(), ..memory(Some(100), Some(150)) });
        assert_eq!(restrict(&merged, &asked), memory(Some(100), Some(150)));
    }
}
