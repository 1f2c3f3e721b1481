//! The flags of `run`, `create` and `update` that limit what a container takes, and docker's request made of them.

use anyhow::Result;
use clap::Args;
use hull_docker::flags::{block_io, cpus};
use hull_docker::size;
use hull_docker::wire::host_config::HostConfig;

use super::values::{bytes, read_all, read_if_given, signed, text};

// Limits, which become cgroup files. No doc comment: clap would print it as the help of the verb it is flattened into.
#[derive(Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Limit the memory, such as 512m
    #[arg(short, long, value_name = "SIZE", allow_hyphen_values = true)]
    pub memory: Option<String>,
    /// Limit memory and swap together; -1 means no limit
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub memory_swap: Option<String>,
    /// Memory that the kernel leaves to the container if it can
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub memory_reservation: Option<String>,
    /// How readily the kernel swaps the container's memory out, from 0 to 100 (cgroup v1)
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u64).range(..=100))]
    pub memory_swappiness: Option<u64>,
    /// Limit the CPU time; 1.5 means one and a half CPUs
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true)]
    pub cpus: Option<String>,
    /// The weight of the container when CPUs are busy [default: 1024]
    #[arg(short, long, value_name = "WEIGHT")]
    pub cpu_shares: Option<u64>,
    /// The length of a period of --cpu-quota, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_period: Option<u64>,
    /// Limit the CPU time in each period, in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    pub cpu_quota: Option<i64>,
    /// The length of a period of --cpu-rt-runtime, in microseconds (cgroup v1)
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_rt_period: Option<u64>,
    /// Limit the CPU time of real-time processes in each period, in microseconds (cgroup v1)
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_rt_runtime: Option<u64>,
    /// The CPUs on which the container may run, such as 0-2,4
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// The memory nodes that the container may use
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// Limit the number of processes and threads; -1 means no limit
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,
    /// The weight of the container's block I/O: 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    pub blkio_weight: Option<u16>,
    /// The weight of the container's block I/O on one device
    #[arg(long, value_name = "DEVICE:WEIGHT")]
    pub blkio_weight_device: Vec<String>,
    /// Limit the bytes that are read from a device per second
    #[arg(long, value_name = "DEVICE:SIZE")]
    pub device_read_bps: Vec<String>,
    /// Limit the bytes that are written to a device per second
    #[arg(long, value_name = "DEVICE:SIZE")]
    pub device_write_bps: Vec<String>,
    /// Limit the reads from a device per second
    #[arg(long, value_name = "DEVICE:COUNT")]
    pub device_read_iops: Vec<String>,
    /// Limit the writes to a device per second
    #[arg(long, value_name = "DEVICE:COUNT")]
    pub device_write_iops: Vec<String>,
}

impl LimitArgs {
    pub(super) fn apply(&self, host: &mut HostConfig) -> Result<()> {
        host.memory = bytes("--memory", self.memory.as_deref())?;
        host.memory_swap =
            read_if_given("--memory-swap", self.memory_swap.as_deref(), size::parse_or_unlimited)?
                .unwrap_or_default();
        host.memory_reservation = bytes("--memory-reservation", self.memory_reservation.as_deref())?;
        host.memory_swappiness = self.memory_swappiness.map(signed);
        host.nano_cpus = read_if_given("--cpus", self.cpus.as_deref(), cpus::parse)?.map_or(0, signed);
        host.cpu_shares = self.cpu_shares.map_or(0, signed);
        host.cpu_period = self.cpu_period.map_or(0, signed);
        host.cpu_quota = self.cpu_quota.unwrap_or_default();
        host.cpu_realtime_period = self.cpu_rt_period.map_or(0, signed);
        host.cpu_realtime_runtime = self.cpu_rt_runtime.map_or(0, signed);
        host.cpuset_cpus = text(&self.cpuset_cpus);
        host.cpuset_mems = text(&self.cpuset_mems);
        host.pids_limit = self.pids_limit.filter(|limit| *limit != 0);
        host.blkio_weight = self.blkio_weight.unwrap_or_default();
        host.blkio_weight_device =
            read_all("--blkio-weight-device", &self.blkio_weight_device, block_io::parse_weight)?;
        host.blkio_device_read_bps =
            read_all("--device-read-bps", &self.device_read_bps, block_io::parse_bytes)?;
        host.blkio_device_write_bps =
            read_all("--device-write-bps", &self.device_write_bps, block_io::parse_bytes)?;
        host.blkio_device_read_iops =
            read_all("--device-read-iops", &self.device_read_iops, block_io::parse_operations)?;
        host.blkio_device_write_iops =
            read_all("--device-write-iops", &self.device_write_iops, block_io::parse_operations)?;
        Ok(())
    }
}

// What a container's cgroup keeps until its end.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct CgroupArgs {
    /// Let the container wait for memory instead of killing it (cgroup v1)
    #[arg(long)]
    pub oom_kill_disable: bool,
    /// Make the container's cgroup below this cgroup
    #[arg(long = "cgroup-parent", value_name = "PATH")]
    pub parent: Option<String>,
}

impl CgroupArgs {
    pub(super) fn apply(&self, host: &mut HostConfig) {
        host.oom_kill_disable = self.oom_kill_disable.then_some(true);
        host.cgroup_parent = text(&self.parent);
    }
}
