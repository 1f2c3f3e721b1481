//! A server of docker's API, and docker's own clients that talk to it.
//!
//! The server is `hull serve` in the scenario's environment. Where [`ORACLE`] names a dockerd, it is that one, in
//! namespaces of its own: so the same cases are checked on the program that they were written for.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::outcome::{Outcome, eventually, eventually_some, run, wrapped};
use crate::scenario::Scenario;
use crate::skip;

/// Names the `dockerd` that is to be tested instead of hull.
pub const ORACLE: &str = "HULL_API_ORACLE";

/// Ends with its owner, which has to drop it before the scenario.
#[derive(Debug)]
pub struct DockerServer {
    process: Child,
    socket: PathBuf,
    /// The first process of the sandbox that dockerd has for itself.
    sandbox: Option<String>,
    client: PathBuf,
    home: PathBuf,
    log: PathBuf,
}

/// The `docker` clients of this machine with their versions, the newest first. Debian's package docker.io has 20.10; what
/// else is found in `PATH` comes with the machine.
pub fn clients() -> Vec<(String, PathBuf)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for program in std::env::split_paths(&path).chain([PathBuf::from("/usr/bin")]).map(|d| d.join("docker")) {
        let Ok(output) = Command::new(&program).arg("--version").output() else { continue };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.strip_prefix("Docker version ").and_then(|t| t.split(',').next());
        if let Some(version) = version.filter(|version| found.iter().all(|(known, _)| known != version)) {
            found.push((version.to_owned(), program));
        }
    }
    let number = |version: &str| version.split('.').next().and_then(|n| n.parse::<u32>().ok());
    found.sort_by_key(|(version, _)| std::cmp::Reverse(number(version)));
    found
}

impl DockerServer {
    /// With the newest client. Skips the test where there is none.
    pub fn start(scenario: &Scenario) -> Option<Self> {
        let Some((_, client)) = clients().into_iter().next() else {
            skip::skip("docker is not installed");
            return None;
        };
        Some(Self::start_for(scenario, client))
    }

    /// dockerd with the newest client. Skips the test where one of them is missing.
    pub fn dockerd(scenario: &Scenario) -> Option<Self> {
        let (Some(dockerd), Some((_, client))) =
            (skip::find_program("dockerd"), clients().into_iter().next())
        else {
            skip::skip("dockerd is not installed");
            return None;
        };
        Some(Self::start_as(scenario, client, Some(dockerd.into())))
    }

    /// With this client.
    pub fn start_for(scenario: &Scenario, client: PathBuf) -> Self {
        Self::start_as(scenario, client, std::env::var_os(ORACLE))
    }

