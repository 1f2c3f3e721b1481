//! Docker's API on networks and volumes, the system's endpoints, versions, and what hull refuses.

use std::io::Write;

use hull_test_support::Scenario;
use hull_test_support::http::{Api, Client, Opened, encoded};
use hull_test_support::outcome::eventually;
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

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter().map(|one| one["Name"].as_str().expect("a name")).collect()
}

#[test]
fn a_client_learns_who_answers_and_which_versions_it_speaks() {
    let Some(t) = Scenario::start() else { return };
    let api = Api::start(&t);
    let client = &mut api.client();
    for method in ["GET", "HEAD"] {
        let ping = client.send(method, "/_ping", &[], b"");
        assert_eq!((ping.status, ping.text().as_str()), (200, if method == "GET" { "OK" } else { "" }));
        assert_eq!(ping.field("content-length"), Some(if method == "GET" { "2" } else { "0" }));
        for (name, value) in [
            ("api-version", "1.51"),
            ("builder-version", "1"),
            ("docker-experimental", "false"),
            ("ostype", "linux"),
            ("swarm", "inactive"),
            ("cache-control", "no-cache, no-store, must-revalidate"),
            ("pragma", "no-cache"),
            ("content-type", "text/plain; charset=utf-8"),
        ] {
            assert_eq!(ping.field(name), Some(value), "{name}");
        }
    }
    let version = client.get("/version").ok(200);
    let claimed = version["Version"].as_str().unwrap();
    // A client compares the numbers before the plus sign.
    assert!(claimed.starts_with("28.5.2+hull."), "{claimed}");
    assert_eq!((&version["ApiVersion"], &version["MinAPIVersion"]), (&json!("1.51"), &json!("1.24")));
    assert_eq!(version["Components"][0]["Name"], "Engine");
    assert_eq!(version["Components"][0]["Version"], claimed);
    let server = client.get("/_ping");
    assert_eq!(server.field("server"), Some(format!("Docker/{claimed} (linux)").as_str()));
    // The command line says the same.
    let own: Value = serde_json::from_str(&t.ok(&["version", "--format", "json"])).unwrap();
    assert_eq!(own["Server"], version);
    assert_eq!(t.ok(&["info", "--format", "{{.ServerVersion}}"]), claimed);
}

#[test]
fn versions_and_paths_are_those_of_dockerd() {
    let Some(t) = Scenario::start() else { return };
    let api = Api::start(&t);
    let client = &mut api.client();
    for path in ["/v1.24/_ping", "/v1.51/_ping", "/v1.041/_ping", "/v1.41.2/_ping", "/v1.30/networks/"] {
        assert_eq!(client.get(path).status, 200, "{path}");
    }
    for path in ["/v1.23/info", "/v0.9/_ping", "/v1/_ping"] {
        let old = client.get(path);
        assert_eq!(
            (old.status, old.field("content-type")),
            (400, Some("text/plain; charset=utf-8")),
            "{path}"
        );
        assert!(old.text().contains("is too old. Minimum supported API version is 1.24"), "{old}");
    }
    for path in ["/v1.52/info", "/v2.0/_ping", "/v99999999999999999999.1/_ping"] {
        let why = client.get(path).fails(400);
        assert!(why.ends_with("is too new. Maximum supported API version is 1.51"), "{why}");
    }
    for (method, path) in [
        ("GET", "/nowhere"),
        ("GET", "/v1.41"),
        ("GET", "/v1.41/"),
        ("GET", "/"),
        // The path is looked up before the version is read.
        ("GET", "/v1.1/nowhere"),
        ("GET", "/vx/_ping"),
        ("GET", "/info/"),
        ("PUT", "/info"),
        ("HEAD", "/info"),
        ("POST", "/_ping"),
        ("GET", "/session"),
        ("GET", "/libpod/_ping"),
        ("GET", "/v4.0.0/libpod/_ping"),
        ("POST", "/v1.40/libpod/containers/create"),
    ] {
        let response = client.send(method, path, &[], b"");
        assert_eq!((response.status, response.field("api-version")), (404, None), "{method} {path}");
        assert!(method == "HEAD" || response.fails(404) == "page not found", "{response}");
    }
    for (path, place) in [
        ("//info?x=%20", "/info?x=%20"),
        ("/volumes/..%2f..%2fetc", "/etc"),
        ("/volumes/./a%20b", "/volumes/a%20b"),
        ("/networks/a%0d%0aX:%20y/../b", "/networks/b"),
    ] {
        let moved = client.get(path);
        assert_eq!((moved.status, moved.field("location")), (301, Some(place)), "{path}");
    }
    assert_eq!(client.send("OPTIONS", "/info", &[], b"").status, 200);
}

