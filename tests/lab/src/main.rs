//! Runs a command in the lab of the lessons: `cargo build -p lesson-lab`, then as root `lesson-lab sh`.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    lesson_lab::isolate();
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: lesson-lab COMMAND [ARGUMENT]…");
        return ExitCode::from(2);
    };
    // exec returns only if it failed.
    eprintln!("{}: {}", program.display(), Command::new(&program).args(words).exec());
    ExitCode::from(127)
}
