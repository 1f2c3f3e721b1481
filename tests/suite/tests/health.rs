//! Health checks: states and transitions, what is recorded, and what hull does as a result.

#[path = "health/hostile.rs"]
mod hostile;
#[path = "health/images.rs"]
mod images;
#[path = "health/oracles.rs"]
mod oracles;

use std::time::Duration;

use hull_test_support::Scenario;
use hull_test_support::outcome::{assert_stays, eventually};

/// A frequent check that the test makes succeed or fail.
const SWITCH: [&str; 6] =
    ["--health-cmd", "test -e /ok && echo fine", "--health-interval", "100ms", "--health-retries", "2"];

fn run(t: &Scenario, name: &str, flags: &[&str], program: &[&str]) {
    let common = ["run", "-d", "--network", "none", "--stop-timeout", "1", "--name", name];
    t.ok(&[&common, flags, &["busybox"], program].concat());
}

const SLEEP: [&str; 2] = ["sleep", "300"];

/// The health that `ps` shows in parentheses.
fn shown(t: &Scenario, name: &str) -> String {
    let status = t.ok(&["ps", "-a", "-f", &format!("name=^{name}$"), "--format", "{{.Status}}"]);
    status.split_once('(').map_or(String::new(), |(_, health)| health.trim_end_matches(')').to_owned())
}

fn until(t: &Scenario, name: &str, health: &str) {
    eventually(&format!("{name} is {health}"), || shown(t, name) == health);
}

#[track_caller]
fn health(t: &Scenario, name: &str) -> serde_json::Value {
    serde_json::from_str(&t.inspect(name, "{{json .State.Health}}")).expect("inspect prints JSON")
}

#[test]
fn a_container_is_starting_then_unhealthy_and_healthy_as_its_check_says() {
    let Some(t) = Scenario::with_busybox() else { return };
    run(&t, "slow", &["--health-cmd", "true", "--health-interval", "1h"], &SLEEP);
    assert_eq!(shown(&t, "slow"), "health: starting");
    assert_eq!(health(&t, "slow"), serde_json::json!({"Status": "starting", "FailingStreak": 0, "Log": []}));
    run(&t, "box", &SWITCH, &SLEEP);
    run(&t, "plain", &[], &SLEEP);
    until(&t, "box", "unhealthy");
    let failed = health(&t, "box");
    assert!(failed["FailingStreak"].as_u64().unwrap() >= 2, "{failed}");
    t.ok(&["exec", "box", "touch", "/ok"]);
    until(&t, "box", "healthy");
    let healthy = health(&t, "box");
    assert_eq!(healthy["FailingStreak"], 0, "{healthy}");
    let last = healthy["Log"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["ExitCode"], &last["Output"]), (&0.into(), &"fine\n".into()), "{healthy}");
    assert!(last["Start"].as_str() < last["End"].as_str(), "{healthy}");
    eventually("five results are kept", || health(&t, "box")["Log"].as_array().unwrap().len() == 5);
    // The filter, and a container without a health check.
    for (filter, names) in [("healthy", "box"), ("starting", "slow"), ("none", "plain"), ("unhealthy", "")] {
        assert_eq!(t.ok(&["ps", "-f", &format!("health={filter}"), "--format", "{{.Names}}"]), names);
    }
    assert_eq!(t.inspect("plain", "{{json .State.Health}}"), "null");
    assert_eq!(
        t.inspect("box", "{{json .Config.Healthcheck}}"),
        r#"{"Test":["CMD-SHELL","test -e /ok && echo fine"],"Interval":100000000,"Retries":2}"#
    );
    // A container that has ended is unhealthy, as with docker, and keeps its results. A new run starts with none.
    t.ok(&["stop", "box"]);
    let ended = health(&t, "box");
    assert_eq!((&ended["Status"], ended["Log"].as_array().unwrap().len()), (&"unhealthy".into(), 5));
    t.ok(&["start", "box"]);
    until(&t, "box", "healthy");
}

