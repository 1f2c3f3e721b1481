//! Programs that were written for docker or podman and use hull instead.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use hull_test_support::outcome::{Outcome, run};
use hull_test_support::{Scenario, program, python, skip};

const COMPOSE_FILE: &str = include_str!("clients/compose.yaml");
const WHALES: &str = include_str!("clients/whales.py");

/// The clients' directory, and a scenario in which loopback is up. The clients come first, because they are downloaded.
fn start() -> Option<(PathBuf, Scenario)> {
    let clients = match python::clients() {
        Ok(clients) => clients,
        Err(why) => {
            skip::skip(&format!("the Python clients cannot be installed: {why}"));
            return None;
        }
    };
    let t = Scenario::with_busybox()?;
    run(Command::new("ip").args(["link", "set", "lo", "up"])).ok();
    Some((clients, t))
}

/// Runs a client in the scenario's environment. It finds hull also under the names `docker` and `podman`.
fn client(t: &Scenario, clients: &std::path::Path, program: &str, args: &[&str]) -> Outcome {
    let links = t.path("links");
    if !links.exists() {
        std::fs::create_dir(&links).unwrap();
        for name in ["docker", "podman"] {
            symlink(program::hull(), links.join(name)).unwrap();
        }
    }
    let hull = t.command(&[]);
    let mut command = Command::new(clients.join(program));
    for (name, value) in hull.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{}:{path}", links.display(), clients.display()));
    command.current_dir(hull.get_current_dir().expect("the scenario's directory"));
    run(command.args(args))
}

#[test]
fn podman_compose_starts_and_stops_services() {
    let Some((clients, t)) = start() else { return };
    t.write("compose.yaml", COMPOSE_FILE);
    let hull = program::hull().to_str().unwrap();
    let compose = |args: &[&str]| {
        let global = ["--podman-path", hull, "--in-pod=false", "-p", "project"];
        client(&t, &clients, "podman-compose", &[&global[..], args].concat())
    };
    compose(&["up", "-d"]).ok();
    for name in ["project_web_1", "project_store_1"] {
        assert_eq!(t.inspect(name, "{{.State.Status}}"), "running");
    }
    let listed = compose(&["ps"]);
    assert!(
        listed.ok().contains("project_web_1") && listed.stdout.contains("0.0.0.0:8087->80/tcp"),
        "{listed}"
    );
    hull_test_support::outcome::eventually("both outputs", || {
        let logs = compose(&["logs", "--no-color"]);
        logs.ok().contains("web is up") && logs.stdout.contains("store is up")
    });
    assert_eq!(compose(&["exec", "-T", "web", "wget", "-qO-", "http://localhost"]).ok(), "hello");
    assert!(compose(&["exec", "-T", "web", "ping", "-c1", "store"]).ok().contains("1 packets received"));
    assert_eq!(compose(&["port", "web", "80"]).ok(), "8087");
    // Nothing has changed, so no container is made again.
    let id = t.inspect("project_store_1", "{{.Id}}");
    compose(&["up", "-d"]).ok();
    assert_eq!(t.inspect("project_store_1", "{{.Id}}"), id);
    compose(&["stop", "-t", "0"]).ok();
    assert_eq!(t.inspect("project_web_1", "{{.State.Status}}"), "exited");
    // Its dependencies are started first.
    t.ok(&["start", "project_web_1"]);
    assert_eq!(t.inspect("project_store_1", "{{.State.Status}}"), "running");
    compose(&["down", "-t", "0", "-v"]).ok();
    assert_eq!(t.ok(&["ps", "-aq"]), "");
    assert_eq!(t.ok(&["volume", "ls", "-q"]), "");
    assert!(!t.ok(&["network", "ls"]).contains("project"));
}

#[test]
fn python_on_whales_has_hull_as_its_client() {
    let Some((clients, t)) = start() else { return };
    t.write("file", "content\n");
    let script = t.write("whales.py", WHALES);
    let work = t.path("").display().to_string();
    let hull = program::hull().to_str().unwrap();
    let outcome = client(&t, &clients, "python3", &[script.to_str().unwrap(), hull, &work]);
    assert!(
        outcome.ok().ends_with("containers\nLoaded image: other:2\nimages\nvolumes\nnetworks\nsystem"),
        "{outcome}"
    );
    t.ok(&["system", "prune", "-f"]);
}

