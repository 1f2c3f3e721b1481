//! LXD in mount, pid and network namespaces of its own, beside hull.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::outcome::{self, eventually_some};
use crate::{Outcome, Scenario, skip};

/// A pool of directories and a profile that has a root in it: what `lxd init` asks for first.
const PRESEED: &str = "\
storage_pools:
- name: default
  driver: dir
profiles:
- name: default
  devices:
    root:
      type: disk
      path: /
      pool: default
";

/// LXD shows a network's links by sysfs, which shows those of the namespace in which it was mounted; the cgroups of the
/// machine lie on it.
const NAMESPACES: &str = "\
mkdir cgroup && mount --rbind /sys/fs/cgroup cgroup && mount -t sysfs sysfs /sys && mount --rbind cgroup /sys/fs/cgroup
mount -t tmpfs run /run && mkdir -p /run/lock && ip link set lo up
exec sleep 100000";

/// A daemon of the real LXD.
#[derive(Debug)]
pub struct Lxd<'a> {
    scenario: &'a Scenario,
    unshare: Child,
    /// The first process of its pid namespace.
    first: String,
    daemon: Option<Child>,
}

impl<'a> Lxd<'a> {
    /// Skips the test where LXD is not installed.
    pub fn start(scenario: &'a Scenario) -> Option<Self> {
        for program in ["lxd", "lxc"] {
            if skip::find_program(program).is_none() {
                skip::skip(&format!("{program} is not installed"));
                return None;
            }
        }
        let unshare = Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--net", "sh", "-ec"])
            .arg(NAMESPACES)
            .current_dir(scenario.path(""))
            .stdin(Stdio::null())
            .spawn()
            .expect("unshare is installed");
        let children = format!("/proc/{0}/task/{0}/children", unshare.id());
        let first = eventually_some("the first process of LXD's namespaces sleeps", || {
            let first = std::fs::read_to_string(&children).ok()?.trim().to_owned();
            let name = std::fs::read_to_string(format!("/proc/{first}/comm")).ok()?;
            (name == "sleep\n").then_some(first)
        });
        let mut lxd = Self { scenario, unshare, first, daemon: None };
        // Its socket's path must be short.
        std::fs::create_dir_all(scenario.path("lxd")).expect("own directory");
        let log = std::fs::File::create(scenario.path("lxd.log")).expect("own directory");
        let mut daemon = lxd.command(&["lxd", "--group", "root"]);
        daemon.stdin(Stdio::null()).stdout(log.try_clone().expect("a descriptor")).stderr(log);
        lxd.daemon = Some(daemon.spawn().expect("it is installed"));
        outcome::run(&mut lxd.command(&["lxd", "waitready", "--timeout=60"])).ok();
        outcome::run_with_input(&mut lxd.command(&["lxd", "init", "--preseed"]), PRESEED.as_bytes()).ok();
        Some(lxd)
    }

    /// A command in LXD's namespaces.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.first, "-p", "-m", "-n", "--"]).args(words);
        command.current_dir(self.scenario.path("")).env("HOME", self.scenario.path("home"));
        command.env("LXD_DIR", self.scenario.path("lxd")).env("LXD_CONF", self.scenario.path("lxd-conf"));
        command
    }

    /// Runs `lxc args…`.
    pub fn lxc(&self, args: &[&str]) -> Outcome {
        // Without a bound a stop waits for ever for an init that has not begun to listen.
        let mut command = self.command(&[&["timeout", "60", "lxc"], args].concat());
        outcome::run(command.stdin(Stdio::null()))
    }
}

impl Drop for Lxd<'_> {
    fn drop(&mut self) {
        // It ends its containers; what it may leave goes with the namespaces.
        let _ = outcome::run(&mut self.command(&["lxd", "shutdown", "--timeout", "20"]));
        let deadline = Instant::now() + Duration::from_secs(20);
        if let Some(daemon) = &mut self.daemon {
            while Instant::now() < deadline && daemon.try_wait().is_ok_and(|ended| ended.is_none()) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.wait();
        }
        remove_cgroups();
    }
}

/// liblxc leaves cgroups behind where it was killed, and always the one to which a monitor moves at its end.
fn remove_cgroups() {
    let Ok(hierarchies) = std::fs::read_dir("/sys/fs/cgroup") else { return };
    let roots = hierarchies.flatten().map(|entry| entry.path()).chain(["/sys/fs/cgroup".into()]);
    for root in roots {
        let Ok(entries) = std::fs::read_dir(&root) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "lxc.pivot"
                || name.starts_with("lxc.monitor.peer")
                || name.starts_with("lxc.payload.peer")
            {
                let _ = std::fs::remove_dir(entry.path());
            }
        }
    }
}
