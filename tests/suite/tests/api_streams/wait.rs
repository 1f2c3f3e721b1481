//! Waiting, with each of docker's conditions.

use hull_test_support::outcome::eventually;
use serde_json::json;

use crate::server::{self, code};

#[test]
fn a_container_that_does_not_run_is_not_waited_for() {
    let Some(s) = server::start() else { return };
    s.create("box", "exit 7", json!({}));
    assert_eq!(code(s.wait("box", "")), 0);
    let next = s.wait("box", "next-exit");
    s.start("box");
    assert_eq!(code(next), 7);
    for condition in ["", "not-running"] {
        assert_eq!(code(s.wait("box", condition)), 7);
    }
    let next = s.wait("box", "next-exit");
    s.start("box");
    assert_eq!(code(next), 7, "and of the run after that");
}

#[test]
fn a_removal_ends_each_wait() {
    let Some(s) = server::start() else { return };
    s.create("box", "sleep 300", json!({}));
    let waits = ["next-exit", "removed"].map(|condition| s.wait("box", condition));
    assert_eq!(s.client().delete("/v1.41/containers/box").status, 204);
    assert_eq!(waits.map(code), [0, 0]);
    s.run("box", "sleep 300", json!({}));
    let waits = ["", "next-exit", "removed"].map(|condition| s.wait("box", condition));
    assert_eq!(s.client().delete("/v1.41/containers/box?force=1").status, 204);
    assert_eq!(waits.map(code), [137, 137, 137]);
}

#[test]
fn a_removal_is_waited_for_over_several_runs() {
    let Some(s) = server::start() else { return };
    s.create("box", "test -e /ran && exit 4; touch /ran; exit 3", json!({}));
    let removed = s.wait("box", "removed");
    for expected in [3, 4] {
        let next = s.wait("box", "next-exit");
        s.start("box");
        assert_eq!(code(next), expected);
    }
    assert_eq!(s.client().delete("/v1.41/containers/box").status, 204);
    assert_eq!(code(removed), 4);
}

#[test]
fn a_restart_by_policy_is_an_end_for_the_wait() {
    let Some(s) = server::start() else { return };
    let more = json!({"HostConfig": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}});
    s.create("box", "exit 9", more);
    let next = s.wait("box", "next-exit");
    s.start("box");
    assert_eq!(code(next), 9);
    eventually("the restarts are over", || s.inspect("box")["State"]["Status"] == "exited");
    assert_eq!(code(s.wait("box", "")), 9);
}

#[test]
fn old_clients_get_the_head_with_the_answer_and_have_no_conditions() {
    let Some(s) = server::start() else { return };
    s.run("box", "exit 2", json!({}));
    let answer = s.client().post("/v1.29/containers/box/wait?condition=removed");
    assert_eq!(answer.ok(200), json!({"Error": null, "StatusCode": 2}));
    assert!(answer.field("content-length").is_some());
    let missing = s.client().post("/v1.41/containers/nothing/wait");
    assert_eq!(missing.fails(404), "No such container: nothing");
}

#[test]
fn a_start_that_fails_ends_the_wait_for_a_removal() {
    let Some(s) = server::start() else { return };
    let more = json!({"HostConfig": {"AutoRemove": true}, "Cmd": ["/no/such"]});
    s.create("box", "", more);
    let removed = s.wait("box", "removed");
    let failed = s.client().post("/v1.41/containers/box/start");
    assert!(failed.fails(400).contains("/no/such"));
    assert_eq!(code(removed), 127);
}
