//! A client that sends exactly what a case says, and keeps exactly what is answered.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take. An engine's container start is the longest.
const PATIENCE: Duration = Duration::from_secs(40);

/// A connection that one request was sent on.
pub struct Connection {
    stream: UnixStream,
    /// What was received and not yet used.
    received: Vec<u8>,
    /// Whether an answer to it has no body: HEAD.
    is_head: bool,
}

#[derive(Debug, Clone)]
pub struct Head {
    /// `201 Created`.
    pub status: String,
    pub headers: Vec<(String, String)>,
}

impl Head {
    pub fn code(&self) -> u16 {
        self.status.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// How the end of the body is found.
    pub fn length(&self) -> Length {
        let code = self.code();
        if code == 101 {
            return Length::UntilClosed;
        }
        if self.header("Transfer-Encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Length::Chunked;
        }
        match self.header("Content-Length").map(str::parse) {
            Some(Ok(length)) => Length::Sized(length),
            _ if code == 204 || code == 304 => Length::None,
            _ => Length::UntilClosed,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    None,
    Sized(usize),
    Chunked,
    UntilClosed,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub head: Head,
    pub body: Vec<u8>,
    /// The body ended where its framing says.
    pub complete: bool,
}

/// Bytes of a request, and whether it is of the method HEAD.
pub struct Request {
    pub bytes: Vec<u8>,
    pub is_head: bool,
}

/// Builds the request of a case: its line, its headers, and the body.
pub fn request(text: &str, other_body: Option<Vec<u8>>) -> Request {
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end_matches('\n'), ""));
    let body = other_body.unwrap_or_else(|| body.trim_end_matches('\n').as_bytes().to_vec());
    let mut lines = head.lines();
    let line = lines.next().expect("a request has a line");
    let mut headers: Vec<(&str, String)> = vec![("Host", "docker".into())];
    if !body.is_empty() {
        headers.push(("Content-Type", "application/json".into()));
        headers.push(("Content-Length", body.len().to_string()));
    } else if line.starts_with("POST") || line.starts_with("PUT") {
        headers.push(("Content-Length", "0".into()));
    }
    for own in lines {
        let (name, value) = own.split_once(':').unwrap_or_else(|| panic!("{own:?} is no header"));
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        if name.eq_ignore_ascii_case("Transfer-Encoding") {
            headers.retain(|(known, _)| *known != "Content-Length");
        }
        if !value.trim().is_empty() {
            headers.push((name, value.trim().to_owned()));
        }
    }
    let chunked = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Transfer-Encoding"));
    let mut bytes = format!("{} HTTP/1.1\r\n", encode(line)).into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend(b"\r\n");
    if chunked {
        for chunk in body.chunks(1 << 16) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
    } else {
        bytes.extend(body);
    }
    Request { bytes, is_head: line.starts_with("HEAD") }
}

/// Filters are JSON, which is readable in a case and not valid in a query.
fn encode(line: &str) -> String {
    let Some((path, query)) = line.split_once('?') else { return line.to_owned() };
    let encoded = query.chars().map(|character| match character {
        '{' | '}' | '"' | '[' | ']' | '^' | '<' | '>' | '|' => format!("%{:02X}", u32::from(character)),
        ' ' => "+".into(),
        other => other.to_string(),
    });
    format!("{path}?{}", encoded.collect::<String>())
}

impl Connection {
    /// Connects and sends. An engine may answer and close before it has read everything.
    pub fn send(socket: &Path, request: &Request) -> Self {
        let mut stream = UnixStream::connect(socket).expect("the engine listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket has timeouts");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket has timeouts");
        let _ = stream.write_all(&request.bytes);
        Self { stream, received: Vec::new(), is_head: request.is_head }
    }

    /// The head, after those that only say to go on.
    pub fn head(&mut self) -> Result<Head, String> {
        loop {
            let end = loop {
                if let Some(end) = find(&self.received, b"\r\n\r\n") {
                    break end;
                }
                if !self.receive()? {
                    let received = String::from_utf8_lossy(&self.received).into_owned();
                    return Err(match received.is_empty() {
                        true => "closed without an answer".into(),
                        false => format!("no head: {received}"),
                    });
                }
            };
            let text = String::from_utf8_lossy(&self.received[..end]).into_owned();
            self.received.drain(..end + 4);
            let mut lines = text.split("\r\n");
            let status = lines.next().unwrap_or_default();
            let status = status.strip_prefix("HTTP/1.1 ").unwrap_or(status).to_owned();
            let headers = lines.filter_map(|line| line.split_once(':'));
            let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
            if !status.starts_with("100") {
                return Ok(Head { status, headers });
            }
        }
    }

    /// The body, or as much as there is after `lines` lines of it.
    pub fn body(mut self, head: Head, lines: Option<usize>) -> Answer {
        let length = if self.is_head { Length::None } else { head.length() };
        let mut body = Vec::new();
        let enough = |body: &[u8]| {
            lines.is_some_and(|lines| body.iter().filter(|byte| **byte == b'\n').count() >= lines)
        };
        let complete = match length {
            Length::None => true,
            Length::Sized(size) => {
                while self.received.len() < size && self.receive().unwrap_or(false) {}
                let complete = self.received.len() >= size;
                body.extend(self.received.drain(..size.min(self.received.len())));
                complete
            }
            Length::Chunked => loop {
                match self.chunk() {
                    Some(chunk) if chunk.is_empty() => break true,
                    Some(chunk) => body.extend(chunk),
                    None => break false,
                }
                if enough(&body) {
                    break true;
                }
            },
            Length::UntilClosed => loop {
                body.append(&mut self.received);
                if enough(&body) {
                    break true;
                }
                match self.receive() {
                    Ok(true) => (),
                    Ok(false) => break true,
                    Err(_) => break false,
                }
            },
        };
        Answer { head, body, complete }
    }

    fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = loop {
            if let Some(end) = find(&self.received, b"\r\n") {
                break end;
            }
            if !self.receive().ok()? {
                return None;
            }
        };
        let size = std::str::from_utf8(&self.received[..end]).ok()?.split(';').next()?.trim().to_owned();
        let size = usize::from_str_radix(&size, 16).ok()?;
        while self.received.len() < end + 2 + size + 2 {
            if !self.receive().ok()? {
                return None;
            }
        }
        let chunk = self.received[end + 2..end + 2 + size].to_vec();
        self.received.drain(..end + 2 + size + 2);
        Some(chunk)
    }

    /// Whether there was something more.
    fn receive(&mut self) -> Result<bool, String> {
        let mut buffer = [0; 1 << 16];
        match self.stream.read(&mut buffer) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.received.extend(&buffer[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(format!("nothing more arrives: {error}")),
        }
    }

    /// Waits for as many lines of a hijacked connection.
    pub fn await_lines(&mut self, lines: usize) {
        while self.received.iter().filter(|byte| **byte == b'\n').count() < lines {
            if !self.receive().unwrap_or(false) {
                break;
            }
        }
    }

    /// Writes to a hijacked connection.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub fn close_writing(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
