//! A program that runs while its test looks at it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a test waits for an event. It is long because other work may keep the machine busy.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// A program that runs, and the process it cloned.
pub struct Running {
    pub child: Child,
    pub inside: i32,
    /// What it had traced when it cloned that process.
    pub trace: String,
    stderr: BufReader<ChildStderr>,
    out: BufReader<ChildStdout>,
}

impl Running {
    /// Starts a program with `-v` and waits until its trace names the process that it cloned.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut trace = String::new();
        let inside = loop {
            let read = stderr.read_line(&mut trace).expect("text");
            assert_ne!(read, 0, "it ended, and -v has printed no line with `clone(` (see `spawn`): {trace}");
            let line = trace.lines().last().unwrap_or_default();
            if line.contains("clone(") {
                break line.rsplit("= ").next().and_then(|pid| pid.trim().parse().ok()).expect("a pid");
            }
        };
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, inside, trace, stderr, out }
    }

    /// Reads more of the trace, until a line has `words` in it.
    pub fn wait_for_trace(&mut self, words: &str) -> String {
        let mut trace = String::new();
        while !trace.contains(words) {
            assert_ne!(
                self.stderr.read_line(&mut trace).expect("text"),
                0,
                "never traced {words:?}: {trace}"
            );
        }
        trace
    }

    /// The next line that the program inside prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        if self.out.read_line(&mut line).expect("text") == 0 {
            let _ = self.stderr.read_to_string(&mut line);
            panic!("it ended: {line}");
        }
        line.trim_end().to_owned()
    }

    /// Sends a signal to the program outside.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it has not been waited for");
    }

    /// Waits, a bounded time, until the process inside is gone.
    pub fn assert_nothing_left(&self) {
        wait_for("the process inside to be gone", || !is_alive(self.inside));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie no longer runs; its parent has yet to wait for it.
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

pub fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < TIMEOUT, "waited {} s for {what}", TIMEOUT.as_secs());
        std::thread::sleep(Duration::from_millis(5));
    }
}
