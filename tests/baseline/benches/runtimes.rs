//! The third table of `cargo xtask bench`: `hull-oci` beside crun and runc, with the same bundle, in pairs.

#[path = "common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::pairs::{Pairs, count, row};
use common::succeed;
use hull_test_support::skip::find_program;
use hull_test_support::{Scenario, fixtures, outcome, program};
use serde_json::{Value, json};

fn main() {
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let Some(scenario) = Scenario::start() else { return };
    hide_v2();
    let bench = Bench::new(&scenario);
    let ours = Runtime::new(&scenario, program::hull_oci().to_owned());
    row("what (medians)", "other", "hull-oci", "", "target");
    for (name, all, run) in [("crun", "<= x 0.6", "<= x 0.6"), ("runc", "", "<= x 0.25")] {
        match find_program(name) {
            Some(path) => bench.compare(name, &Runtime::new(&scenario, path), &ours, all, run),
            None => println!("{name} is not installed"),
        }
    }
    print_size(&bench, &ours);
}

/// crun runs on v1 and on v2, and not where both have controllers. All are measured in the same view, which is this one's
/// own: without the hierarchy of v2 where there are others.
fn hide_v2() {
    let hierarchies = hull_test_support::cgroups::hierarchies();
    let v2 = hierarchies.iter().find(|one| one.v2).filter(|_| hierarchies.len() > 1);
    if let Some(v2) = v2 {
        succeed(Command::new("umount").arg(&v2.mount_point));
    }
}

struct Bench {
    bundle: PathBuf,
    pairs: u32,
}

/// A program with runc's command line, and its own root: on a tmpfs, as /run is.
struct Runtime {
    program: PathBuf,
    root: PathBuf,
}

impl Runtime {
    fn new(scenario: &Scenario, program: PathBuf) -> Self {
        let name = program.file_name().expect("a program has a name").to_owned();
        Self { root: scenario.run_root().join(name), program }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(&self.root).args(words);
        command
    }

    fn ok(&self, words: &[&str]) {
        succeed(&mut self.command(words));
    }
}

impl Bench {
    fn new(scenario: &Scenario) -> Self {
        let bundle = scenario.path("bundle");
        std::fs::create_dir_all(bundle.join("rootfs")).expect("own directory");
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(bundle.join("rootfs")).arg("-xf").arg(fixtures::busybox());
        fixtures::run_quietly(&mut tar).expect("tar unpacks");
        succeed(Command::new(program::hull_oci()).args(["spec", "--bundle"]).arg(&bundle));
        let bench = Self { bundle, pairs: count() };
        let mut config = bench.config();
        // Of a time when all three were there.
        config["ociVersion"] = json!("1.0.2");
        config["process"]["terminal"] = json!(false);
        config["linux"]["cgroupsPath"] = json!(format!("{}/bench", scenario.cgroup_parent()));
        bench.write(&config, &["/bin/true"]);
        bench
    }

    fn config(&self) -> Value {
        let text = std::fs::read(self.bundle.join("config.json")).expect("it was written");
        serde_json::from_slice(&text).expect("JSON")
    }

    fn write(&self, config: &Value, args: &[&str]) {
        let mut config = config.clone();
        config["process"]["args"] = json!(args);
        std::fs::write(self.bundle.join("config.json"), config.to_string()).expect("own directory");
    }

    fn bundle(&self) -> &str {
        self.bundle.to_str().expect("a plain path")
    }

    fn compare(&self, name: &str, other: &Runtime, ours: &Runtime, all: &str, run: &str) {
        let measure = |what: &str, pause, target: &str, each: &dyn Fn(&Runtime)| {
            let before = || std::thread::sleep(pause);
            let taken = Pairs::take(self.pairs, before, || each(other), || each(ours));
            taken.print_ratio(&format!("{what}, beside {name}"), target);
        };
        let at_once = Duration::ZERO;
        let through = |runtime: &Runtime| runtime.ok(&["run", "--bundle", self.bundle(), "one"]);
        measure("run /bin/true", at_once, run, &through);
        measure("the same, 250 ms apart", Duration::from_millis(250), "", &through);
        measure("create, start, delete", at_once, all, &|runtime| {
            runtime.ok(&["create", "--bundle", self.bundle(), "one"]);
            runtime.ok(&["start", "one"]);
            runtime.ok(&["delete", "--force", "one"]);
        });
        let config = self.config();
        for runtime in [other, ours] {
            let mut own = config.clone();
            let cgroup = own["linux"]["cgroupsPath"].as_str().expect("ours");
            own["linux"]["cgroupsPath"] = json!(format!("{cgroup}-{}", runtime.name()));
            self.write(&own, &["/bin/sleep", "3600"]);
            runtime.ok(&["run", "--detach", "--bundle", self.bundle(), "stays"]);
        }
        self.write(&config, &["/bin/true"]);
        measure("exec /bin/true", at_once, all, &|runtime| runtime.ok(&["exec", "stays", "/bin/true"]));
        for runtime in [other, ours] {
            runtime.ok(&["delete", "--force", "stays"]);
        }
    }
}

impl Runtime {
    fn name(&self) -> String {
        self.root.file_name().expect("a root has a name").to_string_lossy().into_owned()
    }
}

/// The file, and what the process has needed at most that waits for a container in the foreground.
fn print_size(bench: &Bench, ours: &Runtime) {
    bench.write(&bench.config(), &["/bin/sleep", "3600"]);
    let mut run = ours.command(&["run", "--bundle", bench.bundle(), "one"]);
    let mut child = run.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it starts");
    outcome::eventually("it runs", || {
        let state = ours.command(&["state", "one"]).output().expect("it starts");
        String::from_utf8_lossy(&state.stdout).contains("running")
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("?").trim();
    row("peak memory of run", "", "", peak, "<= 3 MB");
    ours.ok(&["delete", "--force", "one"]);
    let _ = child.wait();
    let size = file_size(&ours.program);
    row("hull-oci, the file", "", "", &format!("{} kB", size / 1024), "<= 4 MB");
}

fn file_size(path: &Path) -> u64 {
    std::fs::metadata(path).expect("it is there").len()
}
