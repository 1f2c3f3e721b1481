//! Checks that hang, multiply, print without end or attack their parents: each does no harm to others, and ends with its
//! container.

use std::time::{Duration, Instant};

use hull_test_support::outcome::eventually;
use hull_test_support::{Scenario, cgroups, skip};

use super::{SLEEP, health, run, shown, until};

/// A container whose check is a script, with a short timeout.
fn checked(t: &Scenario, name: &str, script: &str, flags: &[&str]) {
    let often = ["--health-interval", "50ms", "--health-retries", "1", "--health-timeout", "300ms"];
    run(t, name, &[&["--health-cmd", script], &often[..], flags].concat(), &SLEEP);
}

#[track_caller]
fn last(t: &Scenario, name: &str) -> (i64, String) {
    let health = health(t, name);
    let last = health["Log"].as_array().unwrap().last().expect("there is a result").clone();
    (last["ExitCode"].as_i64().unwrap(), last["Output"].as_str().unwrap().to_owned())
}

#[test]
fn a_check_that_hangs_is_killed_and_none_is_left() {
    let Some(t) = Scenario::with_busybox() else { return };
    checked(&t, "box", "echo begun; exec sleep 300", &["--health-timeout", "1s"]);
    until(&t, "box", "unhealthy");
    assert_eq!(last(&t, "box"), (-1, "Health check exceeded timeout (1s): begun\n".into()));
    eventually("it was killed some times", || health(&t, "box")["Log"].as_array().unwrap().len() > 2);
    let processes = t.ok(&["top", "box", "-o", "pid,args"]).lines().count() - 1;
    assert!(processes <= 2, "its own, and the check's");
}

#[test]
fn a_container_stops_while_its_check_hangs() {
    let Some(t) = Scenario::with_busybox() else { return };
    for action in [&["stop", "-t", "0"][..], &["kill"], &["rm", "-f"]] {
        let flags = ["--health-cmd", "touch /begun; sleep 300", "--health-interval", "20ms"];
        run(&t, "box", &flags, &SLEEP);
        eventually("the check runs", || t.hull(&["exec", "box", "test", "-e", "/begun"]).success());
        let begun = Instant::now();
        t.ok(&[action, &["box"]].concat());
        eventually("it has ended", || !t.hull(&["ps", "--format", "{{.Names}}"]).stdout.contains("box"));
        assert!(begun.elapsed() < Duration::from_secs(5), "{action:?}: {:?}", begun.elapsed());
        t.hull(&["rm", "-f", "box"]);
    }
}

#[test]
fn output_without_end_is_bounded() {
    let Some(t) = Scenario::with_busybox() else { return };
    checked(&t, "box", "head -c 100000000 /dev/zero | tr '\\0' x", &["--health-timeout", "60s"]);
    t.ok(&["healthcheck", "run", "box"]);
    let (code, output) = last(&t, "box");
    assert_eq!((code, output.len()), (0, 4096 + "...".len()));
    checked(&t, "endless", "yes", &[]);
    until(&t, "endless", "unhealthy");
    assert!(last(&t, "endless").1.len() < 5000);
    let monitor = std::fs::read_to_string(format!("/proc/{}/status", t.monitor_of("box"))).unwrap();
    let peak = monitor.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 40_000, "the monitor held {peak} kB");
}

#[test]
fn a_check_that_leaves_a_daemon_with_its_pipe_has_ended() {
    let Some(t) = Scenario::with_busybox() else { return };
    let seldom = ["--health-interval", "1h", "--health-timeout", "60s"];
    checked(&t, "box", "sleep 300 & echo left one", &seldom);
    let begun = Instant::now();
    t.ok(&["healthcheck", "run", "box"]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(last(&t, "box"), (0, "left one\n".into()));
    // hull waits for a check that has closed its output.
    checked(&t, "closed", "exec > /dev/null 2>&1; sleep 0.2; exit 3", &seldom);
    t.hull(&["healthcheck", "run", "closed"]).fails(1);
    assert_eq!(last(&t, "closed"), (3, String::new()));
}

#[test]
fn checks_that_multiply_are_bounded_by_the_containers_limit() {
    let Some(t) = Scenario::with_busybox() else { return };
    checked(&t, "box", "b() { b | b & }; b; sleep 300", &["--pids-limit", "40"]);
    until(&t, "box", "unhealthy");
    run(&t, "other", &["--health-cmd", "true", "--health-interval", "50ms"], &SLEEP);
    until(&t, "other", "healthy");
    // The container may start no further process, so the check fails. This is a result, too.
    eventually("later checks are recorded", || health(&t, "box")["Log"].as_array().unwrap().len() > 2);
    t.ok(&["rm", "-f", "box"]);
}

#[test]
fn a_check_that_kills_around_itself_reaches_nobody_outside() {
    let Some(t) = Scenario::with_busybox() else { return };
    // In the container, 0 is the pid of the check's parent, and -1 means all processes that the check may signal.
    checked(&t, "box", "kill -9 $PPID; kill -9 0", &["--health-timeout", "60s"]);
    until(&t, "box", "unhealthy");
    assert_eq!(last(&t, "box").0, 137);
    let monitor = t.monitor_of("box");
    eventually("it is checked again", || health(&t, "box")["Log"].as_array().unwrap().len() > 2);
    assert_eq!(t.monitor_of("box"), monitor);
}

#[test]
fn a_check_that_cannot_start_is_a_failure_that_says_why() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&[
        "commit",
        "-c",
        "HEALTHCHECK --interval=50ms --retries=1 CMD [\"/missing\"]",
        &made(&t),
        "missing",
    ]);
    t.ok(&["run", "-d", "--network", "none", "--name", "box", "missing", "sleep", "300"]);
    until(&t, "box", "unhealthy");
    let (code, output) = last(&t, "box");
    assert!(code == -1 && output.contains("/missing"), "{code} {output}");
}