#[test]
fn what_hull_does_not_have_is_refused_in_dockers_words() {
    let Some(t) = Scenario::start() else { return };
    let api = Api::start(&t);
    let client = &mut api.client();
    let (swarm, volume) =
        ("This node is not a swarm manager.", "volume update only valid for cluster volumes");
    for (method, path, status, message) in [
        ("GET", "/swarm", 503, swarm),
        ("POST", "/swarm/init", 503, "no swarm mode"),
        ("POST", "/swarm/join", 503, "no swarm mode"),
        ("POST", "/swarm/leave", 503, "This node is not part of a swarm"),
        ("POST", "/swarm/update", 503, swarm),
        ("GET", "/swarm/unlockkey", 503, swarm),
        ("POST", "/swarm/unlock", 503, swarm),
        ("GET", "/services", 503, swarm),
        ("POST", "/services/create", 503, swarm),
        ("GET", "/services/x/logs", 503, swarm),
        ("DELETE", "/services/x", 503, swarm),
        ("GET", "/tasks", 503, swarm),
        ("POST", "/nodes/x/update", 503, swarm),
        ("GET", "/v1.30/secrets", 503, swarm),
        ("POST", "/configs/create", 503, swarm),
        ("PUT", "/volumes/x", 503, volume),
        ("GET", "/plugins/a/b/json", 404, "plugin \"a/b\" not found"),
        ("POST", "/plugins/x/enable", 404, "plugin \"x\" not found"),
        ("POST", "/plugins/pull", 404, "no managed plugins"),
        ("POST", "/session", 404, "DOCKER_BUILDKIT=0"),
        ("POST", "/grpc", 404, "DOCKER_BUILDKIT=0"),
    ] {
        let why = client.send(method, path, &[], b"").fails(status);
        assert!(why.contains(message), "{method} {path}: {why}");
    }
    assert_eq!(client.get("/plugins").ok(200), json!([]));
}

