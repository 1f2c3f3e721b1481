//! Hooks at their six points, and what follows when a hook fails.

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::{Case, case};

const POINTS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// A hook that appends its point's name, and what it reads, to a file.
fn log(b: &Bundle, point: &str) -> Value {
    match point {
        // Inside the container, the path leads to another file.
        "startContainer" => {
            json!({"path": "/bin/sh", "args": ["sh", "-c", format!("echo {point} $(cat) >> /log")], "env": ["PATH=/bin"]})
        }
        _ => {
            let file = b.rootfs("log").display().to_string();
            json!({"path": "/bin/sh", "args": ["sh", "-c", format!("echo {point} $(cat) >> {file}")],
                "env": ["PATH=/usr/bin:/bin"]})
        }
    }
}

fn fails(text: &str) -> Value {
    json!([{"path": "/bin/sh", "args": ["sh", "-c", format!("echo {text} >&2; exit 3")]}])
}

fn read_log(b: &Bundle) -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(b.rootfs("log")).unwrap_or_default();
    let split = |line: &str| {
        let (point, state) = line.split_once(' ').unwrap();
        (point.to_owned(), serde_json::from_str(state).unwrap())
    };
    text.lines().map(split).collect()
}

/// A hook that fails stops the container. Only the work of `poststop` is left.
#[track_caller]
fn stops(b: &mut Bundle, point: &str) {
    let poststop = json!([log(b, "poststop")]);
    b.set("/hooks", json!({point: fails("it says why"), "poststop": poststop}));
    let outcome = b.sh("echo it runs; sleep 5").run();
    assert!(!outcome.success(), "{outcome}");
    if point != "poststart" {
        assert!(!outcome.stdout.contains("it runs"), "{outcome}");
    }
    if b.is_hull() {
        assert!(outcome.stderr.contains(point) && outcome.stderr.contains("it says why"), "{outcome}");
        assert_eq!(read_log(b).len(), 1, "poststop runs");
    }
    b.fixture.assert_nothing_left();
}

pub const CASES: &[Case] = &[
    case("hooks_run_in_their_order_and_read_the_state", |b| {
        for point in POINTS {
            let hook = log(b, point);
            b.set(&format!("/hooks/{point}"), json!([hook]));
        }
        b.set("/annotations", json!({"key": "value"}));
        b.sh("echo the program >&2").run().ok();
        let log = read_log(b);
        let order: Vec<&str> = log.iter().map(|(point, _)| point.as_str()).collect();
        let status = ["creating", "creating", "creating", "created", "running", "stopped"];
        if b.is_hull() {
            assert_eq!(order, POINTS);
        }
        // runc's release here does not wait for startContainer before it runs poststart.
        assert_eq!(order.len(), POINTS.len(), "{order:?}");
        for ((point, state), status) in log.iter().zip(status) {
            assert_eq!(
                (&state["id"], &state["annotations"]["key"]),
                (&json!("box"), &json!("value")),
                "{point}"
            );
            assert_eq!(state["bundle"], json!(b.fixture.path("bundle")), "{point}");
            if b.is_hull() {
                assert_eq!(state["status"], status, "{point}");
            }
            assert_eq!(
                state["pid"].as_i64().is_some_and(|pid| pid > 0),
                point != "poststop",
                "{point}: {state}"
            );
        }
        b.fixture.assert_nothing_left();
    }),
    case("a_hook_of_the_runtime_is_in_its_namespaces", |b| {
        let file = b.fixture.path("seen").display().to_string();
        let script = format!("readlink /proc/self/ns/uts > {file}; readlink /proc/self/ns/pid >> {file}");
        b.set(
            "/hooks/createRuntime",
            json!([{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]}]),
        );
        b.sh("true").run().ok();
        let own = |kind: &str| {
            std::fs::read_link(format!("/proc/thread-self/ns/{kind}")).unwrap().display().to_string()
        };
        assert_eq!(
            std::fs::read_to_string(b.fixture.path("seen")).unwrap(),
            format!("{}\n{}\n", own("uts"), own("pid"))
        );
    }),
    case("a_hook_of_the_container_is_in_its_namespaces_and_sees_the_host", |b| {
        let file = b.fixture.path("seen").display().to_string();
        let script = format!("readlink /proc/self/ns/uts > {file}");
        let env = json!(["PATH=/usr/bin:/bin"]);
        b.set(
            "/hooks/createContainer",
            json!([{"path": "/bin/sh", "args": ["sh", "-c", script], "env": env}]),
        );
        let inside = b.prints("readlink /proc/self/ns/uts");
        let own = std::fs::read_link("/proc/thread-self/ns/uts").unwrap().display().to_string();
        let seen = std::fs::read_to_string(b.fixture.path("seen")).unwrap();
        assert!(seen.trim() == inside && inside != own, "{seen} {inside} {own}");
    }),
    case("a_hook_can_still_mount_into_the_root", |b| {
        std::fs::create_dir(b.rootfs("x")).unwrap();
        let script = format!("mount -t tmpfs from-hook {}", b.rootfs("x").display());
        b.set(
            "/hooks/createContainer",
            json!([{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]}]),
        );
        b.expect("df /x | tail -1 | cut -d' ' -f1", "from-hook");
    }),
    case("a_prestart_hook_that_fails_stops_the_container", |b| stops(b, "prestart")),
    case("a_create_runtime_hook_that_fails_stops_the_container", |b| stops(b, "createRuntime")),
    case("a_create_container_hook_that_fails_stops_the_container", |b| stops(b, "createContainer")),
    case("a_start_container_hook_that_fails_stops_the_container", |b| stops(b, "startContainer")),
    case("a_poststart_hook_that_fails_stops_the_container", |b| stops(b, "poststart")),
    case("a_poststop_hook_that_fails_changes_nothing", |b| {
        let next = log(b, "poststop");
        b.set("/hooks/poststop", fails("it says why")).push("/hooks/poststop", next);
        b.expect("echo ran", "ran");
        if b.is_hull() {
            assert_eq!(read_log(b).len(), 1, "the others run");
        }
    }),
    case("a_hook_that_takes_too_long_is_killed", |b| {
        b.set(
            "/hooks/createRuntime",
            json!([{"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]),
        );
        b.refused("1 s");
    }),
    case("a_hook_has_its_arguments_and_its_environment", |b| {
        let file = b.fixture.path("seen").display().to_string();
        let script = format!("echo \"$0 $1 $A\" > {file}");
        b.set(
            "/hooks/createRuntime",
            json!([{"path": "/bin/sh", "args": ["sh", "-c", script, "name", "one"], "env": ["A=2"]}]),
        );
        b.sh("true").run().ok();
        assert_eq!(std::fs::read_to_string(b.fixture.path("seen")).unwrap(), "name one 2\n");
    }),
    case("a_hook_that_is_missing_is_an_error", |b| {
        b.set("/hooks/createRuntime", json!([{"path": "/nowhere/hook"}])).refused("/nowhere/hook");
    }),
];
