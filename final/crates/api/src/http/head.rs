//! The head of a request: its line and its header fields.

use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;

use super::connection::Connection;
use super::query::Query;
use crate::failure::{Failure, Result};

/// A longer head is refused. Clients send the credentials of all their registries in a field.
const MAX_LENGTH: usize = 256 * 1024;
const MAX_FIELDS: usize = 128;

/// Clients name each of the images that they save.
const MAX_PARAMETERS: usize = 10_000;

/// How long a client may take to send a head that it has begun.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How a request's body ends (RFC 9112, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
}

#[derive(Debug)]
pub struct Head {
    pub method: String,
    /// Decoded.
    pub path: String,
    pub query: Query,
    /// As the client has sent it.
    pub query_text: String,
    pub framing: Framing,
    /// HTTP/1.1 and not HTTP/1.0.
    pub is_1_1: bool,
    pub keeps_alive: bool,
    /// The client sends the body when it is told to (`Expect: 100-continue`).
    pub expects_continue: bool,
    /// Names in lower case.
    fields: Vec<(String, String)>,
}

impl Head {
    /// Reads the next request's head. `None` if the client has closed the connection before it. A client may take as long as
    /// it wants before it begins one, and not while it sends one.
    pub fn read(connection: &mut Connection) -> Result<Option<Self>> {
        let mut deadline = None;
        // A client may send a byte at a time, so a head is not parsed again until it is whole, or twice as long.
        let (mut searched, mut next_parse) = (0, 0);
        loop {
            // RFC 9112, section 2.2: an empty line before a request is ignored.
            while connection.buffered().starts_with(b"\r\n") {
                connection.consume(2);
                (searched, next_parse) = (0, 0);
            }
            let bytes = connection.buffered();
            if !bytes.is_empty() && (bytes.len() >= next_parse || has_end(bytes, searched)) {
                next_parse = bytes.len() * 2;
                if let Some((head, length)) = parse(bytes)? {
                    connection.consume(length);
                    return Ok(Some(head));
                }
            }
            searched = connection.buffered().len();
            if searched > MAX_LENGTH {
                return Err(Failure::new(431, "the request's header fields are too large"));
            }
            let is_first = searched == 0;
            if !is_first {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + TIMEOUT);
                if !connection.receives_before(deadline).map_err(Failure::client_gone)? {
                    return Err(Failure::new(408, "the request's head took too long"));
                }
            }
            match connection.fill() {
                Ok(0) if is_first => return Ok(None),
                Ok(0) => return Err(Failure::invalid("the request ends within its head")),
                Ok(_) => {}
                Err(error) => return Err(Failure::client_gone(error)),
            }
        }
    }

    /// The value of a header field, by its name in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Whether the body is longer than so many bytes, or of unknown length.
    pub fn has_body_beyond(&self, length: u64) -> bool {
        !matches!(self.framing, Framing::Length(own) if own <= length)
    }

    /// Whether the list in a header field contains a word.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        lists(&self.fields, name, word)
    }
}

/// Whether the bytes from `start` on contain an empty line, which may have begun before.
fn has_end(bytes: &[u8], start: usize) -> bool {
    let bytes = &bytes[start.saturating_sub(3)..];
    bytes.windows(2).any(|two| two == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

fn lists(fields: &[(String, String)], name: &str, word: &str) -> bool {
    let values = fields.iter().filter(|(own, _)| own == name);
    values.flat_map(|(_, value)| value.split(',')).any(|own| own.trim().eq_ignore_ascii_case(word))
}

/// A whole head and its length, or `None` if more has to be read.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Failure::new(431, "the request has too many header fields"));
        }
        Err(error) => return Err(Failure::invalid(format!("malformed request: {error}"))),
    };
    let text = |bytes: &[u8]| {
        std::str::from_utf8(bytes)
            .map(|text| text.trim().to_owned())
            .map_err(|_| Failure::invalid("malformed request: a header field is not UTF-8"))
    };
    let mut fields = Vec::with_capacity(request.headers.len());
    for field in request.headers.iter() {
        fields.push((field.name.to_ascii_lowercase(), text(field.value)?));
    }
    // RFC 9112, section 3.2.
    if fields.iter().filter(|(name, _)| name == "host").count() > 1 {
        return Err(Failure::invalid("the request has several hosts"));
    }
    let is_1_1 = request.version == Some(1);
    let target = request.path.unwrap_or_default();
    let (path, query_text) = split_target(target)?;
    let keeps_alive = match is_1_1 {
        true => !lists(&fields, "connection", "close"),
        false => lists(&fields, "connection", "keep-alive"),
    };
    if is_1_1 {
        check(&fields)?;
    }
    let head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path,
        query: Query::parse(&query_text),
        query_text,
        framing: framing(&fields, is_1_1)?,
        is_1_1,
        keeps_alive,
        expects_continue: is_1_1 && lists(&fields, "expect", "100-continue"),
        fields,
    };
    Ok(Some((head, length)))
}

