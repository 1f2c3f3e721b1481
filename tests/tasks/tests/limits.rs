//! A wrong solution that takes without end is stopped, and the reader is told what it did.
//!
//! This program is its own runner: with arguments it runs these tasks, as the `tests/tasks.rs` of a step does.

use std::process::{Command, ExitCode, Stdio};

use lesson_tasks::{Outcome, Task, failure, run, task};
use nix::unistd::{ForkResult, fork, pause};
use serde_json::Value;

/// As many as the first step has.
const TASKS: [Task; 6] = [
    task(1, "prints without end", prints),
    task(2, "prints a lot, and is right", prints_a_lot),
    task(3, "takes memory without end", takes_memory),
    task(4, "starts processes without end", forks),
    task(5, "ends at once", ends),
    task(6, "is ended by a signal", aborts),
];

fn prints() -> Outcome {
    loop {
        println!("the same line again");
    }
}

fn prints_a_lot() -> Outcome {
    (0..200_000).for_each(|_| println!("a line of a trace"));
    Ok(())
}

fn takes_memory() -> Outcome {
    let taken = vec![1_u8; 10 << 30];
    Err(failure("", taken.len(), ""))
}

fn forks() -> Outcome {
    for count in 0..100_000 {
        // SAFETY: this process has one thread.
        #[allow(unsafe_code)]
        match unsafe { fork() } {
            Ok(ForkResult::Parent { .. }) => {}
            Ok(ForkResult::Child) => loop {
                pause();
            },
            Err(error) => return Err(failure("", format_args!("{error} after {count}"), "")),
        }
    }
    Err(failure("", "all of them", ""))
}

fn ends() -> Outcome {
    std::process::exit(0)
}

fn aborts() -> Outcome {
    std::process::abort()
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--json" || word == "--inside") {
        return run("01-uts", &TASKS);
    }
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let output = command.args(["--json", "--all"]).stderr(Stdio::inherit()).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let found: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(found.len(), TASKS.len(), "each task has an outcome: {text}");
    let expected = [
        ("fails", "printed more than 16 MiB"),
        ("ok", ""),
        ("fails", "before the check was over"),
        ("fails", "EAGAIN"),
        ("fails", "before the check was over"),
        ("fails", ""),
    ];
    for (task, (state, seen)) in found.iter().zip(expected) {
        let told = task["seen"].as_str().unwrap_or_default();
        assert!(task["state"] == state && told.contains(seen), "expected {state}, {seen:?}: {task}");
    }
    println!("{} tasks are stopped as they should be", found.len());
    ExitCode::SUCCESS
}
