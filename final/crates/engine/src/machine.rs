//! The machine's memory and CPU time, from /proc.

use hull_sys::fs::read_kernel_text;

/// Nanoseconds in a tick of /proc/stat: USER_HZ is 100 on every Linux that hull knows (time(7)).
const TICK: u64 = 10_000_000;

/// The fields of a line of /proc/stat that docker sums: user, nice, system, idle, iowait, irq, softirq (proc_stat(5)).
const FIELDS: usize = 7;

/// The time of all CPUs since the boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CpuTime {
    /// Nanoseconds, idle ones included.
    pub total: u64,
    pub online: u64,
}

/// The machine's memory in bytes; 0 if it cannot be read.
pub(crate) fn memory_total() -> u64 {
    let text = read_kernel_text("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Zeros if it cannot be read.
pub(crate) fn cpu_time() -> CpuTime {
    parse(&read_kernel_text("/proc/stat").unwrap_or_default())
}

fn parse(stat: &str) -> CpuTime {
    let mut lines = stat.lines();
    let all = lines.next().and_then(|line| line.strip_prefix("cpu ")).unwrap_or_default();
    let ticks = all.split_whitespace().take(FIELDS).filter_map(|field| field.parse::<u64>().ok());
    let online = lines.take_while(|line| line.starts_with("cpu")).count();
    CpuTime { total: ticks.sum::<u64>() * TICK, online: online as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_all_cpus_is_summed_without_what_a_hypervisor_stole() {
        let stat = "cpu  1 2 3 4 5 6 7 800 900 0\ncpu0 1 0 0\ncpu2 0 2 3\nintr 5 cpu\n";
        assert_eq!(parse(stat), CpuTime { total: 28 * TICK, online: 2 });
        assert_eq!(parse(""), CpuTime::default());
    }
}
