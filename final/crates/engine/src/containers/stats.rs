//! `stats`: what containers use, read from their cgroups and network namespaces by the caller itself. Nothing is read
//! between two calls, and nobody reads while nobody asks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use hull_docker::wire::stats::{
    BlkioStatEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats, StatsResponse,
    ThrottlingData,
};
use hull_runtime::cgroups::{self, BlkioEntry, Cgroup, Layout};
use serde::Deserialize;

use crate::engine::{Engine, cgroup_layout};
use crate::error::{Error, Result};
use crate::machine::{self, CpuTime};
use crate::records::find::directories;
use crate::records::options::NetworkMode;
use crate::records::record::{FileId, Record};
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;
use crate::records::time::Timestamp;

/// The most that is read of a container's interfaces: its root can make any number of them.
const MAX_INTERFACES: u64 = 256 << 10;

/// Reads the usage of containers, and remembers the CPU time of the last reading.
#[derive(Debug)]
pub struct StatsReader {
    engine: Engine,
    layout: Layout,
    /// Bytes.
    memory: u64,
    before: HashMap<String, Reading>,
    /// With the file that each was read from: a container that is renamed gets another one.
    heads: HashMap<String, (Option<FileId>, Head)>,
    /// The cgroups of the last listing.
    cgroups: HashMap<String, String>,
}

/// A container's CPU time at one moment.
#[derive(Debug, Clone)]
struct Reading {
    at: Timestamp,
    cpu: CpuStats,
}

/// The part of a `container.json` that is needed here.
#[derive(Debug, Clone, Deserialize)]
struct Head {
    id: String,
    name: String,
    created: Timestamp,
    options: OptionsHead,
}

#[derive(Debug, Clone, Deserialize)]
struct OptionsHead {
    #[serde(default)]
    network: NetworkMode,
}

impl Engine {
    pub fn stats_reader(&self) -> Result<StatsReader> {
        Ok(StatsReader {
            engine: self.clone(),
            layout: cgroup_layout()?,
            memory: machine::memory_total(),
            before: HashMap::new(),
            heads: HashMap::new(),
            cgroups: HashMap::new(),
        })
    }
}

