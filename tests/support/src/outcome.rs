//! Runs a command with a deadline, and keeps what it printed and how it ended.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The limit for every command: a hang is a failure with the output so far, not a job that is cut off.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    pub command: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Outcome {
    /// The exit code; 128+n after signal n, as a shell counts.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// What it printed, without the last newline; panics unless it succeeded.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert!(self.success(), "should succeed: {self}");
        self.stdout.trim_end_matches('\n')
    }

    /// What it said on stderr; panics unless it ended with `code`.
    #[track_caller]
    pub fn fails(&self, code: i32) -> &str {
        assert_eq!(self.code(), code, "should exit with {code}: {self}");
        assert!(!self.stderr.contains("panicked at"), "a panic is no error message: {self}");
        &self.stderr
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, status, stdout, stderr, took } = self;
        write!(
            f,
            "`{command}` ended with {status} after {took:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---"
        )
    }
}

/// A command that has been started, its output being collected.
#[derive(Debug)]
pub struct Running {
    command: String,
    child: Child,
    started: Instant,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
}

impl Running {
    /// Starts `command` with stdin as the caller set it, stdout and stderr collected.
    pub fn start(command: &mut Command) -> Self {
        let text = words(command);
        let started = Instant::now();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start `{text}`: {e}"));
        let stdout = drain(child.stdout.take().expect("piped"));
        let stderr = drain(child.stderr.take().expect("piped"));
        Self { command: text, child, started, stdout, stderr }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Writes to the command's stdin and closes it.
    pub fn feed(&mut self, input: &[u8]) {
        // The command may end without reading all of it; its exit code tells whether that is an error.
        let _ = self.child.stdin.take().expect("stdin is piped").write_all(input);
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("own child").is_some()
    }

    /// Waits for the command and for both of its pipes to close. A detached child that keeps a pipe open would hang
    /// a shell's `$(…)`, so it is a failure here too.
    pub fn wait(mut self) -> Outcome {
        let deadline = self.started + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("own child") {
                break status;
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                let (out, err) = (self.stdout.try_recv(), self.stderr.try_recv());
                panic!(
                    "`{}` has not ended after {DEADLINE:?}\nstdout: {out:?}\nstderr: {err:?}",
                    self.command
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let took = self.started.elapsed();
        let collect = |pipe: &Receiver<Vec<u8>>, name: &str| {
            let left = deadline.saturating_duration_since(Instant::now()).min(Duration::from_secs(10));
            let bytes = pipe.recv_timeout(left).unwrap_or_else(|_| {
                panic!("`{}` ended, but something it left behind holds its {name}", self.command)
            });
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let stdout = collect(&self.stdout, "stdout");
        let stderr = collect(&self.stderr, "stderr");
        Outcome { command: self.command, status, stdout, stderr, took }
    }
}

/// `command` as the arguments of `wrapper`, such as a shell or unshare(1), with its environment and directory.
pub fn wrapped(wrapper: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(wrapper[0]);
    outer.args(&wrapper[1..]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        outer.current_dir(dir);
    }
    outer
}

/// Runs `command` with nothing on stdin.
pub fn run(command: &mut Command) -> Outcome {
    Running::start(command.stdin(Stdio::null())).wait()
}

/// Runs `command` with `input` on stdin.
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Outcome {
    let mut running = Running::start(command.stdin(Stdio::piped()));
    running.feed(input);
    running.wait()
}

/// Tries `condition` until it holds; panics with `what` when it does not in half a minute.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "still not so after 30 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Checks `condition` again and again for `time`, and panics with `what` as soon as it does not hold. It is for
/// what must not happen, where there is no event to wait for.
#[track_caller]
pub fn assert_stays(what: &str, time: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        assert!(condition(), "no longer so: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Tries until there is something; panics with `what` when there is nothing in half a minute.
#[track_caller]
pub fn eventually_some<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    eventually(what, || {
        found = find();
        found.is_some()
    });
    found.expect("found a moment ago")
}

fn drain(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

fn words(command: &Command) -> String {
    let args = std::iter::once(command.get_program()).chain(command.get_args());
    args.map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
