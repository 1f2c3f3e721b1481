//! Networks and volumes.

use hull_test_support::Scenario;
use hull_test_support::http::{Api, Client};
use serde_json::{Value, json};

use crate::{create_container, filtered};

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter().map(|one| one["Name"].as_str().expect("a name")).collect()
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
