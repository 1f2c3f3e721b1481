//! Requests that are malformed, ambiguous, slow, or that have hostile names.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use hull_test_support::Scenario;
use hull_test_support::http::Api;
use serde_json::json;

use crate::client::{MEMORY, connect, most_memory, rest, send, statuses};

#[test]
fn a_request_that_can_be_read_in_two_ways_is_refused() {
    let Some(t) = Scenario::start() else { return };
    let api = Api::start(&t);
    let next = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";
    for head in [
        "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: -1\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 0x2\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 1,1\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length : 1\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: d\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: d\r\n folded: 1\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: d\r\nHost: e\r\n\r\n",
        "GET /x HTTP/1.1\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: d\r\nX: a\rb\r\n\r\n",
        "GET x HTTP/1.1\r\nHost: d\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nHost: d\r\n\r\n",
        "GET /\u{1}x HTTP/1.1\r\nHost: d\r\n\r\n",
        "GET /x HTTP/2.0\r\nHost: d\r\n\r\n",
        "GET /x HTTP/1.1 GET\r\nHost: d\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}",
    ] {
        let answer = send(api.socket(), (head.to_owned() + next).as_bytes());
        let found = statuses(&answer);
        assert!(found.len() == 1 && [400, 501].contains(&found[0]), "{head:?}: {answer}");
    }
    let unknown = send(api.socket(), b"POST /_ping HTTP/1.1\r\nHost: d\r\nExpect: something\r\n\r\n");
    assert_eq!(statuses(&unknown), [417], "{unknown}");
    // Chunks that are none. What follows them is not a request.
    let head = "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "z\r\n\r\n",
        "-1\r\n",
        "5\r\nabc\r\n",
        "3\r\nabcd\r\n",
        "1 \nx\n0\n\n",
        "ffffffffffffffffff\r\n",
        "\r\n",
        "2\nab",
    ] {
        let answer = send(api.socket(), [head, body, "0\r\n\r\n", next].concat().as_bytes());
        assert_eq!(statuses(&answer), [400], "{body:?}: {answer}");
    }
    let endless = format!("{head}5;{}", "x".repeat(10_000));
    assert_eq!(statuses(&send(api.socket(), endless.as_bytes())), [400]);
    let trailer = format!("{head}0\r\n{}", "X: y\r\n".repeat(10_000));
    assert_eq!(statuses(&send(api.socket(), trailer.as_bytes())), [400]);
    assert_eq!(api.client().get("/_ping").status, 200);
}

#[test]
fn heads_without_end_are_refused() {
    let Some(t) = Scenario::start() else { return };
    let api = Api::start(&t);
    for (begin, more) in [
        ("GET /_ping HTTP/1.1\r\n", "X-More: and more\r\n"),
        ("GET /_ping?", "and-more&"),
        ("GET /_ping HTTP/1.1\r\nX: ", "and more "),
        ("", "A"),
    ] {
        let bytes = begin.to_owned() + &more.repeat((4 << 20) / more.len());
        let answer = send(api.socket(), bytes.as_bytes());
        let found = statuses(&answer);
        assert!(found == [431] || found == [400], "{begin:?}: {answer}");
    }
    let many = format!("GET /_ping?{} HTTP/1.1\r\nHost: d\r\n\r\n", "a&".repeat(20_000));
    assert_eq!(statuses(&send(api.socket(), many.as_bytes())), [400]);
    assert!(most_memory(api.pid()) < MEMORY, "{} kB", most_memory(api.pid()));
}

#[test]
fn a_slow_head_is_given_up_and_a_kept_connection_is_not() {
    let Some(t) = Scenario::start() else { return };
    let api = Api::start(&t);
    let mut kept = api.client();
    assert_eq!(kept.get("/_ping").status, 200);
    // A byte now and then keeps it no longer.
    let mut slow = connect(api.socket());
    slow.write_all(b"GET /_ping HTTP/1.1\r\nX: ").unwrap();
    let begun = Instant::now();
    while slow.write_all(b"x").is_ok() && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(500));
    }
    let answer = rest(&mut slow);
    assert_eq!(statuses(&answer), [408], "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert_eq!(kept.get("/_ping").status, 200, "it was idle for longer than that");
}

