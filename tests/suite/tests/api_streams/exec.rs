//! Exec instances: created, started, resized and inspected on connections of their own.

use hull_test_support::outcome::eventually;
use serde_json::{Value, json};

use crate::server::{self, end_input, outputs, rest, send, take};

fn sleeper(s: &server::Server) -> String {
    s.run("box", "sleep 300", json!({"HostConfig": {"Init": true}}))
}

#[test]
fn an_instance_is_created_started_and_inspected_by_different_processes() {
    let Some(s) = server::start() else { return };
    let id = sleeper(&s);
    let request = json!({"AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "User": "1000",
        "Cmd": ["sh", "-c", "id -u; cat; echo err >&2; exit 3"], "DetachKeys": "ctrl-x"});
    let exec = s.create_exec("box", &request);
    let before = s.inspect_exec(&exec).ok(200);
    assert_eq!(
        (&before["Running"], &before["ExitCode"], &before["Pid"]),
        (&json!(false), &Value::Null, &json!(0))
    );
    assert_eq!((&before["ContainerID"], &before["DetachKeys"]), (&json!(id), &json!("GA==")));
    let mut started = s.start_exec(&exec, &json!({"Detach": false, "Tty": false}));
    assert_eq!(started.status, 101);
    eventually("it runs", || s.inspect_exec(&exec).ok(200)["Pid"] != 0);
    assert_eq!(s.inspect_exec(&exec).ok(200)["Running"], true);
    assert_eq!(s.inspect("box")["ExecIDs"], json!([exec]));
    send(&mut started, b"hello\n");
    end_input(&started);
    assert_eq!(outputs(&mut started), ("1000\nhello\n".into(), "err\n".into()));
    assert_eq!(s.end_of_exec(&exec), 3);
    assert_eq!(s.inspect("box")["ExecIDs"], Value::Null);
}

#[test]
fn an_instance_runs_once() {
    let Some(s) = server::start() else { return };
    sleeper(&s);
    let exec = s.create_exec("box", &json!({"Cmd": ["true"], "AttachStdout": true}));
    assert_eq!(rest(&mut s.start_exec(&exec, &json!({}))), b"");
    assert_eq!(s.end_of_exec(&exec), 0);
    let mut again = s.start_exec(&exec, &json!({}));
    let text = format!("Error: Exec command {exec} has already run\r\n");
    assert_eq!((again.status, outputs(&mut again).0), (101, text));
    let refused = s.client().post_json(&format!("/v1.41/exec/{exec}/start"), &json!({"Detach": true}));
    assert_eq!(refused.fails(409), format!("Error: Exec command {exec} has already run"));
}

#[test]
fn a_detached_program_has_its_exit_code_kept_also_after_its_container() {
    let Some(s) = server::start() else { return };
    sleeper(&s);
    let exec = s.create_exec("box", &json!({"Cmd": ["sh", "-c", "exit 4"]}));
    let waiting = s.create_exec("box", &json!({"Cmd": ["true"]}));
    let started = s.client().post_json(&format!("/v1.41/exec/{exec}/start"), &json!({"Detach": true}));
    assert_eq!((started.status, started.text().as_str()), (200, ""));
    assert_eq!(s.end_of_exec(&exec), 4);
    assert_eq!(s.client().post("/v1.41/containers/box/kill").status, 204);
    s.end_of("box");
    assert_eq!(s.end_of_exec(&exec), 4);
    let gone = format!("No such exec instance: {waiting}");
    assert_eq!(s.inspect_exec(&waiting).fails(404), gone, "it belonged to the run");
    assert_eq!(s.client().delete("/v1.41/containers/box").status, 204);
    assert_eq!(s.inspect_exec(&exec).fails(404), format!("No such exec instance: {exec}"));
}

#[test]
fn a_terminal_is_resized_from_another_connection() {
    let Some(s) = server::start() else { return };
    sleeper(&s);
    let request = json!({"AttachStdin": true, "AttachStdout": true, "Tty": true,
        "Cmd": ["sh", "-c", "stty -echo; echo ready; read x; stty size; sleep 300"]});
    let exec = s.create_exec("box", &request);
    let mut started = s.start_exec(&exec, &json!({"Tty": true}));
    assert_eq!(take(&mut started, 7), b"ready\r\n");
    let resized = s.client().post(&format!("/v1.41/exec/{exec}/resize?h=31&w=92"));
    assert_eq!((resized.status, resized.text().as_str()), (200, ""));
    send(&mut started, b"\n");
    assert_eq!(take(&mut started, 7), b"31 92\r\n");
    send(&mut started, b"\x10\x11");
    let last = rest(&mut started);
    // dockerd 20.10 takes this leaving for an error, writes it there, and forgets that the program runs.
    assert!(last.is_empty() || s.docker.is_oracle(), "the detach keys end the stream: {last:?}");
    let runs = s.inspect_exec(&exec).ok(200)["Running"] == true;
    assert!(runs || s.docker.is_oracle(), "and the program continues");
}

