//! Containers that are started, listed, watched, changed and removed.

use hull_test_support::http::Client;
use hull_test_support::outcome::eventually;
use serde_json::{Value, json};

use crate::world::{SLEEP, create, run, start};

fn names(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|one| one["Names"][0].as_str().expect("a name")).collect()
}

#[test]
fn a_container_goes_through_its_states() {
    let Some((_t, api)) = start() else { return };
    let mut client = api.client();
    let id = create(&mut client, "one", &SLEEP, json!({}));
    let state = |client: &mut Client| {
        client.get("/containers/one/json").ok(200)["State"]["Status"]
            .as_str()
            .map(str::to_owned)
            .expect("text")
    };
    for (verb, status, after) in [
        ("stop", 304, "created"),
        ("start", 204, "running"),
        ("start", 304, "running"),
        ("pause", 204, "paused"),
        ("pause", 409, "paused"),
        ("start", 409, "paused"),
        ("unpause", 204, "running"),
        ("unpause", 409, "running"),
        ("restart?t=0", 204, "running"),
        // The first process of a container ignores it.
        ("kill?signal=USR2", 204, "running"),
        ("kill", 204, "exited"),
        ("kill", 409, "exited"),
        ("restart?t=0", 204, "running"),
        ("stop?t=0", 204, "exited"),
        ("stop", 304, "exited"),
    ] {
        let answer = client.post(&format!("/containers/one/{verb}"));
        assert_eq!(answer.status, status, "{answer}");
        eventually("the state follows", || state(&mut client) == after);
    }
    // By the name, the id, and the beginning of the id.
    for name in [&*id, &id[..12], "one"] {
        assert_eq!(client.get(&format!("/containers/{name}/json")).ok(200)["Id"], id.as_str());
    }
    client.post("/containers/one/rename?name=two").ok(204);
    assert_eq!(client.get("/containers/two/json").ok(200)["Name"], "/two");
    let why = client.post("/containers/two/rename?name=two").fails(400);
    assert_eq!(why, "Renaming a container with the same name as its current name");
    client.delete("/containers/two").ok(204);
    assert_eq!(client.delete("/containers/two").fails(404), "No such container: two");
}

