//! `hull serve` itself: its sockets, the processes that it serves, and how it begins and ends.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hull_test_support::http::{Api, Client};
use hull_test_support::outcome::{Running, eventually, run};
use hull_test_support::{Outcome, Scenario, Terminal, helper};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};

/// Starts `hull serve args…` and waits until its socket answers.
fn serve(t: &Scenario, args: &[&str], socket: &Path) -> Running {
    let running = Running::start(t.command(&[&["serve"], args].concat()).stdin(Stdio::null()));
    eventually("the server answers", || answers(socket));
    running
}

fn answers(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok() && Client::new(socket).get("/_ping").status == 200
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("it runs");
}

fn end(server: Running) -> Outcome {
    signal(server.pid(), Signal::SIGTERM);
    server.wait()
}

/// The pids of a process's children.
fn children(pid: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect()
}

fn exists(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// What a process with these ids gets from `GET /_ping`, by curl.
fn ping_as(ids: &[&str], socket: &Path) -> Outcome {
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(ids).args(["--", "curl", "-sS", "-w", " %{http_code}", "--unix-socket"]);
    run(command.arg(socket).arg("http://docker/_ping"))
}

#[test]
fn roots_socket_is_where_docker_has_it_for_root_and_the_group_docker() {
    let Some(t) = Scenario::start() else { return };
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let groups: String =
        groups.lines().filter(|l| !l.starts_with("docker:")).map(|l| l.to_owned() + "\n").collect();
    let file = t.write("group", groups.clone() + "docker:x:4242:\n");
    mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), None).unwrap();
    mount_bind(&file, "/etc/group").unwrap();
    let socket = Path::new("/run/docker.sock");
    let server = serve(&t, &[], socket);
    let made = socket.symlink_metadata().unwrap();
    assert!(made.file_type().is_socket());
    assert_eq!((made.mode() & 0o7777, made.uid(), made.gid()), (0o660, 0, 4242));
    for (ids, code) in [
        (&["--reuid", "4000", "--regid", "4000", "--groups", "5,4242"][..], "OK 200"),
        (&["--reuid", "4000", "--regid", "4242", "--clear-groups"], "OK 200"),
        (&["--reuid", "0", "--regid", "0", "--clear-groups"], "OK 200"),
    ] {
        assert_eq!(ping_as(ids, socket).ok(), code, "{ids:?}");
    }
    let other = ["--reuid", "4000", "--regid", "4000", "--groups", "5"];
    ping_as(&other, socket).fails(7);
    // Even if the modes let others in, they are not served.
    fs::set_permissions(socket, fs::Permissions::from_mode(0o666)).unwrap();
    let refused = ping_as(&other, socket);
    assert!(
        refused.ok().contains("permission denied: user 4000 may not use this socket")
            && refused.stdout.ends_with(" 403"),
        "{refused}"
    );
    end(server).ok();
    assert!(!socket.exists() && fs::read_dir("/run").unwrap().next().is_none(), "nothing is left");
    // Without the group.
    fs::write(&file, groups).unwrap();
    let server = serve(&t, &[], socket);
    let made = socket.symlink_metadata().unwrap();
    assert_eq!((made.mode() & 0o7777, made.gid()), (0o660, 0));
    end(server).ok();
    for target in ["/etc/group", "/run"] {
        unmount(target, UnmountFlags::DETACH).unwrap();
    }
}

#[test]
fn the_group_can_be_chosen() {
    let Some(t) = Scenario::start() else { return };
    for (group, mode, gid) in [("4343", 0o660, 4343), ("", 0o600, 0), ("daemon", 0o660, 1)] {
        let api = Api::with(&t, &["--group", group]);
        let made = api.socket().symlink_metadata().unwrap();
        assert_eq!((made.mode() & 0o7777, made.gid()), (mode, gid), "{group:?}");
    }
    let unknown = t.hull(&["serve", "--group", "nobody-has-this"]);
    assert!(unknown.fails(1).contains("there is no group nobody-has-this"), "{unknown}");
}