#[test]
fn a_program_that_cannot_be_started_is_an_error_in_the_stream_and_has_an_exit_code() {
    let Some(s) = server::start() else { return };
    sleeper(&s);
    let exec = s.create_exec("box", &json!({"Cmd": ["/no/such"], "AttachStdout": true}));
    let text = outputs(&mut s.start_exec(&exec, &json!({}))).0;
    assert!(text.contains("/no/such") && text.ends_with("\r\n"), "{text}");
    let code = s.end_of_exec(&exec).as_i64();
    assert!(code == Some(126) || code == Some(127), "{code:?}");
    let exec = s.create_exec("box", &json!({"Cmd": ["/no/such"]}));
    let failed = s.client().post_json(&format!("/v1.41/exec/{exec}/start"), &json!({"Detach": true}));
    assert!(failed.fails(400).contains("/no/such"));
}

#[test]
fn each_step_has_its_event() {
    let Some(s) = server::start() else { return };
    sleeper(&s);
    let exec = s.create_exec("box", &json!({"Cmd": ["sh", "-c", "exit 3"], "AttachStdout": true}));
    assert_eq!(rest(&mut s.start_exec(&exec, &json!({}))), b"");
    let failing = s.create_exec("box", &json!({"Cmd": ["/no/such"], "AttachStdout": true}));
    rest(&mut s.start_exec(&failing, &json!({})));
    let terminal = json!({"Cmd": ["cat"], "AttachStdin": true, "AttachStdout": true, "Tty": true});
    let terminal = s.create_exec("box", &terminal);
    let mut started = s.start_exec(&terminal, &json!({"Tty": true}));
    send(&mut started, b"x\n");
    assert_eq!(take(&mut started, 6), b"x\r\nx\r\n");
    send(&mut started, b"\x10\x11");
    rest(&mut started);
    let expected = [
        ("exec_create: sh -c exit 3", &exec),
        ("exec_start: sh -c exit 3", &exec),
        ("exec_die", &exec),
        ("exec_create: /no/such ", &failing),
        ("exec_start: /no/such ", &failing),
        ("exec_create: cat ", &terminal),
        ("exec_start: cat ", &terminal),
        ("exec_detach", &terminal),
    ];
    // dockerd 20.10 takes this leaving for an error.
    let expected = if s.docker.is_oracle() { &expected[..7] } else { &expected[..] };
    eventually("each event is there", || {
        let events = s.events();
        let execs = events.iter().filter(|event| event["Action"].as_str().unwrap().starts_with("exec_"));
        let found: Vec<_> = execs
            .map(|event| {
                (event["Action"].as_str().unwrap(), event["Actor"]["Attributes"]["execID"].as_str().unwrap())
            })
            .collect();
        found == expected.iter().map(|(action, id)| (*action, id.as_str())).collect::<Vec<_>>()
    });
    let died = s.events().into_iter().find(|event| event["Action"] == "exec_die").unwrap();
    assert_eq!(died["Actor"]["Attributes"]["exitCode"], "3");
}

#[test]
fn a_container_that_does_not_run_takes_no_program() {
    let Some(s) = server::start() else { return };
    s.create("box", "sleep 300", json!({}));
    let request = json!({"Cmd": ["true"]});
    let create = || s.client().post_json("/v1.41/containers/box/exec", &request);
    assert!(create().fails(409).ends_with("is not running"));
    s.start("box");
    assert_eq!(s.client().post("/v1.41/containers/box/pause").status, 204);
    assert_eq!(create().fails(409), "Container box is paused, unpause the container before exec");
    assert_eq!(s.client().post("/v1.41/containers/box/unpause").status, 204);
    let missing = s.client().post_json("/v1.41/containers/box/exec", &json!({"Cmd": []}));
    assert_eq!(missing.fails(400), "No exec command specified");
}
