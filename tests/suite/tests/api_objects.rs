//! Docker's API on networks and volumes, the system's endpoints, versions, and what hull refuses.

#[path = "api_objects/events.rs"]
mod events;
#[path = "api_objects/networks_and_volumes.rs"]
mod networks_and_volumes;
#[path = "api_objects/system.rs"]
mod system;

use hull_test_support::http::{Client, encoded};
use serde_json::{Value, json};

fn create_container(client: &mut Client, name: &str, host: &Value) -> String {
    let body = json!({"Image": "busybox", "Cmd": ["sleep", "300"], "HostConfig": host});
    client.post_json(&format!("/containers/create?name={name}"), &body).ok(201)["Id"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn filtered(target: &str, filters: &Value) -> String {
    format!("{target}?filters={}", encoded(&filters.to_string()))
}