#[test]
fn as_docker_and_podman_it_says_what_their_clients_read() {
    let Some((clients, t)) = start() else { return };
    let call = |program: &str, args: &[&str]| {
        client(&t, &clients, "python3", &[&["-c", CALL, program], args].concat())
    };
    let docker = |args: &[&str]| call("docker", args);
    let podman = |args: &[&str]| call("podman", args);
    assert!(docker(&["--version"]).ok().starts_with("Docker version 28."));
    assert!(podman(&["--version"]).ok().starts_with("podman version 4."));
    assert!(docker(&["version", "--format", "{{.Server.Version}}"]).ok().starts_with("28."));
    assert!(podman(&["version", "--format", "{{.Client.Version}}"]).ok().starts_with("4."));
    assert_eq!(podman(&["info", "--format", "{{.store.graphDriverName}}"]).ok(), "overlay");
    t.ok(&["run", "-d", "--name", "box", "-l", "a=b", "-p", "127.0.0.1:8088:80", "busybox", "sleep", "300"]);

    let rows: serde_json::Value = serde_json::from_str(podman(&["ps", "--format", "json"]).ok()).unwrap();
    let row = &rows[0];
    assert_eq!(row["Names"], serde_json::json!(["box"]));
    assert_eq!(row["Labels"], serde_json::json!({"a": "b"}));
    assert_eq!(row["Command"], serde_json::json!(["sleep", "300"]));
    assert_eq!(row["Image"], "docker.io/library/busybox:latest");
    assert_eq!(row["State"], "running");
    assert_eq!(row["Pid"].to_string(), t.inspect("box", "{{.State.Pid}}"));
    let port = serde_json::json!([{
        "host_ip": "127.0.0.1", "container_port": 80, "host_port": 8088, "range": 1, "protocol": "tcp"
    }]);
    assert_eq!(row["Ports"], port);
    assert_eq!(podman(&["ps", "--format", "json", "--filter", "name=none"]).ok(), "[]");
    let row: serde_json::Value = serde_json::from_str(docker(&["ps", "--format", "json"]).ok()).unwrap();
    assert_eq!(row["Names"], "box");

    let images: serde_json::Value =
        serde_json::from_str(podman(&["images", "--format", "json"]).ok()).unwrap();
    assert_eq!(images[0]["Names"], serde_json::json!(["docker.io/library/busybox:latest"]));
    assert_eq!(images[0]["Containers"], 1);
    assert!(podman(&["images"]).ok().contains("docker.io/library/busybox"));
    assert!(docker(&["images"]).ok().lines().nth(1).unwrap().starts_with("busybox "));

    assert!(podman(&["logs", "none"]).fails(125).starts_with("Error: "));
    assert!(docker(&["logs", "none"]).fails(1).starts_with("docker: "));
    assert!(podman(&["nonsense"]).fails(125).contains("unknown command: podman nonsense"));
    assert!(docker(&["nonsense"]).fails(1).contains("unknown command: docker nonsense"));
    assert!(docker(&["swarm", "init"]).fails(1).contains("hull runs containers on one machine"));
    assert!(docker(&["ps", "--help"]).ok().contains("Usage: docker ps"));
    t.ok(&["rm", "-f", "box"]);
}