    fn start_as(scenario: &Scenario, client: PathBuf, oracle: Option<std::ffi::OsString>) -> Self {
        crate::registry::network_up();
        // An unprivileged user's is beside the run root, in the user's runtime directory.
        let socket = match scenario.run_root() {
            root if root == scenario.path("run") => root.join("docker.sock"),
            users => users.with_file_name("docker.sock"),
        };
        let (home, log) = (scenario.path("home"), scenario.path("server.log"));
        std::fs::create_dir_all(&home).expect("the scenario's directory is ours");
        let mut command = match &oracle {
            None => scenario.command(&["serve", "--host", &format!("unix://{}", socket.display())]),
            Some(dockerd) => sandboxed(dockerd, scenario, &socket),
        };
        let file = std::fs::File::create(&log).expect("the scenario's directory is ours");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("descriptors")).stderr(file);
        let process = command.spawn().expect("the server starts");
        let sandbox = oracle.is_some().then(|| first_process(&process));
        let server = Self { process, socket, sandbox, client, home, log };
        eventually("the server answers", || server.docker(&["version"]).success());
        server
    }

    /// The server's log, for a failure's message.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn is_oracle(&self) -> bool {
        self.sandbox.is_some()
    }

    /// `unix://…`, as `DOCKER_HOST` has it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The pid of the server's first process.
    pub fn pid(&self) -> i32 {
        self.process.id() as i32
    }

    /// A program beside the server: in its namespaces, with `DOCKER_HOST` set, and the client first in `PATH`.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = match &self.sandbox {
            Some(first) => {
                let mut enter = Command::new("nsenter");
                let home = format!("--wd={}", self.home.display());
                // Not in its pid namespace: nsenter would fork, and stay in the terminal's foreground.
                enter.args(["-t", first, "-m", "-n", &home, "--", program]);
                enter
            }
            None => Command::new(program),
        };
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.client.parent().expect("a program is in a directory").display();
        command.args(args).env("PATH", format!("{bin}:{path}")).env("HOME", &self.home);
        command.env("DOCKER_HOST", self.host()).env("DOCKER_CONFIG", self.home.join(".docker"));
        command
            .env_remove("DOCKER_BUILDKIT")
            .env("DOCKER_CLI_HINTS", "false")
            .env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
        command.current_dir(&self.home);
        command
    }

    /// `docker args…`, not yet started.
    pub fn docker_command(&self, args: &[&str]) -> Command {
        let program = self.client.to_str().expect("a plain path");
        self.command(program, args)
    }

    /// Runs `docker args…` to its end.
    pub fn docker(&self, args: &[&str]) -> Outcome {
        run(&mut self.docker_command(args))
    }

    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        self.docker(args).ok().to_owned()
    }

    /// Imports the busybox image by the client.
    pub fn busybox(&self) -> &'static str {
        let tar = crate::fixtures::busybox();
        let tar = tar.to_str().expect("a plain path");
        self.ok(&["import", "--change", "CMD [\"sh\"]", "--change", "ENV PATH=/bin", tar, "busybox"]);
        "busybox"
    }
}

impl Drop for DockerServer {
    fn drop(&mut self) {
        if let Some(first) = self.sandbox.as_ref().and_then(|pid| pid.parse().ok()) {
            // It ends its containers and its containerd too.
            let _ = kill(Pid::from_raw(first), Signal::SIGTERM);
        } else {
            let _ = kill(Pid::from_raw(self.pid()), Signal::SIGTERM);
        }
        let _ = self.process.wait();
    }
}

/// dockerd in namespaces that end with it. Directories that it writes to in addition to those that it is given are below
/// a tmpfs of its own.
fn sandboxed(dockerd: &std::ffi::OsStr, scenario: &Scenario, socket: &Path) -> Command {
    let script = "mount -t tmpfs run /run && mkdir -p /run/lock; \
        if [ -d /etc/docker ]; then mount -t tmpfs etc /etc/docker; fi; ip link set lo up; exec \"$@\"";
    // Its docker-proxy is in a directory of the same tree.
    let path = std::env::var("PATH").unwrap_or_default();
    let beside = Path::new(dockerd).parent().unwrap_or(Path::new("/usr/sbin")).display().to_string();
    let mut dockerd = Command::new(dockerd);
    dockerd.env("PATH", format!("{beside}:{path}"));
    dockerd.arg("--data-root").arg(scenario.path("run/docker-data"));
    dockerd.arg("--exec-root").arg(scenario.path("run/docker"));
    dockerd.arg("--pidfile").arg(scenario.path("run/docker.pid"));
    dockerd.arg("-H").arg(format!("unix://{}", socket.display()));
    dockerd.args(["--storage-driver", "overlay2", "--cgroup-parent", scenario.cgroup_parent()]);
    let namespaces = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--net"];
    wrapped(&[&namespaces[..], &["sh", "-c", script, "dockerd"]].concat(), &dockerd)
}

fn first_process(unshare: &Child) -> String {
    let children = format!("/proc/{0}/task/{0}/children", unshare.id());
    eventually_some("the sandbox's first process", || {
        let first = std::fs::read_to_string(&children).ok()?.trim().to_owned();
        (!first.is_empty()).then_some(first)
    })
}
