//! A server with an image, and clients of its streams.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::SystemTime;

use hull_test_support::Scenario;
use hull_test_support::docker_server::DockerServer;
use hull_test_support::http::{Client, Opened, Response};
use hull_test_support::outcome::eventually;
use serde_json::{Value, json};

/// The server before the scenario: it ends first.
pub struct Server {
    pub docker: DockerServer,
    pub scenario: Scenario,
}

/// `None` where the test is skipped.
pub fn start() -> Option<Server> {
    let scenario = Scenario::start()?;
    let docker = DockerServer::start(&scenario)?;
    match docker.is_oracle() {
        true => docker.busybox(),
        false => {
            scenario.busybox();
            "busybox"
        }
    };
    Some(Server { docker, scenario })
}

pub const UPGRADE: [(&str, &str); 2] = [("Connection", "Upgrade"), ("Upgrade", "tcp")];

impl Server {
    pub fn client(&self) -> Client {
        Client::new(self.docker.socket())
    }

    /// Creates a container that runs a script, with more keys for the request. Returns its id.
    pub fn create(&self, name: &str, script: &str, more: Value) -> String {
        let mut request = json!({
            "Image": "busybox",
            "Cmd": ["sh", "-c", script],
            "HostConfig": {"NetworkMode": "none"},
        });
        for (key, value) in more.as_object().expect("an object") {
            match (request.get_mut(key).and_then(Value::as_object_mut), value) {
                (Some(own), Value::Object(more)) => own.extend(more.clone()),
                _ => request[key] = value.clone(),
            }
        }
        let created =
            self.client().post_json(&format!("/v1.41/containers/create?name={name}"), &request).ok(201);
        created["Id"].as_str().expect("an id").to_owned()
    }

    pub fn start(&self, name: &str) {
        let started = self.client().post(&format!("/v1.41/containers/{name}/start"));
        assert_eq!(started.status, 204, "{started}");
    }

    pub fn run(&self, name: &str, script: &str, more: Value) -> String {
        let id = self.create(name, script, more);
        self.start(name);
        id
    }

    /// Attaches, as docker's client does.
    pub fn attach(&self, name: &str, query: &str) -> Opened {
        let target = format!("/v1.41/containers/{name}/attach?{query}");
        let opened = self.client().open("POST", &target, &UPGRADE, b"");
        assert_eq!(opened.status, 101, "{target}");
        opened
    }

    /// Begins to wait: the head has come.
    pub fn wait(&self, name: &str, condition: &str) -> Opened {
        let target = format!("/v1.41/containers/{name}/wait?condition={condition}");
        let opened = self.client().open("POST", &target, &[], b"");
        assert_eq!(opened.status, 200, "{target}");
        opened
    }

    /// Waits until the container has ended, and returns its exit code.
    pub fn end_of(&self, name: &str) -> i64 {
        code(self.wait(name, ""))
    }

    pub fn inspect(&self, name: &str) -> Value {
        self.client().get(&format!("/v1.41/containers/{name}/json")).ok(200)
    }

    /// Ends the server. Nothing else may be left.
    pub fn leaves_nothing(self) {
        drop(self.docker);
        assert_eq!(self.scenario.traces_left(), Vec::<String>::new());
    }

    /// The events of containers up to now.
    pub fn events(&self) -> Vec<Value> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970");
        let until = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
        let filters = "%7B%22type%22%3A%5B%22container%22%5D%7D";
        let target = format!("/v1.41/events?since=1&until={until}&filters={filters}");
        let text = self.client().get(&target).text();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Creates an exec instance. Returns its id.
    pub fn create_exec(&self, name: &str, request: &Value) -> String {
        let created = self.client().post_json(&format!("/v1.41/containers/{name}/exec"), request).ok(201);
        created["Id"].as_str().expect("an id").to_owned()
    }

    pub fn start_exec(&self, id: &str, request: &Value) -> Opened {
        let fields = [&[("Content-Type", "application/json")][..], &UPGRADE].concat();
        let target = format!("/v1.41/exec/{id}/start");
        self.client().open("POST", &target, &fields, request.to_string().as_bytes())
    }

    pub fn inspect_exec(&self, id: &str) -> Response {
        self.client().get(&format!("/v1.41/exec/{id}/json"))
    }

    /// The exit code of an exec instance, once it has ended.
    pub fn end_of_exec(&self, id: &str) -> Value {
        eventually("the program of the exec has ended", || self.inspect_exec(id).ok(200)["Running"] == false);
        self.inspect_exec(id).ok(200)["ExitCode"].clone()
    }
}

/// The code that a wait answers with.
pub fn code(mut waiting: Opened) -> i64 {
    let mut text = String::new();
    waiting.read_to_string(&mut text).expect("the wait is answered");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    answer["StatusCode"].as_i64().expect("a code")
}

/// All that comes until the server closes the connection.
pub fn rest(opened: &mut Opened) -> Vec<u8> {
    let mut bytes = Vec::new();
    opened.read_to_end(&mut bytes).expect("the stream ends");
    bytes
}

/// Reads exactly so many bytes.
pub fn take(opened: &mut Opened, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    opened.read_exact(&mut bytes).expect("the bytes come");
    bytes
}

/// stdout and stderr of what comes in docker's frames.
pub fn outputs(opened: &mut Opened) -> (String, String) {
    let mut outputs = [Vec::new(), Vec::new()];
    for (stream, bytes) in frames(&rest(opened)) {
        outputs[usize::from(stream) - 1].extend(bytes);
    }
    let [out, err] = outputs.map(|bytes| String::from_utf8(bytes).expect("text"));
    (out, err)
}

/// The frames, each with its stream.
pub fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(&bytes[1..4], [0; 3], "a frame's head");
        let length = u32::from_be_bytes(bytes[4..8].try_into().expect("four bytes")) as usize;
        frames.push((bytes[0], bytes[8..8 + length].to_vec()));
        bytes = &bytes[8 + length..];
    }
    frames
}

pub fn send(opened: &mut Opened, bytes: &[u8]) {
    opened.connection.get_mut().write_all(bytes).expect("the server reads");
}

/// Says that nothing more will be sent.
pub fn end_input(opened: &Opened) {
    opened.connection.get_ref().shutdown(Shutdown::Write).expect("the connection is open");
}
