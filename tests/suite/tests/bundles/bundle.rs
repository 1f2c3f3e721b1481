//! A bundle that a case changes field by field and runs.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use hull_test_support::outcome::{eventually, eventually_some};
use hull_test_support::{Outcome, outcome};
use serde_json::{Value, json};

use crate::oci_fixture::Fixture;

pub struct Bundle {
    pub fixture: Fixture,
    pub config: Value,
    /// The file name of the case.
    pub runtime: String,
    /// Other cases use the fixture at the same time, so leftovers are looked for at its end only.
    pub company: bool,
}

impl Bundle {
    pub fn new(runtime: &Path) -> Option<Self> {
        let fixture = Fixture::of(runtime)?;
        let config = fixture.config(&["true"]);
        let runtime = runtime.file_name()?.to_str()?.to_owned();
        Some(Self { fixture, config, runtime, company: false })
    }

    pub fn is_hull(&self) -> bool {
        self.runtime.starts_with("hull")
    }

    /// Sets a field by its JSON pointer. Objects on the path are made.
    pub fn set(&mut self, pointer: &str, value: Value) -> &mut Self {
        let mut at = &mut self.config;
        for name in pointer.split('/').skip(1) {
            at = match name.parse::<usize>() {
                Ok(index) if at.is_array() => &mut at[index],
                _ => &mut at[name],
            };
        }
        *at = value;
        self
    }

    /// Adds to a list.
    pub fn push(&mut self, pointer: &str, value: Value) -> &mut Self {
        let list = self.config.pointer_mut(pointer).filter(|list| list.is_array());
        match list {
            Some(list) => list.as_array_mut().expect("a list").push(value),
            None => drop(self.set(pointer, json!([value]))),
        }
        self
    }

    pub fn mount(&mut self, destination: &str, kind: &str, source: &str, options: &[&str]) -> &mut Self {
        self.push(
            "/mounts",
            json!({"destination": destination, "type": kind, "source": source, "options": options}),
        )
    }

    /// Joins the existing namespace at `path`.
    pub fn namespace(&mut self, kind: &str, path: Option<&str>) -> &mut Self {
        let list = self.config["linux"]["namespaces"].as_array_mut().expect("a list");
        list.retain(|one| one["type"] != kind);
        self.company |= path.is_some();
        list.push(match path {
            Some(path) => json!({"type": kind, "path": path}),
            None => json!({"type": kind}),
        });
        self
    }

    pub fn without_namespace(&mut self, kind: &str) -> &mut Self {
        let list = self.config["linux"]["namespaces"].as_array_mut().expect("a list");
        list.retain(|one| one["type"] != kind);
        self
    }

    pub fn sh(&mut self, script: &str) -> &mut Self {
        self.set("/process/args", json!(["sh", "-c", script]))
    }

    pub fn rootfs(&self, relative: &str) -> PathBuf {
        self.fixture.path("bundle/rootfs").join(relative)
    }

    /// Makes a directory or a file next to the bundle and returns its path.
    pub fn host_dir(&self, name: &str) -> String {
        let path = self.fixture.path(name);
        std::fs::create_dir_all(&path).expect("own directory");
        path.to_str().expect("a plain path").to_owned()
    }

    pub fn run(&self) -> Outcome {
        self.fixture.bundle(&self.config);
        outcome::run(&mut self.fixture.command(&["run", "--bundle", "bundle", "box"]))
    }

    /// Runs a script, which must succeed and leave nothing behind, and returns its output.
    #[track_caller]
    pub fn prints(&mut self, script: &str) -> String {
        let outcome = self.sh(script).run();
        let printed = outcome.ok().to_owned();
        if !self.company {
            self.fixture.assert_nothing_left();
        }
        printed
    }

    #[track_caller]
    pub fn expect(&mut self, script: &str, expected: &str) {
        let printed = self.prints(script);
        assert_eq!(printed, expected, "{script}");
    }

    /// The runtime must refuse the bundle, say why, and leave nothing behind. The words are checked for hull only.
    #[track_caller]
    pub fn refused(&mut self, named: &str) {
        let outcome = self.sh("echo it runs").run();
        assert!(!outcome.success() && !outcome.stdout.contains("it runs"), "{outcome}");
        assert!(!outcome.stderr.contains("panicked"), "{outcome}");
        if self.is_hull() {
            assert!(outcome.stderr.contains(named), "{named:?} is not named: {outcome}");
        }
        self.fixture.assert_nothing_left();
    }
}

/// A process in namespaces of its own, which lives as long as a case needs it.
pub struct Other {
    unshare: Child,
    pid: i32,
}

impl Other {
    /// Starts it with unshare(1). With `--fork`, this is the child.
    pub fn start(flags: &[&str], script: &str) -> Self {
        let mut command = Command::new("unshare");
        command.args(flags).args(["sh", "-c", &format!("{script}; exec sleep 1000")]);
        let unshare = command.spawn().expect("unshare is installed");
        let mut pid = unshare.id() as i32;
        if flags.contains(&"--fork") {
            pid = eventually_some("unshare has a child", || {
                std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?.trim().parse().ok()
            });
        }
        eventually("the other process sleeps", || {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n")
        });
        Self { unshare, pid }
    }

    pub fn path(&self, kind: &str) -> String {
        format!("/proc/{}/ns/{kind}", self.pid)
    }

    /// A file in its /proc directory.
    pub fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.pid)
    }

    pub fn name(&self, kind: &str) -> String {
        std::fs::read_link(self.path(kind)).expect("it runs").display().to_string()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ =
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid), nix::sys::signal::Signal::SIGKILL);
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}
