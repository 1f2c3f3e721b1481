//! Attachments: before the start, to what runs, with and without stdin.

use hull_test_support::http::Opened;
use hull_test_support::outcome::{assert_stays, eventually};
use serde_json::json;
use std::time::Duration;

use crate::server::{self, end_input, frames, outputs, rest, send, take};

#[test]
fn a_container_is_created_attached_to_waited_for_and_started_as_dockers_client_does_it() {
    let Some(s) = server::start() else { return };
    for round in 0..5 {
        let name = format!("box{round}");
        let more = json!({"HostConfig": {"AutoRemove": true}, "AttachStdout": true, "AttachStderr": true});
        s.create(&name, "echo out; echo err >&2; exit 5", more);
        let mut attached = s.attach(&name, "stream=1&stdout=1&stderr=1");
        let removed = s.wait(&name, "removed");
        s.start(&name);
        assert_eq!(outputs(&mut attached), ("out\n".into(), "err\n".into()));
        assert_eq!(server::code(removed), 5);
        assert_eq!(s.client().get(&format!("/v1.41/containers/{name}/json")).status, 404);
    }
}

#[test]
fn the_end_of_a_clients_input_is_the_end_of_stdin_and_output_follows() {
    let Some(s) = server::start() else { return };
    let more = json!({"OpenStdin": true, "StdinOnce": true, "AttachStdin": true, "AttachStdout": true});
    s.create("box", "cat; echo the end", more);
    let mut attached = s.attach("box", "stream=1&stdin=1&stdout=1&stderr=1");
    send(&mut attached, b"before the start\n");
    s.start("box");
    send(&mut attached, b"hello\n");
    end_input(&attached);
    assert_eq!(outputs(&mut attached).0, "before the start\nhello\nthe end\n");
    assert_eq!(s.end_of("box"), 0);
}

/// Without `StdinOnce` the container keeps its stdin, and dockerd ends the attachment with its input.
#[test]
fn a_stdin_that_outlives_its_clients_stays_open() {
    let Some(s) = server::start() else { return };
    s.run("box", "while read line; do echo got $line; done", json!({"OpenStdin": true}));
    let mut first = s.attach("box", "stream=1&stdin=1&stdout=1");
    send(&mut first, b"one\n");
    assert_eq!(take(&mut first, 16), b"\x01\0\0\0\0\0\0\x08got one\n");
    end_input(&first);
    assert_eq!(rest(&mut first), b"", "the attachment has ended");
    let mut second = s.attach("box", "stream=1&stdin=1&stdout=1");
    send(&mut second, b"two\n");
    assert_eq!(take(&mut second, 16), b"\x01\0\0\0\0\0\0\x08got two\n");
    assert_eq!(s.inspect("box")["State"]["Running"], true);
    assert_eq!(s.client().delete("/v1.41/containers/box?force=1").status, 204);
    assert_eq!(rest(&mut second), b"");
}

#[test]
fn a_client_that_goes_takes_stdin_with_it_only_if_stdin_ends_with_its_first_client() {
    let Some(s) = server::start() else { return };
    for (name, once) in [("once", true), ("kept", false)] {
        s.run(name, "cat; echo end > /end", json!({"OpenStdin": true, "StdinOnce": once}));
        let attached = s.attach(name, "stream=1&stdin=1&stdout=1");
        drop(attached);
    }
    assert_eq!(s.end_of("once"), 0);
    assert_stays("the other one runs", Duration::from_millis(200), || {
        s.inspect("kept")["State"]["Running"] == true
    });
}

#[test]
fn only_the_streams_that_are_asked_for_are_sent() {
    let Some(s) = server::start() else { return };
    for (name, query, expected) in
        [("out", "stdout=1", ("out\n", "")), ("err", "stderr=1", ("", "err\n")), ("none", "", ("", ""))]
    {
        s.create(name, "echo out; echo err >&2", json!({}));
        let mut attached = s.attach(name, &format!("stream=1&{query}"));
        s.start(name);
        assert_eq!(outputs(&mut attached), (expected.0.to_owned(), expected.1.to_owned()), "{name}");
    }
}

#[test]
fn what_was_written_before_is_replayed_and_continued_without_a_gap_and_without_a_repetition() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    let script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo the end; sleep 300";
    s.run("box", script, json!({}));
    let numbered = (0..20000).map(|number| format!("line {number}"));
    let expected: Vec<String> = numbered.chain(["the end".to_owned()]).collect();
    // Each is read at once: one that is not read would hold up the container.
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let client = s.attach("box", "stream=1&logs=1&stdout=1&stderr=1");
            std::thread::spawn(move || lines_to(client, "the end"))
        })
        .collect();
    for reader in readers {
        let lines = reader.join().expect("all of it comes");
        let different = lines.iter().zip(&expected).find(|(one, other)| one != other);
        assert_eq!((different, lines.len()), (None, expected.len()));
    }
}

