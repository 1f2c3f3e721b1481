/// The number of processes that the kernel has killed in the cgroup for lack of memory, from the
/// text of memory.events (v2) or memory.oom_control (v1). The line `max` of memory.events counts
/// how often the limit was reached, even without a kill.
pub fn oom_kills(text: &str) -> u64 {
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    count.unwrap_or(0)
}