#[test]
fn a_check_that_hangs_before_it_has_started_is_a_timeout_and_does_not_add_up() {
    let Some(t) = Scenario::with_busybox() else { return };
    checked(&t, "box", "true", &[]);
    until(&t, "box", "healthy");
    // A container that was frozen without hull also freezes each process that enters it.
    let Some(freezer) = Freezer::of(t.pid_of("box")) else { return };
    freezer.freeze();
    until(&t, "box", "unhealthy");
    assert_eq!(last(&t, "box"), (-1, "Health check exceeded timeout (300ms)".into()));
    eventually("the next ones are recorded", || {
        let health = health(&t, "box");
        health["FailingStreak"].as_u64().unwrap() > 3
    });
    let monitor = t.monitor_of("box");
    let children = std::fs::read_to_string(format!("/proc/{monitor}/task/{monitor}/children")).unwrap();
    assert!(children.split_whitespace().count() <= 4, "{children}");
    freezer.thaw();
    until(&t, "box", "healthy");
    let begun = Instant::now();
    t.ok(&["rm", "-f", "box"]);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// The file that freezes a container's cgroup, and the value to write to it.
struct Freezer(std::path::PathBuf, [&'static str; 2]);

impl Freezer {
    fn of(pid: i32) -> Option<Self> {
        let directory = cgroups::directory(pid, "freezer");
        let v1 = Self(directory.join("freezer.state"), ["FROZEN", "THAWED"]);
        let all = [v1, Self(directory.join("cgroup.freeze"), ["1", "0"])];
        let found = all.into_iter().find(|freezer| freezer.0.exists());
        if found.is_none() {
            skip::skip("no cgroup here can be frozen");
        }
        found
    }

    fn freeze(&self) {
        std::fs::write(&self.0, self.1[0]).unwrap();
    }

    fn thaw(&self) {
        std::fs::write(&self.0, self.1[1]).unwrap();
    }
}

fn made(t: &Scenario) -> String {
    t.ok(&["create", "--network", "none", "busybox"])
}

#[test]
fn killed_processes_leave_nothing_and_the_next_check_is_made() {
    let Some(t) = Scenario::with_busybox() else { return };
    let flags = ["--health-cmd", "sleep 0.3", "--health-interval", "20ms", "--health-retries", "1"];
    run(&t, "box", &flags, &SLEEP);
    until(&t, "box", "healthy");
    let monitor = t.monitor_of("box");
    let children = || {
        let all = std::fs::read_to_string(format!("/proc/{monitor}/task/{monitor}/children")).unwrap();
        let init = t.pid_of("box");
        all.split_whitespace()
            .filter_map(|pid| pid.parse::<i32>().ok())
            .filter(|pid| *pid != init)
            .collect::<Vec<_>>()
    };
    // The child that makes the check is killed, so there is no result, and the next check follows.
    let count =
        |health: serde_json::Value| health["Log"].as_array().unwrap().last().unwrap()["Start"].clone();
    let mut child = 0;
    eventually("a check runs", || children().first().inspect(|pid| child = **pid).is_some());
    kill(child);
    let before = count(health(&t, "box"));
    eventually("the next check is made", || count(health(&t, "box")) != before);
    assert_eq!(shown(&t, "box"), "healthy");
    // The program of the killed child has become a child of the monitor, which reaps it. It does not delay the container's
    // end.
    let begun = Instant::now();
    t.ok(&["stop", "-t", "0", "box"]);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // The same for the monitor itself: its container ends, and the check ends with it.
    t.ok(&["start", "box"]);
    until(&t, "box", "healthy");
    kill(t.monitor_of("box"));
    eventually("it has ended", || t.inspect("box", "{{.State.Status}}") == "exited");
    assert_eq!(t.inspect("box", "{{.State.Health.Status}}"), "unhealthy");
}

fn kill(pid: i32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
}
