//! `attach` over a websocket.

use serde_json::json;

use crate::server::{self, rest, send, take};

pub const HANDSHAKE: [(&str, &str); 5] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    // RFC 6455, section 1.3.
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Origin", "http://localhost"),
];

#[test]
fn messages_are_stdin_and_output() {
    let Some(s) = server::start() else { return };
    s.run("box", "read x; echo got $x; echo err >&2; sleep 300", json!({"OpenStdin": true}));
    let target = "/v1.41/containers/box/attach/ws?stream=1&stdin=1&stdout=1&stderr=1";
    let mut opened = s.client().open("GET", target, &HANDSHAKE, b"");
    assert_eq!(opened.status, 101);
    assert_eq!(opened.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    // "it\n" with a mask of zeros.
    send(&mut opened, b"\x81\x83\0\0\0\0it\n");
    assert_eq!(take(&mut opened, 9), b"\x82\x07got it\n");
    assert_eq!(take(&mut opened, 6), b"\x82\x04err\n");
    assert_eq!(s.client().delete("/v1.41/containers/box?force=1").status, 204);
    rest(&mut opened);
}

#[test]
fn what_is_no_handshake_is_refused() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    s.run("box", "sleep 300", json!({}));
    let refused = s.client().get("/v1.41/containers/box/attach/ws?stream=1&stdout=1");
    assert_eq!(refused.fails(400), "not websocket protocol");
}
