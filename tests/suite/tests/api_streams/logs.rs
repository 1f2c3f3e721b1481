//! The log of a container.

use std::io::Read;

use hull_test_support::outcome::eventually;
use serde_json::json;

use crate::server::{self, frames, outputs};

fn logs(s: &server::Server, name: &str, query: &str) -> Vec<(u8, String)> {
    let answer = s.client().get(&format!("/v1.41/containers/{name}/logs?{query}"));
    assert_eq!(answer.status, 200, "{answer}");
    let text = |(stream, bytes)| (stream, String::from_utf8(bytes).expect("text"));
    frames(&answer.body).into_iter().map(text).collect()
}

#[test]
fn each_line_is_a_frame_of_its_stream() {
    let Some(s) = server::start() else { return };
    s.run("box", "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three", json!({}));
    s.end_of("box");
    let all = [(1, "one\n".to_owned()), (2, "two\n".into()), (1, "three\n".into())];
    assert_eq!(logs(&s, "box", "stdout=1&stderr=1"), all);
    assert_eq!(logs(&s, "box", "stderr=true"), all[1..2]);
    assert_eq!(logs(&s, "box", "stdout=True&tail=1"), all[2..]);
    assert_eq!(logs(&s, "box", "stdout=1&stderr=1&tail=0"), []);
    assert_eq!(logs(&s, "box", "stdout=1&stderr=1&since=1.5&until=9999999999"), all);
    assert_eq!(logs(&s, "box", "stdout=1&stderr=1&until=1"), []);
    let (_, stamped) = &logs(&s, "box", "stdout=1&timestamps=1")[0];
    let (time, text) = stamped.split_once(' ').expect("a time");
    assert!(time.ends_with('Z') && time.len() == 30 && text == "one\n", "{stamped}");
}

#[test]
fn following_ends_with_the_container() {
    let Some(s) = server::start() else { return };
    s.run("box", "for i in 1 2 3; do echo $i; sleep 0.1; done", json!({}));
    let mut following = s.client().open("GET", "/v1.41/containers/box/logs?stdout=1&follow=1", &[], b"");
    let mut first = [0; 10];
    following.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"\x01\0\0\0\0\0\0\x021\n");
    assert_eq!(outputs(&mut following).0, "2\n3\n");
}

#[test]
fn the_type_tells_whether_there_are_frames() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    s.run("pipes", "echo one", json!({}));
    s.run("tty", "echo one", json!({"Tty": true}));
    for (name, kind) in [("pipes", "multiplexed"), ("tty", "raw")] {
        s.end_of(name);
        let answer = s.client().get(&format!("/v1.51/containers/{name}/logs?stdout=1"));
        assert_eq!(answer.field("content-type"), Some(&*format!("application/vnd.docker.{kind}-stream")));
    }
    assert_eq!(s.client().get("/containers/tty/logs?stdout=1").body, b"one\r\n");
}

#[test]
fn a_reader_that_goes_ends_its_following() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    s.run("box", "sleep 300", json!({}));
    let before = crate::faults::workers(&s);
    let following = s.client().open("GET", "/v1.41/containers/box/logs?stdout=1&follow=1", &[], b"");
    drop(following);
    eventually("its process ends", || crate::faults::workers(&s) <= before);
}
