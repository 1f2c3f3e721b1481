//! `/containers` of docker's API: what its handlers do with a container, asked over the socket alone.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hull_test_support::Scenario;
use hull_test_support::http::{Api, Client, Response};
use hull_test_support::outcome::eventually;
use serde_json::{Value, json};

/// A scenario with busybox in its store, and a server.
fn start() -> Option<(Scenario, Api)> {
    let scenario = Scenario::with_busybox()?;
    let api = Api::start(&scenario);
    Some((scenario, api))
}

/// Creates a container without a network, and returns its id.
#[track_caller]
fn create(client: &mut Client, name: &str, command: &[&str], more: Value) -> String {
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
fn run(client: &mut Client, name: &str, command: &[&str], more: Value) -> String {
    let id = create(client, name, command, more);
    client.post(&format!("/containers/{name}/start")).ok(204);
    id
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|one| one["Names"][0].as_str().expect("a name")).collect()
}

const SLEEP: [&str; 2] = ["sleep", "300"];

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
    refused(&mut client, json!({"StorageOpt": {"size": "1G"}}), "StorageOpt");
    refused(&mut client, json!({"IOMaximumIOps": 1}), "IOMaximumIOps");
    refused(&mut client, json!({"CapAdd": ["NOTHING"]}), "NOTHING");
    refused(&mut client, json!({"LogConfig": {"Type": "nothing"}}), "nothing");
    refused(&mut client, json!({"Isolation": "hyperv"}), "linux only supports 'default'");
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

/// A tar with these members.
fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        // `set_path` refuses what a hostile client sends.
        let bytes = name.as_bytes();
        header.as_old_mut().name[..bytes.len()].copy_from_slice(bytes);
        header.set_size(content.len() as u64);
        header.set_mode(0o640);
        header.set_uid(7);
        header.set_gid(8);
        header.set_entry_type(if name.ends_with('/') {
            tar::EntryType::Directory
        } else {
            tar::EntryType::Regular
        });
        header.set_cksum();
        builder.append(&header, *content).expect("memory");
    }
    builder.into_inner().expect("memory")
}

fn members(tar: &[u8]) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().expect("a tar").map(|entry| {
        let mut entry = entry.expect("a member");
        let path = entry.path().expect("a path").display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("the content");
        (path, String::from_utf8_lossy(&content).into_owned())
    });
    entries.collect()
}

fn path_stat(answer: &Response) -> Value {
    let header = answer.field("x-docker-container-path-stat").unwrap_or_else(|| panic!("{answer}"));
    serde_json::from_slice(&STANDARD.decode(header).expect("base64")).expect("JSON")
}

