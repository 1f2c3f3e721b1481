//! One request and its answer.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::SystemTime;

use hull_docker::version::SERVER;
use hull_docker::wire::lenient;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::body::{Body, LentBody, Progress};
use super::connection::Connection;
use super::head::Head;
use super::hijack::Hijacked;
use super::query::Query;
use super::stream::Stream;
use crate::failure::{self, Failure, Result};
use crate::version::ApiVersion;

/// What a path in a header field may not contain as it is (RFC 3986, section 3.3).
const UNSAFE: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'\\');

/// A longer JSON document is refused.
const MAX_JSON: u64 = 2 << 20;

/// How much of a body that no handler wanted is read, so that the connection can be kept.
const MAX_DRAINED: u64 = 256 * 1024;

/// The parts of a path that a route names.
#[derive(Debug, Default)]
pub struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    pub fn add(&mut self, name: &'static str, value: String) {
        self.0.push((name, value));
    }

    /// Empty if the route does not name it.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| value)
    }
}

pub struct Exchange<'c> {
    connection: &'c mut Connection,
    head: Head,
    version: ApiVersion,
    parameters: Parameters,
    /// There is a handler for the path.
    has_route: bool,
    body: Progress,
    /// Header fields of the answer.
    fields: Vec<(&'static str, String)>,
    /// The status of the answer, once it was begun.
    status: Option<u16>,
    /// The client knows where the answer ends.
    is_complete: bool,
    /// Another request may follow.
    keeps_alive: bool,
}

impl<'c> Exchange<'c> {
    pub fn new(connection: &'c mut Connection, head: Head) -> Self {
        let body = Progress::new(&head);
        Self {
            connection,
            version: ApiVersion::NEWEST,
            parameters: Parameters::default(),
            has_route: false,
            body,
            fields: Vec::new(),
            status: None,
            is_complete: false,
            keeps_alive: head.keeps_alive,
            head,
        }
    }

    /// A handler was found for the path.
    pub fn set_route(&mut self, parameters: Parameters) {
        (self.parameters, self.has_route) = (parameters, true);
    }

