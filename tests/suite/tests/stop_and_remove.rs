//! Ending many containers at once, ending containers that restart, and what is removed with a container.

use std::time::Duration;

use hull_test_support::outcome::{assert_stays, eventually};
use hull_test_support::{Scenario, Terminal};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A container that ignores every signal except SIGKILL.
fn deaf(t: &Scenario, name: &str) {
    t.ok(&["run", "-d", "--name", name, "busybox", "sleep", "300"]);
}

#[test]
fn several_containers_end_together_and_are_named_in_order() {
    let Some(t) = Scenario::with_busybox() else { return };
    let names = ["a1", "b2", "c3", "d4"];
    deaf(&t, "alone");
    for name in names {
        deaf(&t, name);
    }
    for verb in [&["stop", "-t", "3"][..], &["restart", "-t", "3"], &["rm", "-f"]] {
        let alone = t.hull(&[verb, &["alone"]].concat());
        let together = t.hull(&[verb, &names[..]].concat());
        assert_eq!(together.ok().lines().collect::<Vec<_>>(), names, "{verb:?}");
        // One after the other would take four times as long as one. No removal waits for another one.
        let is_short = verb[0] == "rm" || together.took < alone.took * 3;
        assert!(is_short, "{verb:?}: one takes {:?}, four {:?}", alone.took, together.took);
        if verb[0] == "stop" {
            t.ok(&[&["start", "alone"], &names[..]].concat());
        }
    }
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn one_that_is_missing_keeps_no_other_from_its_end() {
    let Some(t) = Scenario::with_busybox() else { return };
    deaf(&t, "a1");
    deaf(&t, "b2");
    let outcome = t.hull(&["kill", "a1", "nobody", "b2"]);
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (1, "a1\nb2\n"), "{outcome}");
    assert!(outcome.stderr.contains("nobody"), "{outcome}");
    let outcome = t.hull(&["rm", "-f", "a1", "nobody", "b2"]);
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (0, "a1\nb2\n"), "{outcome}");
}

/// A container that has failed several times and waits for its next run. The wait is longer than the test.
fn between_runs(t: &Scenario, name: &str) {
    t.ok(&["run", "-d", "--name", name, "--restart", "always", "busybox", "sh", "-c", "exit 7"]);
    eventually("it waits for its next run", || {
        t.inspect(name, "{{.State.Status}} {{gt .RestartCount 4}}") == "restarting true"
    });
}

#[test]
fn a_container_between_two_runs_tells_how_the_last_one_ended_and_can_be_killed() {
    let Some(t) = Scenario::with_busybox() else { return };
    for verb in [&["kill", "box"][..], &["kill", "-s", "TERM", "box"], &["stop", "box"]] {
        between_runs(&t, "box");
        // The next run may have begun meanwhile. After it, the container waits twice as long.
        eventually("it is looked at within one wait", || {
            let runs = || t.inspect("box", "{{.State.Status}} {{.RestartCount}}");
            let before = runs();
            let state = t.inspect("box", "{{.State.Running}} {{.State.ExitCode}}");
            let hangup = t.hull(&["kill", "-s", "HUP", "box"]);
            if !before.starts_with("restarting") || runs() != before {
                return false;
            }
            assert_eq!(state, "true 7");
            assert!(hangup.fails(1).contains("restarting"));
            true
        });
        assert_eq!(t.ok(verb), "box");
        assert_stays(&format!("it has ended by {verb:?}"), Duration::from_millis(300), || {
            t.inspect("box", "{{.State.Status}}") == "exited"
        });
        t.ok(&["rm", "box"]);
    }
}

#[test]
fn a_signal_that_the_program_lives_on_with_leaves_its_restart_policy_alone() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "trap 'echo reload' HUP; echo ready; while :; do sleep 0.05; done";
    t.ok(&["run", "-d", "--name", "box", "--restart", "always", "busybox", "sh", "-c", script]);
    eventually("it listens", || t.ok(&["logs", "box"]).contains("ready"));
    t.ok(&["kill", "-s", "HUP", "box"]);
    eventually("it has heard", || t.ok(&["logs", "box"]).contains("reload"));
    // An end within half a second after a signal counts as caused by the signal.
    std::thread::sleep(Duration::from_millis(700));
    kill(Pid::from_raw(t.pid_of("box")), Signal::SIGKILL).unwrap();
    eventually("it is back", || t.inspect("box", "{{.State.Status}} {{.RestartCount}}") == "running 1");
    t.ok(&["rm", "-f", "box"]);
}

