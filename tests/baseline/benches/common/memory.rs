//! The memory of processes.

use std::fs;

/// Of a process and those below it: their proportional set sizes together, in kilobytes (proc_pid_smaps(5)). One that has
/// ended counts nothing.
pub fn of_tree(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let own: u64 = line.and_then(|kb| kb.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    own + children.flat_map(|line| numbers(&line)).map(of_tree).sum::<u64>()
}

fn numbers(line: &str) -> Vec<u32> {
    line.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}
