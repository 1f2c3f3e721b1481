//! The sandbox of an engine: pids, mounts and a network of its own, all of which end with one process.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hull_test_support::outcome::{self, eventually_some};
use hull_test_support::{Outcome, Scenario, Terminal, cgroups};
use serde_json::Value;

pub struct Sandbox {
    scenario: Scenario,
    unshare: Child,
    /// The first process of its pid namespace.
    first: String,
}

impl Sandbox {
    pub fn start() -> Option<Self> {
        let scenario = Scenario::start()?;
        // Directories that engines write to in addition to those that they are given. A tmpfs over each keeps the machine
        // unchanged.
        let script = "mount -t tmpfs run /run && mkdir -p /run/lock; \
            if [ -d /etc/docker ]; then mount -t tmpfs etc /etc/docker; fi; \
            ip link set lo up; exec sleep 100000";
        let mut unshare = Command::new("unshare");
        unshare.args([
            "--pid",
            "--fork",
            "--kill-child",
            "--mount",
            "--mount-proc",
            "--net",
            "sh",
            "-c",
            script,
        ]);
        let unshare = unshare.stdin(Stdio::null()).spawn().expect("unshare is installed");
        let children = format!("/proc/{0}/task/{0}/children", unshare.id());
        let first = eventually_some("the sandbox's first process sleeps", || {
            let first = std::fs::read_to_string(&children).ok()?.trim().to_owned();
            let name = std::fs::read_to_string(format!("/proc/{first}/comm")).ok()?;
            (name == "sleep\n").then_some(first)
        });
        Some(Self { scenario, unshare, first })
    }

    pub fn path(&self, name: &str) -> String {
        self.scenario.path(name).to_str().expect("a plain path").to_owned()
    }

    pub fn cgroup_parent(&self) -> String {
        self.scenario.cgroup_parent().to_owned()
    }

    pub fn write(&self, name: &str, value: &Value) -> String {
        self.write_text(name, &value.to_string())
    }

    pub fn write_text(&self, name: &str, text: &str) -> String {
        self.scenario.write(name, text).to_str().expect("a plain path").to_owned()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.first, "-p", "-m", "-n", "--"]).args(words);
        // /tmp is the machine's own, so files in it are removed with the scenario.
        command.current_dir(self.scenario.path("")).env("HOME", self.path("")).env("TMPDIR", self.path(""));
        command
    }

    pub fn run(&self, words: &[&str]) -> Outcome {
        outcome::run(&mut self.command(words))
    }

    pub fn terminal(&self, words: &[&str]) -> Terminal {
        Terminal::start(&self.command(words))
    }

    /// Starts a daemon. Its output goes to a file of the scenario.
    pub fn spawn(&self, words: &[&str]) -> Child {
        let log = std::fs::File::options().append(true).create(true).open(self.path("log"));
        let log = log.expect("the scenario's directory can be written");
        let mut command = self.command(words);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a descriptor")).stderr(log);
        command.spawn().expect("it is installed")
    }

    /// Waits for a condition that an engine needs time to reach.
    #[track_caller]
    pub fn slowly(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while !condition() {
            let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(20).collect();
            assert!(Instant::now() < deadline, "still not so: {what}\n{}", last.join("\n"));
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Ends all processes in the sandbox. Cgroups that the engine made for itself are removed by their names; others are
    /// left, so that they are found as leaks.
    pub fn end(mut self, of_the_engine: &[&str]) {
        self.stop();
        let is_the_engines = |name: &str| of_the_engine.iter().any(|own| name.contains(own));
        for directory in cgroups::below(self.scenario.cgroup_parent()) {
            if directory.file_name().is_some_and(|name| is_the_engines(&name.to_string_lossy())) {
                let _ = std::fs::remove_dir(&directory);
            }
        }
    }

    fn stop(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Tells a daemon to end, and waits for it.
pub fn terminate(daemon: &mut Child) {
    // nsenter(1) has forked, and the daemon is its child.
    let children = format!("/proc/{0}/task/{0}/children", daemon.id());
    for pid in std::fs::read_to_string(children).unwrap_or_default().split_whitespace() {
        if let Ok(pid) = pid.parse() {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
        }
    }
    daemon.wait().expect("own child");
}