#[test]
fn files_go_in_and_out_as_tars() {
    let Some((_t, api)) = start() else { return };
    let mut client = api.client();
    create(&mut client, "one", &["sh", "-c", "cat /in/a; exec sleep 300"], json!({"User": "worker"}));
    // Before the start, as Compose does with its configs, and while it runs.
    for (round, content) in [("before", "first\n"), ("after", "second\n")] {
        client
            .put("/containers/one/archive?path=/", &tar(&[("in/", b""), ("in/a", content.as_bytes())]))
            .ok(200);
        let answer = client.get("/containers/one/archive?path=/in/a");
        assert_eq!(answer.field("content-type"), Some("application/x-tar"), "{round}");
        assert_eq!(members(&answer.body), [("a".to_owned(), content.to_owned())], "{round}");
        let stat = path_stat(&answer);
        assert_eq!(
            (&stat["name"], &stat["size"], &stat["mode"]),
            (&json!("a"), &json!(content.len()), &json!(0o640))
        );
        let mut archive = tar::Archive::new(&answer.body[..]);
        let entry = archive.entries().expect("a tar").next().expect("a member").expect("a member");
        assert_eq!((entry.header().uid().ok(), entry.header().gid().ok()), (Some(7), Some(8)));
        if round == "before" {
            client.post("/containers/one/start").ok(204);
        }
    }
    let names = |target: &str, client: &mut Client| {
        let answer = client.get(target);
        members(&answer.body).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names("/containers/one/archive?path=/in", &mut client), ["in/", "in/a"]);
    assert_eq!(names("/containers/one/archive?path=/in/", &mut client), ["in/", "in/a"]);
    assert_eq!(names("/containers/one/archive?path=/in/.", &mut client), ["./", "a"]);
    assert!(names("/containers/one/export", &mut client).contains(&"in/a".to_owned()));
    // The owner is the container's user if that is asked for.
    client.put("/containers/one/archive?path=/in&copyUIDGID=true", &tar(&[("mine", b"")])).ok(200);
    let answer = client.get("/containers/one/archive?path=/in/mine");
    let mut archive = tar::Archive::new(&answer.body[..]);
    let entry = archive.entries().expect("a tar").next().expect("a member").expect("a member");
    assert_eq!((entry.header().uid().ok(), entry.header().gid().ok()), (Some(1000), Some(1000)));
    // Directories and files replace each other unless that is forbidden.
    let forbidden =
        client.put("/containers/one/archive?path=/&noOverwriteDirNonDir=1", &tar(&[("in", b"x")]));
    assert!(forbidden.fails(400).contains("cannot overwrite"));
    client.put("/containers/one/archive?path=/", &tar(&[("in", b"x")])).ok(200);
    client.put("/containers/one/archive?path=/&noOverwriteDirNonDir=1", &tar(&[("in/", b"")])).fails(400);
    client.put("/containers/one/archive?path=/", &tar(&[("in/", b""), ("in/b", b"")])).ok(200);
    assert_eq!(names("/containers/one/archive?path=/in", &mut client), ["in/", "in/b"]);
    // Symlinks are told, and nothing is no tar.
    let link = path_stat(&client.head("/containers/one/archive?path=/bin/sh"));
    assert_eq!((&link["linkTarget"], &link["mode"]), (&json!("/bin/busybox"), &json!(0o777 | 1 << 27)));
    let directory = path_stat(&client.head("/containers/one/archive?path=/etc/"));
    assert_eq!((&directory["name"], directory["mode"].as_u64()), (&json!("etc"), Some(0o755 | 1 << 31)));
    let missing = client.get("/containers/one/archive?path=/nope").fails(404);
    assert_eq!(missing, "Could not find the file /nope in container one");
    client.put("/containers/one/archive?path=/nope", &tar(&[("a", b"")])).fails(404);
    client.put("/containers/one/archive?path=/etc/passwd", &tar(&[("a", b"")])).fails(400);
    client.put("/containers/one/archive?path=/", b"").ok(200);
    assert!(client.get("/containers/one/archive").fails(400).contains("path"));
    let nonsense = client.put("/containers/one/archive?path=/", &[b'x'; 4096]);
    assert!(nonsense.status >= 400, "{nonsense}");
    // The connection can still be used: what the child left of the body was read.
    client.get("/_ping").ok_text();
}

trait Text {
    fn ok_text(&self);
}

impl Text for Response {
    #[track_caller]
    fn ok_text(&self) {
        assert_eq!((self.status, self.text().as_str()), (200, "OK"), "{self}");
    }
}

#[test]
fn hostile_archives_stay_inside() {
    let Some((t, api)) = start() else { return };
    let mut client = api.client();
    create(&mut client, "one", &SLEEP, json!({}));
    let outside = t.path("outside");
    std::fs::create_dir(&outside).expect("own directory");
    std::fs::set_permissions(&outside, PermissionsExt::from_mode(0o755)).expect("own directory");
    let name = outside.display().to_string();
    let before = std::fs::metadata(&outside).expect("own directory");
    for state in ["stopped", "running"] {
        for hostile in
            [format!("../../../../..{name}/a"), format!("{name}/a"), "/../../etc/hull-was-here".into()]
        {
            // It is refused, or lands inside.
            let answer = client.put("/containers/one/archive?path=/", &tar(&[(&hostile, b"x")]));
            assert!([200, 400, 500].contains(&answer.status), "{state}: {answer}");
        }
        // A symlink of the container leads to its own root.
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "out", &outside).expect("memory");
        client.put("/containers/one/archive?path=/", &builder.into_inner().expect("memory")).ok(200);
        let through = client.put("/containers/one/archive?path=/out", &tar(&[("b", b"x")]));
        assert!([200, 404].contains(&through.status), "{through}");
        let inside = client.put("/containers/one/archive?path=/", &tar(&[("out/c", b"x")]));
        assert!(inside.status == 200 || inside.status >= 400, "{inside}");
        let read = client.get(&format!("/containers/one/archive?path=/../../../..{name}"));
        assert!([200, 404].contains(&read.status), "{read}");
        client.post("/containers/one/start");
    }
    let after = std::fs::metadata(&outside).expect("own directory");
    assert_eq!(before.mtime(), after.mtime());
    assert_eq!(std::fs::read_dir(&outside).expect("own directory").count(), 0);
    assert!(!std::path::Path::new("/etc/hull-was-here").exists());
    assert!(client.get("/containers/one/archive?path=a%00b").fails(400).contains("zero byte"));
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