/// What HTTP/1.1 demands of header fields: one Host (RFC 9112, section 3.2), and no expectation that is not understood (RFC
/// 9110, section 10.1.1).
fn check(fields: &[(String, String)]) -> Result<()> {
    let all = |name: &'static str| fields.iter().filter(move |(own, _)| own == name).map(|(_, value)| value);
    if all("host").count() != 1 {
        return Err(Failure::invalid("the request has no Host, or several"));
    }
    match all("expect").find(|value| !value.eq_ignore_ascii_case("100-continue")) {
        Some(value) => Err(Failure::new(417, format!("unknown expectation {value:?}"))),
        None => Ok(()),
    }
}

/// The target is a path, or a whole URL (RFC 9112, section 3.2).
fn split_target(target: &str) -> Result<(String, String)> {
    let rest = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find(['/', '?']).map_or("/", |start| &rest[start..])
        }
        _ => target,
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !path.starts_with('/') {
        return Err(Failure::invalid(format!("malformed request: the target {target:?} is no path")));
    }
    let path = percent_decode_str(path).decode_utf8();
    let path = path.map_err(|_| Failure::invalid("malformed request: the path is not UTF-8"))?;
    if path.contains('\0') {
        return Err(Failure::invalid("malformed request: the path contains a zero byte"));
    }
    if query.bytes().filter(|byte| *byte == b'&').count() > MAX_PARAMETERS {
        return Err(Failure::invalid("malformed request: the query has too many parameters"));
    }
    Ok((path.into_owned(), query.to_owned()))
}

/// A request whose length can be read in two ways is refused (RFC 9112, section 6.3): a proxy before this server might read
/// the other one.
fn framing(fields: &[(String, String)], is_1_1: bool) -> Result<Framing> {
    let all = |name: &'static str| fields.iter().filter(move |(own, _)| own == name).map(|(_, value)| value);
    let lengths: Vec<&String> = all("content-length").collect();
    let codings: Vec<&String> = all("transfer-encoding").collect();
    match (codings.as_slice(), lengths.as_slice()) {
        ([], []) => Ok(Framing::Length(0)),
        ([], [first, others @ ..]) => {
            let is_number = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
            let length =
                first.parse().ok().filter(|_| is_number && others.iter().all(|other| other == first));
            length.map(Framing::Length).ok_or_else(|| Failure::invalid("bad Content-Length"))
        }
        ([coding], []) if is_1_1 && coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        ([_], []) => Err(Failure::new(501, "unsupported transfer encoding")),
        _ => Err(Failure::invalid("the request has several lengths")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Head> {
        parse(text.as_bytes()).map(|head| head.expect("a whole head").0)
    }

    #[test]
    fn a_target_is_a_path_or_a_url() {
        let head =
            head("GET http://docker/v1.41/images/a%2Fb/json?x=1%202&y HTTP/1.1\r\nHost: d\r\n\r\n").unwrap();
        assert_eq!(head.path, "/v1.41/images/a/b/json");
        assert_eq!((head.query.text("x"), head.query.text("y")), (Some("1 2"), None));
        assert!(head.keeps_alive && head.framing == Framing::Length(0));
    }

    #[test]
    fn two_lengths_are_refused() {
        for fields in [
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: +1",
            "Content-Length: ",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        ] {
            assert!(head(&format!("POST / HTTP/1.1\r\nHost: d\r\n{fields}\r\n\r\n")).is_err(), "{fields}");
        }
        let twice =
            head("POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n").unwrap();
        assert_eq!(twice.framing, Framing::Length(5));
    }
}
