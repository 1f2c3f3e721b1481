/// The limits of one controller: its files in the cgroup's directory.
pub fn limit_files(controller: &str, directory: &Path, limits: &Limits) -> Vec<Setting> {
    let file = |name: &str, value: u64| (directory.join(name), value.to_string());
    let mut files = Vec::new();
    match controller {
        "memory" => files.extend(limits.memory.map(|bytes| file("memory.limit_in_bytes", bytes))),
        "cpu" => {
            // v2 has one file for both. The period is written first, because the quota is a share of
            // the period.
            files.push(file("cpu.cfs_period_us", PERIOD));
            files.extend(limits.cpus.map(|cpus| file("cpu.cfs_quota_us", (cpus * PERIOD as f64) as u64)));
        }
        "pids" => files.extend(limits.pids.map(|count| file("pids.max", count))),
        _ => {}
    }
    files
}