#[test]
fn failures_in_the_start_period_do_not_count() {
    let Some(t) = Scenario::with_busybox() else { return };
    let period = ["--health-start-period", "1h", "--health-start-interval", "50ms"];
    let often = ["--health-cmd", "test -e /ok", "--health-interval", "60ms", "--health-retries", "1"];
    run(&t, "box", &[&often[..], &period].concat(), &SLEEP);
    eventually("it has failed some times", || health(&t, "box")["Log"].as_array().unwrap().len() > 2);
    assert_eq!(
        (shown(&t, "box").as_str(), health(&t, "box")["FailingStreak"].as_u64()),
        ("health: starting", Some(0))
    );
    t.ok(&["exec", "box", "touch", "/ok"]);
    until(&t, "box", "healthy");
    // The first success ends the start period.
    t.ok(&["exec", "box", "rm", "/ok"]);
    until(&t, "box", "unhealthy");
}

#[test]
fn the_start_interval_holds_until_the_first_success() {
    let Some(t) = Scenario::with_busybox() else { return };
    let flags = ["--health-cmd", "echo x >> /count", "--health-interval", "1h"];
    let period = ["--health-start-period", "1h", "--health-start-interval", "50ms"];
    run(&t, "box", &[&flags[..], &period].concat(), &SLEEP);
    until(&t, "box", "healthy");
    assert_stays("there is one check", Duration::from_millis(300), || {
        t.ok(&["exec", "box", "cat", "/count"]) == "x"
    });
}

#[test]
fn healthcheck_run_checks_at_once() {
    let Some(t) = Scenario::with_busybox() else { return };
    run(
        &t,
        "box",
        &["--health-cmd", "test -e /ok", "--health-interval", "1h", "--health-retries", "1"],
        &SLEEP,
    );
    let outcome = t.hull(&["healthcheck", "run", "box"]);
    assert_eq!((outcome.code(), outcome.stdout.as_str(), outcome.stderr.as_str()), (1, "", ""), "{outcome}");
    assert_eq!(shown(&t, "box"), "unhealthy");
    t.ok(&["exec", "box", "touch", "/ok"]);
    assert_eq!(t.ok(&["healthcheck", "run", "box"]), "");
    assert_eq!(shown(&t, "box"), "healthy");
    run(&t, "plain", &[], &SLEEP);
    assert!(t.hull(&["healthcheck", "run", "plain"]).fails(125).contains("has no health check"));
    t.ok(&["pause", "box"]);
    assert!(t.hull(&["healthcheck", "run", "box"]).fails(125).contains("paused"));
    t.ok(&["unpause", "box"]);
    t.ok(&["stop", "box"]);
    assert!(t.hull(&["healthcheck", "run", "box"]).fails(125).contains("not running"));
    assert!(t.hull(&["healthcheck", "run", "nobody"]).fails(125).contains("No such container"));
}

#[test]
fn a_paused_container_is_not_checked() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["volume", "create", "kept"]);
    run(&t, "box", &[&SWITCH[..], &["-v", "kept:/kept"]].concat(), &SLEEP);
    t.ok(&["exec", "box", "touch", "/ok"]);
    until(&t, "box", "healthy");
    t.ok(&["pause", "box"]);
    assert_eq!(shown(&t, "box"), "Paused");
    assert_eq!(t.inspect("box", "{{.State.Health.Status}}"), "unhealthy");
    let log = |t: &Scenario| health(t, "box")["Log"].clone();
    let before = log(&t);
    assert_stays("no result is added", Duration::from_millis(400), || log(&t) == before);
    t.ok(&["unpause", "box"]);
    assert_eq!(shown(&t, "box"), "healthy");
    eventually("it is checked again", || log(&t) != before);
    assert!(log(&t).as_array().unwrap().iter().skip(1).all(|result| result["ExitCode"] == 0), "{}", log(&t));
}