impl StatsReader {
    /// The ids of the containers that run, or with `all` of every container, the newest first. A container whose record
    /// cannot be read is left out.
    pub fn ids(&mut self, all: bool) -> Result<Vec<String>> {
        let root = self.engine.root().clone();
        let ids = match all {
            true => self.engine.ids()?,
            // Only containers with a monitor, present or killed, have a directory here.
            false => directories(&root.run().join("containers"))?,
        };
        self.cgroups.clear();
        let cgroups = &mut self.cgroups;
        let is_listed = |id: &String| {
            let snapshot = if all { None } else { Snapshot::take(&root, id).ok() };
            let is_active = snapshot.as_ref().is_some_and(|snapshot| snapshot.status.is_active());
            cgroups.extend(snapshot.and_then(cgroup_of).map(|path| (id.clone(), path)));
            all || is_active
        };
        let ids: Vec<String> = ids.into_iter().filter(is_listed).collect();
        let with_age = |id: String| Some((self.head(&id).ok()?.created, id));
        let mut found: Vec<_> = ids.into_iter().filter_map(with_age).collect();
        found.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    /// Reads the total of the CPU time only, so that the next reading has one to be compared with.
    pub fn prime(&mut self, ids: &[String]) {
        let machine = machine::cpu_time();
        for id in ids {
            let look = || cgroup_of(Snapshot::take(self.engine.root(), id).ok()?);
            let path = self.cgroups.get(id).cloned().or_else(look);
            if let Some(path) = path {
                let total_usage = self.layout.cgroup(&path).cpu_total();
                let cpu_usage = CpuUsage { total_usage, ..CpuUsage::default() };
                let cpu = CpuStats {
                    cpu_usage,
                    system_cpu_usage: machine.total,
                    online_cpus: machine.online,
                    ..CpuStats::default()
                };
                self.before.insert(id.clone(), Reading { at: Timestamp::now(), cpu });
            }
        }
    }

    /// The usage of each container, in docker's type. `precpu_stats` is what the reading before has found. A container
    /// that does not run uses nothing.
    pub fn read(&mut self, ids: &[String]) -> Vec<Result<StatsResponse>> {
        let machine = machine::cpu_time();
        let read: Vec<_> = ids.iter().map(|id| self.read_one(id, machine)).collect();
        let running = |stats: &&StatsResponse| stats.cpu_stats.system_cpu_usage != 0;
        let known: HashSet<&str> =
            read.iter().flatten().filter(running).map(|stats| stats.id.as_str()).collect();
        self.before.retain(|id, _| known.contains(id.as_str()));
        let asked: HashSet<&String> = ids.iter().collect();
        self.heads.retain(|id, _| asked.contains(id));
        read
    }

    /// The kernel's own memory for a container of the last listing, in bytes.
    pub fn kernel_memory(&self, id: &str) -> u64 {
        self.cgroups.get(id).map_or(0, |path| self.layout.cgroup(path).kernel_memory())
    }

    fn read_one(&mut self, id: &str, machine: CpuTime) -> Result<StatsResponse> {
        let head = self.head(id)?;
        let snapshot = Snapshot::take(self.engine.root(), id)?;
        let none = StatsResponse { name: format!("/{}", head.name), id: head.id, ..StatsResponse::default() };
        if !runs(&snapshot) {
            return Ok(none);
        }
        let Some(path) = snapshot.state.as_ref().and_then(|state| state.cgroup.as_deref()) else {
            return Err(Error::Unsupported(format!(
                "cannot tell what {} uses: an unprivileged user's container has no cgroup without delegation",
                head.name
            )));
        };
        let cgroup = self.layout.cgroup(path);
        let usage = cgroup.usage();
        let reading = Reading { at: Timestamp::now(), cpu: cpu_stats(usage.cpu, machine) };
        let before = self.before.insert(id.to_owned(), reading.clone());
        let stats = StatsResponse {
            read: reading.at.to_string(),
            preread: before.as_ref().map_or(none.preread, |before| before.at.to_string()),
            pids_stats: PidsStats { current: usage.pids.current, limit: usage.pids.limit },
            blkio_stats: blkio_stats(&cgroup, usage.blkio),
            cpu_stats: reading.cpu,
            precpu_stats: before.map(|before| before.cpu).unwrap_or_default(),
            memory_stats: MemoryStats {
                usage: usage.memory.usage.usage,
                max_usage: usage.memory.usage.max,
                stats: usage.memory.raw,
                failcnt: usage.memory.usage.failcnt,
                limit: usage.memory.usage.limit.min(self.memory),
            },
            networks: match (&head.options.network, snapshot.init_pid()) {
                // The host's interfaces are not the container's.
                (NetworkMode::Host, _) | (_, None) => BTreeMap::new(),
                (_, Some(pid)) => interfaces(pid),
            },
            name: none.name,
            id: none.id,
            ..StatsResponse::default()
        };
        // A monitor that has ended the container meanwhile has removed the cgroup, and the zeros mean nothing.
        match cgroup.exists() {
            true => Ok(stats),
            false => Ok(StatsResponse { name: stats.name, id: stats.id, ..StatsResponse::default() }),
        }
    }

    fn head(&mut self, id: &str) -> Result<Head> {
        let path = self.engine.root().container_dir(id).join("container.json");
        let file = FileId::of(&path);
        if let Some((known, head)) = self.heads.get(id)
            && file.is_some()
            && file == *known
        {
            return Ok(head.clone());
        }
        let head = self.load_head(&path, id)?;
        self.heads.insert(id.to_owned(), (file, head.clone()));
        Ok(head)
    }

    fn load_head(&self, path: &Path, id: &str) -> Result<Head> {
        match hull_storage::file::read_json::<Head>(path)?.filter(|head| head.id == id) {
            Some(head) => Ok(head),
            // `load` says whether it was removed or is damaged.
            None => Record::load(self.engine.root(), id).map(|record| Head {
                id: record.id,
                name: record.name,
                created: record.created,
                options: OptionsHead { network: record.options.network },
            }),
        }
    }
}

/// The cgroup of a container that runs.
fn cgroup_of(snapshot: Snapshot) -> Option<String> {
    if runs(&snapshot) { snapshot.state?.cgroup } else { None }
}

fn runs(snapshot: &Snapshot) -> bool {
    matches!(snapshot.status, Status::Running | Status::Paused)
}

fn cpu_stats(stats: cgroups::CpuStats, machine: CpuTime) -> CpuStats {
    CpuStats {
        cpu_usage: CpuUsage {
            total_usage: stats.usage.total,
            percpu_usage: stats.usage.percpu,
            usage_in_kernelmode: stats.usage.kernel,
            usage_in_usermode: stats.usage.user,
        },
        system_cpu_usage: machine.total,
        online_cpus: machine.online,
        throttling_data: ThrottlingData {
            periods: stats.throttling.periods,
            throttled_periods: stats.throttling.throttled_periods,
            throttled_time: stats.throttling.throttled_time,
        },
    }
}

/// The lists that no scheduler fills any more are empty, as in docker on cgroup v1, and null as in docker on v2, where
/// the operations are in lower case, too.
fn blkio_stats(cgroup: &Cgroup, stats: cgroups::BlkioStats) -> BlkioStats {
    let is_v2 = cgroup.is_v2();
    let entry = |entry: BlkioEntry| BlkioStatEntry {
        major: entry.major,
        minor: entry.minor,
        op: if is_v2 { entry.op.to_lowercase() } else { entry.op },
        value: entry.value,
    };
    let unused = || (!is_v2).then(Vec::new);
    BlkioStats {
        io_service_bytes_recursive: Some(stats.io_service_bytes_recursive.into_iter().map(entry).collect()),
        io_serviced_recursive: Some(stats.io_serviced_recursive.into_iter().map(entry).collect()),
        io_queue_recursive: unused(),
        io_service_time_recursive: unused(),
        io_wait_time_recursive: unused(),
        io_merged_recursive: unused(),
        io_time_recursive: unused(),
        sectors_recursive: unused(),
    }
}

/// The interfaces in the network namespace of a process, but for its loopback.
fn interfaces(pid: i32) -> BTreeMap<String, NetworkStats> {
    let mut text = Vec::new();
    // The process may have ended.
    if let Ok(file) = File::open(format!("/proc/{pid}/net/dev")) {
        let _ = file.take(MAX_INTERFACES).read_to_end(&mut text);
    }
    parse_interfaces(&String::from_utf8_lossy(&text))
}

/// Lines of /proc/net/dev, proc_pid_net(5): a name, eight numbers of what was received, and eight of what was sent.
fn parse_interfaces(text: &str) -> BTreeMap<String, NetworkStats> {
    let interface = |line: &str| {
        let (name, numbers) = line.rsplit_once(':')?;
        let numbers: Vec<u64> = numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [
            rx_bytes,
            rx_packets,
            rx_errors,
            rx_dropped,
            _,
            _,
            _,
            _,
            tx_bytes,
            tx_packets,
            tx_errors,
            tx_dropped,
            ..,
        ] = numbers[..]
        else {
            return None;
        };
        let stats = NetworkStats {
            rx_bytes,
            rx_packets,
            rx_errors,
            rx_dropped,
            tx_bytes,
            tx_packets,
            tx_errors,
            tx_dropped,
        };
        Some((name.trim().to_owned(), stats)).filter(|(name, _)| name != "lo")
    };
    text.lines().skip(2).filter_map(interface).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read_without_the_loopback() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop|bytes\n    \
                    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  \
                    eth0: 110 2 3 4 0 0 0 0 520 6 7 8 0 0 0 0\nodd: 1 2\n";
        let found = parse_interfaces(text);
        let names: Vec<_> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["eth0"]);
        let eth0 = &found["eth0"];
        assert_eq!((eth0.rx_bytes, eth0.rx_dropped, eth0.tx_bytes, eth0.tx_dropped), (110, 4, 520, 8));
    }
}
