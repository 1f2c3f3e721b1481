//! A systemd that only a test uses: the first process of a pid namespace, with only the units that the test asks for, and
//! with the test's cgroup as its root.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use hull_test_support::outcome::{self, eventually, eventually_some, wrapped};
use hull_test_support::{Outcome, cgroups, skip};

use crate::oci_fixture::Fixture;

const SYSTEMD: &str = "/lib/systemd/systemd";
const SYSTEMCTL: &str = "/usr/bin/systemctl";
const DBUS: &str = "/usr/bin/dbus-daemon";

/// A bus on which every user may do everything.
const BUS: &str = r#"<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/></policy></busconfig>"#;

/// Without the units that others depend on by default.
const ALONE: &str = "[Unit]\nDefaultDependencies=no\n";

/// Enters the cgroup, and mounts the hierarchies again so that it is their root. The shell of busybox is enough for this.
const SCRIPT: &str = r#"
set -e
parent=$1 units=$2 table=$3
grep ' - cgroup2\? ' /proc/self/mountinfo > "$table"
while read -r _ _ _ _ mount _; do
    own=$mount$parent
    mkdir -p "$own"
    for file in cpuset.cpus cpuset.mems; do
        if [ -e "$own/$file" ] && [ ! -e "$own/cgroup.controllers" ]; then cat "$mount/$file" > "$own/$file"; fi
    done
    if [ -e "$mount/cgroup.controllers" ]; then
        for controller in $(cat "$mount/cgroup.controllers"); do
            echo "+$controller" > "$mount/cgroup.subtree_control" || true
        done
    fi
done < "$table"
exec /usr/bin/unshare --pid --mount --uts --ipc --net --fork --kill-child sh -c '
set -e
# Alone: a cgroup with a process in it has none below on v2 that has limits.
while read -r _ _ _ _ mount _; do echo 0 > "$mount$3/cgroup.procs"; done < "$1"
exec /usr/bin/unshare --cgroup sh -c "$4" sh "$1" "$2"
' sh "$table" "$units" "$parent" '
    set -e
    mount -t proc proc /proc
    mount -t tmpfs tmpfs /run
    v2=$(grep " /sys/fs/cgroup .* - cgroup2 " "$1") || while read -r _ _ _ _ mount _; do umount "$mount"; done < "$1"
    umount /sys/fs/cgroup
    if [ -z "$v2" ]; then mount -t tmpfs tmpfs /sys/fs/cgroup; fi
    while read -r _ _ _ _ mount rest; do
        mkdir -p "$mount"
        case "$rest" in
            *" - cgroup2 "*) mount -t cgroup2 cgroup2 "$mount" ;;
            *",name=systemd") mount -t cgroup -o none,name=systemd cgroup "$mount" ;;
            *) mount -t cgroup -o "${rest##*,}" cgroup "$mount" ;;
        esac
    done < "$1"
    # Its own two as well, where it writes down what it was told.
    paths=$2:/run/systemd/system.control:/run/systemd/transient
    export container=test SYSTEMD_UNIT_PATH="$paths" SYSTEMD_GENERATOR_PATH=/nonexistent
    exec /lib/systemd/systemd --system --log-target=console --show-status=0
'
"#;

const KILL_ALL: &str =
    r#"for p in /proc/[0-9]*; do if [ "$(cat $p/comm)" = "$1" ]; then kill -9 ${p#/proc/}; fi; done"#;

pub struct Manager<'a> {
    w: &'a Fixture,
    unshare: Child,
    /// systemd, as the test sees it from outside.
    pid: String,
}

