//! The stream of events.

use std::io::Write;

use hull_test_support::Scenario;
use hull_test_support::http::{Api, Opened};
use hull_test_support::outcome::eventually;
use serde_json::{Value, json};

use crate::{create_container, filtered};

fn event(events: &mut Opened) -> Value {
    let line = events.line().expect("an event");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn events_come_as_they_happen() {
    let Some(t) = Scenario::with_busybox() else { return };
    let api = Api::start(&t);
    let client = &mut api.client();
    let target = filtered("/events", &json!({"type": ["container", "volume", "network"], "bogus": ["x"]}));
    // The head is here before anything happens.
    let events = &mut api.client().open("GET", &target, &[], b"");
    assert_eq!((events.status, events.field("content-type")), (200, Some("application/json")));
    let id = create_container(client, "one", &json!({}));
    let created = event(events);
    for (key, value) in [
        ("status", json!("create")),
        ("id", json!(id)),
        ("from", json!("busybox")),
        ("Type", json!("container")),
        ("Action", json!("create")),
        ("scope", json!("local")),
    ] {
        assert_eq!(created[key], value, "{key}");
    }
    assert_eq!(created["Actor"]["Attributes"], json!({"image": "busybox", "name": "one"}));
    assert!(created["timeNano"].as_i64().unwrap() / 1_000_000_000 == created["time"].as_i64().unwrap());
    client.post_json("/volumes/create", &json!({"Name": "data"})).ok(201);
    let volume = event(events);
    assert_eq!(
        (&volume["Type"], &volume["Actor"]["ID"], volume.get("status")),
        (&json!("volume"), &json!("data"), None)
    );
    client.post_json("/networks/create", &json!({"Name": "mine"})).ok(201);
    let network = event(events);
    assert_eq!(
        (&network["Action"], &network["Actor"]["Attributes"]["type"]),
        (&json!("create"), &json!("bridge"))
    );
    // What has happened is read up to now, and the answer ends.
    let past = client.get(&format!(
        "{}&since=1.5&until={}",
        filtered("/events", &json!({"volume": ["data"]})),
        network["time"].as_i64().unwrap() + 1
    ));
    assert_eq!(past.lines().len(), 1, "{past}");
    for (query, status, message) in [
        ("since=x", 500, "strconv.ParseInt: parsing \"x\": invalid syntax"),
        ("since=200&until=100", 400, "`since` time (200) cannot be after `until` time (100)"),
    ] {
        assert_eq!(client.get(&format!("/events?{query}")).fails(status), message);
    }
    // HTTP/1.0 has no chunks.
    let mut raw = std::os::unix::net::UnixStream::connect(api.socket()).unwrap();
    raw.write_all(b"GET /events?until=1 HTTP/1.0\r\n\r\n").unwrap();
    let text = std::io::read_to_string(raw).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && !text.contains("chunked"), "{text}");
}

/// Processes with this parent.
fn children(parent: i32) -> usize {
    let path = format!("/proc/{parent}/task/{parent}/children");
    std::fs::read_to_string(path).map_or(0, |text| text.split_whitespace().count())
}

#[test]
fn a_listener_that_goes_takes_its_process_with_it() {
    let Some(t) = Scenario::start() else { return };
    let api = Api::start(&t);
    let ready = 2;
    eventually("the pool is full", || children(api.pid()) == ready);
    let listeners: Vec<Opened> = (0..5).map(|_| api.client().open("GET", "/events", &[], b"")).collect();
    eventually("five workers are busy", || children(api.pid()) == ready + 5);
    drop(listeners);
    eventually("nobody is left", || children(api.pid()) == ready);
}
