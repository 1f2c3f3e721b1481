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
        let mut stats = self.usage();
        let memory = self.controller("memory");
        match self.is_v2() {
            true => stats.memory.swap = v2_memory(&memory, "memory.swap"),
            false => {
                stats.memory.swap = v1_memory(&memory, "memory.memsw.");
                stats.memory.kernel = v1_memory(&memory, "memory.kmem.");
                stats.memory.kernel_tcp = v1_memory(&memory, "memory.kmem.tcp.");
            }
        }
        stats
    }

    /// The kernel's own memory for the cgroup, in bytes. 0 if this machine does not count it.
    pub fn kernel_memory(&self) -> u64 {
        let memory = self.controller("memory");
        match self.is_v2() {
            true => value(&keyed(&memory.join("memory.stat")), "kernel"),
            false => v1_memory(&memory, "memory.kmem.").usage,
        }
    }

    /// [`Self::stats`] without swap and the kernel's own memory, which takes half as many files.
    pub fn usage(&self) -> Stats {
        let directory = |controller: &str| self.controller(controller);
        let (cpu, memory) = (self.cpu_stats(), directory("memory"));
        let raw = keyed(&memory.join("memory.stat"));
        let (pids, blkio) = (pids_stats(&directory("pids")), directory("blkio"));
        match self.is_v2() {
            true => Stats {
                cpu,
                memory: MemoryStats {
                    cache: value(&raw, "file"),
                    usage: v2_memory(&memory, "memory"),
                    raw,
                    ..MemoryStats::default()
                },
                pids,
                blkio: v2_block_io(&text(&blkio.join("io.stat"))),
                ..Stats::default()
            },
            false => Stats {
                cpu,
                memory: MemoryStats {
                    cache: value(&raw, "cache"),
                    usage: v1_memory(&memory, "memory."),
                    raw,
                    ..MemoryStats::default()
                },
                pids,
                blkio: BlkioStats {
                    io_service_bytes_recursive: entries(
                        &blkio.join("blkio.throttle.io_service_bytes_recursive"),
                    ),
                    io_serviced_recursive: entries(&blkio.join("blkio.throttle.io_serviced_recursive")),
                },
                ..Stats::default()
            },
        }
    }

    fn cpu_stats(&self) -> CpuStats {
        match self.is_v2() {
            true => v2_cpu(&self.controller("cpu")),
            false => v1_cpu(&self.controller("cpu"), &self.controller("cpuacct")),
        }
    }

    /// Nanoseconds of CPU time, of which nothing else is read.
    pub fn cpu_total(&self) -> u64 {
        match self.is_v2() {
            true => v2_cpu(&self.controller("cpu")).usage.total,
            false => number(&self.controller("cpuacct").join("cpuacct.usage")),
        }
    }

    /// The directory in which a v1 controller's files are; empty if this machine does not have it.
    pub(super) fn controller(&self, name: &str) -> PathBuf {
        match &self.layout {
            Layout::V2 { mount } => mount.join(&self.path),
            Layout::V1 { hierarchies, .. } => {
                find(hierarchies, name).map(|one| one.mount.join(&self.path)).unwrap_or_default()
            }
        }
    }
}

fn v1_cpu(cpu: &Path, cpuacct: &Path) -> CpuStats {
    let cpu_stat = keyed(&cpu.join("cpu.stat"));
    let account = keyed(&cpuacct.join("cpuacct.stat"));
    // In ticks of USER_HZ, which is 100 on every Linux.
    let ticks = |name: &str| value(&account, name) * 10_000_000;
    let percpu = text(&cpuacct.join("cpuacct.usage_percpu"));
    CpuStats {
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
    }
}

fn v2_cpu(directory: &Path) -> CpuStats {
    let cpu = keyed(&directory.join("cpu.stat"));
    let nanoseconds = |name: &str| value(&cpu, name) * 1_000;
    CpuStats {
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
    }
}

fn v1_memory(directory: &Path, prefix: &str) -> Usage {
    let read = |name: &str| number(&directory.join(format!("{prefix}{name}")));
    Usage {
        limit: read("limit_in_bytes"),
        usage: read("usage_in_bytes"),
        max: read("max_usage_in_bytes"),
        failcnt: read("failcnt"),
    }
}

fn v2_memory(directory: &Path, prefix: &str) -> Usage {
    Usage {
        limit: number(&directory.join(format!("{prefix}.max"))),
        usage: number(&directory.join(format!("{prefix}.current"))),
        max: number(&directory.join(format!("{prefix}.peak"))),
        failcnt: value(&keyed(&directory.join(format!("{prefix}.events"))), "max"),
    }
}

/// `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`
fn v2_block_io(text: &str) -> BlkioStats {
    let mut stats = BlkioStats::default();
    for line in text.lines() {
        let mut fields = line.split(' ');
        let numbers = fields.next().and_then(|device| device.split_once(':'));
        let Some((major, minor)) = numbers.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?))) else {
            continue;
        };
        for (key, value) in fields.filter_map(|field| field.split_once('=')) {
            let (list, op) = match key {
                "rbytes" => (&mut stats.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut stats.io_service_bytes_recursive, "Write"),
                "rios" => (&mut stats.io_serviced_recursive, "Read"),
                "wios" => (&mut stats.io_serviced_recursive, "Write"),
                _ => continue,
            };
            list.push(BlkioEntry { major, minor, op: op.to_owned(), value: value.parse().unwrap_or(0) });
        }
    }
    stats
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_io_of_v2_is_read_by_device_and_direction() {
        let stats = v2_block_io("8:0 rbytes=4096 wbytes=10 rios=1 wios=2 dbytes=0 dios=0\n7:3 \nx\n");
        let show = |entries: &[BlkioEntry]| -> Vec<String> {
            entries
                .iter()
                .map(|one| format!("{}:{} {} {}", one.major, one.minor, one.op, one.value))
                .collect()
        };
        assert_eq!(show(&stats.io_service_bytes_recursive), ["8:0 Read 4096", "8:0 Write 10"]);
        assert_eq!(show(&stats.io_serviced_recursive), ["8:0 Read 1", "8:0 Write 2"]);
    }
}