impl<'a> Manager<'a> {
    pub fn start(w: &'a Fixture) -> Option<Self> {
        for program in [SYSTEMD, SYSTEMCTL, "/usr/bin/unshare", "/usr/bin/nsenter"] {
            if !Path::new(program).exists() {
                skip::skip(&format!("{program} is not installed"));
                return None;
            }
        }
        let units = w.path("units");
        std::fs::create_dir(&units).expect("the scenario's directory can be written");
        let write = |name: &str, text: &str| std::fs::write(units.join(name), text).expect("the same");
        write("default.target", "[Unit]\nDescription=nothing\n");
        let config = w.path("bus.conf");
        std::fs::write(&config, BUS).expect("the same");
        write("dbus.socket", &format!("{ALONE}[Socket]\nListenStream=/run/dbus/system_bus_socket\n"));
        let start =
            format!("{DBUS} --config-file={} --address=systemd: --nofork --nopidfile", config.display());
        write(
            "dbus.service",
            &format!("{ALONE}[Service]\nType=notify\nExecStart={start} --systemd-activation\n"),
        );
        let log = std::fs::File::create(w.path("systemd.log")).expect("the same");
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "sh", w.cgroup_parent()]).arg(units).arg(w.path("cgroups"));
        shell.stdin(Stdio::null()).stdout(log.try_clone().expect("a descriptor")).stderr(log);
        let unshare = shell.spawn().expect("there is a shell");
        let children = format!("/proc/{0}/task/{0}/children", unshare.id());
        let pid = eventually_some("systemd runs", || {
            let pid = std::fs::read_to_string(&children).ok()?.trim().to_owned();
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            (name == "systemd\n").then_some(pid)
        });
        let manager = Self { w, unshare, pid };
        eventually("systemd answers", || manager.systemctl(&["is-system-running"]).stdout == "running\n");
        Some(manager)
    }

    /// Runs `command` with systemd's pid namespace, mounts and cgroups.
    pub fn inside(&self, command: &Command) -> Command {
        let directory = self.w.path("");
        let enter =
            ["/usr/bin/nsenter", "-t", &self.pid, "-m", "-p", "-u", "-i", "-n", "-C", "--", "sh", "-c"];
        let script = ["cd \"$0\"; exec \"$@\"", directory.to_str().expect("a plain path")];
        let mut command = wrapped(&[&enter[..], &script].concat(), command);
        command.env("SYSTEMD_IGNORE_CHROOT", "1");
        command
    }

    pub fn systemctl(&self, words: &[&str]) -> Outcome {
        outcome::run(&mut self.inside(Command::new(SYSTEMCTL).args(words)))
    }

    /// `hull-oci --systemd-cgroup`. Processes that it leaves running hold a file open and no pipe.
    pub fn oci(&self, words: &[&str]) -> Outcome {
        self.call(&self.w.command(&[&["--systemd-cgroup"], words].concat()), words)
    }

    fn call(&self, command: &Command, words: &[&str]) -> Outcome {
        let mut command = self.inside(command);
        if !matches!(words[0], "create" | "run") {
            return outcome::run(command.stdin(Stdio::null()));
        }
        self.w.run_to_file(command)
    }

    /// Whether a bus is available.
    pub fn has_bus() -> bool {
        let is_installed = Path::new(DBUS).exists();
        if !is_installed {
            skip::skip(&format!("{DBUS} is not installed"));
        }
        is_installed
    }

    /// [`Self::oci`] on a machine where systemd's own socket is hidden and a bus is available.
    pub fn oci_by_bus(&self, words: &[&str]) -> Outcome {
        self.systemctl(&["start", "dbus.socket", "dbus.service"]).ok();
        let hide = [
            "/usr/bin/unshare",
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs tmpfs /run/systemd; exec \"$@\"",
            "sh",
        ];
        self.call(&wrapped(&hide, &self.w.command(&[&["--systemd-cgroup"], words].concat())), words)
    }

    /// Kills the processes of this name in systemd's pid namespace.
    pub fn kill_all(&self, name: &str) {
        outcome::run(&mut self.inside(Command::new("sh").args(["-c", KILL_ALL, "sh", name])));
    }

    /// The units of containers that systemd has.
    pub fn scopes(&self) -> Vec<String> {
        let all = self.systemctl(&["list-units", "--all", "--plain", "--no-legend", "--type=scope"]);
        let names = all.ok().lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned));
        names.filter(|name| name != "init.scope").collect()
    }

    /// Cgroups of containers, from every runtime.
    pub fn cgroups(&self) -> Vec<String> {
        let all = cgroups::below(self.w.cgroup_parent()).into_iter().map(|path| path.display().to_string());
        all.filter(|path| path.contains(".scope") && !path.contains("init.scope")).collect()
    }
}

impl Drop for Manager<'_> {
    fn drop(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        if std::thread::panicking() {
            return;
        }
        let of_systemds_own = || {
            cgroups::below(self.w.cgroup_parent()).into_iter().filter(|directory| {
                let name = directory.file_name().unwrap_or_default().to_string_lossy();
                // A service that was stopped keeps its cgroup while a process that outlives it is in there.
                let is_unit = [".slice", ".service", ".socket"].iter().any(|end| name.ends_with(end));
                name == "init.scope" || is_unit
            })
        };
        eventually("systemd's own cgroups are empty", || {
            of_systemds_own().for_each(|directory| drop(std::fs::remove_dir(directory)));
            of_systemds_own().next().is_none()
        });
    }
}
