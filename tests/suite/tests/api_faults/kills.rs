//! Processes of the server that are killed, clients that go away, and what containers keep of either.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use hull_test_support::Scenario;
use hull_test_support::http::Api;
use hull_test_support::outcome::eventually;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::client::{children, connect, send, statuses};

/// The files, sockets and pipes that a process has open.
fn descriptors(pid: i32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").flatten();
    entries
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|link| link.display().to_string())
        .collect()
}

#[test]
fn a_container_holds_nothing_of_the_server() {
    let Some(t) = Scenario::with_busybox() else { return };
    let api = Api::with(&t, &["--log"]);
    let mut client = api.client();
    assert_eq!(client.get("/_ping").status, 200);
    client
        .post_json("/containers/create?name=one", &json!({"Image": "busybox", "Cmd": ["sleep", "1000"]}))
        .ok(201);
    assert_eq!(client.post("/containers/one/start").status, 204);
    let workers = children(api.pid());
    let of_server: Vec<String> =
        workers.iter().chain([&api.pid()]).flat_map(|pid| descriptors(*pid)).collect();
    let shared = ["socket:", "pipe:", "anon_inode:[signalfd]", "serve.log"];
    for pid in [t.monitor_of("one"), t.pid_of("one")] {
        let own = descriptors(pid);
        let leaked: Vec<_> = own
            .iter()
            .filter(|link| shared.iter().any(|kind| link.contains(kind)) && !link.starts_with("anon_inode"))
            .filter(|link| of_server.contains(link))
            .collect();
        assert!(leaked.is_empty(), "process {pid} holds {leaked:?} of {own:?}");
    }
    drop(client);
    // The client sees the end of its connection although the container runs.
    let answer =
        send(api.socket(), b"POST /containers/one/restart?t=0 HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(statuses(&answer), [204]);
}

/// Container after container, until the connection breaks. Returns how many were whole.
fn churn(socket: &Path, name: &str) -> usize {
    let body = json!({"Image": "busybox", "Cmd": ["sh", "-c", "sleep 0.01"]}).to_string();
    let requests = [
        format!(
            "POST /containers/create?name={name} HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
        format!("POST /containers/{name}/start HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n"),
        format!("POST /containers/{name}/wait HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n"),
        format!("DELETE /containers/{name}?force=1 HTTP/1.1\r\nHost: d\r\n\r\n"),
    ];
    for count in 0.. {
        let Ok(mut stream) = UnixStream::connect(socket) else { return count };
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        for request in &requests {
            if stream.write_all(request.as_bytes()).is_err() {
                return count;
            }
            let mut answer = [0; 4096];
            match stream.read(&mut answer) {
                Ok(1..) => {}
                Ok(0) => return count,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return count,
                Err(error) => panic!("{request}: {error}"),
            }
            // The rest of a stream.
            let answer = String::from_utf8_lossy(&answer).into_owned();
            let is_stream = request.contains("/wait") && answer.contains(" 200 OK");
            if is_stream && !answer.contains("\r\n0\r\n\r\n") {
                let _ = stream.read(&mut [0; 4096]);
            }
        }
    }
    unreachable!()
}

#[test]
fn kill_9_of_any_process_loses_nothing() {
    let Some(t) = Scenario::with_busybox() else { return };
    for round in 0..8_u64 {
        let api = Api::start(&t);
        let socket = api.socket().to_owned();
        let threads: Vec<_> = (0..3)
            .map(|number| {
                let socket = socket.clone();
                std::thread::spawn(move || churn(&socket, &format!("c{number}")))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(60 + round * 13));
        let pid = api.pid();
        let victims = match round % 4 {
            0 => vec![pid],
            1 => children(pid),
            2 => children(pid).iter().flat_map(|worker| children(*worker)).collect(),
            _ => {
                let workers = children(pid);
                let below = workers.iter().flat_map(|worker| children(*worker)).collect::<Vec<_>>();
                [vec![pid], workers, below].concat()
            }
        };
        for victim in victims {
            let _ = kill(Pid::from_raw(victim), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(30));
        drop(api);
        for thread in threads {
            let _ = thread.join().unwrap();
        }
        // The next command repairs it, and the same names can be used again.
        for line in t.ok(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]).lines() {
            let name = line.split(' ').next().unwrap();
            t.ok(&["rm", "-f", name]);
        }
        assert_eq!(t.ok(&["ps", "-aq"]), "");
        for number in 0..3 {
            let name = format!("c{number}");
            t.ok(&["run", "--rm", "--name", &name, "busybox", "true"]);
        }
    }
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let Some(t) = Scenario::with_busybox() else { return };
    let api = Api::start(&t);
    let archive = t.path("busybox.tar");
    t.ok(&["save", "-o", archive.to_str().unwrap(), "busybox"]);
    t.ok(&["rmi", "busybox"]);
    let bytes = fs::read(&archive).unwrap();
    for target in ["POST /images/load", "POST /images/create?fromSrc=-&repo=x", "POST /build?t=x"] {
        let mut stream = connect(api.socket());
        write!(
            stream,
            "{target} HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        )
        .unwrap();
        stream.write_all(&bytes[..bytes.len() / 2]).unwrap();
        drop(stream);
        eventually("its worker ends", || {
            children(api.pid()).iter().all(|worker| children(*worker).is_empty())
        });
    }
    assert_eq!(t.ok(&["images", "-aq"]), "");
    eventually("only idle workers are left", || children(api.pid()).len() <= 3);
    t.ok(&["system", "prune", "-af"]);
    t.ok(&["load", "-i", archive.to_str().unwrap()]);
    assert_eq!(t.ok(&["run", "--rm", "busybox", "echo", "whole"]), "whole");
}
