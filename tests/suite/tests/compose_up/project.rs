//! A project of one file in a scenario.

use std::path::PathBuf;

use hull_test_support::Scenario;
use hull_test_support::outcome::{Outcome, Running};

/// The lines of a service that runs until it is stopped, which it is at once.
pub const SLEEP: &str = "init: true\n    stop_grace_period: 2s\n    command: sleep 1000";

pub struct Project<'t> {
    pub t: &'t Scenario,
    pub name: &'static str,
    file: PathBuf,
}

#[allow(dead_code, reason = "not every suite uses all of these")]
impl<'t> Project<'t> {
    pub fn new(t: &'t Scenario, name: &'static str, content: &str) -> Self {
        let file = t.write(&format!("{name}/compose.yaml"), content);
        Self { t, name, file }
    }

    pub fn file(&self) -> &str {
        self.file.to_str().expect("a path of the test's own")
    }

    /// Replaces the compose file at once: a command that begins at the same time reads one text or the other.
    pub fn write(&self, content: &str) {
        let new = self.file.with_extension("new");
        let written = std::fs::write(&new, content).and_then(|()| std::fs::rename(&new, &self.file));
        written.expect("the scenario's directory can be written");
    }

    fn args<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [&["compose", "-f", self.file()], args].concat()
    }

    pub fn compose(&self, args: &[&str]) -> Outcome {
        self.t.hull(&self.args(args))
    }

    /// What a command that succeeds writes to stderr, which is where it tells what it does.
    pub fn ok(&self, args: &[&str]) -> String {
        let outcome = self.compose(args);
        assert!(outcome.success(), "{args:?}: {outcome}");
        outcome.stderr
    }

    pub fn fails(&self, args: &[&str]) -> String {
        let outcome = self.compose(args);
        assert!(!outcome.success(), "{args:?}: {outcome}");
        outcome.stderr
    }

    pub fn spawn(&self, args: &[&str]) -> Running {
        self.t.spawn(&self.args(args))
    }

    fn container(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// The id of a container: `web-1`. Empty if there is none.
    pub fn id(&self, name: &str) -> String {
        self.t.hull(&["inspect", "-f", "{{.Id}}", &self.container(name)]).stdout.trim().to_owned()
    }

    pub fn status(&self, name: &str) -> String {
        let outcome = self.t.hull(&["inspect", "-f", "{{.State.Status}}", &self.container(name)]);
        outcome.stdout.trim().to_owned()
    }

    /// The names and ids of all containers of the engine.
    pub fn ids(&self) -> Vec<String> {
        let listed = self.t.ok(&["ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}}"]);
        let mut ids: Vec<String> = listed.lines().map(str::to_owned).collect();
        ids.sort();
        ids
    }

    /// The names of all containers of the engine.
    pub fn names(&self) -> Vec<String> {
        let ids = self.ids().into_iter();
        ids.map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
    }
}
