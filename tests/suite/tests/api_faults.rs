//! Hostile and unlucky clients of docker's API, and processes of the server that are killed.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hull_test_support::Scenario;
use hull_test_support::http::{Api, Client};
use hull_test_support::outcome::{Running, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

/// What a process of the server may take for one connection, in kB, in a build for debugging.
const MEMORY: u64 = 6000;

fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    stream
}

/// Sends bytes, then nothing more, and returns all that is answered.
fn send(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = connect(socket);
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    rest(&mut stream)
}

fn rest(stream: &mut UnixStream) -> String {
    let mut answer = Vec::new();
    let mut bytes = [0; 65536];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => break,
            Ok(length) => answer.extend(&bytes[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error} after {}", String::from_utf8_lossy(&answer)),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The statuses of answers.
fn statuses(answers: &str) -> Vec<u16> {
    let lines = answers.split("HTTP/1.1 ").skip(1);
    lines.map(|line| line[..3].parse().expect("a status")).collect()
}

fn children(pid: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect()
}

/// Memory of a process that is its own, in kB.
fn memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse().expect("a number"))
}

/// The largest of the server's processes.
fn most_memory(pid: i32) -> u64 {
    let workers = children(pid);
    let below: Vec<i32> = workers.iter().flat_map(|worker| children(*worker)).collect();
    workers.into_iter().chain(below).chain([pid]).map(memory).max().unwrap_or(0)
}

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
