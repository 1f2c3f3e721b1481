//! `update`: changes the limits of a container.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use hull_runtime::config;
use hull_runtime::spec::{Cpu, Memory, Pids, Resources};

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
    *stored = state.open_cgroup()?.change(&before, &asked)?;
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