#[test]
fn an_unprivileged_users_socket_serves_that_user_and_root() {
    let Some(t) = Scenario::rootless() else { return };
    let runtime = t.run_root().parent().unwrap().to_owned();
    let socket = runtime.join("docker.sock");
    // The test's own process is root.
    let server = serve(&t, &[], &socket);
    let made = socket.symlink_metadata().unwrap();
    assert_eq!((made.mode() & 0o7777, made.uid()), (0o600, 12345));
    assert_eq!(ping_as(&["--reuid", "12345", "--regid", "12345", "--clear-groups"], &socket).ok(), "OK 200");
    let other = ["--reuid", "4000", "--regid", "4000", "--clear-groups"];
    fs::set_permissions(&runtime, fs::Permissions::from_mode(0o755)).unwrap();
    ping_as(&other, &socket).fails(7);
    end(server).ok();
    assert!(!socket.exists());
    // The user's own containers are made over it.
    t.busybox();
    let api = Api::start(&t);
    let mut client = api.client();
    let created = client
        .post_json("/containers/create?name=one", &serde_json::json!({"Image": "busybox", "Cmd": ["true"]}));
    created.ok(201);
    assert_eq!(client.post("/containers/one/start").status, 204);
    assert_eq!(client.post("/containers/one/wait").ok(200)["StatusCode"], 0);
    assert_eq!(t.ok(&["ps", "-a", "--format", "{{.Names}}"]), "one");
}

#[test]
fn a_dead_servers_socket_is_replaced_and_a_living_servers_is_not() {
    let Some(t) = Scenario::start() else { return };
    let socket = t.path("run/s");
    let url = format!("unix://{}", socket.display());
    let mut server = serve(&t, &["-H", &url], &socket);
    let second = t.hull(&["serve", "-H", &url]);
    let who = format!("hull (pid {}) already serves {}", server.pid(), socket.display());
    assert!(second.fails(1).contains(&who), "{second}");
    let workers = children(server.pid());
    server.kill();
    server.wait();
    assert!(socket.exists());
    eventually("idle workers end with their parent", || !workers.iter().any(|pid| exists(*pid)));
    // A worker that the processor had no time for still has the socket when the next server begins.
    let mut server = serve(&t, &["-H", &url], &socket);
    // Those that have answered end.
    std::thread::sleep(Duration::from_millis(200));
    let worker = Pid::from_raw(children(server.pid())[0]);
    kill(worker, Signal::SIGSTOP).unwrap();
    server.kill();
    // Without its output, which the worker has, too.
    eventually("the server has ended", || server.has_ended());
    let old = fs::metadata(&socket).unwrap().ino();
    let mut next = t.spawn(&["serve", "-H", &url]);
    std::thread::sleep(Duration::from_millis(300));
    kill(worker, Signal::SIGCONT).unwrap();
    let is_new = || fs::metadata(&socket).is_ok_and(|new| new.ino() != old);
    eventually("the next server listens, or has ended", || is_new() || next.has_ended());
    eventually("it answers", || answers(&socket));
    end(next).ok();
    assert!(!socket.exists());
    // Another program's.
    let other = UnixListener::bind(&socket).unwrap();
    let second = t.hull(&["serve", "-H", &url]);
    assert!(second.fails(1).contains(&format!("(pid {}) already serves", std::process::id())), "{second}");
    drop(other);
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "precious").unwrap();
    let second = t.hull(&["serve", "-H", &url]);
    assert!(second.fails(1).contains("exists, and is not a socket"), "{second}");
    assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");
    for (host, why) in [
        ("unix://relative", "must begin with /"),
        ("/run/s", "needs unix:// before it"),
        ("http://x", "expected unix:///PATH, tcp://ADDRESS:PORT or fd://"),
        ("fd://", "no socket was passed"),
        (&*format!("unix:///{}", "x".repeat(200)), "too long"),
        ("unix:///no/such/directory/s", "its directory does not exist"),
    ] {
        let wrong = t.hull(&["serve", "-H", host]);
        assert!(wrong.fails(1).contains(why), "{host}: {wrong}");
    }
}