/// The lines in docker's frames, up to the last one.
fn lines_to(mut client: Opened, last: &str) -> Vec<String> {
    let mut text = Vec::new();
    while !text.ends_with(format!("{last}\n").as_bytes()) {
        let head = take(&mut client, 8);
        let length = u32::from_be_bytes(head[4..].try_into().expect("four bytes"));
        text.extend(take(&mut client, length as usize));
    }
    String::from_utf8(text).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn a_line_that_has_only_begun_is_replayed_too() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    s.run("box", "echo one; echo -n begun; read x; echo ' ended'", json!({"OpenStdin": true}));
    eventually("the line is in the log", || {
        s.client().get("/v1.41/containers/box/logs?stdout=1").text().contains("one")
    });
    let mut attached = s.attach("box", "stream=1&logs=1&stdin=1&stdout=1");
    let mut all = take(&mut attached, 12);
    send(&mut attached, b"x\n");
    all.extend(rest(&mut attached));
    let text: Vec<u8> = frames(&all).into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert_eq!(String::from_utf8_lossy(&text), "one\nbegun ended\n");
}

#[test]
fn a_terminal_is_one_stream_with_a_size_and_detach_keys() {
    let Some(s) = server::start() else { return };
    s.run(
        "box",
        "stty -echo; echo ready; read x; stty size; read y",
        json!({"OpenStdin": true, "Tty": true}),
    );
    let mut attached = s.attach("box", "stream=1&logs=1&stdin=1&stdout=1&stderr=1&detachKeys=ctrl-a,d");
    assert_eq!(take(&mut attached, 7), b"ready\r\n");
    let resized = s.client().post("/v1.41/containers/box/resize?h=30&w=91");
    assert_eq!((resized.status, resized.body.as_slice()), (200, &b""[..]), "{resized}");
    send(&mut attached, b"\n");
    assert_eq!(take(&mut attached, 7), b"30 91\r\n");
    send(&mut attached, b"\x01d");
    assert_eq!(String::from_utf8_lossy(&rest(&mut attached)), "");
    assert_eq!(s.inspect("box")["State"]["Running"], true);
}

#[test]
fn attaching_resizing_and_leaving_are_events() {
    let Some(s) = server::start() else { return };
    s.create("box", "stty -echo; echo ready; sleep 300", json!({"OpenStdin": true, "Tty": true}));
    let mut attached = s.attach("box", "stream=1&stdin=1&stdout=1");
    s.start("box");
    assert_eq!(take(&mut attached, 7), b"ready\r\n");
    assert_eq!(s.client().post("/v1.41/containers/box/resize?h=30&w=91").status, 200);
    eventually("it is resized", || s.events().iter().any(|event| event["Action"] == "resize"));
    send(&mut attached, b"\x10\x11");
    rest(&mut attached);
    eventually("each event is there", || {
        let events = s.events();
        let actions: Vec<_> = events.iter().filter_map(|event| event["Action"].as_str()).collect();
        actions == ["create", "attach", "start", "resize", "detach"]
    });
    let resized = s.events().into_iter().find(|event| event["Action"] == "resize").unwrap();
    let attributes = &resized["Actor"]["Attributes"];
    assert_eq!((&attributes["height"], &attributes["width"]), (&json!("30"), &json!("91")));
}

#[test]
fn an_attachment_ends_when_its_container_is_removed_before_it_starts() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    s.create("box", "true", json!({}));
    let mut attached = s.attach("box", "stream=1&stdout=1");
    assert_eq!(s.client().delete("/v1.41/containers/box").status, 204);
    assert_eq!(rest(&mut attached), b"");
}

#[test]
fn an_attachment_ends_with_its_run_although_another_one_follows() {
    let Some(s) = server::start() else { return };
    let more = json!({"HostConfig": {"RestartPolicy": {"Name": "always"}}});
    s.create("box", "echo run; sleep 0.1", more);
    let mut attached = s.attach("box", "stream=1&stdout=1");
    s.start("box");
    assert_eq!(outputs(&mut attached).0, "run\n");
    eventually("it runs again", || s.inspect("box")["RestartCount"].as_i64() > Some(0));
}

#[test]
fn a_running_container_started_by_the_command_line_is_attached_to_and_the_other_way_round() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    s.create("box", "echo first; read x; echo got $x", json!({"OpenStdin": true, "StdinOnce": true}));
    let mut attached = s.attach("box", "stream=1&stdin=1&stdout=1");
    s.scenario.ok(&["start", "box"]);
    send(&mut attached, b"it\n");
    assert_eq!(outputs(&mut attached).0, "first\ngot it\n");
}
