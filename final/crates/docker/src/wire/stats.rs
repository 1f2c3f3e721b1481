//! `GET /containers/{id}/stats`: what a container uses, at two moments.
//!
//! These are the only keys of the Engine API in snake case.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{NEVER, nullable};

/// The usage at `read`, and the CPU time at `preread`, about a second before. A container that does not run has neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatsResponse {
    pub read: String,
    pub preread: String,
    pub pids_stats: PidsStats,
    pub blkio_stats: BlkioStats,
    /// Windows has this one and `storage_stats`.
    pub num_procs: u32,
    pub storage_stats: super::Empty,
    pub cpu_stats: CpuStats,
    pub precpu_stats: CpuStats,
    pub memory_stats: MemoryStats,
    /// The name, with a slash before it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Keyed by the interface's name inside the container.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable::deserialize")]
    pub networks: BTreeMap<String, NetworkStats>,
}

impl Default for StatsResponse {
    fn default() -> Self {
        Self {
            read: NEVER.to_owned(),
            preread: NEVER.to_owned(),
            pids_stats: PidsStats::default(),
            blkio_stats: BlkioStats::default(),
            num_procs: 0,
            storage_stats: super::Empty {},
            cpu_stats: CpuStats::default(),
            precpu_stats: CpuStats::default(),
            memory_stats: MemoryStats::default(),
            name: String::new(),
            id: String::new(),
            networks: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PidsStats {
    #[serde(skip_serializing_if = "is_zero")]
    pub current: u64,
    /// Left out where there is no limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub limit: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuStats {
    pub cpu_usage: CpuUsage,
    /// Nanoseconds of all CPUs since the boot, idle ones included.
    #[serde(skip_serializing_if = "is_zero")]
    pub system_cpu_usage: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub online_cpus: u64,
    pub throttling_data: ThrottlingData,
}

/// Nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuUsage {
    pub total_usage: u64,
    /// Of each CPU. cgroup v2 does not count them apart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_usage: Vec<u64>,
    pub usage_in_kernelmode: u64,
    pub usage_in_usermode: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThrottlingData {
    pub periods: u64,
    pub throttled_periods: u64,
    /// Nanoseconds.
    pub throttled_time: u64,
}

/// Bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryStats {
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub max_usage: u64,
    /// The kernel's `memory.stat`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable::deserialize")]
    pub stats: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub failcnt: u64,
    /// The machine's memory where there is no limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub limit: u64,
}

/// `null` where nothing was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioStats {
    pub io_service_bytes_recursive: Option<Vec<BlkioStatEntry>>,
    pub io_serviced_recursive: Option<Vec<BlkioStatEntry>>,
    pub io_queue_recursive: Option<Vec<BlkioStatEntry>>,
    pub io_service_time_recursive: Option<Vec<BlkioStatEntry>>,
    pub io_wait_time_recursive: Option<Vec<BlkioStatEntry>>,
    pub io_merged_recursive: Option<Vec<BlkioStatEntry>>,
    pub io_time_recursive: Option<Vec<BlkioStatEntry>>,
    pub sectors_recursive: Option<Vec<BlkioStatEntry>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioStatEntry {
    pub major: u64,
    pub minor: u64,
    /// `Read`, `Write` …; in lower case on cgroup v2.
    pub op: String,
    pub value: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkStats {
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What docker's command line shows of it.
impl StatsResponse {
    /// Percent of one CPU since `preread`: 200 is two CPUs.
    pub fn cpu_percent(&self) -> f64 {
        let (cpu, before) = (&self.cpu_stats, &self.precpu_stats);
        let used = cpu.cpu_usage.total_usage.saturating_sub(before.cpu_usage.total_usage);
        let passed = cpu.system_cpu_usage.saturating_sub(before.system_cpu_usage);
        let cpus = match cpu.online_cpus {
            0 => cpu.cpu_usage.percpu_usage.len() as u64,
            online => online,
        };
        if passed == 0 { 0.0 } else { used as f64 / passed as f64 * cpus as f64 * 100.0 }
    }

    /// Bytes in use, without pages of files that the kernel can take back at once.
    pub fn memory_used(&self) -> u64 {
        let (stats, usage) = (&self.memory_stats.stats, self.memory_stats.usage);
        // The names of cgroup v1 and of v2.
        let inactive = stats.get("total_inactive_file").filter(|bytes| **bytes < usage);
        let inactive = inactive.or_else(|| stats.get("inactive_file")).copied().unwrap_or(0);
        if inactive < usage { usage - inactive } else { usage }
    }

    pub fn memory_percent(&self) -> f64 {
        match self.memory_stats.limit {
            0 => 0.0,
            limit => self.memory_used() as f64 / limit as f64 * 100.0,
        }
    }

    /// Bytes received and sent.
    pub fn network_bytes(&self) -> (u64, u64) {
        let sum = |of: fn(&NetworkStats) -> u64| self.networks.values().map(of).fold(0, u64::saturating_add);
        (sum(|network| network.rx_bytes), sum(|network| network.tx_bytes))
    }

    /// Bytes read and written.
    pub fn block_bytes(&self) -> (u64, u64) {
        let entries = self.blkio_stats.io_service_bytes_recursive.iter().flatten();
        entries.fold((0, 0), |(read, written), entry| match entry.op.bytes().next() {
            Some(b'r' | b'R') => (read + entry.value, written),
            Some(b'w' | b'W') => (read, written + entry.value),
            _ => (read, written),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a daemon of version 20.10 answers for a container that was never started.
    const UNUSED: &str = r#"{"read":"0001-01-01T00:00:00Z","preread":"0001-01-01T00:00:00Z","pids_stats":{},"blkio_stats":{"io_service_bytes_recursive":null,"io_serviced_recursive":null,"io_queue_recursive":null,"io_service_time_recursive":null,"io_wait_time_recursive":null,"io_merged_recursive":null,"io_time_recursive":null,"sectors_recursive":null},"num_procs":0,"storage_stats":{},"cpu_stats":{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0},"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},"precpu_stats":{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0},"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},"memory_stats":{},"name":"/cc","id":"2ed2"}"#;

    #[test]
    fn an_unused_container_s_answer_is_dockers_to_the_byte() {
        let stats = StatsResponse { name: "/cc".into(), id: "2ed2".into(), ..StatsResponse::default() };
        assert_eq!(serde_json::to_string(&stats).unwrap(), UNUSED);
        assert_eq!(serde_json::from_str::<StatsResponse>(UNUSED).unwrap(), stats);
        assert_eq!((stats.cpu_percent(), stats.memory_used(), stats.memory_percent()), (0.0, 0, 0.0));
    }

    #[test]
    fn cpu_time_is_a_share_of_the_time_of_all_cpus() {
        let cpu = |total_usage, system_cpu_usage| CpuStats {
            cpu_usage: CpuUsage { total_usage, ..CpuUsage::default() },
            system_cpu_usage,
            online_cpus: 4,
            ..CpuStats::default()
        };
        let between = |precpu_stats, cpu_stats| {
            StatsResponse { precpu_stats, cpu_stats, ..StatsResponse::default() }.cpu_percent()
        };
        assert_eq!(between(cpu(100, 1_000), cpu(150, 1_400)), 50.0);
        assert_eq!(between(cpu(100, 1_000), cpu(100, 1_000)), 0.0);
        assert_eq!(between(cpu(100, 1_000), cpu(50, 1_400)), 0.0, "a container that was started anew");
    }

    #[test]
    fn memory_is_counted_without_inactive_files() {
        let used = |usage, stats: &[(&str, u64)]| {
            let stats = stats.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
            let memory_stats = MemoryStats { usage, limit: 1_000, stats, ..MemoryStats::default() };
            StatsResponse { memory_stats, ..StatsResponse::default() }.memory_used()
        };
        assert_eq!(used(100, &[("total_inactive_file", 30), ("inactive_file", 10)]), 70);
        assert_eq!(used(100, &[("inactive_file", 10)]), 90);
        assert_eq!(used(100, &[("inactive_file", 300)]), 100);
    }

    #[test]
    fn devices_and_interfaces_are_summed() {
        let entry = |op: &str, value| BlkioStatEntry { op: op.into(), value, ..BlkioStatEntry::default() };
        let entries = vec![entry("Read", 1), entry("write", 2), entry("read", 4), entry("Total", 7)];
        let network = NetworkStats { rx_bytes: 5, tx_bytes: 6, ..NetworkStats::default() };
        let stats = StatsResponse {
            blkio_stats: BlkioStats { io_service_bytes_recursive: Some(entries), ..BlkioStats::default() },
            networks: [("eth0".into(), network.clone()), ("eth1".into(), network)].into(),
            ..StatsResponse::default()
        };
        assert_eq!((stats.block_bytes(), stats.network_bytes()), ((5, 2), (10, 12)));
    }
}