#[test]
fn a_user_at_a_terminal_is_told_that_the_server_runs() {
    let Some(t) = Scenario::start() else { return };
    let url = format!("unix://{}", t.path("run/s").display());
    let mut terminal = Terminal::start(&t.command(&["serve", "-H", &url]));
    terminal.expect("docker's API is being served");
    terminal.expect(&format!("export DOCKER_HOST={url}"));
    terminal.send("\x03");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn of_servers_that_begin_together_one_serves() {
    let Some(t) = Scenario::start() else { return };
    let socket = t.path("run/s");
    let url = format!("unix://{}", socket.display());
    for _ in 0..5 {
        // A dead server's.
        drop(UnixListener::bind(&socket).unwrap());
        let mut servers: Vec<_> =
            (0..4).map(|_| Running::start(t.command(&["serve", "-H", &url]).stdin(Stdio::null()))).collect();
        eventually("three of them end", || {
            servers.iter_mut().filter_map(|s| s.has_ended().then_some(())).count() == 3
        });
        eventually("the other one answers", || answers(&socket));
        for mut server in servers {
            match server.has_ended() {
                true => assert!(server.wait().fails(1).contains("already serves")),
                false => drop(end(server).ok()),
            }
        }
        assert!(!socket.exists());
    }
}

#[test]
fn a_server_removes_no_other_servers_socket() {
    let Some(t) = Scenario::start() else { return };
    let socket = t.path("run/s");
    let url = format!("unix://{}", socket.display());
    let first = serve(&t, &["-H", &url], &socket);
    fs::remove_file(&socket).unwrap();
    let second = serve(&t, &["-H", &url], &socket);
    end(first).ok();
    assert!(answers(&socket));
    end(second).ok();
    assert!(!socket.exists());
}

#[test]
fn open_connections_and_containers_outlive_the_server() {
    let Some(t) = Scenario::with_busybox() else { return };
    let two = t.path("run/two");
    let server = Api::with(&t, &["-H", &format!("unix://{}", two.display())]);
    let (mut client, mut other) = (server.client(), Client::new(&two));
    assert_eq!((client.get("/_ping").status, other.get("/_ping").status), (200, 200));
    let sleep = serde_json::json!({"Image": "busybox", "Cmd": ["sleep", "1000"]});
    client.post_json("/containers/create?name=one", &sleep).ok(201);
    assert_eq!(client.post("/containers/one/start").status, 204);
    let workers = children(server.pid());
    let socket = server.socket().to_owned();
    // As Ctrl-C does.
    signal(server.pid(), Signal::SIGINT);
    drop(server);
    assert!(!socket.exists() && !two.exists());
    let left = || workers.iter().filter(|pid| exists(**pid)).count();
    eventually("only the workers with a connection are left", || left() == 2);
    client.post_json("/containers/create?name=two", &sleep).ok(201);
    assert_eq!((client.post("/containers/two/start").status, other.get("/_ping").status), (204, 200));
    drop((client, other));
    eventually("the workers end with their connections", || left() == 0);
    assert_eq!(t.ok(&["ps", "--format", "{{.Names}}"]), "two\none");
}

#[test]
fn a_server_ends_when_nobody_has_been_connected_for_a_while() {
    let Some(t) = Scenario::start() else { return };
    let socket = t.path("run/s");
    let url = format!("unix://{}", socket.display());
    let mut server = serve(&t, &["-H", &url, "--idle", "400ms"], &socket);
    let mut client = Client::new(&socket);
    assert_eq!(client.get("/_ping").status, 200);
    std::thread::sleep(Duration::from_millis(800));
    assert!(!server.has_ended(), "a client is connected");
    assert_eq!(client.get("/_ping").status, 200);
    drop(client);
    server.wait().ok();
    assert!(!socket.exists());
    // It loses no request while it ends: a client is served, or cannot connect.
    let mut server = Running::start(t.command(&["serve", "-H", &url, "--idle", "20ms"]).stdin(Stdio::null()));
    let mut served = 0;
    while !server.has_ended() {
        let Ok(mut stream) = UnixStream::connect(&socket) else { continue };
        stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "after {served}: {answer}");
        served += 1;
        // Around the time after which it ends.
        std::thread::sleep(Duration::from_micros(served * 1000));
    }
    assert!(served > 0);
    server.wait().ok();
}