/// Flags of a container, and the fields of `inspect` for which runlike prints no flag. These differ in the container that
/// its line makes.
const CONTAINERS: &[(&str, &[&str])] = &[
    ("busybox", &[]),
    ("-e A=b␣c -e Q=it's␣$HOME busybox sh -c echo␣\"a␣b\";␣sleep␣3", &[]),
    ("-l k=v -l q=a␣b --hostname inside busybox sleep 9", &[]),
    ("--domainname example.org busybox", &["/Config/Domainname"]),
    ("-p 8080:80 -p 9000:90/udp busybox", &[]),
    ("--expose 33 busybox", &["/Config/ExposedPorts"]),
    ("-v data:/data -v /tmp:/host:ro busybox", &[]),
    ("--tmpfs /t:size=1m busybox", &["/HostConfig/Tmpfs"]),
    ("--restart on-failure:3 --log-opt max-size=1m --log-opt max-file=2 busybox", &[]),
    ("--restart always --user 1000:1000 --workdir /tmp busybox", &[]),
    ("-m 64m --memory-reservation 32m --cpuset-cpus 0 busybox", &[]),
    (
        "--cpus 0.5 --cpu-shares 512 --pids-limit 50 busybox",
        &["/HostConfig/NanoCpus", "/HostConfig/CpuShares", "/HostConfig/PidsLimit"],
    ),
    ("--cap-add NET_ADMIN --cap-drop MKNOD busybox", &[]),
    ("--privileged -t busybox", &[]),
    (
        "--read-only -i --security-opt no-new-privileges busybox",
        &[
            "/HostConfig/ReadonlyRootfs",
            "/HostConfig/SecurityOpt",
            "/Config/OpenStdin",
            "/Config/StdinOnce",
            "/Config/AttachStdin",
        ],
    ),
    ("--network net --dns 10.0.0.2 --add-host one:10.0.0.1 busybox", &[]),
    ("--network none --pid host --device /dev/null:/dev/other:rw busybox", &[]),
    ("--rm --entrypoint /bin/sleep busybox 7", &[]),
];

#[test]
fn the_line_of_runlike_makes_the_same_container() {
    let Some((clients, t)) = start() else { return };
    t.ok(&["network", "create", "--subnet", "172.30.9.0/24", "net"]);
    let inspect =
        || serde_json::from_str::<serde_json::Value>(&t.ok(&["container", "inspect", "box"])).unwrap();
    for (flags, unknown) in CONTAINERS {
        let words: Vec<String> = flags.split(' ').map(|word| word.replace('␣', " ")).collect();
        let words: Vec<&str> =
            ["create", "--name", "box"].into_iter().chain(words.iter().map(|w| &**w)).collect();
        t.ok(&words);
        let first = inspect();
        let line = client(&t, &clients, "runlike", &["--use-volume-id", "box"]).ok().to_owned();
        t.ok(&["rm", "-f", "box"]);
        // The line starts or detaches a container. This test only creates it.
        let line = line.replacen("docker run", "docker create", 1).replace(" --detach=true", "");
        client(&t, &clients, "python3", &["-c", CALL, "sh", "-c", &line]).ok();
        let mut differences = Vec::new();
        compare(&first[0], &inspect()[0], "", &mut differences);
        differences.retain(|path| !unknown.iter().any(|field| path.starts_with(field)));
        assert!(differences.is_empty(), "{flags}\n{line}\n{}", differences.join("\n"));
        t.ok(&["rm", "-f", "box"]);
    }
    t.ok(&["network", "rm", "net"]);
}

/// The fields that two containers never share.
const OWN: [&str; 8] = [
    "/Id",
    "/Created",
    "/LogPath",
    "/HostnamePath",
    "/HostsPath",
    "/ResolvConfPath",
    "/GraphDriver",
    "/NetworkSettings/SandboxKey",
];

fn compare(one: &serde_json::Value, other: &serde_json::Value, path: &str, differences: &mut Vec<String>) {
    use serde_json::Value::{Array, Object};
    match (one, other) {
        _ if OWN.contains(&path) => {}
        (Object(fields), Object(others)) => {
            let keys: std::collections::BTreeSet<_> = fields.keys().chain(others.keys()).collect();
            for key in keys {
                let of = |fields: &serde_json::Map<_, _>| fields.get(key).cloned().unwrap_or_default();
                compare(&of(fields), &of(others), &format!("{path}/{key}"), differences);
            }
        }
        // The order of variables, labels and mounts means nothing.
        (Array(list), Array(others)) => {
            let sorted = |list: &[serde_json::Value]| {
                let mut list: Vec<String> = list.iter().map(ToString::to_string).collect();
                list.sort();
                list
            };
            if sorted(list) != sorted(others) {
                differences.push(format!("{path}: {one} → {other}"));
            }
        }
        _ if one != other => differences.push(format!("{path}: {one} → {other}")),
        _ => {}
    }
}

/// Executes a program that is found in `PATH`, so that it sees the name by which it was called.
const CALL: &str = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])";