#[test]
fn a_check_that_is_frozen_half_way_is_forgotten() {
    let Some(t) = Scenario::with_busybox() else { return };
    // Only the first check hangs. It is frozen for longer than its timeout, and would count as a timeout if it were not
    // forgotten.
    let check = "test ! -e /begun || exit 1; touch /begun; sleep 300";
    let flags = ["--health-cmd", check, "--health-interval", "50ms", "--health-timeout", "3s"];
    run(&t, "box", &[&flags[..], &["--health-retries", "1"]].concat(), &SLEEP);
    eventually("the check runs", || t.hull(&["exec", "box", "test", "-e", "/begun"]).success());
    t.ok(&["pause", "box"]);
    assert_stays("no result is added", Duration::from_millis(3200), || {
        health(&t, "box")["Log"].as_array().unwrap().is_empty()
    });
    t.ok(&["unpause", "box"]);
    until(&t, "box", "unhealthy");
    assert_eq!(health(&t, "box")["Log"][0]["ExitCode"], 1);
}

#[test]
fn a_restarted_container_is_checked_anew() {
    let Some(t) = Scenario::with_busybox() else { return };
    let flags = ["--restart", "always", "--health-interval", "100ms", "--health-retries", "1"];
    let check = ["--health-cmd", "test ! -e /bad || exec sleep 333"];
    run(&t, "box", &[&flags[..], &check].concat(), &["sh", "-c", "rm -f /bad; sleep 300"]);
    until(&t, "box", "healthy");
    t.ok(&["exec", "box", "touch", "/bad"]);
    // One check hangs when the run ends.
    eventually("a check hangs", || t.ok(&["top", "box", "-o", "pid,args"]).contains(" sleep 333"));
    let run = t.inspect("box", "{{.State.StartedAt}}");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(t.pid_of("box")), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    eventually("it runs again", || {
        let state = t.inspect("box", "{{.State.Status}} {{.State.StartedAt}}");
        state.starts_with("running") && !state.ends_with(&run)
    });
    until(&t, "box", "healthy");
    let log = health(&t, "box")["Log"].clone();
    assert!(log.as_array().unwrap().iter().all(|result| result["ExitCode"] == 0), "{log}");
}

#[test]
fn an_action_follows_when_a_container_becomes_unhealthy() {
    let Some(t) = Scenario::with_busybox() else { return };
    let program = ["sh", "-c", "trap 'exit 7' TERM; rm -f /ok; touch /ok; while :; do sleep 0.05; done"];
    let with = |name: &str, more: &[&str]| {
        let action = ["--health-on-failure", name];
        run(&t, name, &[&SWITCH[..], &action, more].concat(), &program);
        until(&t, name, "healthy");
        t.ok(&["exec", name, "rm", "/ok"]);
    };
    let state = |name: &str| t.inspect(name, "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}");
    with("none", &[]);
    with("kill", &[]);
    // The stop counts as a stop by the user, so the restart policy does not apply.
    with("stop", &["--restart", "always"]);
    with("restart", &[]);
    eventually("it is killed", || state("kill") == "exited 137 0");
    eventually("it is stopped", || state("stop") == "exited 7 0");
    eventually("it is restarted", || state("restart") == "running 0 1");
    until(&t, "restart", "healthy");
    until(&t, "none", "unhealthy");
    assert_eq!(state("none"), "running 0 0");
    // A killed container is restarted if its policy says so.
    run(
        &t,
        "again",
        &[&SWITCH[..], &["--health-on-failure", "kill", "--restart", "always"]].concat(),
        &program,
    );
    until(&t, "again", "healthy");
    t.ok(&["exec", "again", "rm", "/ok"]);
    eventually("it is killed and restarted", || state("again").ends_with(" 1"));
    t.ok(&["rm", "-f", "again"]);
}

