//! hull and dockerd in the same sandbox, for tests that compare the two.

use std::process::Child;

use hull_test_support::{Outcome, program};

use super::sandbox::Sandbox;

impl Sandbox {
    /// Runs hull with roots and a parent cgroup of its own.
    pub fn hull(&self, words: &[&str]) -> Outcome {
        let settings = [
            format!("HULL_ROOT={}", self.path("hull")),
            format!("HULL_RUNROOT={}", self.path("hull-run")),
            format!("HULL_CGROUP_PARENT={}/hull", self.cgroup_parent()),
        ];
        let mut all = vec!["env"];
        all.extend(settings.iter().map(String::as_str));
        all.push(program::hull().to_str().expect("a plain path"));
        self.run(&[&all[..], words].concat())
    }

    /// Starts the dockerd that is first in PATH, for [`Self::docker`].
    pub fn dockerd(&self) -> Child {
        let mut words = vec!["dockerd".to_owned(), "-H".into(), self.docker_socket()];
        for (flag, file) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
            words.extend([flag.into(), self.path(file)]);
        }
        words.extend(["--storage-driver", "overlay2", "--cgroup-parent"].map(String::from));
        words.push(self.cgroup_parent());
        let dockerd = self.spawn(&words.iter().map(String::as_str).collect::<Vec<_>>());
        self.slowly("the daemon answers", || self.docker(&["version"]).success());
        dockerd
    }

    pub fn docker(&self, words: &[&str]) -> Outcome {
        self.run(&[&["docker", "-H", &self.docker_socket()][..], words].concat())
    }

    pub fn docker_socket(&self) -> String {
        format!("unix://{}", self.path("docker.sock"))
    }
}
