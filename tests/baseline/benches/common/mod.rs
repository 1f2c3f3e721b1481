//! Both sides of each measurement, in one scenario.

#![allow(dead_code, reason = "each bench uses its part")]

pub mod clients;
pub mod dockerd;
pub mod memory;
pub mod pairs;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use hull_test_support::{Scenario, fixtures};

/// A scenario with the busybox image, and the same tree unpacked for `baseline`.
pub struct Bench {
    scenario: Scenario,
    baseline: PathBuf,
    containers: AtomicU32,
}

impl Bench {
    pub fn new() -> Option<Self> {
        let scenario = Scenario::with_busybox()?;
        for dir in ["baseline/lower", "baseline/merged", "baseline/etc"] {
            fs::create_dir_all(scenario.path(dir)).expect("own directory");
        }
        for name in ["hosts", "hostname", "resolv.conf"] {
            scenario.write(&format!("baseline/etc/{name}"), "");
        }
        let mut unpack = Command::new("tar");
        unpack.arg("-C").arg(scenario.path("baseline/lower")).arg("-xf").arg(fixtures::busybox());
        fixtures::run_quietly(&mut unpack).expect("tar unpacks");
        // Copied in one piece, as the measured hull is: a linker writes its file in many small pieces, which map slower.
        let baseline = scenario.path("baseline-program");
        fs::copy(env!("CARGO_BIN_EXE_baseline"), &baseline).expect("own directory");
        Some(Self { scenario, baseline, containers: AtomicU32::new(0) })
    }

    pub fn baseline_start(&self) {
        let cgroup = format!("{}/baseline", self.scenario.cgroup_parent());
        let dir = self.scenario.path("baseline");
        succeed(Command::new(&self.baseline).arg("start").arg(dir).args([&cgroup, "/bin/true"]));
    }

    pub fn hull_start(&self) {
        let args = ["run", "--rm", "--network", "none", "busybox", "/bin/true"];
        succeed(&mut self.scenario.command(&args));
    }

    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    pub fn baseline(&self) -> Command {
        Command::new(&self.baseline)
    }

    /// A container that stays.
    pub fn running(&self) -> Running<'_> {
        let name = format!("bench-{}", self.containers.fetch_add(1, Ordering::Relaxed));
        self.scenario.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "3600"]);
        let pid = self.scenario.pid_of(&name);
        let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs");
        let cgroup =
            own.lines().find_map(|l| l.split(':').nth(2).filter(|p| p.contains("hull-test"))).expect("ours");
        Running { bench: self, pid: pid.to_string(), cgroup: cgroup.to_owned(), name }
    }

    pub fn create_containers(&self, count: u32) {
        for _ in 0..count {
            self.scenario.ok(&["create", "busybox", "true"]);
        }
    }

    pub fn baseline_read(&self) {
        succeed(
            Command::new(&self.baseline)
                .arg("read")
                .args([self.scenario.data_root(), self.scenario.run_root()]),
        );
    }

    pub fn hull_list(&self) {
        succeed(&mut self.scenario.command(&["ps", "-a"]));
    }
}

/// A running container.
pub struct Running<'a> {
    bench: &'a Bench,
    name: String,
    pid: String,
    cgroup: String,
}

impl Running<'_> {
    pub fn baseline_exec(&self) {
        succeed(Command::new(&self.bench.baseline).args(["exec", &self.pid, &self.cgroup, "/bin/true"]));
    }

    pub fn hull_exec(&self) {
        succeed(&mut self.bench.scenario.command(&["exec", &self.name, "/bin/true"]));
    }

    /// Proportional set size of the monitor in KB, from proc_pid_smaps(5).
    pub fn monitor_pss(&self) -> u64 {
        let monitor = self.bench.scenario.monitor_of(&self.name);
        let rollup = fs::read_to_string(format!("/proc/{monitor}/smaps_rollup")).expect("it runs");
        let line = rollup.lines().find_map(|l| l.strip_prefix("Pss:")).expect("a Pss line");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

pub fn succeed(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().expect("it starts");
    assert!(status.success(), "{command:?} ended with {status}");
}
