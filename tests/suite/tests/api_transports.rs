//! The ways to docker's API other than a unix socket of the server's own: standard streams and ssh, TCP, systemd; and how
//! clients find the socket.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use hull_test_support::http::{Api, Client};
use hull_test_support::outcome::{Running, eventually, run};
use hull_test_support::{Outcome, Scenario};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn answers(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok() && Client::new(socket).get("/_ping").status == 200
}

fn end(server: Running) -> Outcome {
    kill(Pid::from_raw(server.pid()), Signal::SIGTERM).expect("it runs");
    server.wait()
}

/// The pids of a process's children.
fn children(pid: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect()
}

/// A stand-in for ssh: it runs the command on this machine, as hull in the given environment under docker's name.
fn stand_in_for_ssh(t: &Scenario) -> std::path::PathBuf {
    let hull = t.command(&[]);
    let mut script = String::from("#!/bin/sh\necho \"$@\" >> \"$0.log\"\nunset DOCKER_HOST\n");
    for (name, value) in hull.get_envs() {
        if let Some(value) = value {
            script += &format!("export {}='{}'\n", name.display(), value.display());
        }
    }
    let bin = t.path("ssh-bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(hull.get_program(), bin.join("docker")).unwrap();
    script +=
        &format!("while [ \"$1\" != docker ]; do shift; done\nshift\nexec {}/docker \"$@\"\n", bin.display());
    let ssh = t.write("ssh-bin/ssh", script);
    fs::set_permissions(ssh, fs::Permissions::from_mode(0o755)).unwrap();
    bin
}

#[test]
fn dockers_clients_come_through_ssh() {
    let Some(t) = Scenario::with_busybox() else { return };
    let clients = hull_test_support::docker_server::clients();
    if clients.is_empty() {
        hull_test_support::skip!("docker is not installed");
    }
    let ssh = stand_in_for_ssh(&t);
    let home = t.path("docker-home");
    fs::create_dir(&home).unwrap();
    for (version, client) in &clients {
        let docker = |args: &[&str]| {
            let mut command = Command::new(client);
            let path = format!("{}:{}", ssh.display(), std::env::var("PATH").unwrap_or_default());
            command.env("PATH", path).env("DOCKER_HOST", "ssh://somebody@elsewhere").env("HOME", &home);
            command.args(args);
            command
        };
        let version_of_server = run(&mut docker(&["version", "--format", "{{.Server.Os}}"]));
        assert_eq!(version_of_server.ok(), "linux", "{version}");
        assert!(run(&mut docker(&["ps", "-aq"])).success(), "{version}");
    }
    let log = fs::read_to_string(ssh.join("ssh.log")).unwrap();
    assert!(log.lines().all(|line| line.ends_with("-- elsewhere docker system dial-stdio")), "{log}");
}

#[test]
fn a_connection_on_standard_streams_ends_with_its_client() {
    let Some(t) = Scenario::with_busybox() else { return };
    // Half closed: everything is sent, and the answers are still to come.
    let ping = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";
    let body = r#"{"Image":"busybox","Cmd":["sleep","1000"]}"#;
    let create = format!(
        "POST /containers/create?name=one HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let start = "POST /containers/one/start HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n";
    let requests = [ping, &create, start].concat();
    let answers = t.hull_with_input(&["system", "dial-stdio"], requests.as_bytes());
    let statuses: Vec<&str> = answers.ok().lines().filter(|line| line.contains("HTTP/1.1 ")).collect();
    assert_eq!(statuses.len(), 3, "{answers}");
    assert_eq!(t.ok(&["ps", "--format", "{{.Names}}"]), "one", "it runs after the connection: {answers}");
    // To a server.
    let api = Api::with(&t, &["--log"]);
    let mut command = t.command(&["system", "dial-stdio"]);
    command.env("DOCKER_HOST", format!("unix://{}", api.socket().display()));
    let stop = b"DELETE /containers/one?force=1 HTTP/1.0\r\n\r\n";
    let answers = hull_test_support::outcome::run_with_input(&mut command, stop);
    assert!(answers.ok().starts_with("HTTP/1.1 204"), "{answers}");
    eventually("the server has logged it", || {
        fs::read_to_string(t.path("serve.log")).unwrap().contains("DELETE")
    });
    command.env("DOCKER_HOST", "unix:///none");
    let none = hull_test_support::outcome::run_with_input(&mut command, b"");
    assert!(none.fails(1).contains("cannot connect to /none"), "{none}");
}

#[test]
fn tcp_needs_the_certificates_of_its_clients() {
    let Some(t) = Scenario::with_busybox() else { return };
    if hull_test_support::skip::find_program("openssl").is_none() {
        hull_test_support::skip!("openssl is not installed");
    }
    hull_test_support::registry::network_up();
    let refused = t.hull(&["serve", "-H", "tcp://127.0.0.1:2376"]);
    assert!(
        refused.fails(1).contains("only with TLS") && refused.stderr.contains("hint: give --tlscacert"),
        "{refused}"
    );
    let certificates = t.path("certificates");
    fs::create_dir(&certificates).unwrap();
    hull_test_support::registry::certificates(&certificates, "127.0.0.1");
    let file = |name: &str| certificates.join(name).display().to_string();
    let tls =
        ["--tlscacert", &file("ca.crt"), "--tlscert", &file("server.crt"), "--tlskey", &file("server.key")];
    let incomplete = t.hull(&[&["serve", "-H", "tcp://127.0.0.1:2376"], &tls[..4]].concat());
    assert!(incomplete.fails(1).contains("needs all of --tlscacert, --tlscert and --tlskey"), "{incomplete}");
    let wrong = t.hull(&[&["serve", "-H", "tcp://127.0.0.1:2376"], &tls[..5], &[&file("ca.crt")]].concat());
    assert!(wrong.fails(1).contains("cannot use") && wrong.stderr.contains("for TLS"), "{wrong}");
    let api = Api::with(&t, &[&["--log", "-H", "tcp://127.0.0.1:2376", "--tlsverify"], &tls[..]].concat());
    let curl = |args: &[&str], path: &str| {
        let url = format!("https://127.0.0.1:2376{path}");
        run(Command::new("curl").args(["-sS", "--cacert", &file("ca.crt")]).args(args).arg(url))
    };
    let (client_certificate, client_key) = (file("client.crt"), file("client.key"));
    let own = ["--cert", &client_certificate, "--key", &client_key];
    assert_eq!(curl(&own, "/_ping").ok(), "OK");
    // Without a certificate, and with one that another authority has signed.
    assert!(!curl(&[], "/_ping").success());
    let other = t.path("other");
    fs::create_dir(&other).unwrap();
    hull_test_support::registry::certificates(&other, "127.0.0.1");
    let path = |name: &str| other.join(name).display().to_string();
    assert!(!curl(&["--cert", &path("client.crt"), "--key", &path("client.key")], "/_ping").success());
    let plain = run(Command::new("curl").args(["-sS", "http://127.0.0.1:2376/_ping"]));
    assert!(!plain.stdout.contains("OK"), "{plain}");
    // A big body, and a big answer.
    let create = [&own[..], &["-X", "POST", "-H", "Content-Type: application/json", "-d"]].concat();
    let label = "x".repeat(1 << 20);
    let body =
        t.write("body", format!(r#"{{"Image":"busybox","Cmd":["true"],"Labels":{{"big":"{label}"}}}}"#));
    let data = format!("@{}", body.display());
    let created = curl(&[&create[..], &[&data]].concat(), "/containers/create?name=one");
    assert!(created.ok().contains("Id"), "{created}");
    let removed = curl(&[&own[..], &["-X", "DELETE"]].concat(), "/containers/one");
    removed.ok();
    let log = || fs::read_to_string(t.path("serve.log")).unwrap();
    eventually("it is logged with the client's address", || {
        log().contains(" address=127.0.0.1:") && log().contains("DELETE")
    });
    // docker's client.
    for name in ["ca", "cert", "key"] {
        let from = match name {
            "ca" => "ca.crt",
            "cert" => "client.crt",
            _ => "client.key",
        };
        fs::copy(certificates.join(from), certificates.join(format!("{name}.pem"))).unwrap();
    }
    for (version, client) in hull_test_support::docker_server::clients() {
        let mut docker = Command::new(client);
        docker.env("DOCKER_HOST", "tcp://127.0.0.1:2376").env("DOCKER_TLS_VERIFY", "1");
        docker.env("DOCKER_CERT_PATH", &certificates).args(["version", "--format", "{{.Server.Os}}"]);
        assert_eq!(run(&mut docker).ok(), "linux", "{version}");
    }
    // A client that never shows a certificate is not kept: its worker ends.
    let pid = api.pid();
    let silent = std::net::TcpStream::connect("127.0.0.1:2376").unwrap();
    eventually("a worker has it", || children(pid).iter().any(|worker| !children(*worker).is_empty()));
    eventually("it is dropped", || children(pid).iter().all(|worker| children(*worker).is_empty()));
    drop(silent);
}

#[test]
fn systemd_passes_sockets() {
    let Some(t) = Scenario::start() else { return };
    let socket = t.path("run/activated");
    let listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o660)).unwrap();
    // What systemd does: descriptors from 3 on, and the pid of the program itself.
    let start = |args: &str, variables: &str| {
        let hull = t.command(&[]);
        let script = format!("exec 3<&0 0</dev/null; exec env LISTEN_PID=$$ {variables} \"$1\" serve {args}");
        let mut shell = hull_test_support::outcome::wrapped(&["sh", "-c", &script, "sh"], &hull);
        // The shell moves it to where systemd passes it.
        let passed = std::os::fd::OwnedFd::from(listener.try_clone().unwrap());
        Running::start(shell.stdin(Stdio::from(passed)))
    };
    let server = start("-H fd:// --idle 300ms", "LISTEN_FDS=1 LISTEN_FDNAMES=hull-serve.socket");
    eventually("it answers", || answers(&socket));
    server.wait().ok();
    // The socket is systemd's: it stays, and a client that comes meanwhile waits for the next server.
    let mut early = UnixStream::connect(&socket).unwrap();
    early.write_all(b"GET /_ping HTTP/1.0\r\n\r\n").unwrap();
    let server = start("-H fd://hull-serve.socket", "LISTEN_FDS=1 LISTEN_FDNAMES=hull-serve.socket");
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    end(server).ok();
    assert!(socket.exists());
    for (args, variables, why) in [
        ("-H fd://other", "LISTEN_FDS=1 LISTEN_FDNAMES=hull-serve.socket", "no socket other was passed"),
        ("-H fd://", "LISTEN_FDS=0", "no socket was passed"),
        ("-H fd://", "LISTEN_PID=1 LISTEN_FDS=1", "no socket was passed"),
        ("-H fd:// -H fd://", "LISTEN_FDS=1", "was not passed as descriptor 3"),
    ] {
        let wrong = start(args, variables).wait();
        assert!(wrong.fails(1).contains(why), "{args} {variables}: {wrong}");
    }
}

#[test]
fn the_socket_is_printed_for_shells_and_programs() {
    let Some(t) = Scenario::start() else { return };
    assert_eq!(t.ok(&["serve", "--env"]), "export DOCKER_HOST=unix:///run/docker.sock DOCKER_BUILDKIT=0");
    let odd = t.ok(&["serve", "--env", "-H", "unix:///a'b c"]);
    let shown = run(Command::new("sh").args(["-c", "eval \"$1\"; echo \"$DOCKER_HOST\"", "sh", &odd]));
    assert_eq!(shown.ok(), "unix:///a'b c");
    assert_eq!(t.ok(&["context", "show"]), "default");
    assert_eq!(t.ok(&["context", "inspect", "-f", "{{.Endpoints.docker.Host}}"]), "unix:///run/docker.sock");
    let mut elsewhere = t.command(&["context", "ls"]);
    elsewhere.env("DOCKER_HOST", "unix:///x");
    let listed = run(&mut elsewhere);
    assert_eq!(
        listed.ok(),
        "NAME        DESCRIPTION                               DOCKER ENDPOINT   ERROR\n\
         default *   Current DOCKER_HOST based configuration   unix:///x         "
    );
    assert!(t.hull(&["context", "inspect", "other"]).fails(1).contains("context \"other\" does not exist"));
    let units = t.ok(&["serve", "--print-units"]);
    for line in ["ListenStream=/run/docker.sock", "KillMode=process", "Delegate=yes", "TasksMax=infinity"] {
        assert!(units.lines().any(|own| own == line), "{line}: {units}");
    }
    assert!(units.contains("systemctl enable --now hull-serve.socket"), "{units}");
}
