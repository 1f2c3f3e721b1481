//! The exec instances of a container: what `inspect`, `top` and the run root show about the commands that `exec` has
//! started.

use std::fs;
use std::path::{Path, PathBuf};

use hull_test_support::outcome::eventually;
use hull_test_support::{Scenario, cgroups};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const IDS: &str = "{{json .ExecIDs}}";

fn sleeper(t: &Scenario, name: &str) {
    t.ok(&["run", "-d", "--name", name, "busybox", "sleep", "300"]);
}

/// The files of the instances, in the container's directory below the run root.
fn files(t: &Scenario, name: &str) -> Vec<PathBuf> {
    let directory = t.run_root().join("containers").join(t.inspect(name, "{{.Id}}"));
    let is_instance =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("exec-"));
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).filter(is_instance).collect()
}

/// The lines of an instance's file.
fn lines(path: &Path) -> Vec<serde_json::Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn inspect_and_top_show_what_runs_and_nothing_is_left() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t, "box");
    assert_eq!(t.inspect("box", IDS), "null", "as docker's");
    t.ok(&["exec", "-d", "box", "sleep", "311"]);
    t.ok(&["exec", "-d", "-u", "worker", "box", "sleep", "312"]);
    let ids: Vec<String> = serde_json::from_str(&t.inspect("box", IDS)).unwrap();
    assert_eq!(ids.iter().map(String::len).collect::<Vec<_>>(), [64, 64]);
    let top = t.ok(&["top", "box", "-eo", "pid,args"]);
    assert!(top.contains("sleep 311") && top.contains("sleep 312"), "{top}");
    for path in files(&t, "box") {
        let told = lines(&path);
        assert_eq!(told[0]["created"]["caller"]["uid"], 0);
        let pid = told[1]["process"]["pid"].as_i64().unwrap();
        assert!(fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().starts_with("sleep\x0031"));
    }
    t.hull(&["exec", "box", "kill", "-9", "-1"]);
    eventually("no command runs", || t.inspect("box", IDS) == "null");
    assert_eq!(t.hull(&["exec", "box", "sh", "-c", "exit 3"]).code(), 3);
    assert_eq!(files(&t, "box").len(), 2, "the two detached ones, and no attached one");
    t.ok(&["rm", "-f", "box"]);
    assert_eq!(t.traces_left(), Vec::<String>::new());
}

#[test]
fn the_end_of_a_detached_command_can_be_asked_for() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t, "box");
    t.ok(&["exec", "-d", "box", "sh", "-c", "exit 7"]);
    let ended = || lines(&files(&t, "box")[0]).get(2).map(|line| line["ended"]["exit_code"].clone());
    eventually("the end is recorded", || ended().is_some());
    assert_eq!(ended().unwrap(), 7);
    let failed = t.hull(&["exec", "box", "/no/such/program"]);
    assert_eq!((failed.code(), files(&t, "box").len()), (127, 1), "{failed}");
}

#[test]
fn a_killed_session_leaves_an_instance_only_while_its_process_runs() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t, "box");
    t.ok(&["exec", "-d", "box", "sleep", "313"]);
    let told = lines(&files(&t, "box")[0]);
    let pid = |value: &serde_json::Value| Pid::from_raw(value["pid"].as_i64().unwrap() as i32);
    kill(pid(&told[0]["created"]["session"]), Signal::SIGKILL).unwrap();
    assert_ne!(t.inspect("box", IDS), "null", "the process runs");
    kill(pid(&told[1]["process"]), Signal::SIGKILL).unwrap();
    eventually("it has ended", || t.inspect("box", IDS) == "null");
    t.ok(&["exec", "-d", "box", "sleep", "314"]);
    eventually("the next detached command has collected it", || files(&t, "box").len() == 1);
}

/// A container that distributes controllers, as systemd does in its own cgroup, has no process left in that cgroup.
#[test]
fn an_exec_gets_a_leaf_where_the_containers_cgroup_takes_no_process() {
    if !cgroups::is_v2("memory") {
        return hull_test_support::skip::elsewhere("only cgroup v2 has this rule: cargo xtask vm");
    }
    let Some(t) = Scenario::with_busybox() else { return };
    let distribute = "mkdir /sys/fs/cgroup/init && echo 1 > /sys/fs/cgroup/init/cgroup.procs \
        && echo +pids > /sys/fs/cgroup/cgroup.subtree_control && touch /ready && exec sleep 300";
    t.ok(&["run", "-d", "--name", "box", "--privileged", "busybox", "sh", "-c", distribute]);
    eventually("its own cgroup takes no process", || {
        t.hull(&["exec", "box", "test", "-e", "/ready"]).success()
    });
    let cgroup = t.ok(&["exec", "box", "cat", "/proc/self/cgroup"]);
    let leaf = cgroup.strip_prefix("0::/").unwrap();
    assert!(leaf.starts_with("exec-"), "{cgroup}");
    let names = || t.ok(&["exec", "box", "sh", "-c", "cd /sys/fs/cgroup && ls -d exec-* | wc -l"]);
    assert_eq!(names(), "1", "only its own: the leaf of an ended command is removed");
    t.ok(&["exec", "-d", "box", "sleep", "315"]);
    assert!(t.ok(&["top", "box"]).contains("sleep 315"));
    t.ok(&["exec", "box", "sh", "-c", "echo 0 > /sys/fs/cgroup/cgroup.max.descendants"]);
    assert_eq!(t.ok(&["exec", "box", "cat", "/proc/self/cgroup"]), "0::/init", "no cgroup more is allowed");
    t.ok(&["rm", "-f", "box"]);
    assert_eq!(t.traces_left(), Vec::<String>::new());
}