    pub fn set_version(&mut self, version: ApiVersion) {
        self.version = version;
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    pub fn query(&self) -> &Query {
        &self.head.query
    }

    /// The version that the client speaks.
    pub fn version(&self) -> ApiVersion {
        self.version
    }

    /// A part of the path, by the name that the route gives it.
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name)
    }

    /// The status of the answer, once it was begun.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    pub fn body(&mut self) -> Body<'_> {
        Body { connection: self.connection, progress: &mut self.body }
    }

    /// Takes the body out, so that it can be read while the answer is sent.
    pub fn lend_body(&mut self) -> Result<LentBody> {
        LentBody::of(self.connection, &mut self.body)
            .map_err(|error| Failure::new(500, format!("cannot duplicate the connection: {error}")))
    }

    /// Gives a body back, so that another request may follow.
    pub fn give_back(&mut self, body: LentBody) {
        body.return_to(self.connection, &mut self.body);
    }

    /// The JSON document of the request's body, or `None` for an empty body and for `null`.
    pub fn read_optional_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        if self.body.is_over() {
            return Ok(None);
        }
        self.read_json()
    }

    /// The JSON document of the request's body, read as Go does.
    pub fn read_json<T: DeserializeOwned>(&mut self) -> Result<T> {
        // dockerd's rule: an empty body sets nothing.
        if self.body.is_over() {
            return lenient::from_slice(b"{}").map_err(invalid_json);
        }
        let bytes = self.read_json_bytes()?;
        lenient::from_slice(&bytes).map_err(invalid_json)
    }

    /// The body of a request that brings a JSON document.
    pub fn read_json_bytes(&mut self) -> Result<Vec<u8>> {
        let kind = self.head.field("content-type").unwrap_or_default();
        let media_type = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // dockerd's rule: a request without a body needs no type to be refused for having none.
        let is_empty = self.body.is_over() && kind.is_empty();
        if !media_type.eq_ignore_ascii_case("application/json") && !is_empty {
            return Err(Failure::invalid(format!(
                "unsupported Content-Type header ({kind}): must be 'application/json'"
            )));
        }
        let mut bytes = Vec::new();
        self.body()
            .take(MAX_JSON + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::invalid(error.to_string()))?;
        if bytes.len() as u64 > MAX_JSON {
            return Err(Failure::new(413, format!("the request's JSON is longer than {MAX_JSON} bytes")));
        }
        if bytes.is_empty() {
            return Err(Failure::invalid("invalid JSON: got EOF while reading request body"));
        }
        Ok(bytes)
    }

    /// Adds a header field to the answer.
    pub fn add_header(&mut self, name: &'static str, value: impl Into<String>) {
        self.fields.push((name, value.into()));
    }

    /// Answers with a JSON document.
    pub fn json(&mut self, status: u16, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec(value).map_err(|error| Failure::new(500, error.to_string()))?;
        text.push(b'\n');
        self.bytes(status, "application/json", &text)
    }

    /// Answers with a body of this type.
    pub fn bytes(&mut self, status: u16, content_type: &str, body: &[u8]) -> Result<()> {
        let mut answer = self.head_of_answer(status);
        answer.push_str(&format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len()));
        let mut answer = answer.into_bytes();
        if self.head.method != "HEAD" {
            answer.extend_from_slice(body);
        }
        self.send_whole(&answer)
    }

    /// Answers without a body.
    pub fn empty(&mut self, status: u16) -> Result<()> {
        let mut answer = self.head_of_answer(status);
        // RFC 9110, section 8.6: these have no Content-Length.
        if status != 204 && status != 304 {
            answer.push_str("Content-Length: 0\r\n");
        }
        answer.push_str("\r\n");
        self.send_whole(answer.as_bytes())
    }

    /// Sends the client to another path, with the same query.
    pub fn redirect(&mut self, path: &str) -> Result<()> {
        let path = utf8_percent_encode(path, UNSAFE).to_string();
        let query = &self.head.query_text;
        self.add_header("Location", if query.is_empty() { path } else { format!("{path}?{query}") });
        self.empty(301)
    }

    fn send_whole(&mut self, answer: &[u8]) -> Result<()> {
        self.is_complete = self.connection.send(answer).map_err(Failure::client_gone).map(|()| true)?;
        Ok(())
    }

    /// Begins an answer that is sent in pieces. The client has its head when this returns.
    pub fn stream(&mut self, status: u16, content_type: &str) -> Result<Stream<'_>> {
        let is_chunked = self.head.is_1_1;
        let mut answer = self.head_of_answer(status);
        // dockerd sends no type with some answers to old clients.
        if !content_type.is_empty() {
            answer.push_str(&format!("Content-Type: {content_type}\r\n"));
        }
        if is_chunked {
            answer.push_str("Transfer-Encoding: chunked\r\n");
        }
        answer.push_str("\r\n");
        self.connection.send(answer.as_bytes()).map_err(Failure::client_gone)?;
        let buffer = Vec::new();
        Ok(Stream { connection: self.connection, is_chunked, buffer, is_finished: &mut self.is_complete })
    }

    /// Takes the connection over: 101 if the client asks for an upgrade, and otherwise a plain 200, whose body is the stream.
    /// dockerd sends the usual header fields for some requests only.
    pub fn hijack(&mut self, content_type: &str, has_fields: bool) -> Result<Hijacked<'_>> {
        let upgrade = if self.is_upgrade() { "Connection: Upgrade\r\nUpgrade: tcp\r\n" } else { "" };
        let line = if self.is_upgrade() { "101 UPGRADED" } else { "200 OK" };
        let fields = if has_fields { self.common_fields() } else { String::new() };
        self.hijack_with(
            if self.is_upgrade() { 101 } else { 200 },
            &format!("HTTP/1.1 {line}\r\nContent-Type: {content_type}\r\n{upgrade}{fields}\r\n"),
        )
    }

    /// Whether the client asks for a connection that is no longer HTTP.
    pub fn is_upgrade(&self) -> bool {
        self.head.lists("connection", "upgrade") && self.head.field("upgrade").is_some()
    }

    /// Sends this head, and takes the connection over. A body whose length is known comes before the stream and is no part
    /// of it: dockerode repeats the query there.
    pub fn hijack_with(&mut self, status: u16, head: &str) -> Result<Hijacked<'_>> {
        if self.body.has_length() {
            let drained = std::io::copy(&mut self.body().take(MAX_DRAINED), &mut std::io::sink());
            drained.map_err(Failure::client_gone)?;
            if !self.body.is_over() {
                return Err(Failure::invalid("the body of a request for a stream is too long"));
            }
        }
        self.status = Some(status);
        self.keeps_alive = false;
        self.connection.send(head.as_bytes()).map_err(Failure::client_gone)?;
        Ok(Hijacked { connection: self.connection })
    }

    /// Answers a request for a stream with a failure, as dockerd does: the message alone, up to the end of the connection.
    pub fn refuse_stream(&mut self, failure: &Failure, content_type: &str) -> Result<()> {
        let Failure { status, message, .. } = failure;
        let reason = reason(*status);
        let head = format!("HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\n\r\n{message}\r\n");
        self.hijack_with(*status, &head).map(drop)
    }

    fn head_of_answer(&mut self, status: u16) -> String {
        self.status = Some(status);
        let mut text = format!("HTTP/1.1 {status} {}\r\n{}", reason(status), self.common_fields());
        for (name, value) in self.fields.drain(..) {
            // A line break would begin another field.
            let value = value.replace(['\r', '\n'], " ");
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.keeps_alive {
            text.push_str("Connection: close\r\n");
        }
        text
    }

    /// The fields of every answer. The version is the server's own, independent of the client's.
    fn common_fields(&self) -> String {
        let date = http_date();
        if !self.has_route {
            return format!("Date: {date}\r\n");
        }
        format!(
            "Api-Version: {}\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: Docker/{SERVER} (linux)\r\n\
             Date: {date}\r\n",
            ApiVersion::NEWEST,
        )
    }

    /// Sends the failure of a handler that has not answered, and reads what is left of the body. Returns whether another
    /// request may follow.
    pub fn conclude(&mut self, outcome: Result<()>) -> bool {
        match (outcome, self.status) {
            (Ok(()), Some(_)) => {}
            (Err(failure), None) => self.fail(&failure),
            (Ok(()), None) => self.fail(&Failure::new(500, "the request has no answer")),
            // The client sees that the answer is cut short.
            (Err(_), Some(_)) => self.is_complete = false,
        }
        let keeps = self.is_complete && self.keeps_alive && self.drain();
        if self.is_complete && !self.body.is_over() {
            self.connection.linger();
        }
        keeps
    }

    fn fail(&mut self, failure: &Failure) {
        // Nothing is left to do for a client that has gone.
        let _ = match failure.is_text {
            true => {
                self.add_header("X-Content-Type-Options", "nosniff");
                let text = format!("{}\n", failure.message);
                self.bytes(failure.status, "text/plain; charset=utf-8", text.as_bytes())
            }
            false => self.json(failure.status, &failure::Body { message: &failure.message }),
        };
    }

    fn drain(&mut self) -> bool {
        if self.body.is_over() {
            return true;
        }
        if self.body.was_not_asked_for() {
            return false;
        }
        let drained = std::io::copy(&mut self.body().take(MAX_DRAINED), &mut std::io::sink());
        drained.is_ok() && self.body.is_over()
    }

    /// The client's socket, on which poll(2) reports that it has gone.
    pub fn client(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }

    pub(super) fn connection(&self) -> &Connection {
        self.connection
    }

    pub(super) fn connection_mut(&mut self) -> &mut Connection {
        self.connection
    }

    /// A child has answered with this status, and has read these bytes of the next request.
    pub(super) fn adopt(&mut self, status: u16, buffered: Vec<u8>) {
        self.connection.set_buffered(buffered);
        (self.status, self.is_complete, self.body) = (Some(status), true, Progress::over());
    }

    /// A child has answered, or was killed, and the connection cannot be used again.
    pub(super) fn close(&mut self, status: u16) {
        (self.status, self.keeps_alive) = (Some(status), false);
    }
}

