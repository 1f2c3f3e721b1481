/// Reports whether the kernel killed a process because the memory limit was reached. Such a
/// process dies of SIGKILL, as if anybody had sent it; only this counter shows the cause. It
/// has to be read before the cgroup is removed.
pub fn report_oom(&self) {
    let (Some(file), Some(bytes)) = (&self.plan.oom_counter, self.memory) else { return };
    let text = fs::read_to_string(file).unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    // `oom_kill` counts kills; `max`, in memory.events, also counts limits that were reached
    // without one.
    let kills: u64 = count.unwrap_or(0);
    report::trace(format!("read {}: oom_kill {kills}", file.display()));
    let limit = match bytes {
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes => format!("{bytes} bytes"),
    };
    if kills > 0 {
        report::say(format_args!(
            "killed by the kernel: memory limit {limit} reached (oom_kill {kills})"
        ));
    }
}
