//! The same containers in dockerd, and the same verbs in podman.

use hull_test_support::Scenario;
use hull_test_support::outcome::{Outcome, eventually, run};
use hull_test_support::peers::{Dockerd, Podman};
use hull_test_support::{fixtures, program};
use serde_json::{Value, json};

/// The commands that both engines get.
type Ask<'a> = &'a dyn Fn(&[&str]) -> Outcome;

fn health(ask: Ask<'_>, name: &str) -> Value {
    let text = ask(&["inspect", "-f", "{{json .State.Health}}", name]);
    serde_json::from_str(text.ok()).expect("inspect prints JSON")
}

fn until(ask: Ask<'_>, name: &str, status: &str) {
    eventually(&format!("{name} is {status}"), || health(ask, name)["Status"] == status);
}

/// Everything that the engines show about the health of containers in all states. Times, and counts that depend on them, are
/// left out.
fn story(ask: Ask<'_>) -> Vec<Value> {
    let mut story = Vec::new();
    let mut tell = |what: &str, value: Value| story.push(json!([what, value]));
    let text = |words: &[&str]| Value::from(ask(words).ok().to_owned());
    let ps = |name: &str| {
        let status = ask(&["ps", "-a", "-f", &format!("name={name}"), "--format", "{{.Status}}"]);
        let status = status.ok().to_owned();
        Value::from(status.split_once('(').map_or("", |(_, rest)| rest).to_owned())
    };
    let create = |name: &str, flags: &[&str]| {
        let common = ["run", "-d", "--network", "none", "--name", name];
        ask(&[&common, flags, &["busybox", "sleep", "300"]].concat()).ok();
    };
    create("slow", &["--health-cmd", "true", "--health-interval", "1h"]);
    tell("a new one", health(ask, "slow"));
    tell("its ps", ps("slow"));
    let often = ["--health-interval", "200ms", "--health-retries", "1"];
    create("box", &[&["--health-cmd", "echo said >&2; test -e /ok"], &often[..]].concat());
    tell("its configuration", text(&["inspect", "-f", "{{json .Config.Healthcheck}}", "box"]));
    until(ask, "box", "unhealthy");
    let log = |name: &str| {
        let mut last = health(ask, name)["Log"].as_array().unwrap().last().unwrap().clone();
        for time in ["Start", "End"] {
            assert!(last[time].as_str().is_some_and(|text| text.starts_with("20")), "{last}");
            last[time] = Value::Null;
        }
        last
    };
    tell("a failure", log("box"));
    tell("its ps", ps("box"));
    ask(&["exec", "box", "touch", "/ok"]).ok();
    until(ask, "box", "healthy");
    tell("a success", log("box"));
    tell("its ps", ps("box"));
    tell("filtered", text(&["ps", "-f", "health=healthy", "--format", "{{.Names}}"]));
    tell("filtered", text(&["ps", "-f", "health=starting", "--format", "{{.Names}}"]));
    ask(&["pause", "box"]).ok();
    tell("paused", health(ask, "box")["Status"].clone());
    tell("its ps", ps("box"));
    ask(&["unpause", "box"]).ok();
    until(ask, "box", "healthy");
    ask(&["kill", "box"]).ok();
    eventually("it has ended", || ask(&["inspect", "-f", "{{.State.Status}}", "box"]).ok() == "exited");
    let ended = health(ask, "box");
    tell(
        "ended",
        json!([ended["Status"], ended["FailingStreak"], ended["Log"].as_array().unwrap().len() > 1]),
    );
    create("late", &[&["--health-cmd", "exec sleep 60", "--health-timeout", "300ms"], &often[..]].concat());
    until(ask, "late", "unhealthy");
    tell("a timeout", log("late"));
    create("long", &[&["--health-cmd", "head -c 5000 /dev/zero | tr '\\0' x"], &often[..]].concat());
    until(ask, "long", "healthy");
    tell("long output", log("long"));
    create("never", &["--no-healthcheck"]);
    tell(
        "no check",
        json!([health(ask, "never"), text(&["inspect", "-f", "{{json .Config.Healthcheck}}", "never"])]),
    );
    tell("filtered", text(&["ps", "-f", "health=none", "--format", "{{.Names}}"]));
    let format = "{{.Action}} {{range $k, $v := .Actor.Attributes}}{{$k}} {{end}}";
    let events =
        ask(&["events", "--since", "1h", "--until", "0s", "-f", "container=box", "--format", format]);
    let mut events: Vec<_> =
        events.ok().lines().filter(|line| !line.contains("touch")).map(str::trim).collect();
    events.retain(|line| {
        line.starts_with("health") || line.contains("test -e") || line.starts_with("exec_die")
    });
    events.sort_unstable();
    events.dedup();
    tell("events", json!(events));
    for name in ["slow", "box", "late", "long", "never"] {
        ask(&["rm", "-f", name]).ok();
    }
    story
}

#[test]
fn docker_tells_the_same_of_the_same_checks() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(dockerd) = Dockerd::start(&t, &t.path("docker")) else { return };
    let tar = fixtures::busybox();
    dockerd.ok(&["import", "-c", "ENV PATH=/bin", tar.to_str().unwrap(), "busybox"]);
    let theirs = story(&|words| run(&mut dockerd.command(words)));
    let ours = story(&|words| t.hull(words));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs, "hull, and then docker");
    }
}

#[test]
fn podman_answers_healthcheck_run_with_the_same_codes() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(podman) = Podman::new(&t, t.path("podman")) else { return };
    let tar = fixtures::busybox();
    run(&mut podman.command(&["import", "-q", "-c", "ENV PATH=/bin", tar.to_str().unwrap(), "busybox"])).ok();
    // podman needs systemd for the intervals, and systemd need not run here.
    let codes = |ask: Ask<'_>, interval: &str, own: &[&str]| {
        let check = ["--health-cmd", "test -e /ok", "--health-interval", interval, "--health-retries", "1"];
        let create = |name: &str, flags: &[&str]| {
            let words = [&["run", "-d", "--network", "none", "--name", name], own, flags].concat();
            ask(&[&words[..], &["busybox", "sleep", "300"]].concat()).ok();
        };
        create("box", &check);
        create("plain", &[]);
        let run = |name: &str| ask(&["healthcheck", "run", name]).code();
        let failed = run("box");
        ask(&["exec", "box", "touch", "/ok"]).ok();
        let codes = [failed, run("box"), run("plain"), run("nobody")];
        ask(&["kill", "box", "plain"]).ok();
        let wait = ask(&["rm", "-f", "box", "plain"]);
        assert!(wait.success(), "{wait}");
        codes
    };
    let ours = codes(&|words| t.hull(words), "1h", &[]);
    let runtime = ["--runtime", program::hull_oci().to_str().unwrap()];
    let podman = |words: &[&str]| run(&mut podman.command(&[&runtime, words].concat()));
    let theirs = codes(&podman, "disable", &["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]);
    assert_eq!((ours, theirs), ([1, 0, 125, 125], ours));
}