#[test]
fn networks_are_created_listed_inspected_and_removed() {
    let Some(t) = Scenario::with_busybox() else { return };
    let api = Api::start(&t);
    let client = &mut api.client();
    let pool = json!({"Subnet": "10.7.0.0/24", "IPRange": "10.7.0.128/25", "Gateway": "10.7.0.9",
                      "AuxiliaryAddresses": {"host": "10.7.0.10"}});
    let body = json!({"Name": "mine", "Driver": null, "CheckDuplicate": true, "Internal": true, "Attachable": true,
                      "EnableIPv6": false, "Labels": {"tier": "one"},
                      "Options": {"com.docker.network.bridge.enable_icc": "false"},
                      "IPAM": {"Driver": "default", "Options": {"x": "y"}, "Config": [pool]}});
    let made = client.post_json("/networks/create", &body).ok(201);
    assert_eq!(made["Warning"], "");
    let id = made["Id"].as_str().unwrap();
    let mine = client.get("/networks/mine").ok(200);
    for (key, value) in [
        ("Id", json!(id)),
        ("Scope", json!("local")),
        ("Driver", json!("bridge")),
        ("EnableIPv4", json!(true)),
        ("EnableIPv6", json!(false)),
        ("IPAM", body["IPAM"].clone()),
        ("Internal", json!(true)),
        ("Attachable", json!(true)),
        ("Ingress", json!(false)),
        ("ConfigOnly", json!(false)),
        ("ConfigFrom", json!({"Network": ""})),
        ("Containers", json!({})),
        ("Options", body["Options"].clone()),
        ("Labels", body["Labels"].clone()),
        ("Bridge", Value::Null),
    ] {
        assert_eq!(mine[key], value, "{key}");
    }
    assert_eq!(client.get(&format!("/networks/{}", &id[..12])).ok(200)["Name"], "mine");
    for (filters, expected) in [
        (json!({}), &["bridge", "host", "mine", "none"][..]),
        (json!({"type": ["custom"]}), &["mine"]),
        (json!({"driver": ["null", "host"]}), &["host", "none"]),
        (json!({"name": ["^mi"], "scope": ["local"]}), &["mine"]),
        (json!({"label": {"tier=one": true}}), &["mine"]),
        (json!({"id": [&id[..6]]}), &["mine"]),
        (json!({"dangling": ["true"]}), &["mine"]),
        (json!({"scope": ["swarm"]}), &[]),
    ] {
        assert_eq!(names(&client.get(&filtered("/networks", &filters)).ok(200)), expected, "{filters}");
    }
    assert_eq!(
        client.post_json("/networks/create", &json!({"Name": "mine"})).fails(409),
        "network with name mine already exists"
    );
    assert_eq!(client.delete("/networks/mine").status, 204);
    assert_eq!(client.delete("/networks/mine").fails(404), "network mine not found");
    // What was made here is what the command line shows, and the other way round.
    t.ok(&["network", "create", "other"]);
    assert_eq!(client.post("/networks/prune").ok(200), json!({"NetworksDeleted": ["other"]}));
    assert_eq!(client.post("/networks/prune").ok(200), json!({"NetworksDeleted": null}));
    assert!(t.hull(&["network", "inspect", "other"]).fails(1).contains("other"));
}

#[test]
fn containers_are_connected_and_disconnected() {
    let Some(t) = Scenario::with_busybox() else { return };
    let api = Api::start(&t);
    let client = &mut api.client();
    let id = create_container(client, "web", &json!({}));
    let stopped = create_container(client, "stopped", &json!({}));
    assert_eq!(client.post("/containers/web/start").status, 204);
    let subnet = json!({"Config": [{"Subnet": "10.7.0.0/24"}]});
    client.post_json("/networks/create", &json!({"Name": "mine", "IPAM": subnet})).ok(201);
    let endpoint = json!({"Aliases": ["db"], "IPAMConfig": {"IPv4Address": "10.7.0.200"}, "Links": null});
    let connect = |client: &mut Client, body: Value| client.post_json("/networks/mine/connect", &body);
    let connected = connect(client, json!({"Container": "web", "EndpointConfig": endpoint}));
    assert_eq!((connected.status, connected.text().as_str()), (200, ""));
    let container = &client.get("/networks/mine").ok(200)["Containers"][&id];
    assert_eq!((&container["Name"], &container["IPv4Address"]), (&json!("web"), &json!("10.7.0.200/24")));
    // Up to 1.27 the list has containers too.
    let list = client.get(&filtered("/v1.27/networks", &json!({"name": ["mine"]}))).ok(200);
    assert_eq!(list[0]["Containers"][&id], *container);
    assert_eq!(
        client.get(&filtered("/v1.28/networks", &json!({"name": ["mine"]}))).ok(200)[0]["Containers"],
        json!({})
    );
    let again = connect(client, json!({"Container": "web"})).fails(403);
    assert_eq!(again, "endpoint with name web already exists in network mine");
    let in_use = client.delete("/networks/mine").fails(403);
    assert!(in_use.contains("network mine has active endpoints (name:\"web\""), "{in_use}");
    for (body, status, message) in [
        (json!({}), 400, "invalid name or ID supplied: \"\""),
        (json!({"Container": "nobody"}), 404, "No such container: nobody"),
        (
            json!({"Container": "stopped", "EndpointConfig": {"IPAMConfig": {"IPv4Address": "10.99.0.1"}}}),
            400,
            "10.99.0.1",
        ),
        (
            json!({"Container": "stopped", "EndpointConfig": {"IPAMConfig": {"IPv4Address": "x"}}}),
            400,
            "\"x\"",
        ),
        (json!({"Container": 5}), 400, "invalid JSON"),
    ] {
        let why = connect(client, body.clone()).fails(status);
        assert!(why.contains(message), "{body}: {why}");
    }
    assert!(!t.inspect("stopped", "{{json .NetworkSettings.Networks}}").contains("mine"), "{stopped}");
    for network in ["host", "none"] {
        client.post_json(&format!("/networks/{network}/connect"), &json!({"Container": "web"})).fails(400);
    }
    assert_eq!(
        client.post_json("/networks/nowhere/connect", &json!({"Container": "web"})).fails(404),
        "network nowhere not found"
    );
    let disconnect = |client: &mut Client, body: Value| client.post_json("/networks/mine/disconnect", &body);
    assert_eq!(disconnect(client, json!({"Container": "nobody"})).fails(404), "No such container: nobody");
    assert_eq!(
        disconnect(client, json!({"Container": "nobody", "Force": true})).fails(404),
        "endpoint nobody not found"
    );
    assert_eq!(disconnect(client, json!({"Container": "web", "Force": true})).status, 200);
    assert_eq!(
        disconnect(client, json!({"Container": "web"})).fails(500),
        "container web is not connected to network mine"
    );
    assert_eq!(client.delete("/networks/mine").status, 204);
}

