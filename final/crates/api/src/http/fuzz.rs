//! Whatever a client sends, it is read as requests or refused: no panic, no endless loop, and the requests after a good one are
//! read from where it ends.
//!
//! `HULL_FUZZ_SECONDS` is how long it runs. Continuous integration sets it to a minute.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use hull_docker::wire::container::CreateRequest;

use super::{Connection, Exchange, Head};
use crate::version::ApiVersion;

/// xorshift64*: a different walk each time, and told when it led somewhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound.max(1) as u64) as usize
    }
}

const SEEDS: [&str; 9] = [
    "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n",
    "HEAD http://d/v1.41/_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n",
    "GET /containers/json?all=1&limit=-1&filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D HTTP/1.0\r\n\r\n",
    "POST /v1.51/containers/create?name=x HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{\"Image\":\"x\",\"Cmd\":[\"y\",1]}",
    "POST /build?t=a&t=b HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;a=b\r\nhello\r\n1F\r\n0123456789012345678901234567890\r\n0\r\nX: y\r\n\r\n",
    "PUT /containers/%2e%2e/archive?path=%2F HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    "POST /exec/x/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"Detach\":false}",
    "\r\n\r\nDELETE /images/a/b/c%3Ad?force=True HTTP/1.1\r\nHost: d\r\nX-Registry-Auth: e30=\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
];

const PIECES: [&str; 26] = [
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    ":",
    ",",
    ";",
    "%",
    "%00",
    "%2f",
    "+",
    "&",
    "=",
    "?",
    "#",
    "0",
    "-1",
    "ffffffffffffffff",
    "18446744073709551615",
    "chunked",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "\r\n\r\n",
    "\0",
    "é",
];

fn changed(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=random.below(3) {
        bytes.extend(SEEDS[random.below(SEEDS.len())].bytes());
    }
    for _ in 0..random.below(8) {
        let at = random.below(bytes.len() + 1);
        match random.below(4) {
            0 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            1 => drop(bytes.splice(at..(at + random.below(12)).min(bytes.len()), [])),
            2 => {
                let piece = bytes[at..(at + random.below(80)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
        }
    }
    bytes
}

/// Reads a connection to its end: the method, path and body of each request, until one is refused.
fn read(pieces: &[&[u8]]) -> Vec<(String, String, Vec<u8>)> {
    let (server, mut client) = UnixStream::pair().unwrap();
    let mut connection = Connection::new(server.into());
    let mut requests = Vec::new();
    let mut pieces = pieces.iter();
    // The first pieces are there when the request is read, and the others come while it is.
    std::thread::scope(|scope| {
        client.write_all(pieces.next().copied().unwrap_or_default()).unwrap();
        scope.spawn(move || {
            for piece in pieces {
                let _ = client.write_all(piece);
            }
            let _ = client.shutdown(Shutdown::Write);
            let _ = std::io::copy(&mut client, &mut std::io::sink());
        });
        while let Ok(Some(head)) = Head::read(&mut connection) {
            let mut exchange = Exchange::new(&mut connection, head);
            let path = exchange.head().path.clone();
            let method = exchange.head().method.clone();
            let mut body = Vec::new();
            let is_whole = exchange.body().read_to_end(&mut body).is_ok();
            ask(&exchange);
            let answered = exchange.empty(204);
            let keeps = exchange.conclude(answered);
            assert!(is_whole || !keeps, "a request is read after a body that is cut short");
            if is_whole {
                requests.push((method, path, body));
            }
            if !keeps {
                break;
            }
        }
        drop(connection);
    });
    requests
}

/// What handlers read from a request.
fn ask(exchange: &Exchange<'_>) {
    let path = exchange.head().path.as_str();
    assert!(path.starts_with('/') && !path.contains('\0'));
    let _ = ApiVersion::split(path);
    let query = exchange.query();
    let _ = (query.flag("all"), query.number("limit"), query.filters(), query.text("name"));
    assert!(query.all("t").count() < 1000);
}

fn check(bytes: &[u8], random: &mut Random) {
    let whole = read(&[bytes]);
    // However the bytes are divided, the requests are the same.
    let middle = random.below(bytes.len() + 1);
    let (first, rest) = bytes.split_at(middle);
    let (second, third) = rest.split_at(random.below(rest.len() + 1));
    assert_eq!(read(&[first, second, third]), whole);
    let _ = hull_docker::wire::lenient::from_slice::<CreateRequest>(bytes);
}

#[test]
fn any_bytes_are_requests_or_refused() {
    let seconds = std::env::var("HULL_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2.0);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut random = Random(std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64) | 1);
    let mut count = 0;
    while Instant::now() < end {
        let bytes = changed(&mut random);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&bytes, &mut random)));
        assert!(outcome.is_ok(), "these bytes did it: {}", bytes.escape_ascii());
        count += 1;
    }
    eprintln!("{count} connections");
}

#[test]
fn the_requests_of_a_connection_are_read_in_turn() {
    let paths = |requests: Vec<(String, String, Vec<u8>)>| {
        requests.into_iter().map(|(_, path, _)| path).collect::<Vec<_>>()
    };
    let three = [SEEDS[4], SEEDS[3], SEEDS[0]].concat();
    assert_eq!(paths(read(&[three.as_bytes()])), ["/build", "/v1.51/containers/create", "/_ping"]);
    // Nothing after a request with two lengths is one.
    assert_eq!(paths(read(&[[SEEDS[8], SEEDS[0]].concat().as_bytes()])), Vec::<String>::new());
    let body = &read(&[SEEDS[4].as_bytes()])[0].2;
    assert_eq!(body, b"hello0123456789012345678901234567890");
}