#[test]
fn wait_returns_at_the_first_end_of_a_container_that_restarts() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "--restart", "always", "busybox", "sh", "-c", "sleep 1; exit 9"]);
    assert_eq!(t.ok(&["wait", "box"]), "9");
    // Between two runs, the command waits for the end of the next run.
    assert_eq!(t.ok(&["wait", "box"]), "9");
    assert_ne!(t.inspect("box", "{{.State.Status}}"), "exited");
    t.ok(&["rm", "-f", "box"]);
}

#[test]
fn an_anonymous_volume_goes_with_the_last_container_that_has_it() {
    let Some(t) = Scenario::with_busybox() else { return };
    let volumes = || t.ok(&["volume", "ls", "-q"]);
    t.ok(&["create", "--name", "owner", "-v", "/data", "-v", "named:/kept", "busybox", "true"]);
    t.ok(&["create", "--name", "user", "--volumes-from", "owner", "busybox", "true"]);
    t.ok(&["rm", "-v", "owner"]);
    assert_eq!(volumes().lines().count(), 2, "somebody still has it");
    t.ok(&["rm", "-v", "user"]);
    assert_eq!(volumes(), "named");
    // Both at the same time, and with --rm.
    t.ok(&["run", "-d", "--rm", "--name", "owner", "-v", "/data", "busybox", "sleep", "300"]);
    t.ok(&["run", "-d", "--rm", "--name", "user", "--volumes-from", "owner", "busybox", "sleep", "300"]);
    t.ok(&["rm", "-f", "-v", "owner", "user"]);
    assert_eq!(volumes(), "named");
}

#[test]
fn twenty_thousand_variables_take_no_longer_than_their_bytes() {
    let Some(t) = Scenario::with_busybox() else { return };
    let created = |count: usize| {
        let lines: String = (0..count).map(|n| format!("VARIABLE_{n}={n}\nSHARED={n}\n")).collect();
        let file = t.write("env", lines);
        t.hull(&["rm", "box"]);
        let outcome =
            t.hull(&["create", "--name", "box", "--env-file", file.to_str().unwrap(), "busybox", "true"]);
        outcome.ok();
        outcome.took
    };
    // Comparing each name with each other would take 64 times as long for eight times as many names. A busy machine can be
    // slow once.
    let times = (0..3).map(|_| (created(2_500), created(20_000)));
    let slow: Vec<_> = times.take_while(|(few, many)| *many > *few * 16).collect();
    assert!(slow.len() < 3, "2500 and 20000 variables: {slow:?}");
    assert_eq!(
        t.inspect("box", "{{len .Config.Env}}"),
        "20002",
        "PATH, each of them, and one that is the last of its name"
    );
    t.ok(&["rm", "box"]);
}

#[test]
fn the_cgroup_that_hull_makes_for_its_containers_goes_with_the_last_of_them() {
    let Some(t) = Scenario::with_busybox() else { return };
    // A container with a name that hull chose.
    let hull = |args: &[&str]| {
        let mut command = t.command(args);
        command.env_remove("HULL_CGROUP_PARENT");
        hull_test_support::outcome::run(&mut command).ok().to_owned()
    };
    hull(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    let pid = t.pid_of("box");
    let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path =
        cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).find(|path| path.contains("hull-"));
    let parent =
        path.expect("a cgroup of hull's").trim_start_matches('/').split('/').next().unwrap().to_owned();
    let found = || hull_test_support::cgroups::directories_of(&format!("/{parent}"));
    assert!(found().iter().any(|dir| dir.exists()));
    hull(&["rm", "-f", "box"]);
    assert!(!found().iter().any(|dir| dir.exists()), "{parent} is left");
    hull(&["run", "--rm", "busybox", "true"]);
    assert!(!found().iter().any(|dir| dir.exists()), "{parent} is left by a container that ended");
}

#[test]
fn a_user_who_waited_for_the_kill_learns_why() {
    let Some(t) = Scenario::with_busybox() else { return };
    deaf(&t, "deaf");
    let mut terminal = Terminal::start(&t.command(&["stop", "-t", "1", "deaf"]));
    terminal.expect("deaf\r\nhull: warning: deaf did not end within 1 s of its stop signal and was killed");
    terminal.expect("hull run --init");
    assert_eq!(terminal.wait(), 0);
    // What the hint promises.
    t.ok(&["run", "-d", "--init", "--name", "heard", "busybox", "sleep", "300"]);
    Terminal::start(&t.command(&["stop", "-t", "60", "heard"])).wait_and_see("heard\r\n");
    // No hint for a user who asked for the kill, and none for a script.
    deaf(&t, "killed");
    Terminal::start(&t.command(&["stop", "-t", "0", "killed"])).wait_and_see("killed\r\n");
    deaf(&t, "script");
    assert_eq!(t.hull(&["stop", "-t", "1", "script"]).stderr, "");
}
