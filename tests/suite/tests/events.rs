//! `hull events`: which events are shown, how, and until when; and what a full disk or a kill does to them.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::{Child, Stdio};

use hull_test_support::outcome::{Running, eventually, run, wrapped};
use hull_test_support::{Scenario, Terminal};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// All events of the log, printed with the format.
fn all(t: &Scenario, format: &str) -> String {
    t.ok(&["events", "--stream=false", "--format", format])
}

fn actions(t: &Scenario, filters: &[&str]) -> Vec<String> {
    let filters = filters.iter().flat_map(|filter| ["-f", filter]);
    let words: Vec<&str> =
        ["events", "--stream=false", "--format", "{{.Action}}"].into_iter().chain(filters).collect();
    t.ok(&words).lines().map(str::to_owned).collect()
}

/// Starts a follower that writes to a file, and returns once it follows.
fn follow(t: &Scenario, file: &str, words: &[&str]) -> Child {
    let mut command = t.command(&[&["events"], words].concat());
    let out = File::create(t.path(file)).expect("the scenario's directory");
    let follower = command.stdin(Stdio::null()).stdout(out).spawn().expect("hull is built");
    eventually("it follows", || {
        let entries =
            std::fs::read_dir(format!("/proc/{}/fd", follower.id())).into_iter().flatten().flatten();
        let links: Vec<_> = entries.filter_map(|fd| std::fs::read_link(fd.path()).ok()).collect();
        links.iter().any(|link| link.ends_with("events/log"))
            && links.iter().any(|link| link.to_string_lossy().contains("inotify"))
    });
    follower
}

fn interrupt(follower: &mut Child) {
    kill(Pid::from_raw(follower.id() as i32), Signal::SIGINT).expect("own child");
    follower.wait().expect("own child");
}

#[test]
fn a_line_of_each_format_is_docker_s() {
    let Some(t) = Scenario::start() else { return };
    t.ok(&["volume", "create", "data"]);
    let line = t.ok(&["events", "--stream=false"]);
    let (time, rest) = line.split_once(' ').expect("a time and the rest");
    assert_eq!(rest, "volume create data (driver=local)");
    assert!(time.len() == 30 && time.ends_with('Z'), "{time}");
    let json: serde_json::Value = serde_json::from_str(&all(&t, "json")).expect("JSON");
    assert_eq!(json["Actor"]["ID"], "data");
    let keys: Vec<&String> = json.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["Type", "Action", "Actor", "scope", "time", "timeNano"]);
    assert_eq!(all(&t, "{{.Actor.Attributes.driver}} {{.Scope}}"), "local local");
    t.hull(&["events", "--stream=false", "--format", "{{.Nothing}}"]).fails(1);
    t.hull(&["events", "--format", "{{"]).fails(1);
}

#[test]
fn since_and_until_choose_and_the_end_comes_by_itself() {
    let Some(t) = Scenario::start() else { return };
    t.ok(&["volume", "create", "one"]);
    t.ok(&["volume", "create", "two"]);
    let times = all(&t, "{{.TimeNano}}");
    let times: Vec<String> = times
        .lines()
        .map(|time| format!("{}.{}", &time[..time.len() - 9], &time[time.len() - 9..]))
        .collect();
    let ids = |words: &[&str]| t.ok(&[&["events", "--format", "{{.Actor.ID}}"], words].concat());
    assert_eq!(ids(&["--since", &times[0], "--until", &times[1]]), "one\ntwo");
    assert_eq!(ids(&["--since", &times[1], "--until", "0s"]), "two");
    assert_eq!(ids(&["--until", &times[0]]), "one");
    assert_eq!(ids(&["--since", "1h", "--until", "30m"]), "");
    assert_eq!(ids(&["--since", "1h", "--until", "-1s"]), "one\ntwo", "one that waits for a second");
    // A time that has not come yet chooses among the old events only.
    let follow = t.command(&["events", "--since", "-60s", "--format", "{{.Actor.ID}}"]);
    let mut first = Running::start(&mut wrapped(&["sh", "-c", "\"$@\" | head -n 1", "-"], &follow));
    let mut number = 0;
    eventually("it has seen a new event", || {
        number += 1;
        t.ok(&["volume", "create", &format!("new-{number}")]);
        first.has_ended()
    });
    assert!(first.wait().ok().starts_with("new-"));
    let refused = t.hull(&["events", "--since", "30m", "--until", "1h"]);
    assert!(refused.fails(1).contains("--until"), "{refused}");
    t.hull(&["events", "--since", "yesterday"]).fails(125);
}

