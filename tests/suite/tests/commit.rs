//! `commit` of a running container: the container is frozen meanwhile, and continues in whatever way the commit ends.

use std::time::{Duration, Instant, SystemTime};

use hull_test_support::outcome::{Running, eventually};
use hull_test_support::{Scenario, cgroups};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A container that counts. Its layer is so large that a commit takes a while.
fn counting(t: &Scenario) {
    let script = "head -c 200m /dev/urandom > /big; i=0; while :; do i=$((i + 1)); echo $i > /count; done";
    t.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", script]);
    let there = || t.hull(&["exec", "box", "test", "-e", "/count"]).success();
    eventually("it counts", there);
}

/// The time at which it last counted.
fn last_count(t: &Scenario) -> SystemTime {
    let upper = t.data_root().join("containers").join(t.inspect("box", "{{.Id}}")).join("upper/count");
    std::fs::metadata(upper).and_then(|count| count.modified()).expect("it has counted")
}

fn is_frozen(t: &Scenario) -> bool {
    cgroups::is_frozen(t.pid_of("box"))
}

fn goes_on(t: &Scenario, when: &str) {
    eventually(&format!("it is thawed {when}"), || !is_frozen(t));
    let before = last_count(t);
    eventually(&format!("it counts {when}"), || last_count(t) != before);
}

/// A commit that has already frozen the container.
fn committing(t: &Scenario) -> Running {
    let commit = t.spawn(&["commit", "box", "image"]);
    eventually("it is frozen", || is_frozen(t));
    commit
}

#[test]
fn a_commit_that_is_killed_leaves_nothing_frozen() {
    let Some(t) = Scenario::with_busybox() else { return };
    counting(&t);
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL] {
        let commit = committing(&t);
        kill(Pid::from_raw(commit.pid()), signal).unwrap();
        commit.wait();
        goes_on(&t, "when the commit is killed");
        assert_eq!(t.inspect("box", "{{.State.Status}}"), "running");
    }
    assert!(t.hull(&["commit", "box", "image"]).success());
    goes_on(&t, "after the commit");
}

#[test]
fn a_container_can_be_ended_and_paused_while_it_is_committed() {
    let Some(t) = Scenario::with_busybox() else { return };
    counting(&t);
    let commit = committing(&t);
    kill(Pid::from_raw(commit.pid()), Signal::SIGSTOP).unwrap();
    t.ok(&["pause", "box"]);
    kill(Pid::from_raw(commit.pid()), Signal::SIGCONT).unwrap();
    assert!(commit.wait().success());
    assert!(is_frozen(&t), "what its user has paused stays so");
    t.ok(&["unpause", "box"]);
    let commit = committing(&t);
    kill(Pid::from_raw(commit.pid()), Signal::SIGSTOP).unwrap();
    let started = Instant::now();
    t.ok(&["rm", "-f", "box"]);
    assert!(started.elapsed() < Duration::from_secs(8), "a commit holds nobody up");
    kill(Pid::from_raw(commit.pid()), Signal::SIGKILL).unwrap();
    commit.wait();
}
