//! What Docker Compose 2.40 asks an engine for: the bodies of its requests for the projects in `compose_requests/`. Each
//! project `NAME.yaml` is run with `create` and `start` on a server that answers as an engine does, and the record `NAME.json`
//! has the networks, volumes and containers by their names, and the files that are copied into each container. Of `builds.yaml`
//! it is what `build --print` prints. hull's own requests are compared with the records in hull-compose's test `requests`.
//!
//! `HULL_TEST_RECORD=compose` writes the records. Without it they are compared with what Compose sends.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use hull_test_support::outcome::run;
use hull_test_support::server::{Reply, Request, Server};
use hull_test_support::{Scenario, python, skip};
use serde_json::{Value, json};

/// Where the projects are when Compose reads them: their paths are in the requests.
const PLACE: &str = "/srv";

#[test]
fn compose_sends_what_is_recorded() {
    let compose = match python::compose() {
        Ok(compose) => compose,
        Err(why) => return skip::skip(&format!("Docker Compose cannot be had: {why}")),
    };
    let Some(scenario) = Scenario::start() else { return };
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose_requests");
    let mut projects: Vec<PathBuf> =
        std::fs::read_dir(&cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    projects.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    projects.sort();
    let record = std::env::var("HULL_TEST_RECORD").unwrap_or_default() == "compose";
    let mut differs = Vec::new();
    for project in projects {
        let engine = Arc::new(Mutex::new(Engine::default()));
        let answering = engine.clone();
        let server = Server::start("127.0.0.1:0", move |request| answering.lock().unwrap().answer(request));
        let there = |words: &[&str]| {
            let mut command = Command::new("unshare");
            let script = format!("mount --bind {} {PLACE} && cd {PLACE} && exec \"$@\"", cases.display());
            command.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]).arg(&compose);
            command.arg("-f").arg(project.file_name().unwrap()).args(words);
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
            command.env("HOME", scenario.path("home")).env("FROM_PROJECT", "value of the project");
            run(command.env("DOCKER_HOST", format!("tcp://{}", server.host))).ok().to_owned()
        };
        there(&["create", "-y"]);
        there(&["start"]);
        let mut seen = engine.lock().unwrap().record();
        if project.ends_with("builds.yaml") {
            seen = serde_json::from_str(&there(&["build", "--print"])).unwrap();
            sort(&mut seen["group"]["default"]["targets"]);
            sort(&mut seen["target"]["everything"]["ulimits"]);
        }
        let file = project.with_extension("json");
        let text = format!("{}\n", serde_json::to_string_pretty(&seen).unwrap());
        if record {
            std::fs::write(&file, text).unwrap();
        } else if std::fs::read_to_string(&file).unwrap_or_default() != text {
            differs.push(file);
        }
    }
    assert!(differs.is_empty(), "Compose sends something else than {differs:?}");
}

/// As much of an engine as Compose needs.
#[derive(Default)]
struct Engine {
    networks: BTreeMap<String, Value>,
    volumes: BTreeMap<String, Value>,
    containers: BTreeMap<String, Value>,
    files: BTreeMap<String, Vec<Value>>,
}

