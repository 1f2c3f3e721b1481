//! The memory of a command with all of its processes.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs a command, and looks often at the memory of its processes: their proportional set sizes together, in kilobytes
/// (proc_pid_smaps(5)). Returns the most, and how long the command took.
pub fn of(command: &mut Command) -> (u64, Duration) {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it starts");
    let mut most = 0;
    let status = loop {
        if let Some(status) = child.try_wait().expect("own child") {
            break status;
        }
        most = most.max(tree(child.id()));
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(status.success(), "{command:?} ended with {status}");
    (most, started.elapsed())
}

/// Of a process and those below it. One that has ended counts nothing.
fn tree(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let own: u64 = line.and_then(|kb| kb.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    own + children.flat_map(|line| numbers(&line)).map(tree).sum::<u64>()
}

fn numbers(line: &str) -> Vec<u32> {
    line.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}
