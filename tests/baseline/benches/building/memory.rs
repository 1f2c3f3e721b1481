//! The memory of a command with all of its processes.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::memory::of_tree;

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
        most = most.max(of_tree(child.id()));
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(status.success(), "{command:?} ended with {status}");
    (most, started.elapsed())
}