/// The failure of a request whose JSON is wrong.
pub fn invalid_json(error: serde_json::Error) -> Failure {
    // serde_json tells it by the text alone.
    if error.to_string().starts_with("trailing characters") {
        return Failure::invalid("unexpected content after JSON");
    }
    Failure::invalid(format!("invalid JSON: {error}"))
}

/// Answers a head that cannot be understood. The connection cannot be used again.
pub fn refuse(connection: &mut Connection, failure: &Failure) {
    let body = serde_json::to_string(&failure::Body { message: &failure.message }).unwrap_or_default();
    let status = failure.status;
    let answer = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        reason(status),
        body.len(),
    );
    // Nothing is left to do for a client that has gone.
    if connection.send(answer.as_bytes()).is_ok() {
        connection.linger();
    }
}

/// The present time (RFC 9110, section 5.6.7).
fn http_date() -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let now = SystemTime::now();
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    // 1970 began on a Thursday.
    let day = DAYS[(seconds / 86400 % 7) as usize];
    let text = humantime::format_rfc3339_seconds(now).to_string();
    let month = text[5..7].parse::<usize>().map_or("Jan", |month| MONTHS[month - 1]);
    format!("{day}, {} {month} {} {} GMT", &text[8..10], &text[..4], &text[11..19])
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Request Entity Too Large",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}
