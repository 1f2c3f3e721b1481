//! A small HTTP/1.1 client on a unix socket, as docker's clients are, and `hull serve` in a scenario.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::outcome::{DEADLINE, eventually};
use crate::scenario::Scenario;

/// `hull serve` on a socket of a scenario. It ends with its owner.
#[derive(Debug)]
pub struct Api {
    process: Child,
    socket: PathBuf,
}

impl Api {
    pub fn start(scenario: &Scenario) -> Self {
        Self::with(scenario, &[])
    }

    /// With more options for `serve`.
    pub fn with(scenario: &Scenario, options: &[&str]) -> Self {
        let socket = scenario.run_root().join("api.sock");
        let host = format!("unix://{}", socket.display());
        let mut command = scenario.command(&[&["serve", "-H", &host], options].concat());
        let log =
            std::fs::File::create(scenario.path("serve.log")).expect("the scenario's directory is ours");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("descriptors")).stderr(log);
        let api = Self { process: command.spawn().expect("hull serve starts"), socket };
        eventually("hull serve answers", || {
            UnixStream::connect(&api.socket).is_ok() && api.client().get("/_ping").status == 200
        });
        api
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn client(&self) -> Client {
        Client::new(&self.socket)
    }

    pub fn pid(&self) -> i32 {
        self.process.id() as i32
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.pid()), Signal::SIGTERM);
        let _ = self.process.wait();
    }
}

/// A client that keeps its connection. A request without a version in its path gets the newest.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    connection: Option<BufReader<UnixStream>>,
}

/// The answer to a request, whole.
#[derive(Debug, Clone)]
pub struct Response {
    pub request: String,
    pub status: u16,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), connection: None }
    }

    pub fn get(&mut self, target: &str) -> Response {
        self.send("GET", target, &[], b"")
    }

    pub fn head(&mut self, target: &str) -> Response {
        self.send("HEAD", target, &[], b"")
    }

    pub fn delete(&mut self, target: &str) -> Response {
        self.send("DELETE", target, &[], b"")
    }

    /// Without a body.
    pub fn post(&mut self, target: &str) -> Response {
        self.send("POST", target, &[], b"")
    }

    /// With a body of JSON.
    pub fn post_json(&mut self, target: &str, body: &Value) -> Response {
        self.send("POST", target, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    pub fn put(&mut self, target: &str, body: &[u8]) -> Response {
        self.send("PUT", target, &[("Content-Type", "application/x-tar")], body)
    }

    /// Sends a request, and reads its answer to the end.
    pub fn send(&mut self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Response {
        let mut connection = self.connection.take().unwrap_or_else(|| connect(&self.socket));
        write_request(connection.get_mut(), method, target, fields, body);
        let mut opened = Opened::read(connection, method, target);
        let mut whole = Vec::new();
        let read = opened.read_to_end(&mut whole);
        read.unwrap_or_else(|error| panic!("the answer to {method} {target} is cut short: {error}"));
        let keeps = opened.is_over && opened.field("connection") != Some("close");
        let Opened { connection, request, status, fields, .. } = opened;
        self.connection = keeps.then_some(connection);
        Response { request, status, fields, body: whole }
    }

    /// Sends a request on a connection of its own, and reads the head of its answer.
    pub fn open(&self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Opened {
        let mut connection = connect(&self.socket);
        write_request(connection.get_mut(), method, target, fields, body);
        Opened::read(connection, method, target)
    }
}

impl Response {
    /// A header field, by its name in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.fields, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self}"))
    }

    /// The objects of a stream of JSON.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let values = serde_json::Deserializer::from_slice(&self.body).into_iter();
        let values: Result<_, _> = values.collect();
        values.unwrap_or_else(|error| panic!("no JSON ({error}): {self}"))
    }

    /// The same, after the status was checked.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The message of a failure with this status.
    #[track_caller]
    pub fn fails(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self}");
        self.json()["message"].as_str().unwrap_or_else(|| panic!("no message: {self}")).to_owned()
    }
}

impl std::fmt::Display for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} {:?}\n{}", self.request, self.status, self.fields, self.text())
    }
}

/// A text as a value in a query.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

