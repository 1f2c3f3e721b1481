/// Says so if the kernel killed in here because the limit of memory was reached. A process that the kernel kills dies
/// of SIGKILL as if anybody had sent it; only this counter tells.
/// To be called before the drop, which takes the counter along with the directory.
pub fn report_oom(&self) {
    let (Some(file), Some(bytes)) = (&self.plan.oom_counter, self.memory) else { return };
    let text = fs::read_to_string(file).unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    // Limits that were reached and could be helped are counted elsewhere (max, in memory.events): at this
    // one somebody died.
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
