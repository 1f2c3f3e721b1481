//! Runs test programs, one after the other or some at a time, and repeats at the end what failed.

use std::io::{Read, Seek};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::programs::{self, Program};

/// How many lines of a program that failed are repeated at the end.
const REPEATED: usize = 80;

/// Runs all programs, also after one has failed. The error repeats what those that failed have said.
///
/// The output of a program is shown when it has ended, so that programs that run at a time do not mix theirs.
pub fn run_all(programs: &[&Program], arguments: &[&str], at_a_time: usize) -> Result<()> {
    let waiting = Mutex::new(programs.iter());
    let failed = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let next = waiting.lock().expect("no thread has panicked").next();
            let Some(program) = next else { return Ok(()) };
            if let Some(report) = run(program, arguments)? {
                failed.lock().expect("no thread has panicked").push(report);
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_a_time).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no thread has panicked"))
    })?;
    let failed = failed.into_inner().expect("no thread has panicked");
    if !failed.is_empty() {
        bail!("{} programs failed\n{}", failed.len(), failed.join("\n"));
    }
    Ok(())
}

/// Runs one program. If it fails, what it has said of that.
fn run(program: &Program, arguments: &[&str]) -> Result<Option<String>> {
    let name = format!("{}: {}", program.directory, program.name);
    eprintln!("-- {name} starts");
    // A file, because a process that a test has left behind would keep the end of a pipe open.
    let mut output = tempfile::tempfile().context("making a file for a test's output")?;
    let copy = || output.try_clone().context("duplicating a descriptor");
    let mut command = programs::command(program)?;
    command.args(arguments).stdout(copy()?).stderr(copy()?);
    let started = Instant::now();
    let status = command.status().with_context(|| format!("starting {name}"))?;
    let took = started.elapsed().as_secs_f32();
    let mut bytes = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut bytes)).context("reading a test's output")?;
    let text = String::from_utf8_lossy(&bytes);
    eprintln!("\n-- {name}\n{text}-- {name} took {took:.1} s");
    Ok((!status.success()).then(|| format!("-- {name}: {status}\n{}", excerpt(&text))))
}

/// The tests that failed and their messages, without backtraces.
fn excerpt(text: &str) -> String {
    let from = text.find("\nfailures:\n").unwrap_or(0);
    let is_frame = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("at ")
            || line.split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok())
    };
    let lines: Vec<&str> = text[from..].lines().filter(|line| !is_frame(line)).take(REPEATED).collect();
    lines.join("\n")
}

#[test]
fn a_report_has_no_backtrace() {
    let text = "running 1 test\n\nfailures:\n\n---- x stdout ----\npanicked at y:1:2:\nno\n   0: core::panicking\n             at /rustc/1\n";
    assert_eq!(excerpt(text), "\nfailures:\n\n---- x stdout ----\npanicked at y:1:2:\nno");
    let all = (0..200).map(|number| format!("line {number}\n")).collect::<String>();
    assert_eq!(excerpt(&all).lines().count(), REPEATED);
}
