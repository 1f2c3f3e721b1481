//! One test's environment: its own mount and network namespace, roots and cgroup parent.
//!
//! A thread can have its own namespaces, and the harness runs each test in a thread of its own: mounts and links of
//! a test are seen by its children only and go with them. The network namespace has no route, so no packet leaves
//! the machine.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use crate::leaks::{self, Traces};
use crate::outcome::{Outcome, Running, eventually, run, run_with_input};
use crate::user::UnprivilegedUser;
use crate::{cgroups, fixtures, program, skip};

/// The environment variables by which this machine's user configures access to registries.
const OWN_SETTINGS: [&str; 10] = [
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "DOCKER_CONFIG",
    "REGISTRY_AUTH_FILE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "ALL_PROXY",
    "NO_PROXY",
];

/// See the module's documentation. Dropping it proves that nothing was left behind.
#[derive(Debug)]
pub struct Scenario {
    dir: PathBuf,
    cgroup_parent: String,
    user: Option<UnprivilegedUser>,
    before: Traces,
}

impl Scenario {
    /// A new environment for the calling test, as root. Skips the test where the machine does not allow one.
    pub fn start() -> Option<Self> {
        Self::build(false)
    }

    /// The same for a user without privileges, who has a name, a home and subordinate ids.
    pub fn rootless() -> Option<Self> {
        Self::build(true)
    }

    /// [`Scenario::start`] with the image `busybox` in its store.
    pub fn with_busybox() -> Option<Self> {
        let scenario = Self::start()?;
        scenario.busybox();
        Some(scenario)
    }

