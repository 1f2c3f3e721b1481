/// The limits themselves: a file for each in the cgroup's directory.
pub fn limit_files(directory: &Path, limits: &Limits) -> Vec<Setting> {
    let mut files = Vec::new();
    if let Some(bytes) = limits.memory {
        // The page cache counts too. At the limit the kernel first drops cached file pages; it kills
        // only if that is not enough.
        files.push((directory.join("memory.max"), bytes.to_string()));
    }
    if let Some(cpus) = limits.cpus {
        // Quota and period, in microseconds.
        let quota = (cpus * PERIOD as f64) as u64;
        files.push((directory.join("cpu.max"), format!("{quota} {PERIOD}")));
    }
    if let Some(count) = limits.pids {
        // Threads count too: to the kernel each is a task. Beyond the limit fork(2) fails with
        // EAGAIN.
        files.push((directory.join("pids.max"), count.to_string()));
    }
    files
}
