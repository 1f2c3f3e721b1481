//! A server, and containers that are made through it.

use hull_test_support::Scenario;
use hull_test_support::http::{Api, Client};
use serde_json::{Value, json};

/// A scenario with busybox in its store, and a server.
pub fn start() -> Option<(Scenario, Api)> {
    let scenario = Scenario::with_busybox()?;
    let api = Api::start(&scenario);
    Some((scenario, api))
}

/// Creates a container without a network, and returns its id.
#[track_caller]
pub fn create(client: &mut Client, name: &str, command: &[&str], more: Value) -> String {
    let mut body = json!({"Image": "busybox", "Cmd": command, "HostConfig": {"NetworkMode": "none"}});
    merge(&mut body, more);
    let created = client.post_json(&format!("/containers/create?name={name}"), &body).ok(201);
    created["Id"].as_str().expect("an id").to_owned()
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

#[track_caller]
pub fn run(client: &mut Client, name: &str, command: &[&str], more: Value) -> String {
    let id = create(client, name, command, more);
    client.post(&format!("/containers/{name}/start")).ok(204);
    id
}

pub const SLEEP: [&str; 2] = ["sleep", "300"];