#[test]
fn lists_are_filtered_and_limited() {
    let Some((_t, api)) = start() else { return };
    let mut client = api.client();
    create(&mut client, "oldest", &["true"], json!({"Labels": {"a": "1"}}));
    run(
        &mut client,
        "middle",
        &SLEEP,
        json!({"Labels": {"a": "2"}, "HostConfig": {"Binds": ["data:/data:ro"]}}),
    );
    create(&mut client, "newest", &["sh", "-c", "echo a b"], json!({"Labels": {"b": ""}}));
    let mut list = |query: &str| {
        let list = client.get(&format!("/containers/json?{query}")).ok(200);
        names(&list).join(" ")
    };
    assert_eq!(list(""), "/middle");
    assert_eq!(list("all=1"), "/newest /middle /oldest");
    assert_eq!(list("all=True"), "/newest /middle /oldest");
    assert_eq!(list("all=False"), "/middle");
    for (limit, expected) in [("1", "/newest"), ("2", "/newest /middle"), ("0", "/middle"), ("-1", "/middle")]
    {
        assert_eq!(list(&format!("limit={limit}")), expected, "{limit}");
    }
    for (filters, expected) in [
        (r#"{"label":["a"]}"#, "/middle /oldest"),
        (r#"{"label":{"a=1":true}}"#, "/oldest"),
        (r#"{"label":["a","b"]}"#, ""),
        (r#"{"name":["^/m"]}"#, "/middle"),
        (r#"{"status":["created"]}"#, "/newest /oldest"),
        (r#"{"before":["middle"]}"#, "/oldest"),
        (r#"{"since":["middle"]}"#, "/newest"),
        (r#"{"volume":["/data"]}"#, "/middle"),
        (r#"{"ancestor":["busybox"]}"#, "/newest /middle /oldest"),
        (r#"{"ancestor":["nope"]}"#, ""),
        (r#"{"network":["none"]}"#, "/newest /middle /oldest"),
        (r#"{"health":["none"]}"#, "/newest /middle /oldest"),
        (r#"{"id":[]}"#, "/newest /middle /oldest"),
    ] {
        let encoded = filters.replace('"', "%22").replace('{', "%7B").replace('}', "%7D").replace('^', "%5E");
        assert_eq!(list(&format!("all=1&filters={encoded}")), expected, "{filters}");
    }
    for (filters, why) in [
        ("x", "invalid filter"),
        ("%7B%22nothing%22:[%22x%22]%7D", "invalid filter 'nothing'"),
        ("%7B%22before%22:[%22nope%22]%7D", "No such container: nope"),
        ("%7B%22status%22:[%22nope%22]%7D", "status=nope"),
    ] {
        let answer = client.get(&format!("/containers/json?filters={filters}"));
        assert!(answer.status >= 400 && answer.text().contains(why), "{answer}");
    }
    let line = client.get("/containers/json?size=1").ok(200)[0].clone();
    assert_eq!((&line["State"], &line["Image"]), (&json!("running"), &json!("busybox")));
    assert!(line["Status"].as_str().is_some_and(|status| status.starts_with("Up ")), "{line}");
    assert_eq!(line["HostConfig"], json!({"NetworkMode": "none"}));
    let mount = &line["Mounts"][0];
    assert_eq!(
        (&mount["Name"], &mount["Destination"], &mount["RW"]),
        (&json!("data"), &json!("/data"), &json!(false))
    );
    assert!(line["SizeRootFs"].as_u64().is_some_and(|size| size > 0) && line["Created"].is_i64());
    assert!(client.get("/containers/json").ok(200)[0].get("SizeRootFs").is_none());
}

#[test]
fn processes_changes_and_usage_are_shown() {
    let Some((_t, api)) = start() else { return };
    let mut client = api.client();
    let script = "echo x > /new; echo y >> /etc/passwd; rm /etc/group; exec sleep 300";
    run(&mut client, "one", &["sh", "-c", script], json!({}));
    eventually("the program sleeps", || {
        let top = client.get("/containers/one/top?ps_args=-o%20pid,args").ok(200);
        top["Processes"][0][1] == "sleep 300"
    });
    let top = client.get("/containers/one/top").ok(200);
    assert_eq!((&top["Titles"][0], &top["Processes"][0][7]), (&json!("UID"), &json!("sleep 300")));
    assert!(client.get("/containers/one/top?ps_args=-o%20args").fails(400).contains("PID"));
    let changes = client.get("/containers/one/changes").ok(200);
    let expected = [("/etc", 0), ("/etc/group", 2), ("/etc/passwd", 0), ("/new", 1)];
    for (line, (path, kind)) in changes.as_array().expect("a list").iter().zip(expected) {
        assert_eq!(line, &json!({"Path": path, "Kind": kind}), "{changes}");
    }
    let once = client.get("/containers/one/stats?stream=0&one-shot=1").ok(200);
    assert!(
        once["pids_stats"]["current"].as_u64() >= Some(1) && once["preread"] == "0001-01-01T00:00:00Z",
        "{once}"
    );
    let twice = client.get("/containers/one/stats?stream=false").ok(200);
    assert!(twice["precpu_stats"]["system_cpu_usage"].is_u64() && twice["name"] == "/one", "{twice}");
    assert!(client.get("/containers/one/stats?one-shot=1").fails(400).contains("stream=true"));
    // A stream goes on until the container is removed.
    let mut stream = client.open("GET", "/containers/one/stats", &[], b"");
    assert_eq!(stream.status, 200);
    let first: Value = serde_json::from_str(&stream.line().expect("a first reading")).expect("JSON");
    assert_eq!(first["preread"], "0001-01-01T00:00:00Z");
    let second: Value = serde_json::from_str(&stream.line().expect("a second reading")).expect("JSON");
    assert_eq!(second["preread"], first["read"]);
    client.delete("/containers/one?force=1").ok(204);
    while stream.line().is_some() {}
    // A container that does not run uses nothing.
    create(&mut client, "two", &SLEEP, json!({}));
    let none = client.get("/containers/two/stats?stream=0").ok(200);
    assert_eq!((&none["read"], &none["memory_stats"]), (&json!("0001-01-01T00:00:00Z"), &json!({})));
    assert_eq!(client.get("/containers/two/changes").ok(200), Value::Null);
}

#[test]
fn limits_are_updated_and_stopped_containers_pruned() {
    let Some((_t, api)) = start() else { return };
    let mut client = api.client();
    run(&mut client, "one", &SLEEP, json!({"HostConfig": {"Memory": 64 << 20}, "Labels": {"keep": ""}}));
    let limits = json!({"Memory": 32 << 20, "RestartPolicy": {"Name": "always"}, "BlkioWeightDevice": null});
    assert_eq!(client.post_json("/containers/one/update", &limits).ok(200), json!({"Warnings": null}));
    let host = client.get("/containers/one/json").ok(200)["HostConfig"].clone();
    assert_eq!((&host["Memory"], &host["RestartPolicy"]["Name"]), (&json!(32 << 20), &json!("always")));
    assert!(client.post_json("/containers/one/update", &json!({"Memory": 1})).fails(400).contains("6MB"));
    assert_eq!(client.post_json("/containers/nope/update", &json!({})).fails(404), "No such container: nope");
    create(&mut client, "two", &SLEEP, json!({}));
    let three = create(&mut client, "three", &SLEEP, json!({"Labels": {"keep": ""}}));
    let pruned = client.post("/containers/prune?filters=%7B%22label!%22:[%22keep%22]%7D").ok(200);
    assert_eq!(pruned["ContainersDeleted"].as_array().map(Vec::len), Some(1), "{pruned}");
    let pruned = client.post("/containers/prune").ok(200);
    assert_eq!(pruned, json!({"ContainersDeleted": [three], "SpaceReclaimed": 0}));
    assert_eq!(client.post("/containers/prune").ok(200)["ContainersDeleted"], Value::Null);
    client.post("/containers/prune?filters=%7B%22nothing%22:[%22x%22]%7D").fails(400);
    // Its anonymous volumes go with a container if that is asked for.
    create(&mut client, "four", &SLEEP, json!({"Volumes": {"/data": {}}}));
    let volume = client.get("/containers/four/json").ok(200)["Mounts"][0]["Name"].clone();
    client.delete("/containers/four?v=1").ok(204);
    client.get(&format!("/volumes/{}", volume.as_str().expect("a name"))).fails(404);
}

#[test]
fn one_connection_creates_starts_and_removes_many() {
    let Some((_t, api)) = start() else { return };
    let mut client = api.client();
    for round in 0..20 {
        let name = format!("round{round}");
        run(&mut client, &name, &["true"], json!({}));
        let ended = client.post(&format!("/containers/{name}/wait")).ok(200);
        assert_eq!(ended["StatusCode"], 0, "{ended}");
        client.delete(&format!("/containers/{name}")).ok(204);
    }
    assert_eq!(client.get("/containers/json?all=1").ok(200), json!([]));
}
