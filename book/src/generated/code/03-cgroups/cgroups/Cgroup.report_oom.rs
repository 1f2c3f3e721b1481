/// Tells the user whether the kernel killed a process because of the memory limit. Such a
/// process dies of SIGKILL, which anybody could have sent; only this counter shows the cause.
/// The kernel removes the counter with the cgroup, so read it before the removal.
pub fn report_oom(&self) {
    let (Some(file), Some(bytes)) = (&self.plan.oom_counter, self.memory) else { return };
    let kills = oom_kills(&fs::read_to_string(file).unwrap_or_default());
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
