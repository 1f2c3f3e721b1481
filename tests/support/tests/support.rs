//! Tests of the test support: a leak check proves something only if it finds leaks.

use std::process::Command;

use hull_test_support::outcome::run;
use hull_test_support::{Scenario, Terminal, cgroups};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

#[test]
fn a_mount_that_stays_is_found() {
    let Some(t) = Scenario::start() else { return };
    let dir = t.path("mounted");
    std::fs::create_dir(&dir).unwrap();
    mount("tmpfs", &dir, "tmpfs", MountFlags::empty(), None).unwrap();
    let left = t.traces();
    assert!(left.iter().any(|l| l.starts_with("mount") && l.ends_with("mounted")), "{left:?}");
    unmount(&dir, UnmountFlags::empty()).unwrap();
    assert_eq!(t.traces_left(), [""; 0]);
}

#[test]
fn a_cgroup_that_stays_is_found() {
    let Some(t) = Scenario::start() else { return };
    let first = cgroups::hierarchies().first().expect("a hierarchy is mounted").mount_point.clone();
    let dir = first.join(t.cgroup_parent().trim_start_matches('/')).join("container");
    std::fs::create_dir_all(&dir).unwrap();
    let left = t.traces();
    assert!(left.iter().any(|l| l.starts_with("cgroup") && l.ends_with("container")), "{left:?}");
    std::fs::remove_dir(&dir).unwrap();
    assert_eq!(t.traces_left(), [""; 0]);
}

#[test]
fn a_process_that_stays_is_found_by_its_environment() {
    let Some(t) = Scenario::start() else { return };
    let mut child = Command::new("sleep").arg("100").env("HULL_RUNROOT", t.run_root()).spawn().unwrap();
    let left = t.traces();
    assert!(left.iter().any(|l| l.starts_with("process") && l.contains("sleep")), "{left:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(t.traces_left(), [""; 0]);
}

#[test]
fn a_link_that_stays_is_found() {
    let Some(t) = Scenario::start() else { return };
    let ip = |args: &[&str]| Command::new("ip").args(args).status().is_ok_and(|s| s.success());
    if !ip(&["link", "add", "left0", "type", "veth", "peer", "name", "left1"]) {
        hull_test_support::skip!("ip cannot make a veth pair here");
    }
    let left = t.traces();
    assert!(left.iter().any(|l| l == "link left0"), "{left:?}");
    assert!(ip(&["link", "del", "left0"]));
    assert_eq!(t.traces_left(), [""; 0]);
}

#[test]
fn a_file_in_the_run_root_is_found() {
    let Some(t) = Scenario::start() else { return };
    let file = t.write("run/containers/stale/lock", "");
    let left = t.traces();
    assert!(left.iter().any(|l| l.starts_with("file") && l.ends_with("stale")), "{left:?}");
    std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
}

#[test]
fn no_packet_can_leave_a_scenario() {
    let Some(_t) = Scenario::start() else { return };
    let routes = std::fs::read_to_string("/proc/thread-self/net/route").unwrap();
    assert!(routes.lines().count() <= 1, "a header and no route:\n{routes}");
}

#[test]
fn a_command_keeps_its_streams_and_its_code() {
    let outcome = run(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]));
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str(), outcome.code()), ("out\n", "err\n", 3));
}

#[test]
fn a_terminal_is_one_and_can_be_resized() {
    let mut shell = Command::new("sh");
    let mut terminal = Terminal::start(shell.env("PS1", "$ "));
    terminal.send("tty; stty size\n");
    terminal.expect("/dev/pts/");
    terminal.expect("24 80");
    terminal.resize(30, 100);
    terminal.send("stty size; exit 4\n");
    terminal.expect("30 100");
    assert_eq!(terminal.wait(), 4);
}