    fn build(unprivileged: bool) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !nix::unistd::geteuid().is_root() {
            skip::skip("a test's own namespaces and cgroups take root");
            return None;
        }
        if let Err(errno) = unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET) {
            skip::skip(&format!("this machine refuses new mount and network namespaces: {errno}"));
            return None;
        }
        let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
        mount_change("/", private).expect("mounts can be made private");
        // A new network namespace inherits the machine's value (net.core.devconf_inherit_init_net), which is 1
        // where docker has run.
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").expect("a sysctl of the test's own namespace");
        let dir = tempfile::Builder::new().prefix("hull-test-").tempdir().expect("a temporary directory");
        // Not removed by the guard, but only after every mount below it is gone.
        let dir = dir.keep();
        // Others may enter it: the unprivileged user, and a container's own uids.
        std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o755)).expect("own directory");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let cgroup_parent = format!("/hull-test-{}-{number}", std::process::id());
        let user = unprivileged.then(|| UnprivilegedUser::create(&dir));
        // A tmpfs, as /run is everywhere.
        let run = dir.join("run");
        std::fs::create_dir(&run).expect("own directory");
        mount("tmpfs", &run, "tmpfs", MountFlags::empty(), c"mode=755").expect("a tmpfs can be mounted");
        let cgroups = dir.join("cgroups");
        std::fs::create_dir(&cgroups).expect("own directory");
        if let Err(error) = cgroups::mount_private_parent(&cgroups) {
            skip::skip(&format!("this machine's cgroups cannot be mounted a second time: {error}"));
            return None;
        }
        std::fs::remove_dir(&cgroups).expect("it is empty");
        let before = Traces::of_namespaces();
        Some(Self { dir, cgroup_parent, user, before })
    }

    /// The same namespaces with other roots and another cgroup parent, as two installations on one machine are.
    pub fn second_root(&self) -> Self {
        assert!(self.user.is_none(), "an unprivileged user has one root");
        let dir = self.path("second");
        std::fs::create_dir(&dir).expect("one second root to a scenario");
        let cgroup_parent = format!("{}-second", self.cgroup_parent);
        Self { dir, cgroup_parent, user: None, before: self.before.clone() }
    }

    /// A path in the scenario's own directory.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.dir.join(relative)
    }

    /// Writes a file in the scenario's own directory.
    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("a directory for the file");
        }
        std::fs::write(&path, content).expect("the scenario's directory can be written");
        path
    }

    pub fn data_root(&self) -> PathBuf {
        match &self.user {
            Some(user) => user.home().join(".local/share/hull"),
            None => self.path("data"),
        }
    }

    pub fn run_root(&self) -> PathBuf {
        match &self.user {
            Some(user) => user.runtime_dir().join("hull"),
            None => self.path("run"),
        }
    }

    pub(crate) fn before(&self) -> &Traces {
        &self.before
    }

    pub fn cgroup_parent(&self) -> &str {
        &self.cgroup_parent
    }

    /// The command `hull args…` in this environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = match &self.user {
            Some(user) => user.command(),
            None => {
                let mut command = Command::new(program::hull());
                command.env("HULL_ROOT", self.data_root()).env("HULL_RUNROOT", self.run_root());
                command.env("HULL_CGROUP_PARENT", &self.cgroup_parent);
                // The developer's own passwords, mirrors and proxies are no part of a test.
                command.env("HOME", self.path("home"));
                for name in OWN_SETTINGS {
                    command.env_remove(name);
                }
                command
            }
        };
        command.args(args).current_dir(&self.dir).env_remove("NO_COLOR");
        command
    }

    /// Runs `hull args…` to its end.
    pub fn hull(&self, args: &[&str]) -> Outcome {
        run(&mut self.command(args))
    }

    /// Runs `hull args…`, which must succeed, for what it prints.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        self.hull(args).ok().to_owned()
    }

    /// Runs `hull args…` with `input` on stdin.
    pub fn hull_with_input(&self, args: &[&str], input: &[u8]) -> Outcome {
        run_with_input(&mut self.command(args), input)
    }

    /// Starts `hull args…` with a pipe on stdin.
    pub fn spawn(&self, args: &[&str]) -> Running {
        Running::start(self.command(args).stdin(std::process::Stdio::piped()))
    }

    /// Imports the busybox image where it is missing; its name.
    pub fn busybox(&self) -> &'static str {
        const NAME: &str = "busybox";
        if !self.hull(&["image", "inspect", NAME]).success() {
            let tar = fixtures::busybox();
            let tar = tar.to_str().expect("a plain path");
            self.ok(&["import", "--change", "CMD [\"sh\"]", "--change", "ENV PATH=/bin", tar, NAME]);
        }
        NAME
    }

    /// Makes the file `/go`, for which the container's program waits before it ends. The kernel kills what is still in a
    /// container whose first process has ended (pid_namespaces(7)), and that may be touch(1).
    #[track_caller]
    pub fn let_end(&self, name: &str) {
        let outcome = self.hull(&["exec", name, "touch", "/go"]);
        assert!([0, 137].contains(&outcome.code()), "{outcome}");
    }

    /// One field of `inspect`, by a Go template.
    #[track_caller]
    pub fn inspect(&self, name: &str, template: &str) -> String {
        self.ok(&["inspect", "-f", template, name])
    }

    /// The host's pid of the container's first process.
    #[track_caller]
    pub fn pid_of(&self, name: &str) -> i32 {
        self.inspect(name, "{{.State.Pid}}").parse().expect("a pid")
    }

    /// The pid of the process that watches over the container: the parent of its PID 1.
    #[track_caller]
    pub fn monitor_of(&self, name: &str) -> i32 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid_of(name))).expect("it runs");
        let parent =
            status.lines().find_map(|l| l.strip_prefix("PPid:")).expect("every process has a parent");
        parent.trim().parse().expect("a pid")
    }

    /// Waits until as many commands are connected to the monitor of `name`.
    #[track_caller]
    pub fn until_connected(&self, name: &str, commands: usize) {
        let descriptors = format!("/proc/{}/fd", self.monitor_of(name));
        eventually("the commands are connected", || {
            let open = std::fs::read_dir(&descriptors).expect("the monitor lives").flatten();
            let links = open.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
            // One socket is what it listens at.
            links.filter(|link| link.to_string_lossy().starts_with("socket:")).count() > commands
        });
    }

    /// Removes every container, then looks for what is left: mounts, cgroups, links, rules, processes, files.
    pub fn traces_left(&self) -> Vec<String> {
        if self.data_root().exists() {
            let ids = self.hull(&["ps", "-aq", "--no-trunc"]);
            for id in ids.stdout.split_whitespace() {
                let removed = self.hull(&["rm", "-f", "-v", id]);
                if !removed.success() {
                    return vec![format!("a container that cannot be removed: {removed}")];
                }
            }
        }
        leaks::settle(self)
    }

    /// What there is of the scenario at this moment, without waiting for it to go.
    pub fn traces(&self) -> Vec<String> {
        leaks::look(self)
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        // After a failure only clean up for the next test.
        let left = if std::thread::panicking() { Vec::new() } else { self.traces_left() };
        leaks::sweep(self);
        if leaks::mounts_below(&self.dir).is_empty() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
        assert!(left.is_empty(), "left behind:\n  {}", left.join("\n  "));
    }
}