#[test]
fn filters_are_docker_s() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "--rm", "--network", "none", "--name", "web", "-l", "tier=one", "busybox", "true"]);
    t.hull(&["run", "--network", "none", "--name", "web-2", "busybox", "sh", "-c", "exit 3"]).fails(3);
    t.ok(&["volume", "create", "data"]);
    assert_eq!(actions(&t, &["container=web-2", "event=die"]), ["die"]);
    assert_eq!(actions(&t, &["container=web", "event=die"]).len(), 2, "as in docker, a prefix fits");
    let whole = ["create", "attach", "start", "die", "destroy"];
    assert_eq!(actions(&t, &["label=tier=one", "type=container"]), whole);
    assert_eq!(actions(&t, &["image=busybox", "event=die"]).len(), 2);
    assert_eq!(actions(&t, &["volume=data"]), ["create"]);
    assert_eq!(actions(&t, &["type=network", "event=connect", "scope=local"]).len(), 2);
    assert_eq!(actions(&t, &["scope=swarm"]), [""; 0]);
    let refused = t.hull(&["events", "-f", "colour=blue"]);
    assert!(refused.fails(1).contains("colour"), "{refused}");
}

#[test]
fn twenty_followers_have_every_event_of_three_rotations_once() {
    const FOLLOWERS: usize = 20;
    let Some(t) = Scenario::start() else { return };
    t.ok(&["volume", "create", "first"]);
    let name = |number: usize| format!("followed-{number}");
    let mut followers: Vec<Child> =
        (0..FOLLOWERS).map(|n| follow(&t, &name(n), &["--format", "{{.Action}}"])).collect();
    let log = t.run_root().join("events/log");
    let mut expected = Vec::new();
    for round in 0..3 {
        // Writes events of four kilobytes one after the other. hull would need minutes for as many.
        let mut file = OpenOptions::new().append(true).open(&log).expect("the log");
        for number in 0..1040 {
            let action = format!("{round}-{number}");
            let padding = "x".repeat(4000);
            let line = format!(r#"{{"Type":"test","Action":"{action}","Actor":{{"ID":"{padding}"}}}}"#);
            file.write_all(format!("\n{line}\n").as_bytes()).expect("the log can be written");
            expected.push(action);
        }
        // hull's own event fills the file, and hull renames the file.
        t.ok(&["volume", "create", &format!("round-{round}")]);
        expected.push("create".into());
        assert!(t.run_root().join(format!("events/log.{}", round + 1)).exists(), "it was rotated");
        t.ok(&["volume", "rm", &format!("round-{round}")]);
        expected.push("destroy".into());
        let expected = expected.join("\n") + "\n";
        for number in 0..FOLLOWERS {
            let seen = || std::fs::read_to_string(t.path(name(number))).expect("its output");
            eventually("a follower has everything", || seen().len() >= expected.len());
            assert!(seen() == expected, "in order, and once each");
        }
    }
    followers.iter_mut().for_each(interrupt);
}

#[test]
fn a_follower_ends_with_its_reader_and_at_ctrl_c() {
    let Some(t) = Scenario::start() else { return };
    t.ok(&["volume", "create", "one"]);
    let mut follower = follow(&t, "followed", &[]);
    interrupt(&mut follower);
    let piped = wrapped(&["sh", "-c", "\"$@\" | head -n 1", "-"], &t.command(&["events", "--since", "1h"]));
    let mut piped = piped;
    assert!(run(&mut piped).ok().contains("volume create one"));
}

#[test]
fn detaching_resizing_and_execs_have_events() {
    let Some(t) = Scenario::with_busybox() else { return };
    let words = ["run", "-it", "--network", "none", "--name", "box", "busybox", "sh"];
    let mut terminal = Terminal::start(&t.command(&words));
    terminal.send("echo is$((40 + 2))\n");
    terminal.expect("is42");
    terminal.resize(33, 99);
    eventually("its new size is an event", || {
        t.ok(&["events", "--stream=false", "-f", "event=resize"])
            .contains("height=33, image=busybox, name=box, width=99")
    });
    terminal.send("\x10\x11");
    assert_eq!(terminal.wait(), 0);
    eventually("leaving is an event", || actions(&t, &["event=detach"]) == ["detach"]);
    let mut terminal = Terminal::start(&t.command(&["exec", "-it", "box", "sleep", "300"]));
    eventually("it runs", || actions(&t, &["event=exec_start"]) == ["exec_start: sleep 300"]);
    terminal.send("\x10\x11");
    assert_eq!(terminal.wait(), 0);
    eventually("leaving it is an event", || actions(&t, &["event=exec_detach"]) == ["exec_detach"]);
    t.hull(&["exec", "box", "sh", "-c", "exit 4"]).fails(4);
    eventually("its end is an event", || {
        t.ok(&["events", "--stream=false", "-f", "event=exec_die"]).contains("exitCode=4")
    });
    t.ok(&["rm", "-f", "box"]);
}

#[test]
fn a_full_disk_costs_the_event_and_not_the_command() {
    let Some(t) = Scenario::start() else { return };
    t.ok(&["volume", "create", "before"]);
    let directory = t.run_root().join("events");
    // The tmpfs has one page for the log, and one for the file that fills the disk.
    let mut mount = std::process::Command::new("mount");
    run(mount.args(["-t", "tmpfs", "-o", "size=8k", "small"]).arg(&directory)).ok();
    t.ok(&["volume", "create", "one"]);
    let mut filled = OpenOptions::new().append(true).open(directory.join("log")).expect("the log");
    let _ = filled.write_all(&[b'\n'; 4000 - 150]);
    std::fs::write(directory.join("filler"), [0; 4096]).expect("one page");
    // The first event is cut in the middle, and there is no space for the others.
    let refused = t.hull(&["volume", "create", "two"]);
    assert!(refused.ok() == "two" || refused.stdout == "two\n", "{refused}");
    let refused = t.hull(&["volume", "create", "three"]);
    refused.ok();
    assert!(refused.stderr.contains("warning") && refused.stderr.contains("event"), "{refused}");
    assert_eq!(t.ok(&["volume", "ls", "-q"]), "before\none\nthree\ntwo");
    std::fs::remove_file(directory.join("filler")).expect("it is there");
    t.ok(&["volume", "create", "four"]);
    let ids = all(&t, "{{.Actor.ID}}");
    assert!(ids.starts_with("one") && ids.ends_with("four"), "{ids}");
    drop(filled);
    // A command that has just ended may hold the log a moment longer.
    eventually("nobody has the log open", || {
        run(std::process::Command::new("umount").arg(&directory)).success()
    });
}

#[test]
fn kill_9_of_writers_loses_no_event_of_others() {
    let Some(t) = Scenario::start() else { return };
    for number in 0..40 {
        let mut victim = t.spawn(&["volume", "create", &format!("victim-{number}")]);
        std::thread::sleep(std::time::Duration::from_micros(150 * number));
        victim.kill();
        victim.wait();
        t.ok(&["volume", "create", &format!("kept-{number}")]);
    }
    let ids = all(&t, "{{.Actor.ID}}");
    let kept: Vec<&str> = ids.lines().filter(|id| id.starts_with("kept-")).collect();
    assert_eq!(kept, (0..40).map(|number| format!("kept-{number}")).collect::<Vec<_>>());
    let mut victims: Vec<&str> = ids.lines().filter(|id| id.starts_with("victim-")).collect();
    let before = victims.len();
    victims.dedup();
    assert_eq!(victims.len(), before, "none twice");
}

#[test]
fn a_killed_monitor_s_container_dies_in_the_log_too() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--network", "none", "--name", "box", "busybox", "sleep", "300"]);
    kill(Pid::from_raw(t.monitor_of("box")), Signal::SIGKILL).expect("the monitor");
    eventually("a listing cleans up", || t.ok(&["ps", "-a"]).contains("Exited (137)"));
    assert_eq!(actions(&t, &["type=container"]), ["create", "start", "die"]);
    t.ok(&["rm", "box"]);
}

