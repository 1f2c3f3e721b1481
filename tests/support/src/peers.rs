//! podman and dockerd in a scenario's namespaces and directories, to compare hull with.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::outcome::{eventually, run};
use crate::scenario::Scenario;
use crate::skip;

/// podman with a store of its own, which may be removed with it.
#[derive(Debug)]
pub struct Podman {
    root: PathBuf,
    run: PathBuf,
    home: PathBuf,
    policy: PathBuf,
}

impl Podman {
    /// Skips the test if it is not installed.
    pub fn new(scenario: &Scenario, root: PathBuf) -> Option<Self> {
        if skip::find_program("podman").is_none() {
            skip::skip("podman is not installed");
            return None;
        }
        let policy = scenario.write("policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);
        Some(Self { root, run: scenario.path("run/podman"), home: scenario.path("home"), policy })
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("podman");
        command.arg("--root").arg(&self.root).arg("--runroot").arg(&self.run);
        let driver = ["--storage-driver", "overlay", "--events-backend", "none"];
        command.args(driver).args(["--cgroup-manager", "cgroupfs"]);
        command.env("HOME", &self.home).env("CONTAINERS_CONF", "/dev/null").args(args);
        command
    }

    /// `pull` or `push`, from or to a registry without TLS.
    pub fn transfer(&self, verb: &str, args: &[&str]) -> Command {
        let mut command = self.command(&[verb, "--quiet", "--tls-verify=false", "--signature-policy"]);
        command.arg(&self.policy).args(args);
        command
    }

    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        run(&mut self.command(args)).ok().to_owned()
    }
}

/// A dockerd with a store of its own; it ends with its owner.
#[derive(Debug)]
pub struct Dockerd {
    process: Child,
    socket: PathBuf,
}

impl Dockerd {
    /// Without a network for containers. Skips the test if it is not installed.
    pub fn start(scenario: &Scenario, root: &Path) -> Option<Self> {
        let without = ["dockerd", "--bridge", "none", "--iptables=false", "--ip6tables=false"];
        Self::start_by(&without, scenario, root)
    }

    /// With its own bridge and packet filter, in a network namespace that goes with it.
    pub fn with_network(scenario: &Scenario, root: &Path) -> Option<Self> {
        let script = "ip link set lo up && exec dockerd \"$@\"";
        Self::start_by(&["unshare", "--net", "--", "sh", "-c", script, "dockerd"], scenario, root)
    }

    fn start_by(words: &[&str], scenario: &Scenario, root: &Path) -> Option<Self> {
        if skip::find_program("dockerd").is_none() || skip::find_program("docker").is_none() {
            skip::skip("dockerd is not installed");
            return None;
        }
        let socket = scenario.path("run/docker.sock");
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg("--data-root").arg(root);
        command.arg("--exec-root").arg(scenario.path("run/docker"));
        command.arg("--pidfile").arg(scenario.path("run/docker.pid"));
        command.arg("-H").arg(format!("unix://{}", socket.display()));
        command.args(["--storage-driver", "overlay2", "--cgroup-parent", scenario.cgroup_parent()]);
        let log =
            std::fs::File::create(scenario.path("dockerd.log")).expect("the scenario's directory is ours");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("descriptors")).stderr(log);
        let dockerd = Self { process: command.spawn().expect("dockerd starts"), socket };
        eventually("dockerd answers", || run(&mut dockerd.command(&["version"])).success());
        Some(dockerd)
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The client.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.arg("-H").arg(format!("unix://{}", self.socket.display())).args(args);
        command
    }

    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        run(&mut self.command(args)).ok().to_owned()
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        // It ends its containerd too.
        let _ = kill(Pid::from_raw(self.process.id() as i32), Signal::SIGTERM);
        let _ = self.process.wait();
    }
}
