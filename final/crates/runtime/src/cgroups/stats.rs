//! Resource usage of a cgroup, with the names of runc's `events --stats`, which engines read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::layout::{Layout, find};
use super::{Cgroup, files};

#[derive(Debug, Default, Serialize)]
pub struct Stats {
    pub cpu: CpuStats,
    pub memory: MemoryStats,
    pub pids: PidsStats,
    pub blkio: BlkioStats,
    /// Keyed by page size.
    pub hugetlb: BTreeMap<String, Usage>,
}

#[derive(Debug, Default, Serialize)]
pub struct CpuStats {
    pub usage: CpuUsage,
    pub throttling: Throttling,
}

/// Nanoseconds.
#[derive(Debug, Default, Serialize)]
pub struct CpuUsage {
    pub total: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    pub kernel: u64,
    pub user: u64,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throttling {
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled_time: u64,
}

/// Bytes.
#[derive(Debug, Default, Serialize)]
pub struct MemoryStats {
    pub cache: u64,
    pub usage: Usage,
    pub swap: Usage,
    pub kernel: Usage,
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: Usage,
    pub raw: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Serialize)]
pub struct Usage {
    pub limit: u64,
    pub usage: u64,
    pub max: u64,
    pub failcnt: u64,
}

#[derive(Debug, Default, Serialize)]
pub struct PidsStats {
    pub current: u64,
    /// 0 means no limit.
    pub limit: u64,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlkioStats {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
}

#[derive(Debug, Default, Serialize)]
pub struct BlkioEntry {
    pub major: u64,
    pub minor: u64,
    pub op: String,
    pub value: u64,
}

impl Cgroup {
    /// The current usage. Values that this machine does not count are zero.
    pub fn stats(&self) -> Stats {
        match &self.layout {
            Layout::V2 { mount } => v2(&mount.join(&self.path)),
            Layout::V1 { hierarchies, .. } => v1(|controller| {
                find(hierarchies, controller).map(|one| one.mount.join(&self.path)).unwrap_or_default()
            }),
        }
    }
}

fn v1(directory: impl Fn(&str) -> PathBuf) -> Stats {
    let (cpuacct, cpu, memory, pids) =
        (directory("cpuacct"), directory("cpu"), directory("memory"), directory("pids"));
    let cpu_stat = keyed(&cpu.join("cpu.stat"));
    let account = keyed(&cpuacct.join("cpuacct.stat"));
    // In ticks of USER_HZ, which is 100 on every Linux.
    let ticks = |name: &str| value(&account, name) * 10_000_000;
    let usage = |prefix: &str| Usage {
        limit: number(&memory.join(format!("{prefix}limit_in_bytes"))),
        usage: number(&memory.join(format!("{prefix}usage_in_bytes"))),
        max: number(&memory.join(format!("{prefix}max_usage_in_bytes"))),
        failcnt: number(&memory.join(format!("{prefix}failcnt"))),
    };
    let raw = keyed(&memory.join("memory.stat"));
    let percpu = text(&cpuacct.join("cpuacct.usage_percpu"));
    Stats {
        cpu: CpuStats {
            usage: CpuUsage {
                total: number(&cpuacct.join("cpuacct.usage")),
                percpu: percpu.split_whitespace().filter_map(|one| one.parse().ok()).collect(),
                kernel: ticks("system"),
                user: ticks("user"),
            },
            throttling: Throttling {
                periods: value(&cpu_stat, "nr_periods"),
                throttled_periods: value(&cpu_stat, "nr_throttled"),
                throttled_time: value(&cpu_stat, "throttled_time"),
            },
        },
        memory: MemoryStats {
            cache: value(&raw, "cache"),
            usage: usage("memory."),
            swap: usage("memory.memsw."),
            kernel: usage("memory.kmem."),
            kernel_tcp: usage("memory.kmem.tcp."),
            raw,
        },
        pids: pids_stats(&pids),
        blkio: BlkioStats {
            io_service_bytes_recursive: entries(
                &directory("blkio").join("blkio.throttle.io_service_bytes_recursive"),
            ),
            io_serviced_recursive: entries(&directory("blkio").join("blkio.throttle.io_serviced_recursive")),
        },
        hugetlb: BTreeMap::new(),
    }
}

fn v2(directory: &Path) -> Stats {
    let cpu = keyed(&directory.join("cpu.stat"));
    let nanoseconds = |name: &str| value(&cpu, name) * 1_000;
    let raw = keyed(&directory.join("memory.stat"));
    let usage = |prefix: &str| Usage {
        limit: number(&directory.join(format!("{prefix}.max"))),
        usage: number(&directory.join(format!("{prefix}.current"))),
        max: number(&directory.join(format!("{prefix}.peak"))),
        failcnt: value(&keyed(&directory.join(format!("{prefix}.events"))), "max"),
    };
    Stats {
        cpu: CpuStats {
            usage: CpuUsage {
                total: nanoseconds("usage_usec"),
                percpu: Vec::new(),
                kernel: nanoseconds("system_usec"),
                user: nanoseconds("user_usec"),
            },
            throttling: Throttling {
                periods: value(&cpu, "nr_periods"),
                throttled_periods: value(&cpu, "nr_throttled"),
                throttled_time: nanoseconds("throttled_usec"),
            },
        },
        memory: MemoryStats {
            cache: value(&raw, "file"),
            usage: usage("memory"),
            swap: usage("memory.swap"),
            raw,
            ..MemoryStats::default()
        },
        pids: pids_stats(directory),
        ..Stats::default()
    }
}

fn pids_stats(directory: &Path) -> PidsStats {
    let limit = text(&directory.join("pids.max")).trim().parse().unwrap_or(0);
    PidsStats { current: number(&directory.join("pids.current")), limit }
}

fn text(file: &Path) -> String {
    files::read(file).unwrap_or_default()
}

/// `max` becomes the largest number, as in runc.
fn number(file: &Path) -> u64 {
    let text = text(file);
    if text.trim() == "max" { u64::MAX } else { text.trim().parse().unwrap_or(0) }
}

fn keyed(file: &Path) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    text(file).lines().filter_map(pair).collect()
}

fn value(map: &BTreeMap<String, u64>, name: &str) -> u64 {
    map.get(name).copied().unwrap_or(0)
}

/// `8:0 Read 4096`
fn entries(file: &Path) -> Vec<BlkioEntry> {
    let entry = |line: &str| {
        let mut fields = line.split_whitespace();
        let (major, minor) = fields.next()?.split_once(':')?;
        let (op, value) = (fields.next()?.to_owned(), fields.next()?.parse().ok()?);
        Some(BlkioEntry { major: major.parse().ok()?, minor: minor.parse().ok()?, op, value })
    };
    text(file).lines().filter_map(entry).collect()
}
