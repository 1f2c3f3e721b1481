//! More than the server can take: large bodies, many clients, clients that do not read, too few descriptors.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hull_test_support::Scenario;
use hull_test_support::http::{Api, Client};
use hull_test_support::outcome::{Running, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::client::{MEMORY, children, connect, most_memory, rest, statuses};

#[test]
fn a_hundred_megabytes_of_nonsense_are_refused() {
    let Some(t) = Scenario::with_busybox() else { return };
    let api = Api::start(&t);
    t.ok(&["create", "--name", "one", "busybox", "true"]);
    let nonsense = "Jabberwocky ".repeat(100_000);
    for (target, kind) in [
        ("POST /containers/create", "application/json"),
        ("POST /images/load", "application/x-tar"),
        ("PUT /containers/one/archive?path=/", "application/x-tar"),
        ("POST /build", "application/x-tar"),
        ("POST /containers/one/start", "text/plain"),
        ("POST /nowhere", "text/plain"),
        ("POST /exec/none/start", "application/json"),
    ] {
        for is_chunked in [false, true] {
            let mut stream = connect(api.socket());
            let length = if is_chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 100000000" };
            write!(stream, "{target} HTTP/1.1\r\nHost: d\r\nContent-Type: {kind}\r\n{length}\r\n\r\n")
                .unwrap();
            let mut reader = stream.try_clone().unwrap();
            let answer = std::thread::spawn(move || rest(&mut reader));
            let mut most = 0;
            for _ in 0..84 {
                let piece = match is_chunked {
                    true => format!("{:x}\r\n{nonsense}\r\n", nonsense.len()),
                    false => nonsense.clone(),
                };
                if stream.write_all(piece.as_bytes()).is_err() {
                    break;
                }
                most = most.max(most_memory(api.pid()));
            }
            let _ = stream.shutdown(Shutdown::Write);
            let answer = answer.join().unwrap();
            let found = statuses(&answer);
            let is_refused = found.first().is_some_and(|status| (400..=500).contains(status))
                || answer.contains("error")
                || found == [204];
            assert!(is_refused, "{target} {is_chunked}: {answer}");
            assert!(most < MEMORY, "{target} {is_chunked}: {most} kB");
        }
    }
    assert_eq!(api.client().get("/_ping").status, 200);
}

#[test]
fn two_hundred_clients_are_served_at_once() {
    let Some(t) = Scenario::with_busybox() else { return };
    let api = Api::start(&t);
    let mut clients: Vec<Client> = (0..200).map(|_| api.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/_ping").status, 200);
    }
    // They stay connected, and all ask again at the same time.
    std::thread::scope(|scope| {
        for (number, client) in clients.iter_mut().enumerate() {
            scope.spawn(move || {
                let body = json!({"Image": "busybox", "Cmd": ["true"]});
                match number % 10 {
                    0 => drop(client.post_json(&format!("/containers/create?name=c{number}"), &body).ok(201)),
                    _ => assert_eq!(client.get("/_ping").status, 200),
                }
            });
        }
    });
    assert!(children(api.pid()).len() >= 200);
    assert_eq!(t.ok(&["ps", "-aq"]).lines().count(), 20);
    drop(clients);
    eventually("the workers end with their connections", || children(api.pid()).len() <= 3);
}

#[test]
fn a_client_that_does_not_read_keeps_nobody_waiting() {
    let Some(t) = Scenario::with_busybox() else { return };
    let api = Api::start(&t);
    t.ok(&["run", "--name", "one", "busybox", "sh", "-c", "seq 30000"]);
    let mut slow = connect(api.socket());
    slow.write_all(b"GET /containers/one/logs?stdout=1 HTTP/1.1\r\nHost: d\r\n\r\n").unwrap();
    // Some that read nothing of many answers.
    let mut deaf = connect(api.socket());
    deaf.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let ping = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n".repeat(1000);
    while deaf.write_all(ping.as_bytes()).is_ok() {}
    assert_eq!(api.client().get("/_ping").status, 200);
    assert!(most_memory(api.pid()) < MEMORY, "{} kB", most_memory(api.pid()));
    let mut log = Vec::new();
    let mut bytes = [0; 65536];
    while !log.ends_with(b"0\r\n\r\n") {
        let length = slow.read(&mut bytes).unwrap();
        assert!(length > 0, "the answer is cut short");
        log.extend(&bytes[..length]);
    }
    assert!(String::from_utf8_lossy(&log).contains("30000"));
}

#[test]
fn a_lack_of_descriptors_is_no_endless_loop() {
    let Some(t) = Scenario::start() else { return };
    let socket = t.path("run/s");
    let url = format!("unix://{}", socket.display());
    let mut served = 0;
    for limit in (4..28).step_by(2) {
        let hull = t.command(&["serve", "-H", &url]);
        let script = format!("ulimit -n {limit}; exec \"$@\"");
        let mut command = hull_test_support::outcome::wrapped(&["sh", "-c", &script, "sh"], &hull);
        let mut server = Running::start(command.stdin(Stdio::null()));
        let begun = Instant::now();
        let mut is_connected = false;
        while begun.elapsed() < Duration::from_millis(600) && !server.has_ended() {
            if let Ok(mut stream) = UnixStream::connect(&socket) {
                is_connected = true;
                stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                let _ = stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n");
                let mut answer = String::new();
                let _ = stream.read_to_string(&mut answer);
                served += usize::from(answer.contains("200 OK"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        if !server.has_ended() {
            let stat = fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
            // utime, stime, cutime and cstime, in hundredths of a second.
            let ticks: u64 = fields[11..15].iter().map(|text| text.parse::<u64>().unwrap()).sum();
            assert!(ticks < 40, "with {limit} descriptors it has run for {ticks}0 ms");
            kill(Pid::from_raw(server.pid()), Signal::SIGTERM).unwrap();
        } else {
            assert!(!is_connected || begun.elapsed() < Duration::from_secs(5));
        }
        let ended = server.wait();
        assert!(!ended.stderr.contains("panicked"), "{ended}");
        let _ = fs::remove_file(&socket);
    }
    assert!(served > 0, "with enough of them it serves");
}
