//! Limits when hull does not own the whole machine: an unprivileged user in a delegated cgroup, and hull in a container.
//! Only cgroup v2 can be delegated, so these tests run in the virtual machine.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use hull_test_support::outcome::{Outcome, run, wrapped};
use hull_test_support::user::ID;
use hull_test_support::{Scenario, System, cgroups, fixtures, program};

const ROOT: &str = "/sys/fs/cgroup";
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// A cgroup that passes all controllers on. It is removed at the end, with all cgroups below it.
struct Tree {
    path: PathBuf,
}

impl Tree {
    /// `None` outside of the virtual machine.
    fn new(name: &str) -> Option<Self> {
        if !cgroups::is_v2("memory") || !nix::unistd::geteuid().is_root() {
            hull_test_support::skip::elsewhere("delegation takes cgroup v2 and root: cargo xtask vm");
            return None;
        }
        let path = Path::new(ROOT).join(format!("hull-test-tree-{name}"));
        fs::create_dir(&path).unwrap();
        for directory in [Path::new(ROOT), &path] {
            for controller in CONTROLLERS {
                fs::write(directory.join("cgroup.subtree_control"), format!("+{controller}")).unwrap();
            }
        }
        Some(Self { path })
    }

    /// Delegates a cgroup as an administrator does by hand: cgroup-v2.rst, "Model of Delegation".
    fn delegate(&self, name: &str) -> PathBuf {
        let directory = self.path.join(name);
        fs::create_dir(&directory).unwrap();
        let files = ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];
        for path in files.map(|file| directory.join(file)).into_iter().chain([self.path.join("cgroup.procs")])
        {
            chown(path, Some(ID), Some(ID)).unwrap();
        }
        directory
    }

    fn relative(&self, name: &str) -> String {
        self.path.join(name).display().to_string().replace(ROOT, "")
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        for directory in cgroups::below(&self.relative("")) {
            let _ = fs::remove_dir(directory);
        }
        let _ = fs::remove_dir(&self.path);
    }
}

/// A command that first moves itself into a cgroup.
fn inside(cgroup: &Path, command: &Command) -> Command {
    let script = "echo 0 > \"$0/cgroup.procs\"; exec \"$@\"";
    wrapped(&["sh", "-c", script, cgroup.to_str().unwrap()], command)
}

fn hull(t: &Scenario, cgroup: &Path, args: &[&str]) -> Outcome {
    run(&mut inside(cgroup, &t.command(args)))
}

const LIMIT: [&str; 9] =
    ["run", "--rm", "--network", "none", "-m", "20m", "busybox", "cat", "/sys/fs/cgroup/memory.max"];

#[test]
fn a_users_limits_hold_in_their_own_cgroup() {
    let Some(tree) = Tree::new("own") else { return };
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    let own = tree.delegate("scope");
    // A process that stays in the cgroup, such as a login shell.
    let mut shell: Child = inside(
        &own,
        Command::new("/usr/bin/setpriv").args(["--reuid", "12345", "--clear-groups", "sleep", "600"]),
    )
    .spawn()
    .unwrap();
    let detached = ["run", "-d", "--name", "free", "--network", "none", "busybox", "sleep", "600"];
    hull(&t, &own, &detached).ok();
    let type_of = |directory: &Path| fs::read_to_string(directory.join("cgroup.type")).unwrap();
    let passed_on = fs::read_to_string(own.join("cgroup.subtree_control")).unwrap();
    assert_eq!(passed_on.trim(), "", "no limit was asked for");
    assert_eq!(hull(&t, &own, &LIMIT).ok(), "20971520");
    assert_eq!(type_of(&own), "domain\n");
    let moved = fs::read_to_string(own.join("init/cgroup.procs")).unwrap();
    assert!(moved.lines().any(|pid| pid == shell.id().to_string()), "{moved}");
    // Started from the cgroup into which the first container moved its callers.
    assert_eq!(hull(&t, &own.join("init"), &LIMIT).ok(), "20971520");
    assert!(!own.join("init/init").exists());
    let pids = [
        "run",
        "--rm",
        "--network",
        "none",
        "--pids-limit",
        "9",
        "busybox",
        "cat",
        "/sys/fs/cgroup/pids.max",
    ];
    assert_eq!(hull(&t, &own.join("init"), &pids).ok(), "9");
    // A container with a cgroup can be frozen.
    t.ok(&["pause", "free"]);
    t.ok(&["unpause", "free"]);
    assert_eq!(t.hull(&["commit", "free", "made"]).stderr, "");
    t.ok(&["rm", "-f", "free"]);
    shell.kill().unwrap();
    shell.wait().unwrap();
}