#[test]
fn nonsense_makes_no_network_and_no_volume() {
    let Some(t) = Scenario::start() else { return };
    let api = Api::start(&t);
    let client = &mut api.client();
    let with = |config: Value| json!({"Name": "no", "IPAM": {"Config": [config]}});
    for (body, status, message) in [
        (json!({}), 400, "name is empty"),
        (json!({"Name": "bridge"}), 403, "operation is not permitted on predefined bridge network "),
        (json!({"Name": "default"}), 403, "predefined default network"),
        (json!({"Name": "../n"}), 400, "../n"),
        (json!({"Name": "no", "Driver": "overlay"}), 403, "not a swarm manager"),
        (json!({"Name": "no", "Driver": "bogus"}), 404, "bogus"),
        (json!({"Name": "no", "Ingress": true}), 403, "Ingress"),
        (json!({"Name": "no", "ConfigFrom": {"Network": "x"}}), 501, "ConfigFrom"),
        (json!({"Name": "no", "Options": {"com.docker.network.driver.mtu": "x"}}), 400, "mtu"),
        (with(json!({"Subnet": "bogus"})), 400, "bogus"),
        (with(json!({"Subnet": "10.9.0.1/24"})), 400, "10.9.0.1/24"),
        (with(json!({"Subnet": "10.9.0.0/24", "Gateway": "10.8.0.1"})), 400, "10.8.0.1"),
        (with(json!({"Subnet": "10.9.0.0/24", "IPRange": "10.8.0.0/25"})), 400, "10.8.0.0/25"),
        (json!([]), 400, "invalid JSON"),
    ] {
        let why = client.post_json("/networks/create", &body).fails(status);
        assert!(why.contains(message), "{body}: {why}");
    }
    client
        .post_json(
            "/networks/create",
            &json!({"Name": "taken", "IPAM": {"Config": [{"Subnet": "10.5.0.0/16"}]}}),
        )
        .ok(201);
    let overlap = client.post_json("/networks/create", &with(json!({"Subnet": "10.5.1.0/24"}))).fails(403);
    assert!(overlap.contains("Pool overlaps with other one on this address space"), "{overlap}");
    for target in ["/networks", "/volumes", "/events"] {
        assert!(client.get(&format!("{target}?filters=x")).fails(400).contains("invalid filter"), "{target}");
    }
    for target in ["/networks", "/volumes"] {
        let unknown = client.get(&filtered(target, &json!({"bogus": ["x"]}))).fails(400);
        assert_eq!(unknown, "invalid filter 'bogus'");
    }
    for (body, message) in [
        (json!({"Name": "a b"}), "create a b: \"a b\" includes invalid characters for a local volume name"),
        (json!({"Name": "../../x"}), "includes invalid characters"),
        (
            json!({"Name": "v", "DriverOpts": {"type": "nfs"}}),
            "create v: missing required option: \"device\"",
        ),
        (json!({"Name": "v", "DriverOpts": {"colour": "blue"}}), "create v: invalid option: \"colour\""),
    ] {
        let why = client.post_json("/volumes/create", &body).fails(400);
        assert!(why.contains(message), "{body}: {why}");
    }
    let driver = client.post_json("/volumes/create", &json!({"Name": "vv", "Driver": "nfs"})).fails(404);
    assert_eq!(driver, "create vv: error looking up volume plugin nfs: plugin \"nfs\" not found");
    assert_eq!(client.get("/volumes").ok(200), json!({"Volumes": [], "Warnings": null}));
    let nothing = client.send("POST", "/networks/create", &[("Content-Type", "text/plain")], b"{}");
    assert!(nothing.fails(400).contains("must be 'application/json'"), "{nothing}");
}

