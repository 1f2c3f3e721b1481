//! A small HTTP server that answers whatever a test wants, right or wrong.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What was asked. Names of headers are in lower case.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

#[derive(Debug, Clone)]
pub enum Body {
    Whole(Vec<u8>),
    /// The length is said to be another.
    Said(Vec<u8>, u64),
    /// In chunks, with a pause between them.
    Slow(Vec<u8>, std::time::Duration),
    /// The same again and again, in chunks, until the client has enough.
    Endless(Vec<u8>),
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![], body: Body::Whole(body.into()) }
    }

    pub fn with(status: u16, body: Body) -> Self {
        Self { status, headers: vec![], body }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// Lives as long as the test's process; its port is the network namespace's own.
#[derive(Debug, Clone)]
pub struct Server {
    pub host: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Listens on an address of the calling thread's network namespace, which its threads share.
    pub fn start(address: &str, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        crate::registry::network_up();
        let listener = TcpListener::bind(address).expect("a free port");
        let host = listener.local_addr().expect("it is bound").to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (requests.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (log.clone(), answer.clone());
                // A client that goes away in the middle is the point of many tests.
                std::thread::spawn(move || drop(serve(stream, &log, &*answer)));
            }
        });
        Self { host, requests }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Those of a method whose path has a part.
    pub fn asked(&self, method: &str, part: &str) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.method == method && request.path.contains(part));
        requests
    }
}

fn serve(
    stream: TcpStream,
    log: &Mutex<Vec<Request>>,
    answer: &dyn Fn(&Request) -> Reply,
) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        log.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(request.clone());
        let reply = answer(&request);
        write(&mut writer, &reply, request.method == "HEAD")?;
        if matches!(reply.body, Body::Said(..)) {
            return Ok(());
        }
    }
    Ok(())
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    // A client that speaks TLS sends no text.
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let body = match headers.get("transfer-encoding").map(String::as_str) {
        Some("chunked") => chunks(reader)?,
        _ => {
            let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            body
        }
    };
    Ok(Some(Request { method, path, headers, body }))
}

/// A body whose length is not known before it ends.
fn chunks(reader: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim_end(), 16).map_err(std::io::Error::other)?;
        let start = body.len();
        body.resize(start + length, 0);
        reader.read_exact(&mut body[start..])?;
        reader.read_line(&mut line)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

fn write(writer: &mut TcpStream, reply: &Reply, head_only: bool) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Said\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match &reply.body {
        Body::Whole(bytes) => head.push_str(&format!("content-length: {}\r\n\r\n", bytes.len())),
        Body::Said(_, length) => head.push_str(&format!("content-length: {length}\r\n\r\n")),
        Body::Slow(..) | Body::Endless(_) => head.push_str("transfer-encoding: chunked\r\n\r\n"),
    }
    writer.write_all(head.as_bytes())?;
    if head_only {
        return Ok(());
    }
    let chunk = |writer: &mut TcpStream, bytes: &[u8]| {
        write!(writer, "{:x}\r\n", bytes.len())?;
        writer.write_all(bytes)?;
        writer.write_all(b"\r\n")
    };
    match &reply.body {
        Body::Whole(bytes) | Body::Said(bytes, _) => writer.write_all(bytes),
        Body::Slow(bytes, pause) => {
            for piece in bytes.chunks(4096) {
                chunk(writer, piece)?;
                std::thread::sleep(*pause);
            }
            writer.write_all(b"0\r\n\r\n")
        }
        Body::Endless(bytes) => loop {
            chunk(writer, bytes)?;
        },
    }
}