#[test]
fn flags_are_checked_as_docker_checks_them() {
    let Some(t) = Scenario::with_busybox() else { return };
    for (flags, why) in [
        (
            &["--health-cmd", "x", "--no-healthcheck"][..],
            "--no-healthcheck conflicts with --health-* options",
        ),
        (&["--health-interval", "-1s"], "--health-interval cannot be negative"),
        (&["--health-timeout", "1us", "--health-cmd", "x"], "cannot be less than 1ms"),
        (&["--health-retries", "-1"], "--health-retries cannot be negative"),
        (&["--health-start-period", "soon"], "--health-start-period"),
        (&["--health-on-failure", "kill"], "no health check"),
        (&["--health-on-failure", "pray", "--health-cmd", "x"], "pray"),
    ] {
        let words = [&["run"], flags, &["busybox"]].concat();
        let outcome = t.hull(&words);
        assert!(outcome.fails(125).contains(why), "{outcome}");
    }
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn wait_waits_for_the_health_and_for_other_conditions() {
    let Some(t) = Scenario::with_busybox() else { return };
    let wait = |name: &str, condition: &str| t.spawn(&["wait", &format!("--condition={condition}"), name]);
    let create = ["create", "--network", "none", "--name", "box"];
    t.ok(&[&create, &SWITCH[..], &["busybox"], &SLEEP].concat());
    assert_eq!(t.ok(&["wait", "--condition", "created", "box"]), "-1");
    let (running, healthy) = (wait("box", "running"), wait("box", "healthy"));
    let either = t.spawn(&["wait", "--condition=paused", "--condition=healthy", "box"]);
    t.ok(&["start", "box"]);
    assert_eq!(running.wait().ok(), "-1");
    assert_eq!(wait("box", "unhealthy").wait().ok(), "-1");
    t.ok(&["exec", "box", "touch", "/ok"]);
    assert_eq!((healthy.wait().ok(), either.wait().ok()), ("-1", "-1"));
    let paused = wait("box", "paused");
    t.ok(&["pause", "box"]);
    assert_eq!(paused.wait().ok(), "-1");
    t.ok(&["unpause", "box"]);
    // A command that waits for another condition learns that the container has ended.
    t.ok(&["exec", "box", "rm", "/ok"]);
    until(&t, "box", "unhealthy");
    let (exited, healthy) = (wait("box", "exited"), wait("box", "healthy"));
    t.ok(&["kill", "box"]);
    assert_eq!(exited.wait().ok(), "137");
    assert!(healthy.wait().fails(1).contains("not running"));
    // A container that has ended may be started again.
    let running = wait("box", "running");
    t.ok(&["start", "box"]);
    assert_eq!(running.wait().ok(), "-1");
    run(&t, "plain", &[], &SLEEP);
    assert!(t.hull(&["wait", "--condition", "healthy", "plain"]).fails(1).contains("no health check"));
    let removed = wait("plain", "paused");
    t.ok(&["rm", "-f", "plain"]);
    removed.wait().fails(1);
}

#[test]
fn events_tell_of_checks_and_of_the_status() {
    let Some(t) = Scenario::with_busybox() else { return };
    run(
        &t,
        "box",
        &["--health-cmd", "test -e /ok", "--health-interval", "1h", "--health-retries", "1"],
        &SLEEP,
    );
    t.hull(&["healthcheck", "run", "box"]).fails(1);
    t.ok(&["exec", "box", "touch", "/ok"]);
    t.ok(&["healthcheck", "run", "box"]);
    let format = "{{.Action}} {{index .Actor.Attributes \"exitCode\"}}";
    let events =
        t.ok(&["events", "--since", "1h", "--until", "0s", "-f", "container=box", "--format", format]);
    let about: Vec<_> = events
        .lines()
        .map(str::trim)
        .filter(|line| {
            line.starts_with("health_status") || line.contains("test -e") || line.starts_with("exec_die")
        })
        .collect();
    let check = ["exec_create: /bin/sh -c test -e /ok", "exec_start: /bin/sh -c test -e /ok"];
    for expected in
        [check[0], check[1], "exec_die 1", "health_status: unhealthy", "exec_die 0", "health_status: healthy"]
    {
        assert!(
            about.iter().any(|line| line.trim_end_matches(" <no value>") == expected),
            "{expected}: {events}"
        );
    }
}

#[test]
fn an_unprivileged_users_container_is_checked() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    run(&t, "box", &SWITCH, &SLEEP);
    until(&t, "box", "unhealthy");
    t.ok(&["exec", "box", "touch", "/ok"]);
    until(&t, "box", "healthy");
    t.ok(&["healthcheck", "run", "box"]);
}