/// An answer whose head was read. Its body is read from it; of a connection that was taken over, what the server sends.
#[derive(Debug)]
pub struct Opened {
    pub connection: BufReader<UnixStream>,
    pub request: String,
    pub status: u16,
    pub fields: Vec<(String, String)>,
    length: Length,
    is_over: bool,
}

#[derive(Debug, Clone, Copy)]
enum Length {
    Left(u64),
    /// Bytes that are left of the chunk; `None` before its length.
    Chunk(Option<u64>),
    ToEnd,
}

impl Opened {
    fn read(mut connection: BufReader<UnixStream>, method: &str, target: &str) -> Self {
        let request = format!("{method} {target}");
        let mut line = line(&mut connection, &request);
        while line.contains(" 100 ") {
            while !self::line(&mut connection, &request).is_empty() {}
            line = self::line(&mut connection, &request);
        }
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{request}: no status in {line:?}"));
        let mut fields = Vec::new();
        loop {
            let line = self::line(&mut connection, &request);
            let Some((name, value)) = line.split_once(':') else { break };
            fields.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let has_body = method != "HEAD" && ![204, 304].contains(&status);
        let length = match (field(&fields, "content-length"), field(&fields, "transfer-encoding")) {
            _ if !has_body => Length::Left(0),
            (_, Some("chunked")) => Length::Chunk(None),
            (Some(length), _) => Length::Left(length.parse().expect("a number")),
            _ => Length::ToEnd,
        };
        let is_over = matches!(length, Length::Left(0));
        Self { connection, request, status, fields, length, is_over }
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.fields, name)
    }

    /// The next line of the body without its end, or `None` at the end of the body.
    pub fn line(&mut self) -> Option<String> {
        let mut text = Vec::new();
        let mut byte = [0];
        while self.read(&mut byte).expect("the body can be read") == 1 && byte != *b"\n" {
            text.push(byte[0]);
        }
        let is_end = text.is_empty() && byte != *b"\n";
        (!is_end).then(|| String::from_utf8_lossy(&text).trim_end_matches('\r').to_owned())
    }
}

impl Read for Opened {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let cut = || std::io::Error::other("the connection was closed");
        loop {
            if self.is_over {
                return Ok(0);
            }
            let left = match &mut self.length {
                Length::ToEnd => return self.connection.read(bytes),
                Length::Left(left) | Length::Chunk(Some(left)) => left,
                Length::Chunk(none) => {
                    let line = line(&mut self.connection, &self.request);
                    let length = u64::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
                    *none = Some(length);
                    if length == 0 {
                        self::line(&mut self.connection, &self.request);
                        self.is_over = true;
                    }
                    continue;
                }
            };
            let most = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            let length = self.connection.read(&mut bytes[..most])?;
            if length == 0 && most > 0 {
                return Err(cut());
            }
            *left -= length as u64;
            if *left == 0 {
                match self.length {
                    Length::Chunk(_) => {
                        line(&mut self.connection, &self.request);
                        self.length = Length::Chunk(None);
                    }
                    _ => self.is_over = true,
                }
            }
            return Ok(length);
        }
    }
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

fn connect(socket: &Path) -> BufReader<UnixStream> {
    let stream = UnixStream::connect(socket);
    let stream = stream.unwrap_or_else(|error| panic!("cannot connect to {}: {error}", socket.display()));
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket has a timeout");
    stream.set_write_timeout(Some(DEADLINE)).expect("a socket has a timeout");
    BufReader::new(stream)
}

fn write_request(stream: &mut UnixStream, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: docker\r\n");
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let has_length = fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
    if !has_length && (!body.is_empty() || method == "POST" || method == "PUT") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).expect("the server reads");
    // A server that refuses a body closes the connection before it has all of it, and its answer tells why.
    let _ = stream.write_all(body);
}

fn line(connection: &mut BufReader<UnixStream>, request: &str) -> String {
    let mut line = String::new();
    let read = connection.read_line(&mut line);
    match read {
        Ok(length) if length > 0 => line.trim_end_matches(['\r', '\n']).to_owned(),
        other => panic!("{request}: the answer is cut short: {other:?}"),
    }
}