#[test]
fn a_users_limits_hold_below_the_parent_that_is_given() {
    let Some(tree) = Tree::new("given") else { return };
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    // Next to the caller's own cgroup, and inside it.
    tree.delegate("parent");
    let own = tree.delegate("caller");
    for parent in [tree.relative("parent/hull"), tree.relative("caller/hull")] {
        let mut command = inside(&own, &t.command(&LIMIT));
        assert_eq!(run(command.env("HULL_CGROUP_PARENT", &parent)).ok(), "20971520", "{parent}");
    }
}

#[test]
fn nobody_elses_processes_are_moved_and_that_is_said() {
    let Some(tree) = Tree::new("others") else { return };
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    let own = tree.delegate("shared");
    let mut roots = inside(&own, Command::new("sleep").arg("600")).spawn().unwrap();
    hull_test_support::outcome::eventually("it is in there", || {
        fs::read_to_string(own.join("cgroup.procs")).unwrap().contains(&roots.id().to_string())
    });
    let refused = hull(&t, &own, &LIMIT);
    assert!(refused.fails(125).contains("processes of other users"), "{refused}");
    assert!(refused.stderr.contains("--cgroup-parent"), "{refused}");
    roots.kill().unwrap();
    roots.wait().unwrap();
}

#[test]
fn rules_for_devices_are_refused_to_a_user_who_cannot_have_them() {
    let Some(_tree) = Tree::new("rules") else { return };
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    let refused = t.hull(&["run", "--rm", "--device-cgroup-rule", "c 1:3 r", "busybox", "true"]);
    assert!(refused.fails(125).contains("device rules are root's"), "{refused}");
}

#[test]
fn hull_runs_containers_in_a_privileged_container() {
    let Some(_tree) = Tree::new("nested") else { return };
    let Some(t) = Scenario::with_busybox() else { return };
    let binary = format!("{}:/bin/hull:ro", program::hull().display());
    let tar = format!("{}:/busybox.tar:ro", fixtures::busybox().display());
    let outer = [
        "run",
        "-d",
        "--name",
        "outer",
        "--privileged",
        "-v",
        "store:/var/lib/hull",
        "-v",
        &binary,
        "-v",
        &tar,
    ];
    t.ok(&[&outer[..], &["busybox", "sleep", "600"]].concat());
    t.ok(&["exec", "outer", "hull", "import", "/busybox.tar", "bb"]);
    let inner = |args: &[&str]| {
        t.hull(&[&["exec", "outer", "hull", "run", "--rm", "--network", "none"], args].concat())
    };
    assert_eq!(inner(&["bb", "/bin/busybox", "echo", "plain"]).ok(), "plain");
    assert_eq!(
        inner(&["-m", "20m", "bb", "/bin/busybox", "cat", "/sys/fs/cgroup/memory.max"]).ok(),
        "20971520"
    );
    assert_eq!(
        inner(&["--pids-limit", "9", "bb", "/bin/busybox", "cat", "/sys/fs/cgroup/pids.max"]).ok(),
        "9"
    );
    assert_eq!(t.ok(&["exec", "outer", "cat", "/sys/fs/cgroup/cgroup.type"]), "domain");
    // The container's cgroup holds no process any more. A later process gets a leaf of its own.
    let later = t.ok(&["exec", "outer", "grep", "0::", "/proc/self/cgroup"]);
    assert!(later.starts_with("0::/exec-"), "{later}");
    t.ok(&["rm", "-f", "outer"]);
    t.ok(&["volume", "rm", "store"]);
}

#[test]
fn an_init_distributes_controllers_while_commands_run() {
    if !cgroups::is_v2("memory") {
        hull_test_support::skip::elsewhere(
            "only v2 keeps processes out of a cgroup that passes controllers on: cargo xtask vm",
        );
        return;
    }
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    t.ok(&["run", "-d", "--system", "--network", "none", "--name", "box", System::Busybox.image()]);
    t.ok(&["exec", "-d", "box", "sleep", "1000"]);
    // The script does what systemd does at its start: it moves the processes in the container's cgroup into a cgroup below.
    let script = "cd /sys/fs/cgroup; mkdir init; for pid in $(cat cgroup.procs); do echo $pid > init/cgroup.procs; done; \\
                  echo '+memory +pids' > cgroup.subtree_control && cat init/memory.max";
    assert_eq!(t.ok(&["exec", "box", "sh", "-c", script]), "max");
    let of_exec = t.ok(&["exec", "box", "cat", "/proc/self/cgroup"]);
    assert!(of_exec.starts_with("0::/exec-"), "{of_exec}");
    // The cgroup of a command is removed when the command ends, or with the container.
    let commands = || cgroups::below(t.cgroup_parent()).iter().filter(|path| is_of_command(path)).count();
    assert_eq!(commands(), 1, "of sleep");
    t.ok(&["rm", "-f", "box"]);
    assert_eq!(commands(), 0);
}

fn is_of_command(cgroup: &Path) -> bool {
    cgroup.file_name().is_some_and(|name| name.to_string_lossy().starts_with("exec-"))
}