#[test]
fn volumes_are_created_listed_and_removed() {
    let Some(t) = Scenario::with_busybox() else { return };
    let api = Api::start(&t);
    let client = &mut api.client();
    let made = client
        .post_json("/volumes/create", &json!({"Name": "data", "Driver": "local", "Labels": {"a": "b"}}));
    let made = made.ok(201);
    for (key, value) in [
        ("Name", json!("data")),
        ("Driver", json!("local")),
        ("Scope", json!("local")),
        ("Labels", json!({"a": "b"})),
        ("Options", Value::Null),
        ("UsageData", Value::Null),
    ] {
        assert_eq!(made[key], value, "{key}");
    }
    assert!(std::path::Path::new(made["Mountpoint"].as_str().unwrap()).is_dir(), "{made}");
    assert_eq!(client.get("/volumes/data").ok(200), made);
    let again =
        client.post_json("/volumes/create", &json!({"Name": "data", "DriverOpts": {"type": "tmpfs"}}));
    assert_eq!(again.ok(201), made);
    // A request without a body sets nothing.
    let unnamed = client.post("/volumes/create").ok(201);
    assert_eq!(unnamed["Labels"], json!({"com.docker.volume.anonymous": ""}));
    let id = create_container(client, "user", &json!({"Binds": ["data:/data"]}));
    let list = |client: &mut Client, filters: Value| {
        let list = client.get(&filtered("/volumes", &filters)).ok(200);
        names(&list["Volumes"]).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(list(client, json!({"dangling": ["false"]})), ["data"]);
    assert_eq!(list(client, json!({"label": ["a=b"], "name": ["da"]})), ["data"]);
    assert_eq!(list(client, json!({"dangling": ["1"]})), [unnamed["Name"].as_str().unwrap()]);
    for force in ["", "?force=True"] {
        let in_use = client.delete(&format!("/volumes/data{force}")).fails(409);
        assert_eq!(in_use, format!("remove data: volume is in use - [{id}]"));
    }
    assert_eq!(client.delete("/volumes/nowhere").fails(404), "get nowhere: no such volume");
    assert_eq!(client.delete("/volumes/nowhere?force=1").status, 204);
    let pruned = client.post("/volumes/prune").ok(200);
    assert_eq!(pruned, json!({"VolumesDeleted": [unnamed["Name"]], "SpaceReclaimed": 0}));
    assert_eq!(client.delete("/containers/user").status, 204);
    // Named ones are asked for, or the client is too old to ask.
    assert_eq!(client.post("/volumes/prune").ok(200)["VolumesDeleted"], json!([]));
    let all = filtered("/volumes/prune", &json!({"all": ["true"]}));
    assert_eq!(client.post(&all).ok(200)["VolumesDeleted"], json!(["data"]));
    client.post_json("/volumes/create", &json!({"Name": "old"})).ok(201);
    assert_eq!(client.post("/v1.41/volumes/prune").ok(200)["VolumesDeleted"], json!(["old"]));
}

#[test]
fn info_has_dockers_keys_of_each_version() {
    let Some(t) = Scenario::with_busybox() else { return };
    let api = Api::start(&t);
    let client = &mut api.client();
    create_container(client, "one", &json!({}));
    let info = client.get("/info").ok(200);
    for (key, value) in [
        ("Containers", json!(1)),
        ("ContainersStopped", json!(1)),
        ("Images", json!(1)),
        ("Driver", json!("overlay2")),
        ("OSType", json!("linux")),
        ("IndexServerAddress", json!("https://index.docker.io/v1/")),
        ("DockerRootDir", json!(t.data_root().display().to_string())),
        ("Labels", json!([])),
        ("DefaultRuntime", json!("hull")),
        ("LiveRestoreEnabled", json!(true)),
        ("GenericResources", Value::Null),
        ("MemoryLimit", json!(true)),
        ("PidsLimit", json!(true)),
    ] {
        assert_eq!(info[key], value, "{key}");
    }
    assert_eq!(info["Swarm"]["LocalNodeState"], "inactive");
    assert_eq!(info["RegistryConfig"]["IndexConfigs"]["docker.io"]["Official"], true);
    assert!(info["Plugins"]["Network"].as_array().unwrap().contains(&json!("bridge")), "{info}");
    assert!(info["DriverStatus"][0][1].is_string() && info["MemTotal"].as_u64() > Some(0), "{info}");
    let mut has =
        |version: u32, key: &str| client.get(&format!("/v1.{version}/info")).ok(200).get(key).is_some();
    for (key, with, without) in
        [("KernelMemory", 41, 42), ("BridgeNfIptables", 49, 50), ("FirewallBackend", 49, 48)]
    {
        assert!(has(with, key) && !has(without, key), "{key}");
    }
    let old = client.get("/v1.24/info").ok(200);
    assert_eq!(old["SecurityOptions"][0], "seccomp");
    assert!(client.get("/v1.48/info").ok(200)["RuncCommit"]["Expected"].is_string());
    assert!(info["RuncCommit"].get("Expected").is_none());
    // The command line shows the same machine.
    assert_eq!(t.ok(&["info", "--format", "{{.ID}}"]), info["ID"]);
}

#[test]
fn disk_usage_has_what_was_asked_for() {
    let Some(t) = Scenario::with_busybox() else { return };
    let api = Api::start(&t);
    let client = &mut api.client();
    let id = create_container(client, "one", &json!({"Binds": ["data:/data"]}));
    let all = client.get("/system/df").ok(200);
    assert_eq!((&all["Containers"][0]["Id"], &all["Volumes"][0]["Name"]), (&json!(id), &json!("data")));
    assert_eq!(all["Volumes"][0]["UsageData"], json!({"RefCount": 1, "Size": 0}));
    assert_eq!((&all["Images"][0]["Containers"], &all["BuildCache"]), (&json!(1), &json!([])));
    assert_eq!(all["LayersSize"], all["Images"][0]["Size"]);
    let some = client.get("/system/df?type=volume&type=build-cache").ok(200);
    assert_eq!(
        (&some["Images"], &some["Containers"], &some["LayersSize"]),
        (&Value::Null, &Value::Null, &json!(0))
    );
    assert_eq!((&some["Volumes"], &some["BuildCache"]), (&all["Volumes"], &json!([])));
    assert_eq!(client.get("/system/df?type=bogus").fails(400), "unknown object type: bogus");
    // Older clients get everything.
    let old = client.get("/v1.41/system/df?type=bogus").ok(200);
    assert_eq!(old["Images"][0]["VirtualSize"], old["Images"][0]["Size"]);
    assert!(all["Images"][0].get("VirtualSize").is_none());
}

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
    let ready = children(api.pid());
    let listeners: Vec<Opened> = (0..5).map(|_| api.client().open("GET", "/events", &[], b"")).collect();
    eventually("five workers are busy", || children(api.pid()) == ready + 5);
    drop(listeners);
    eventually("nobody is left", || children(api.pid()) == ready);
}
