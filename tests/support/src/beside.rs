//! Mount, pid and network namespaces in which another engine runs beside hull.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Scenario;
use crate::outcome::eventually_some;

/// sysfs shows the links of the network namespace in which it was mounted, so a new one is mounted here. The machine's
/// cgroups are bound into it.
const NAMESPACES: &str = "\
mkdir cgroup && mount --rbind /sys/fs/cgroup cgroup && mount -t sysfs sysfs /sys && mount --rbind cgroup /sys/fs/cgroup
mount -t tmpfs run /run && mkdir -p /run/lock && ip link set lo up
exec sleep 100000";

/// The namespaces and all processes in them end when this value is dropped.
#[derive(Debug)]
pub struct Beside<'a> {
    scenario: &'a Scenario,
    unshare: Child,
    /// The first process of the pid namespace.
    first: String,
}

impl<'a> Beside<'a> {
    pub fn start(scenario: &'a Scenario) -> Self {
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
        Self { scenario, unshare, first }
    }

    /// A command in the namespaces.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.first, "-p", "-m", "-n", "--"]).args(words);
        command.current_dir(self.scenario.path("")).env("HOME", self.scenario.path("home"));
        command
    }

    /// Ends the processes in the namespaces. The first one is the last one to go (pid_namespaces(7)).
    pub fn end(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        let first = Path::new("/proc").join(&self.first);
        let deadline = Instant::now() + Duration::from_secs(10);
        while first.exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Beside<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Removes the cgroups that liblxc leaves behind when it is killed, and the cgroup to which a monitor moves at its end,
/// which liblxc never removes.
pub fn remove_lxc_cgroups() {
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
                // lxc-attach makes a cgroup below this one.
                let _ = std::fs::remove_dir(entry.path().join(".lxc"));
                let _ = std::fs::remove_dir(entry.path());
            }
        }
    }
}