/// Asks for `/_ping` at the socket that is named.
const CLIENT: &str = r#"
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int argc, char **argv) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(s, (void *)&address, sizeof address)) return perror("connect"), 3;
    const char *request = "GET /_ping HTTP/1.0\r\n\r\n";
    write(s, request, strlen(request));
    char answer[4096];
    ssize_t length;
    while ((length = read(s, answer, sizeof answer)) > 0) write(1, answer, length);
}
"#;

#[test]
fn a_container_with_ids_of_its_own_is_not_served() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(client) = helper::compile(&t, "client", CLIENT) else { return };
    let api = Api::start(&t);
    let mounts = [format!("{}:/client", client.display()), format!("{}:/s", api.socket().display())];
    let ask = |flags: &[&str]| {
        let args =
            [&["run", "--rm", "-v", &mounts[0], "-v", &mounts[1]], flags, &["busybox", "/client", "/s"]];
        t.hull(&args.concat())
    };
    // It is root, and was given the socket.
    assert!(ask(&[]).ok().starts_with("HTTP/1.1 200"));
    let other = ask(&["-u", "4000"]);
    assert!(other.fails(3).contains("connect"), "{other}");
    let own_ids = ask(&["--userns", "auto"]);
    assert!(!own_ids.stdout.contains(" 200"), "{own_ids}");
    // Its ids are seen even if everybody may open the socket.
    fs::set_permissions(api.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    for flags in [&["-u", "4000"][..], &["--userns", "auto"]] {
        let refused = ask(flags);
        assert!(
            refused.ok().starts_with("HTTP/1.1 403") && refused.stdout.contains("permission denied"),
            "{refused}"
        );
    }
}

#[test]
fn writes_are_logged_with_the_process_that_asked() {
    let Some(t) = Scenario::with_busybox() else { return };
    let api = Api::with(&t, &["--log"]);
    let mut client = api.client();
    client
        .post_json("/containers/create?name=one", &serde_json::json!({"Image": "busybox", "Cmd": ["true"]}))
        .ok(201);
    assert_eq!(client.get("/_ping").status, 200);
    assert_eq!(client.delete("/containers/none%0a%1b").status, 404);
    client.delete("/v1.40/containers/one");
    let read = || fs::read_to_string(t.path("serve.log")).unwrap();
    // A line is written after the answer.
    eventually("the last line is written", || read().contains("204"));
    let log = read();
    let own = format!("pid={} uid=0", std::process::id());
    let lines: Vec<String> =
        log.lines().map(|line| line.split(' ').skip(1).collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "POST /containers/create 201 ",
        "DELETE /containers/none\\n\\u{1b} 404 ",
        "DELETE /v1.40/containers/one 204 ",
    ];
    assert_eq!(lines.len(), expected.len(), "{log}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("{own} {expected}")) && line.ends_with("ms"), "{log}");
    }
}

#[test]
fn a_log_that_nobody_reads_ends_no_connection() {
    let Some(t) = Scenario::start() else { return };
    let socket = t.path("s");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = t.command(&["serve", "--log", "--host", &format!("unix://{}", socket.display())]);
    let mut server = command.stdin(Stdio::null()).stderr(writer).spawn().expect("it starts");
    drop(command);
    eventually("the server answers", || answers(&socket));
    drop(reader);
    let mut client = UnixStream::connect(&socket).expect("the server listens");
    let post = "POST /containers/none/start HTTP/1.1\r\nHost: d\r\n";
    write!(client, "{post}\r\n{post}Connection: close\r\n\r\n").expect("the server reads");
    let mut answers = String::new();
    client.read_to_string(&mut answers).expect("the server answers");
    signal(server.id() as i32, Signal::SIGTERM);
    server.wait().expect("it ends");
    assert_eq!(answers.matches("HTTP/1.1 404").count(), 2, "{answers}");
}
