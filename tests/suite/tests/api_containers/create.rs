//! What a container is created from: what is accepted, and what is refused in which words.

use hull_test_support::http::Client;
use hull_test_support::outcome::eventually;
use serde_json::{Value, json};

use crate::world::{SLEEP, create, run, start};

#[test]
fn errors_say_what_clients_look_for() {
    let Some((_t, api)) = start() else { return };
    let mut client = api.client();
    let id = run(&mut client, "one", &SLEEP, json!({}));
    let mut create =
        |query: &str, body: Value| client.post_json(&format!("/containers/create{query}"), &body);
    let why = create("?name=one", json!({"Image": "busybox"})).fails(409);
    assert_eq!(
        why,
        format!(
            "Conflict. The container name \"/one\" is already in use by container \"{id}\". You have to remove (or rename) \
             that container to be able to reuse that name."
        )
    );
    let why = create("?name=a%20b", json!({"Image": "busybox"})).fails(400);
    assert_eq!(why, "Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    assert_eq!(create("", json!({"Image": "nope"})).fails(404), "No such image: nope:latest");
    assert_eq!(create("", json!({"Image": "nope:1"})).fails(404), "No such image: nope:1");
    // A client that is told 404 pulls the image: for another platform it has to, for anything else it must not.
    let why = create("?platform=linux/arm64", json!({"Image": "busybox"})).fails(404);
    assert!(why.contains("does not match the specified platform (linux/arm64)"), "{why}");
    for missing in
        [json!({"Links": ["nope:x"]}), json!({"PidMode": "container:nope"}), json!({"NetworkMode": "nope"})]
    {
        create("", json!({"Image": "busybox", "HostConfig": missing})).fails(400);
    }
    assert!(create("", json!({})).fails(400).contains("config cannot be empty"));
    let typeless = client.send("POST", "/containers/create", &[], b"{}");
    assert!(typeless.fails(400).contains("Content-Type"));
    assert!(client.delete("/containers/one").fails(409).contains("stop the container before removing"));
    assert!(
        client.post("/containers/one/kill?signal=NOPE").fails(400).contains("cannot kill container: one")
    );
    client.post("/containers/one/kill").ok(204);
    assert!(client.post("/containers/one/kill").fails(409).ends_with("is not running"));
    for verb in ["pause", "kill"] {
        assert!(client.post(&format!("/containers/one/{verb}")).fails(409).contains("is not running"));
    }
    for target in ["json", "top", "changes", "export", "stats", "archive?path=/"] {
        assert_eq!(client.get(&format!("/containers/nope/{target}")).fails(404), "No such container: nope");
    }
    // Clients tell by these words what the exit code of `run` is.
    for (program, words) in [
        ("nope", "executable file not found in $PATH"),
        ("/nope", "no such file or directory"),
        ("/etc/passwd", "ermission denied"),
    ] {
        create_in(&mut client, program);
        let why = client.post("/containers/bad/start").fails(400);
        assert!(why.contains(words), "{why}");
        client.delete("/containers/bad").ok(204);
    }
}

fn create_in(client: &mut Client, program: &str) {
    create(client, "bad", &[program], json!({}));
}

/// What docker's CLI sends for `create -t --network none busybox true`.
fn by_cli() -> Value {
    serde_json::from_str(
        r#"{
    "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": true, "AttachStderr": true,
    "Tty": true, "OpenStdin": false, "StdinOnce": false, "Env": null, "Cmd": ["true"], "Image": "busybox",
    "Volumes": {}, "WorkingDir": "", "Entrypoint": null, "OnBuild": null, "Labels": {},
    "HostConfig": {
        "Binds": null, "ContainerIDFile": "", "LogConfig": {"Type": "", "Config": {}}, "NetworkMode": "none",
        "PortBindings": {}, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "AutoRemove": false,
        "VolumeDriver": "", "VolumesFrom": null, "ConsoleSize": [24, 80], "CapAdd": null, "CapDrop": null,
        "CgroupnsMode": "", "Dns": [], "DnsOptions": [], "DnsSearch": [], "ExtraHosts": null, "GroupAdd": null,
        "IpcMode": "", "Cgroup": "", "Links": null, "OomScoreAdj": 0, "PidMode": "", "Privileged": false,
        "PublishAllPorts": false, "ReadonlyRootfs": false, "SecurityOpt": null, "UTSMode": "", "UsernsMode": "",
        "ShmSize": 0, "Isolation": "", "CpuShares": 0, "Memory": 0, "NanoCpus": 0, "CgroupParent": "",
        "BlkioWeight": 0, "BlkioWeightDevice": [], "BlkioDeviceReadBps": [], "BlkioDeviceWriteBps": [],
        "BlkioDeviceReadIOps": [], "BlkioDeviceWriteIOps": [], "CpuPeriod": 0, "CpuQuota": 0,
        "CpuRealtimePeriod": 0, "CpuRealtimeRuntime": 0, "CpusetCpus": "", "CpusetMems": "", "Devices": [],
        "DeviceCgroupRules": null, "DeviceRequests": null, "KernelMemory": 0, "KernelMemoryTCP": 0,
        "MemoryReservation": 0, "MemorySwap": 0, "MemorySwappiness": -1, "OomKillDisable": false, "PidsLimit": 0,
        "Ulimits": [], "CpuCount": 0, "CpuPercent": 0, "IOMaximumIOps": 0, "IOMaximumBandwidth": 0,
        "MaskedPaths": null, "ReadonlyPaths": null
    },
    "NetworkingConfig": {"EndpointsConfig": {"none": {"IPAMConfig": {}, "Links": null, "Aliases": null,
        "MacAddress": "", "DriverOpts": null, "GwPriority": 0, "NetworkID": "", "EndpointID": "", "Gateway": "",
        "IPAddress": "", "IPPrefixLen": 0, "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0,
        "DNSNames": null}}}
}"#,
    )
    .expect("JSON")
}

