//! What clients ask about the server: its versions, what it has, and what it refuses.

use hull_test_support::Scenario;
use hull_test_support::http::Api;
use serde_json::{Value, json};

use crate::create_container;

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