#[test]
fn labels_of_an_image_do_not_fill_the_log() {
    let Some(t) = Scenario::with_busybox() else { return };
    let label = format!("LABEL big={}", "x".repeat(100_000));
    let more = format!("LABEL more={}", "y".repeat(100_000));
    let tar = t.path("none.tar");
    run(std::process::Command::new("tar").args(["-cf"]).arg(&tar).args(["-T", "/dev/null"])).ok();
    t.ok(&["import", "-c", &label, "-c", &more, tar.to_str().expect("a plain path"), "big"]);
    let id = t.ok(&["create", "--name", "box", "big", "true"]);
    let created = t.ok(&["events", "--stream=false", "-f", "type=container", "--format", "json"]);
    assert!(created.contains(&id) && created.contains(r#""name":"box""#), "it is there");
    assert!(created.len() < 1000, "without its labels: {} bytes", created.len());
    t.ok(&["rm", "box"]);
}

#[test]
fn an_unprivileged_user_has_a_log_of_their_own() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    t.ok(&["run", "--rm", "--network", "none", "--name", "box", "busybox", "true"]);
    let whole = ["create", "attach", "start", "die", "destroy"];
    assert_eq!(actions(&t, &["type=container"]), whole);
    let log = t.run_root().join("events/log");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(log).expect("the log").permissions().mode() & 0o777, 0o600);
}