#[test]
fn requests_may_come_in_one_piece_and_in_many() {
    let Some(t) = Scenario::start() else { return };
    let api = Api::start(&t);
    let ping = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";
    assert_eq!(statuses(&send(api.socket(), ping.repeat(500).as_bytes())), [200; 500]);
    let mut stream = connect(api.socket());
    for byte in ping.repeat(2).bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(statuses(&rest(&mut stream)), [200, 200]);
    // HTTP/1.0 closes, unless it is asked not to.
    let old = |field: &str| format!("GET /_ping HTTP/1.0\r\n{field}\r\n").repeat(2);
    assert_eq!(statuses(&send(api.socket(), old("").as_bytes())), [200]);
    assert_eq!(statuses(&send(api.socket(), old("Connection: keep-alive\r\n").as_bytes())), [200, 200]);
    // A body that is asked for, one that comes without being asked for, and one that nobody wants.
    let create = "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n";
    let body = r#"{"Image":"none"}"#;
    let mut stream = connect(api.socket());
    write!(stream, "{create}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
    let mut head = [0; 25];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(statuses(&rest(&mut stream)), [404]);
    let unasked =
        format!("{create}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n{body}{ping}", body.len());
    assert_eq!(statuses(&send(api.socket(), unasked.as_bytes())), [100, 404, 200]);
    let unwanted =
        format!("POST /containers/none/start HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\n\r\nhello{ping}");
    assert_eq!(statuses(&send(api.socket(), unwanted.as_bytes())), [404, 200]);
}

#[test]
fn names_lead_nowhere_else() {
    let Some(t) = Scenario::with_busybox() else { return };
    let api = Api::start(&t);
    t.ok(&["volume", "create", "own"]);
    t.write("data/secret", "secret");
    let mut client = api.client();
    let long = "x".repeat(5000);
    for name in [
        "..",
        ".",
        "%2e%2e",
        "..%2f..%2fsecret",
        "%2fetc%2fpasswd",
        "..%5c",
        "a%0ab",
        "%1b[2J",
        "%ff%fe",
        "-",
        "%20",
        "a%00b",
        &long,
    ] {
        for target in [
            "GET /containers/{}/json",
            "POST /containers/{}/start",
            "POST /containers/{}/rename?name=y",
            "DELETE /containers/{}",
            "GET /containers/{}/archive?path=/",
            "POST /containers/{}/exec",
            "POST /containers/create?name={}",
            "GET /exec/{}/json",
            "POST /exec/{}/start",
            "GET /volumes/{}",
            "DELETE /volumes/{}",
            "DELETE /networks/{}",
            "GET /networks/{}",
            "GET /images/{}/json",
            "DELETE /images/{}",
            "GET /images/{}/get",
        ] {
            let (method, path) = target.split_once(' ').unwrap();
            let path = path.replace("{}", name);
            let body = json!({"Image": "busybox", "Cmd": ["true"]}).to_string();
            let answer = client.send(method, &path, &[("Content-Type", "application/json")], body.as_bytes());
            // dockerd sends a client to the path without dots.
            let is_sent_on =
                answer.status == 301 && answer.field("location").is_some_and(|to| to.starts_with('/'));
            assert!((400..500).contains(&answer.status) || is_sent_on, "{method} {path}: {answer}");
        }
        for (target, body) in [
            ("/volumes/create", json!({"Name": name.replace("%2f", "/").replace("%2e", ".")})),
            ("/networks/create", json!({"Name": name.replace("%2f", "/").replace("%2e", ".")})),
        ] {
            let answer = client.post_json(target, &body);
            // A name with a percent sign is only odd.
            let is_refused = (400..500).contains(&answer.status);
            assert!(is_refused || name == "-" || name.contains('%'), "{target} {body}: {answer}");
        }
    }
    assert_eq!(fs::read_to_string(t.path("data/secret")).unwrap(), "secret");
    assert_eq!(t.ok(&["volume", "ls", "-q"]), "own");
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}
