//! `hull serve` as a service of a real systemd: its units, and what outlives it.

#[allow(dead_code, reason = "each suite uses its part")]
#[path = "oci_systemd/manager.rs"]
mod manager;
#[allow(dead_code, reason = "each suite uses its part")]
mod oci_fixture;

use std::io::Write;
use std::process::Command;

use hull_test_support::Scenario;
use hull_test_support::outcome::{Running, eventually, run, run_with_input};
use manager::Manager;
use oci_fixture::Fixture;

/// Sends a request on systemd's side of the socket, and returns the answer.
fn ask(t: &Scenario, m: &Manager<'_>, request: &str, body: &str) -> String {
    let mut command = m.inside(&t.command(&["system", "dial-stdio"]));
    command.env("DOCKER_HOST", "unix:///run/docker.sock");
    let text = format!(
        "{request} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    run_with_input(&mut command, text.as_bytes()).ok().to_owned()
}

/// The units as they are printed, in the directory of this systemd, which has no other units that they could be ordered after.
fn install(t: &Scenario, idle: &str) {
    let parent = "/serve-test";
    for unit in ["socket", "service"] {
        let flag = format!("--print-units={unit}");
        let root = [t.data_root().display().to_string(), t.run_root().display().to_string()];
        let args = ["--root", &root[0], "--runroot", &root[1], "--cgroup-parent", parent];
        let serve = ["serve", &flag, "--group", "root", "--idle", idle, "--log"];
        let text = t.ok(&[&args[..], &serve].concat());
        let text = text.replace("[Unit]\n", "[Unit]\nDefaultDependencies=no\n");
        t.write(&format!("units/hull-serve.{unit}"), text);
    }
}

#[test]
fn containers_outlive_stop_restart_and_idle_exit_of_the_service() {
    let Some(w) = Fixture::start() else { return };
    let t = w.scenario();
    t.busybox();
    let Some(m) = Manager::start(&w) else { return };
    install(t, "1h");
    m.systemctl(&["daemon-reload"]).ok();
    let state = |unit: &str| m.systemctl(&["is-active", unit]).stdout.trim().to_owned();
    m.systemctl(&["start", "hull-serve.socket"]).ok();
    assert_eq!(
        (state("hull-serve.socket"), state("hull-serve.service")),
        ("active".into(), "inactive".into())
    );
    // The first client starts the service.
    assert!(ask(t, &m, "GET /_ping", "").starts_with("HTTP/1.1 200"));
    assert_eq!(state("hull-serve.service"), "active");
    let body = r#"{"Image":"busybox","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}"#;
    assert!(ask(t, &m, "POST /containers/create?name=one", body).contains("201 Created"));
    assert!(ask(t, &m, "POST /containers/one/start", "").contains("204 No Content"));
    // A client that stays connected: it is served until it has the end of what it waits for.
    let wait = "POST /containers/one/wait HTTP/1.0\r\nContent-Length: 0\r\n\r\n";
    let mut command = m.inside(&t.command(&["system", "dial-stdio"]));
    command.env("DOCKER_HOST", "unix:///run/docker.sock");
    let (stdin, mut client) = std::io::pipe().unwrap();
    let mut waiting = Running::start(command.stdin(stdin));
    client.write_all(wait.as_bytes()).unwrap();
    let main = || m.systemctl(&["show", "--value", "-p", "MainPID", "hull-serve.service"]).ok().to_owned();
    let is_running = |when: &str| {
        let answer = ask(t, &m, "GET /containers/one/json", "");
        assert!(answer.contains(r#""Running":true"#), "{when}: {answer}");
    };
    let first = main();
    m.systemctl(&["restart", "hull-serve.service"]).ok();
    assert_ne!(main(), first);
    is_running("after a restart");
    m.systemctl(&["stop", "hull-serve.service"]).ok();
    assert_eq!(state("hull-serve.service"), "inactive");
    // The next client starts it again.
    is_running("after a stop");
    assert_eq!(state("hull-serve.service"), "active");
    m.systemctl(&["stop", "hull-serve.service"]).ok();
    install(t, "300ms");
    m.systemctl(&["daemon-reload"]).ok();
    is_running("in a service that ends soon");
    eventually("the idle service ends", || state("hull-serve.service") == "inactive");
    let result = m.systemctl(&["show", "--value", "-p", "Result", "hull-serve.service"]);
    assert_eq!(result.ok(), "success");
    is_running("after the idle exit");
    // The connection from before the first restart.
    assert!(!waiting.has_ended());
    assert!(ask(t, &m, "POST /containers/one/kill", "").contains("204 No Content"));
    let ended = waiting.wait();
    drop(client);
    assert!(ended.ok().contains(r#""StatusCode":137"#), "{ended}");
    assert!(ask(t, &m, "DELETE /containers/one", "").contains("204 No Content"));
    m.systemctl(&["stop", "hull-serve.service", "hull-serve.socket"]).ok();
    let listed = run(&mut m.inside(Command::new("ls").arg("/run")));
    assert!(!listed.ok().contains("docker.sock"), "{listed}");
    // The parent of the containers' cgroups stays, because it was named.
    let script = "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do rmdir $d/serve-test 2>/dev/null; done; true";
    run(&mut m.inside(Command::new("sh").args(["-c", script])));
}
