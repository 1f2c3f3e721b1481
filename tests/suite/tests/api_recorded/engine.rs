//! An engine that listens on a socket in the sandbox, and what every case finds there.

use std::path::{Path, PathBuf};
use std::process::Child;

use hull_test_support::saved::docker_archive;
use hull_test_support::{fixtures, program};
use serde_json::{Value, json};

use crate::http::{self, Answer, Connection};
use crate::sandbox::{self, Sandbox};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Dockerd,
    Hull,
}

pub struct Engine<'a> {
    pub sandbox: &'a Sandbox,
    pub kind: Kind,
    socket: PathBuf,
    process: Child,
    registry: Child,
    /// What is there before the first case.
    images: Vec<String>,
}

/// Where a registry without TLS listens.
pub const REGISTRY: &str = "127.0.0.1:5000";

impl<'a> Engine<'a> {
    /// Starts the engine and loads the images `base` and `full`, which are busybox with these configurations.
    pub fn start(sandbox: &'a Sandbox, kind: Kind) -> Self {
        let (process, socket) = match kind {
            Kind::Dockerd => (sandbox.dockerd(), sandbox.docker_socket()),
            Kind::Hull => (sandbox.hull_serve(), sandbox.hull_socket()),
        };
        let socket = PathBuf::from(socket.trim_start_matches("unix://"));
        let registry = registry(sandbox);
        let mut engine = Self { sandbox, kind, socket, process, registry, images: vec![] };
        let full = json!({
            "Env": ["PATH=/bin", "A=b"], "Cmd": ["100"], "Entrypoint": ["sleep"], "Labels": {"x": "y"},
            "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "WorkingDir": "/w", "User": "1000:1000",
            "StopSignal": "SIGUSR1",
        });
        for (name, config) in [("base", json!({"Env": ["PATH=/bin"], "Cmd": ["sh"]})), ("full", full)] {
            let layer = std::fs::read(fixtures::busybox()).expect("a fixture");
            let archive = docker_archive(&format!("{name}:latest"), &config, &layer).expect("an archive");
            let path = sandbox.path(&format!("{name}.tar"));
            std::fs::write(&path, archive).expect("the sandbox's directory can be written");
            let words = ["load", "-i", &path];
            match kind {
                Kind::Dockerd => sandbox.docker(&words).ok(),
                Kind::Hull => sandbox.hull(&words).ok(),
            };
        }
        engine.images = engine.image_names();
        engine
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn image(&self, name: &str) -> String {
        let found = self.json("GET", &format!("/images/{name}/json"));
        found["Id"].as_str().unwrap_or_default().to_owned()
    }

    fn ask(&self, text: &str) -> Option<Answer> {
        let mut connection = Connection::send(&self.socket, &http::request(text, None));
        let head = connection.head().ok()?;
        Some(connection.body(head, None))
    }

    fn json(&self, method: &str, path: &str) -> Value {
        let answer = self.ask(&format!("{method} /v1.40{path}\n"));
        answer.and_then(|answer| serde_json::from_slice(&answer.body).ok()).unwrap_or_default()
    }

    fn image_names(&self) -> Vec<String> {
        let images = self.json("GET", "/images/json?all=1");
        let images = images.as_array().cloned().unwrap_or_default();
        images
            .iter()
            .flat_map(|image| {
                let tags = image["RepoTags"].as_array().cloned().unwrap_or_default();
                let named: Vec<String> = tags
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .filter(|tag| !tag.contains("<none>"))
                    .collect();
                match named.is_empty() {
                    true => vec![image["Id"].as_str().unwrap_or_default().to_owned()],
                    false => named,
                }
            })
            .collect()
    }

    /// Removes what a case has made, so that the next one finds what the first one found.
    pub fn clean(&self, touches_images: bool) {
        let list = |path: &str, key: &str, list: Option<&str>| -> Vec<String> {
            let found = self.json("GET", path);
            let found = list.map_or(&found, |list| &found[list]);
            let found = found.as_array().cloned().unwrap_or_default();
            found.iter().filter_map(|one| one[key].as_str().map(str::to_owned)).collect()
        };
        for id in list("/containers/json?all=1", "Id", None) {
            self.json("POST", &format!("/containers/{id}/unpause"));
            self.json("DELETE", &format!("/containers/{id}?force=1&v=1"));
        }
        for name in list("/volumes", "Name", Some("Volumes")) {
            self.json("DELETE", &format!("/volumes/{name}?force=1"));
        }
        // By their ids: two networks may have the same name.
        let networks = self.json("GET", "/networks");
        for network in networks.as_array().into_iter().flatten() {
            if !["bridge", "host", "none"].contains(&network["Name"].as_str().unwrap_or_default()) {
                self.json("DELETE", &format!("/networks/{}", network["Id"].as_str().unwrap_or_default()));
            }
        }
        if touches_images {
            // A case may have given their names to others, and hull keeps in mind which repositories an image was in, and how its layers were compressed.
            for name in self.image_names() {
                self.json("DELETE", &format!("/images/{name}?force=1"));
            }
        }
        let images = self.image_names();
        for name in images.iter().filter(|name| !self.images.contains(name)) {
            self.json("DELETE", &format!("/images/{name}?force=1"));
        }
        for name in ["base", "full"] {
            if !images.contains(&format!("{name}:latest")) || touches_images {
                let path = self.sandbox.path(&format!("{name}.tar"));
                let words = ["load", "-i", &path];
                match self.kind {
                    Kind::Dockerd => self.sandbox.docker(&words),
                    Kind::Hull => self.sandbox.hull(&words),
                };
            }
        }
    }

    pub fn end(mut self) {
        self.clean(false);
        sandbox::terminate(&mut self.registry);
        sandbox::terminate(&mut self.process);
    }
}

fn registry(sandbox: &Sandbox) -> Child {
    let store = sandbox.path("registry");
    let config = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {store}}}\n  delete: {{enabled: \
         true}}\nhttp:\n  addr: \"{REGISTRY}\"\n"
    );
    let config = sandbox.write_text("registry.yml", &config);
    let process = sandbox.spawn(&["env", "OTEL_TRACES_EXPORTER=none", "docker-registry", "serve", &config]);
    sandbox.slowly("the registry answers", || {
        let url = format!("http://{REGISTRY}/v2/");
        sandbox.run(&["busybox", "wget", "-qO-", &url]).success()
    });
    process
}

impl Sandbox {
    fn hull_socket(&self) -> String {
        self.path("hull.sock")
    }

    fn hull_serve(&self) -> Child {
        let socket = format!("unix://{}", self.hull_socket());
        let settings = [
            format!("HULL_ROOT={}", self.path("hull")),
            format!("HULL_RUNROOT={}", self.path("hull-run")),
            format!("HULL_CGROUP_PARENT={}/hull", self.cgroup_parent()),
        ];
        let mut words = vec!["env"];
        words.extend(settings.iter().map(String::as_str));
        words.push(program::hull().to_str().expect("a plain path"));
        words.extend(["serve", "--host", &socket]);
        let serve = self.spawn(&words);
        self.slowly("hull answers", || std::os::unix::net::UnixStream::connect(self.hull_socket()).is_ok());
        serve
    }
}
