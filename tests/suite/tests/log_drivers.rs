//! The log drivers json-file, local and journald: their options, the fields that describe the container, and what happens
//! when nobody reads the lines.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command};

use hull_test_support::outcome::{self, eventually};
use hull_test_support::peers::Dockerd;
use hull_test_support::{Scenario, fixtures, skip};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

const LOG: &str = "{{.HostConfig.LogConfig.Type}} {{json .HostConfig.LogConfig.Config}}";

/// The socket of journald, in a directory of this test.
struct Run;

impl Run {
    fn new() -> Self {
        mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), c"mode=755")
            .expect("a mount namespace of its own");
        fs::create_dir_all("/run/systemd/journal").unwrap();
        Self
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        unmount("/run", UnmountFlags::DETACH).expect("it was mounted");
    }
}

fn socket() -> UnixDatagram {
    let socket = UnixDatagram::bind("/run/systemd/journal/socket").unwrap();
    fs::set_permissions("/run/systemd/journal/socket", PermissionsExt::from_mode(0o666)).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    socket
}

/// The fields of a message without binary values.
fn fields(message: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(message);
    let pair = |line: &str| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    text.lines().map(|line| pair(line).unwrap_or_else(|| panic!("a binary field in {text:?}"))).collect()
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn receive(socket: &UnixDatagram) -> Vec<(String, String)> {
    let mut buffer = vec![0; 1 << 18];
    let length = socket.recv(&mut buffer).expect("a message");
    fields(&buffer[..length])
}

#[test]
fn a_log_has_a_limit_unless_its_user_wants_none() {
    let Some(t) = Scenario::with_busybox() else { return };
    let lines = "head -c 26m /dev/zero | tr '\\0' x | fold -w 8000";
    t.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", lines]);
    t.ok(&["wait", "box"]);
    assert_eq!(t.inspect("box", LOG), r#"json-file {"max-file":"5","max-size":"20m"}"#);
    let directory = t.data_root().join("containers").join(t.inspect("box", "{{.Id}}"));
    let size = |name: &str| fs::metadata(directory.join(name)).map_or(0, |file| file.len());
    assert!(size("log.1") > 19 << 20 && size("log.1") <= 20 << 20, "{}", size("log.1"));
    assert!(size("log") > 4 << 20, "{}", size("log"));
    for (options, shown) in [
        (&["--log-opt", "max-size=-1"][..], r#"json-file {"max-size":"-1"}"#),
        (&["--log-opt", "max-size=1m"], r#"json-file {"max-size":"1m"}"#),
        (&["--log-driver", "local"], r#"local {"max-file":"5","max-size":"20m"}"#),
        (&["--log-driver", "journald", "--log-opt", "tag={{.Name}}"], r#"journald {"tag":"{{.Name}}"}"#),
        (&["--log-driver", "none"], "none {}"),
    ] {
        t.ok(&["rm", "box"]);
        t.ok(&[&["create", "--name", "box"], options, &["busybox", "true"]].concat());
        assert_eq!(t.inspect("box", LOG), shown);
    }
    for wrong in [
        &["--log-driver", "syslog"][..],
        &["--log-driver", "gelf"],
        &["--log-driver", "journald", "--log-opt", "max-size=1m"],
        &["--log-driver", "local", "--log-opt", "labels=a"],
        &["--log-opt", "mode=fast"],
        &["--log-opt", "max-buffer-size=1m"],
        &["--log-opt", "labels-regex=("],
        &["--log-opt", "tag={{.Nothing}}"],
    ] {
        let refused = t.hull(&[&["create"], wrong, &["busybox", "true"]].concat());
        assert!(refused.fails(125).contains("log"), "{wrong:?}: {refused}");
    }
}

#[test]
fn the_driver_local_keeps_lines_as_json_file_does() {
    let Some(t) = Scenario::with_busybox() else { return };
    let options = ["--log-driver", "local", "--log-opt", "max-size=4k", "--log-opt", "max-file=3"];
    t.ok(&[&["run", "--name", "box"], &options[..], &["busybox", "seq", "300"]].concat());
    let logged = t.ok(&["logs", "box"]);
    assert!(logged.ends_with("299\n300") && !logged.contains("\n1\n"), "{logged}");
    assert_eq!(t.ok(&["logs", "-n", "2", "box"]), "299\n300");
    assert_eq!(t.inspect("box", "{{.LogPath}}"), "");
}

#[test]
fn lines_and_details_are_dockers() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(dockerd) = Dockerd::start(&t, &t.path("docker")) else { return };
    dockerd.ok(&["import", fixtures::busybox().to_str().unwrap(), "busybox"]);
    let words = [
        "--name",
        "box",
        "--network",
        "none",
        "--label",
        "one=1",
        "--label",
        "two=x y&z",
        "--label",
        "x.three=ü",
        "-e",
        "FIRST=a=b",
        "-e",
        "SECOND=2",
        "--log-opt",
        "labels=one,two,missing",
        "--log-opt",
        "labels-regex=^x[.]",
        "--log-opt",
        "env=FIRST",
        "--log-opt",
        "env-regex=COND$",
        "--log-opt",
        "tag={{.Name}}/{{.ImageName}}",
        "busybox",
        "/bin/sh",
        "-c",
        "echo out; echo err >&2; printf unfinished",
    ];
    let run = [&["run"], &words[..]].concat();
    dockerd.ok(&run);
    t.ok(&run);
    let without_times = |path: &Path| -> Vec<serde_json::Value> {
        let text = fs::read_to_string(path).unwrap();
        let mut lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.iter_mut().for_each(|line| drop(line.as_object_mut().unwrap().remove("time")));
        lines.sort_by_key(ToString::to_string);
        lines
    };
    let of_docker = dockerd.ok(&["inspect", "-f", "{{.LogPath}}", "box"]);
    let of_hull = t.inspect("box", "{{.LogPath}}");
    assert_eq!(without_times(Path::new(&of_hull)), without_times(Path::new(&of_docker)));
    let key_order = |path: &str| {
        let text = fs::read_to_string(path).unwrap();
        let line = text.lines().next().unwrap().to_owned();
        ["\"log\"", "\"stream\"", "\"attrs\"", "\"time\""].map(|key| line.find(key).unwrap())
    };
    assert!(key_order(&of_hull).is_sorted() && key_order(&of_docker).is_sorted());
    for options in [&["--details"][..], &["--details", "-n", "1"], &[]] {
        let sorted = |outcome: outcome::Outcome| {
            let mut lines: Vec<String> =
                outcome.stdout.lines().chain(outcome.stderr.lines()).map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let logs = [&["logs"], options, &["box"]].concat();
        let of_docker = sorted(outcome::run(&mut dockerd.command(&logs)));
        assert_eq!(sorted(t.hull(&logs)), of_docker, "{options:?}");
        assert!(!of_docker.is_empty());
    }
    // With timestamps, each line is the time, the details and the text.
    let timed = t.ok(&["logs", "--details", "-t", "-n", "1", "box"]);
    assert!(
        timed.split(' ').nth(1).is_some_and(|details| details.starts_with("FIRST=a%3Db,SECOND=2")),
        "{timed}"
    );
    dockerd.ok(&["rm", "box"]);
    // Options that neither of the two drivers accepts.
    for wrong in [
        &["--log-driver", "local", "--log-opt", "labels=a"][..],
        &["--log-driver", "journald", "--log-opt", "max-size=1m"],
        &["--log-opt", "colour=blue"],
        &["--log-opt", "mode=fast"],
        &["--log-opt", "max-buffer-size=1m"],
    ] {
        let create = [&["create"], wrong, &["busybox", "true"]].concat();
        assert!(!outcome::run(&mut dockerd.command(&create)).success(), "{wrong:?}");
        assert!(!t.hull(&create).success(), "{wrong:?}");
    }
}

#[test]
fn the_journal_gets_dockers_fields() {
    let Some(t) = Scenario::with_busybox() else { return };
    let _run = Run::new();
    let journal = socket();
    let options = [
        "--log-driver",
        "journald",
        "--label",
        "com.example/team=blue",
        "-e",
        "STAGE=test",
        "--log-opt",
        "labels=com.example/team",
        "--log-opt",
        "env=STAGE",
        "--log-opt",
        "tag=t-{{.Name}}",
    ];
    let script = "echo out; sleep 0.2; echo err >&2; sleep 0.2; head -c 20000 /dev/zero | tr '\\0' x; echo";
    t.ok(&[&["run", "--name", "box"], &options[..], &["busybox", "sh", "-c", script]].concat());
    let id = t.inspect("box", "{{.Id}}");
    let first = receive(&journal);
    for (name, value) in [
        ("MESSAGE", "out"),
        ("PRIORITY", "6"),
        ("CONTAINER_ID", &id[..12]),
        ("CONTAINER_ID_FULL", &id),
        ("CONTAINER_NAME", "box"),
        ("CONTAINER_TAG", "t-box"),
        ("SYSLOG_IDENTIFIER", "t-box"),
        ("IMAGE_NAME", "busybox"),
        ("COM_EXAMPLE_TEAM", "blue"),
        ("STAGE", "test"),
    ] {
        assert_eq!(field(&first, name), Some(value), "{name}");
    }
    assert_eq!(field(&first, "CONTAINER_PARTIAL_MESSAGE"), None);
    let second = receive(&journal);
    assert_eq!((field(&second, "MESSAGE"), field(&second, "PRIORITY")), (Some("err"), Some("3")));
    let (third, fourth) = (receive(&journal), receive(&journal));
    assert_eq!(field(&third, "CONTAINER_PARTIAL_MESSAGE"), Some("true"));
    assert_eq!(field(&third, "MESSAGE").map(str::len), Some(16384));
    assert_eq!(field(&fourth, "CONTAINER_PARTIAL_MESSAGE"), None);
    assert_eq!(field(&fourth, "MESSAGE").map(str::len), Some(20000 - 16384));
    t.ok(&["rm", "box"]);
    t.ok(&["run", "--name", "box", "--log-driver", "journald", "busybox", "echo", "plain"]);
    let plain = receive(&journal);
    assert_eq!(field(&plain, "CONTAINER_TAG"), Some(&t.inspect("box", "{{.Id}}")[..12]));
}

#[test]
fn a_label_cannot_write_into_the_log_of_another_container() {
    let Some(t) = Scenario::with_busybox() else { return };
    let _run = Run::new();
    let journal = socket();
    let options = ["--log-driver", "journald", "--log-opt", "labels-regex=.*"];
    let labels = ["--label", "container.id.full=other", "--label", "message=false", "--label", "fine=yes"];
    t.ok(&[&["run", "--name", "box"], &options[..], &labels, &["busybox", "echo", "own"]].concat());
    let message = receive(&journal);
    assert_eq!((field(&message, "FINE"), field(&message, "MESSAGE")), (Some("yes"), Some("own")));
    assert!(!message.iter().any(|(_, value)| value == "other" || value == "false"), "{message:?}");
}

#[test]
fn a_journal_that_reads_nothing_stops_the_container_and_not_its_monitor() {
    let Some(t) = Scenario::with_busybox() else { return };
    let _run = Run::new();
    let journal = socket();
    let script = "seq 1 40000; echo done > /done; exec sleep 300";
    t.ok(&["run", "-d", "--name", "box", "--log-driver", "journald", "busybox", "sh", "-c", script]);
    // The monitor answers, and the lines that it could not send have not made it grow.
    assert_eq!(t.inspect("box", "{{.State.Status}}"), "running");
    assert_eq!(t.ok(&["exec", "box", "echo", "inside"]), "inside");
    assert!(
        !t.hull(&["exec", "box", "test", "-e", "/done"]).success(),
        "the container waits for the journal"
    );
    let status = fs::read_to_string(format!("/proc/{}/status", t.monitor_of("box"))).unwrap();
    let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap().trim().to_owned();
    let kilobytes: u64 = anonymous.trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 8 * 1024, "{anonymous}");
    for number in 1..=40000 {
        assert_eq!(field(&receive(&journal), "MESSAGE"), Some(&*number.to_string()));
    }
    eventually("it goes on", || t.hull(&["exec", "box", "test", "-e", "/done"]).success());
    // A blocked monitor still ends when it is asked to.
    t.ok(&["rm", "-f", "box"]);
    let forever = "while :; do seq 1 1000; done";
    t.ok(&["run", "-d", "--name", "box", "--log-driver", "journald", "busybox", "sh", "-c", forever]);
    let began = std::time::Instant::now();
    t.ok(&["stop", "-t", "1", "box"]);
    assert!(began.elapsed() < std::time::Duration::from_secs(10));
}

#[test]
fn a_container_that_may_not_block_loses_what_the_journal_does_not_take_and_says_so() {
    let Some(t) = Scenario::with_busybox() else { return };
    let _run = Run::new();
    let journal = socket();
    let options =
        ["--log-driver", "journald", "--log-opt", "mode=non-blocking", "--log-opt", "max-buffer-size=64k"];
    let script =
        "seq 1 40000; echo done > /done; until test -e /go; do sleep 0.05; done; echo last; exec sleep 300";
    t.ok(&[&["run", "-d", "--name", "box"], &options[..], &["busybox", "sh", "-c", script]].concat());
    eventually("it goes on", || t.hull(&["exec", "box", "test", "-e", "/done"]).success());
    let mut lost = None;
    let mut got = 0;
    while lost.is_none() {
        let message = receive(&journal);
        let text = field(&message, "MESSAGE").unwrap();
        match text.strip_prefix("hull: here are missing ") {
            Some(rest) => lost = Some(rest.split(' ').next().unwrap().parse::<u64>().unwrap()),
            None => got += 1,
        }
        if got > 0 && lost.is_none() && !t.path("touched").exists() {
            fs::write(t.path("touched"), "").unwrap();
            t.ok(&["exec", "box", "touch", "/go"]);
        }
    }
    assert!(got < 40000 && lost.unwrap() > 30000, "{got} came, {lost:?} did not");
    t.ok(&["rm", "-f", "box"]);
    drop(journal);
    // Without a journal.
    fs::remove_file("/run/systemd/journal/socket").unwrap();
    assert_eq!(t.ok(&["run", "--rm", "--log-driver", "journald", "busybox", "seq", "3"]), "1\n2\n3");
}

#[test]
fn a_message_larger_than_a_datagram_comes_as_a_file() {
    let Some(t) = Scenario::with_busybox() else { return };
    let _run = Run::new();
    let journal = socket();
    let mut words = vec!["run".to_owned(), "--log-driver".into(), "journald".into()];
    words.extend(["--log-opt".into(), "labels-regex=^big".into()]);
    for number in 0..4 {
        words.extend(["--label".to_owned(), format!("big{number}={}", "x".repeat(100_000))]);
    }
    words.extend(["busybox", "echo", "text"].map(str::to_owned));
    t.ok(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let mut buffer = [0; 1024];
    let mut slice = [std::io::IoSliceMut::new(&mut buffer)];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = rustix::net::RecvAncillaryBuffer::new(&mut space);
    let flags = rustix::net::RecvFlags::CMSG_CLOEXEC;
    let received = rustix::net::recvmsg(journal.as_fd(), &mut slice, &mut ancillary, flags).unwrap();
    assert_eq!(received.bytes, 0);
    let file = ancillary.drain().find_map(|message| match message {
        rustix::net::RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let file = fs::File::from(file.expect("a descriptor"));
    assert!(rustix::fs::fcntl_get_seals(&file).unwrap().contains(rustix::fs::SealFlags::WRITE));
    let mut bytes = vec![0; 1 << 20];
    let length = std::os::unix::fs::FileExt::read_at(&file, &mut bytes, 0).unwrap();
    let message = fields(&bytes[..length]);
    assert_eq!(
        (field(&message, "MESSAGE"), field(&message, "BIG3").map(str::len)),
        (Some("text"), Some(100_000))
    );
}

/// A journald that only this test uses. It ends with the guard.
struct Journald(Child);

impl Journald {
    fn start() -> Option<Self> {
        let program = "/lib/systemd/systemd-journald";
        if !Path::new(program).exists() || skip::find_program("journalctl").is_none() {
            skip::skip("systemd-journald is not installed");
            return None;
        }
        fs::create_dir_all("/run/systemd/journald.conf.d").unwrap();
        let settings = "[Journal]\nStorage=volatile\nReadKMsg=no\nForwardToSyslog=no\nForwardToWall=no\nAudit=no\n\
                        RateLimitBurst=0\n";
        fs::write("/run/systemd/journald.conf.d/test.conf", settings).unwrap();
        let mut command = Command::new(program);
        command.env_remove("NOTIFY_SOCKET").stderr(std::process::Stdio::null());
        let journald = Self(command.spawn().unwrap());
        eventually("it listens", || {
            UnixDatagram::unbound().unwrap().connect("/run/systemd/journal/socket").is_ok()
        });
        Some(journald)
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn logs_reads_what_the_journal_has() {
    let Some(t) = Scenario::with_busybox() else { return };
    let _run = Run::new();
    let Some(journald) = Journald::start() else { return };
    let options = ["--log-driver", "journald", "--log-opt", "labels=who", "--label", "who=me"];
    let script = "seq 1 300; echo err >&2; head -c 20000 /dev/zero | tr '\\0' x; echo; \
                  until test -e /go; do sleep 0.05; done; echo last";
    t.ok(&[&["run", "-d", "--name", "box"], &options[..], &["busybox", "sh", "-c", script]].concat());
    let long = "x".repeat(20000);
    let numbers: Vec<String> = (1..=300).map(|number| number.to_string()).collect();
    let before = format!("{}\n{long}", numbers.join("\n"));
    eventually("the journal has it", || t.ok(&["logs", "box"]) == before);
    assert_eq!(t.hull(&["logs", "box"]).stderr.trim(), "err");
    let follower = t.spawn(&["logs", "-f", "box"]);
    t.let_end("box");
    assert_eq!(follower.wait().ok(), format!("{before}\nlast"));
    assert_eq!(t.ok(&["logs", "-n", "1", "box"]), "last");
    assert_eq!(t.ok(&["logs", "--details", "-n", "1", "box"]), "WHO=me last");
    assert_eq!(t.ok(&["logs", "--until", "2001-01-01", "box"]), "");
    let timed = t.ok(&["logs", "-t", "-n", "1", "box"]);
    let time = timed.split(' ').next().unwrap().to_owned();
    assert_eq!(t.ok(&["logs", "-t", "--since", &time, "box"]), timed);
    // The journal keeps the messages of each container apart.
    t.ok(&["run", "--name", "other", "--log-driver", "journald", "busybox", "echo", "other"]);
    eventually("the journal has it", || t.ok(&["logs", "other"]) == "other");
    let mut without = t.command(&["logs", "box"]);
    let refused = outcome::run(without.env("PATH", t.path("nowhere")));
    assert!(refused.fails(1).contains("journalctl"), "{refused}");
    drop(journald);
}