#[test]
fn what_clients_send_by_default_is_accepted() {
    let Some((_t, api)) = start() else { return };
    let mut client = api.client();
    // docker-py sends a null for each option that its caller leaves out; docker's CLI sends every key.
    let by_python = json!({
        "Hostname": null, "Domainname": null, "ExposedPorts": null, "User": null, "Tty": false, "OpenStdin": false,
        "StdinOnce": false, "AttachStdin": false, "AttachStdout": false, "AttachStderr": false, "Env": null,
        "Cmd": ["true"], "Image": "busybox", "Volumes": null, "NetworkDisabled": false, "Entrypoint": null,
        "WorkingDir": null, "HostConfig": {"NetworkMode": "none"}, "NetworkingConfig": null, "MacAddress": null,
        "Labels": null, "StopSignal": null, "Healthcheck": null, "StopTimeout": null, "Runtime": null
    });
    client.post_json("/v1.41/containers/create", &by_python).ok(201);
    let created = client.post_json("/containers/create?name=cli", &by_cli()).ok(201);
    assert_eq!(created["Warnings"], json!([]));
    let host = client.get("/containers/cli/json").ok(200)["HostConfig"].clone();
    assert_eq!(host["ConsoleSize"], json!([24, 80]));
    // A command may be one text, and a key may have any case.
    let odd = json!({"image": "busybox", "CMD": "true", "Unknown": {"a": 1}, "hostconfig": {"networkmode": "none"}});
    let id = client.post_json("/containers/create", &odd).ok(201)["Id"].as_str().expect("an id").to_owned();
    assert_eq!(client.get(&format!("/containers/{id}/json")).ok(200)["Path"], "true");
    // An empty entrypoint replaces the image's and keeps its command.
    let bare = json!({"Image": "busybox", "Entrypoint": [], "HostConfig": {"NetworkMode": "none"}});
    client.post_json("/containers/create?name=bare", &bare).ok(201);
    assert_eq!(client.get("/containers/bare/json").ok(200)["Config"]["Cmd"], json!(["sh"]));
    let none = json!({"Image": "busybox", "Entrypoint": [""]});
    client.post_json("/containers/create", &none).fails(400);
}

#[test]
fn what_has_an_effect_is_done_or_refused() {
    let Some((_t, api)) = start() else { return };
    let mut client = api.client();
    let refused = |client: &mut Client, host: Value, words: &str| {
        let body = json!({"Image": "busybox", "HostConfig": host});
        let answer = client.post_json("/containers/create", &body);
        assert!([400, 501].contains(&answer.status), "{answer}");
        assert!(answer.text().contains(words), "{answer}");
    };
    refused(&mut client, json!({"StorageOpt": {"size": "much"}}), "much");
    refused(&mut client, json!({"StorageOpt": {"inodes": "5"}}), "inodes");
    refused(&mut client, json!({"IOMaximumIOps": 1}), "IOMaximumIOps");
    refused(&mut client, json!({"CapAdd": ["NOTHING"]}), "NOTHING");
    refused(&mut client, json!({"LogConfig": {"Type": "nothing"}}), "nothing");
    refused(&mut client, json!({"Isolation": "hyperv"}), "linux only supports 'default'");
    // A line break would begin another line of a file in /etc.
    refused(&mut client, json!({"Dns": ["192.0.2.1\nnameserver 192.0.2.2"]}), "Dns");
    refused(&mut client, json!({"DnsSearch": ["a\nnameserver 192.0.2.2"]}), "DnsSearch");
    refused(&mut client, json!({"DnsOptions": ["a\nnameserver 192.0.2.2"]}), "DnsOptions");
    refused(&mut client, json!({"ExtraHosts": ["a\nb:192.0.2.1"]}), "ExtraHosts");
    let warned = client.post_json(
        "/containers/create",
        &json!({"Image": "busybox", "HostConfig": {"OomKillDisable": true, "CpuPercent": 5, "NetworkMode": "none"}}),
    );
    assert_eq!(warned.ok(201)["Warnings"].as_array().map(Vec::len), Some(2), "{warned}");
    // The paths that are hidden are the request's, if it has any.
    let script = "cat /etc/issue-of-image; grep -c ' /proc/' /proc/self/mountinfo; exit 0";
    let masked =
        json!({"Tty": true, "HostConfig": {"MaskedPaths": ["/etc/issue-of-image"], "ReadonlyPaths": []}});
    run(&mut client, "masked", &["sh", "-c", script], masked);
    eventually("it has ended", || {
        client.get("/containers/masked/json").ok(200)["State"]["Status"] == "exited"
    });
    assert_eq!(client.get("/containers/masked/logs?stdout=1").text().trim(), "0");
    // No network at all.
    let id = create(
        &mut client,
        "offline",
        &SLEEP,
        json!({"NetworkDisabled": true, "HostConfig": {"NetworkMode": "default"}}),
    );
    assert_eq!(client.get(&format!("/containers/{id}/json")).ok(200)["HostConfig"]["NetworkMode"], "none");
    let zero = json!({"Env": ["=x"], "Image": "busybox"});
    assert!(client.post_json("/containers/create", &zero).fails(400).contains("environment variable"));
}
