//! A container that has lost its monitor is restarted by its restart policy, with the next command that finds it.

use std::process::Command;

use hull_test_support::Scenario;
use hull_test_support::outcome::{assert_stays, eventually, run as run_command};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const STATE: &str = "{{.State.Status}} {{.RestartCount}}";

fn run(t: &Scenario, name: &str, options: &[&str]) {
    t.ok(&[&["run", "-d", "--name", name], options, &["busybox", "sleep", "300"]].concat());
}

/// Kills the monitor, and waits until its container's first process has ended.
fn kill_monitor(t: &Scenario, name: &str) {
    let (monitor, init) = (t.monitor_of(name), t.pid_of(name));
    kill(Pid::from_raw(monitor), Signal::SIGKILL).expect("the monitor lives");
    eventually("both are gone", || {
        let is_gone = |pid: i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
        };
        is_gone(monitor) && is_gone(init)
    });
}

#[test]
fn a_policy_that_restarts_brings_it_back_and_counts() {
    if let Some(t) = Scenario::with_busybox() {
        comes_back(&t);
    }
}

#[test]
fn a_container_of_an_unprivileged_user_comes_back_into_the_same_user_namespace() {
    if let Some(t) = Scenario::rootless() {
        t.busybox();
        comes_back(&t);
    }
}

fn comes_back(t: &Scenario) {
    let none = ["--network", "none"];
    run(t, "always", &[&["--restart", "always"], &none[..]].concat());
    run(t, "unless", &[&["--restart", "unless-stopped"], &none[..]].concat());
    run(t, "once", &[&["--restart", "on-failure:1"], &none[..]].concat());
    run(t, "never", &none);
    for name in ["always", "unless", "once", "never"] {
        kill_monitor(t, name);
    }
    t.ok(&["ps"]);
    for name in ["always", "unless", "once"] {
        eventually("it is back", || t.inspect(name, STATE) == "running 1");
        // The container counts as running from the moment at which it has a monitor.
        eventually("one can enter it", || t.hull(&["exec", name, "true"]).success());
    }
    assert_eq!(t.inspect("never", "{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
    // The policy allows one restart, and that is used up.
    kill_monitor(t, "once");
    t.ok(&["ps"]);
    assert_stays("it does not come back", std::time::Duration::from_millis(500), || {
        t.inspect("once", "{{.State.Status}}") == "exited"
    });
    kill_monitor(t, "always");
    // A command that names this container finds it, too.
    t.hull(&["exec", "always", "true"]).fails(1);
    eventually("it is back again", || t.inspect("always", STATE) == "running 2");
}

#[test]
fn a_container_that_the_user_stops_stays_stopped() {
    let Some(t) = Scenario::with_busybox() else { return };
    run(&t, "box", &["--restart", "always"]);
    kill_monitor(&t, "box");
    t.ok(&["stop", "box"]);
    t.ok(&["ps", "-a"]);
    assert_stays("it stays stopped", std::time::Duration::from_millis(500), || {
        t.inspect("box", "{{.State.Status}}") == "exited"
    });
    t.ok(&["start", "box"]);
    assert_eq!(t.inspect("box", STATE), "running 0");
    kill_monitor(&t, "box");
    t.ok(&["rm", "box"]);
    t.ok(&["ps", "-a"]);
    assert_eq!(t.ok(&["ps", "-aq"]), "");
    run(&t, "gone", &["--rm"]);
    kill_monitor(&t, "gone");
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn many_commands_at_once_bring_it_back_once() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["volume", "create", "shared"]);
    let script = "echo run >> /v/runs; exec sleep 300";
    let options = ["-v", "shared:/v", "--restart", "always"];
    t.ok(&[&["run", "-d", "--name", "box"], &options[..], &["busybox", "sh", "-c", script]].concat());
    kill_monitor(&t, "box");
    let commands: Vec<_> = (0..8).map(|_| t.spawn(&["ps"])).collect();
    for command in commands {
        command.wait().ok();
    }
    eventually("it is back", || t.inspect("box", STATE) == "running 1");
    assert_stays("it runs once", std::time::Duration::from_millis(500), || {
        t.inspect("box", STATE) == "running 1"
    });
    let runs = t.data_root().join("volumes/shared/_data/runs");
    eventually("it has begun", || std::fs::read_to_string(&runs).is_ok_and(|text| text == "run\nrun\n"));
}

#[test]
fn one_that_cannot_start_is_given_up_and_says_why() {
    let Some(t) = Scenario::with_busybox() else { return };
    let source = t.path("source");
    std::fs::create_dir(&source).unwrap();
    let mount = format!("type=bind,source={},target=/x", source.display());
    run(&t, "box", &["--restart", "always", "--mount", &mount]);
    kill_monitor(&t, "box");
    std::fs::remove_dir(&source).unwrap();
    t.ok(&["ps"]);
    eventually("the attempt is over", || {
        let state = t.inspect("box", "{{.State.Status}} {{.State.Error}}");
        state.starts_with("exited") && state.contains("source")
    });
    std::fs::create_dir(&source).unwrap();
    t.ok(&["ps"]);
    assert_stays("it is not tried again", std::time::Duration::from_millis(500), || {
        t.inspect("box", "{{.State.Status}}") == "exited"
    });
}

/// The command `hull args…` in a time namespace in which the machine started a million seconds earlier.
fn eleven_days_later(t: &Scenario, args: &[&str]) -> String {
    let plain = t.command(args);
    let mut later = Command::new("unshare");
    later.args(["--time", "--boottime", "1000000"]).arg(plain.get_program()).args(plain.get_args());
    later.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run_command(later.current_dir(t.path(""))).ok().to_owned()
}

/// The kernel adds the namespace's offset to the start times of processes, by which a monitor is recognized.
#[test]
fn a_monitor_is_not_taken_for_killed_in_another_time_namespace() {
    let Some(t) = Scenario::with_busybox() else { return };
    run(&t, "here", &[]);
    let states = ["ps", "-a", "--format", "{{.Names}} {{.State}}"];
    assert_eq!(eleven_days_later(&t, &states), "here running");
    eleven_days_later(&t, &["run", "-d", "--name", "later", "busybox", "sleep", "300"]);
    let seen = t.ok(&states);
    assert!(seen.contains("here running") && seen.contains("later running"), "{seen}");
    t.ok(&["rm", "-f", "here", "later"]);
}