impl Engine {
    fn answer(&mut self, request: &Request) -> Reply {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let path = path.trim_start_matches('/');
        let path = path.strip_prefix("v1.51/").unwrap_or(path);
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method.as_str(), &parts[..]) {
            (_, ["_ping"]) => Reply::new(200, "OK").header("Api-Version", "1.51").header("OSType", "linux"),
            ("GET", ["version"]) => {
                let version = json!({"ApiVersion": "1.51", "MinAPIVersion": "1.24", "Version": "28.5.2"});
                answer(200, &version)
            }
            ("GET", ["info"]) => answer(200, &json!({"OSType": "linux", "ServerVersion": "28.5.2"})),
            ("GET", ["images", .., "json"]) => answer(200, &image()),
            ("GET", ["networks", name]) => named(&self.networks, name, "network"),
            ("GET", ["networks"]) => {
                let outside = |name: &str| query.contains(name).then(|| json!({"Name": name, "Id": name}));
                let found = ["outside-network", "outer"].into_iter().find_map(outside);
                answer(200, &json!(found.into_iter().collect::<Vec<_>>()))
            }
            ("POST", ["networks", "create"]) => made(&mut self.networks, request),
            ("GET", ["volumes", name]) if name.starts_with("outside") => {
                answer(200, &json!({"Name": name, "Driver": "local"}))
            }
            ("GET", ["volumes", name]) => named(&self.volumes, name, "volume"),
            ("POST", ["volumes", "create"]) => made(&mut self.volumes, request),
            ("GET", ["containers", "json"]) => answer(200, &json!(self.summaries(&decoded(query)))),
            ("POST", ["containers", "create"]) => {
                let name = query.split('&').find_map(|pair| pair.strip_prefix("name=")).unwrap_or_default();
                let mut body: Value = serde_json::from_slice(&request.body).unwrap();
                if let Some(platform) = query.split('&').find_map(|pair| pair.strip_prefix("platform=")) {
                    body["platform"] = json!(decoded(platform));
                }
                self.containers.insert(name.to_owned(), body);
                answer(201, &json!({"Id": id(name), "Warnings": []}))
            }
            ("GET", ["containers", wanted, "json"]) => match self.found(wanted) {
                Some((name, body)) => answer(
                    200,
                    &json!({"Id": id(name), "Name": format!("/{name}"), "Config": {"Labels": body["Labels"]},
                        "State": {"Status": "created"}, "NetworkSettings": {"Networks": {}}}),
                ),
                None => answer(404, &json!({"message": format!("No such container: {wanted}")})),
            },
            ("PUT", ["containers", wanted, "archive"]) => {
                let name = self.found(wanted).map(|(name, _)| name.clone()).unwrap_or_default();
                self.files.entry(name).or_default().extend(entries(&request.body, query));
                Reply::new(200, "")
            }
            ("POST", ["containers", _, "start"]) => Reply::new(204, ""),
            _ => answer(404, &json!({"message": format!("no {} {}", request.method, request.path)})),
        }
    }

    fn found(&self, wanted: &str) -> Option<(&String, &Value)> {
        self.containers.iter().find(|(name, _)| id(name) == wanted || *name == wanted)
    }

    /// The containers with the labels that a filter names.
    fn summaries(&self, query: &str) -> Vec<Value> {
        let wanted: Vec<&str> = query.split('"').filter(|part| part.starts_with("com.docker.")).collect();
        let has = |body: &Value, label: &str| match label.split_once('=') {
            Some((key, value)) => body["Labels"][key] == value,
            None => body["Labels"].get(label).is_some(),
        };
        let containers =
            self.containers.iter().filter(|(_, body)| wanted.iter().all(|label| has(body, label)));
        let summary = |(name, body): (&String, &Value)| {
            json!({"Id": id(name), "Names": [format!("/{name}")], "Labels": body["Labels"], "State": "created",
                "Image": body["Image"], "Mounts": []})
        };
        containers.map(summary).collect()
    }

    fn record(&self) -> Value {
        let mut containers = self.containers.clone();
        containers.values_mut().for_each(settle);
        let mut files = self.files.clone();
        files.values_mut().for_each(|entries| entries.sort_by_key(Value::to_string));
        let mut record = json!({"networks": self.networks, "volumes": self.volumes, "containers": containers, "files": files});
        prune(&mut record);
        record
    }
}

/// A container's id, which can be told from its name.
fn id(name: &str) -> String {
    let hex: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex:0<64.64}")
}

fn image() -> Value {
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    json!({"Id": format!("sha256:{digest}"), "Os": "linux", "Architecture": "amd64", "Config": {},
        "RepoTags": ["box:latest"], "RepoDigests": [], "Metadata": {"LastTagTime": "2024-01-01T00:00:00Z"}})
}

fn answer(status: u16, body: &Value) -> Reply {
    Reply::new(status, body.to_string()).header("Content-Type", "application/json")
}

fn named(known: &BTreeMap<String, Value>, name: &str, what: &str) -> Reply {
    match known.get(name) {
        Some(body) => answer(200, body),
        None => answer(404, &json!({"message": format!("{what} {name} not found")})),
    }
}

fn made(known: &mut BTreeMap<String, Value>, request: &Request) -> Reply {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let name = body["Name"].as_str().unwrap_or_default().to_owned();
    known.insert(name.clone(), body.clone());
    let mut answered = body;
    answered["Id"] = json!(name);
    answer(201, &answered)
}

fn sort(list: &mut Value) {
    if let Value::Array(list) = list {
        list.sort_by_key(Value::to_string);
    }
}

/// Sorts what Compose sends in the accidental order of Go's maps.
fn settle(body: &mut Value) {
    sort(&mut body["Env"]);
    for key in ["Binds", "Mounts", "Ulimits", "ExtraHosts"] {
        if body["HostConfig"].get(key).is_some() {
            sort(&mut body["HostConfig"][key]);
        }
    }
}

/// Removes what means that nothing is set. An empty list can mean something: it clears an image's command.
fn prune(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.values_mut().for_each(prune);
            let says_nothing =
                |value: &Value| [json!(null), json!(false), json!(""), json!(0), json!({})].contains(value);
            entries.retain(|key, value| key.contains(['.', '/']) || !says_nothing(value));
        }
        Value::Array(values) => values.iter_mut().for_each(prune),
        _ => {}
    }
}

/// The files of an archive that is copied into a container.
fn entries(body: &[u8], query: &str) -> Vec<Value> {
    let mut archive = tar::Archive::new(body);
    let read = |mut entry: tar::Entry<'_, &[u8]>| {
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let header = entry.header();
        json!({"path": entry.path_bytes().escape_ascii().to_string(), "mode": format!("{:o}", header.mode().unwrap()),
            "uid": header.uid().unwrap(), "gid": header.gid().unwrap(), "text": text, "query": decoded(query)})
    };
    archive.entries().unwrap().map(|entry| read(entry.unwrap())).collect()
}

fn decoded(query: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = query.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| (byte.unwrap_or(b'0') as char).to_digit(16).unwrap_or(0) as u8;
        bytes.push(if byte == b'%' { hex(rest.next()) * 16 + hex(rest.next()) } else { byte });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
