//! `logs`: every line once, in order, exactly as many as were asked for, and no more of the file is read than that needs.

use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;

use hull_test_support::outcome::{eventually, wrapped};
use hull_test_support::{Scenario, skip};

/// A container that has written the output of `script`.
fn written(t: &Scenario, name: &str, options: &[&str], script: &str) {
    t.ok(&[&["run", "--name", name], options, &["busybox", "sh", "-c", script]].concat());
}

fn log_of(t: &Scenario, name: &str) -> PathBuf {
    t.data_root().join("containers").join(t.inspect(name, "{{.Id}}")).join("log")
}

fn numbers(text: &str) -> Vec<u32> {
    text.lines().map(|line| line.parse().unwrap_or_else(|_| panic!("no number: {line:?}"))).collect()
}

#[test]
fn a_follower_misses_nothing_that_is_rotated_away() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "sleep 1; seq 1 3000; sleep 0.1; seq 3001 6000; sleep 1; seq 6001 6100";
    let limits = ["--log-opt", "max-size=8k", "--log-opt", "max-file=500"];
    t.ok(&[&["run", "-d", "--name", "box"], &limits[..], &["busybox", "sh", "-c", script]].concat());
    let followed = t.spawn(&["logs", "-f", "box"]).wait();
    let expected: Vec<u32> = (1..=6100).collect();
    assert!(numbers(followed.ok()) == expected, "{} lines", followed.stdout.lines().count());
    assert!(numbers(t.ok(&["logs", "box"]).as_str()) == expected);
    // A reader that begins in the middle, and one that begins at the end.
    assert_eq!(t.ok(&["logs", "-f", "-n", "2", "box"]), "6099\n6100");
}

#[test]
fn a_follower_that_was_stopped_reads_what_it_held_and_what_came_after() {
    let Some(t) = Scenario::with_busybox() else { return };
    let limits = ["--log-opt", "max-size=4k", "--log-opt", "max-file=400"];
    let script = "seq 1 20; until test -e /go; do sleep 0.1; done; seq 21 5000";
    t.ok(&[&["run", "-d", "--name", "box"], &limits[..], &["busybox", "sh", "-c", script]].concat());
    let follower = t.spawn(&["logs", "-f", "box"]);
    eventually("it follows", || {
        let directory = std::fs::read_dir(format!("/proc/{}/fd", follower.pid()));
        let mut links = directory.into_iter().flatten().flatten().map(|fd| std::fs::read_link(fd.path()));
        links.any(|link| link.is_ok_and(|link| link.ends_with("log")))
    });
    let pid = nix::unistd::Pid::from_raw(follower.pid());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    t.let_end("box");
    t.ok(&["wait", "box"]);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT).unwrap();
    assert!(numbers(follower.wait().ok()) == (1..=5000).collect::<Vec<_>>());
}

#[test]
fn logs_ends_where_the_log_ended_when_it_was_asked() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "seq 1 60000; until test -e /go; do sleep 0.1; done; seq 60001 120000; sleep 300";
    t.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", script]);
    eventually("the first half is there", || t.ok(&["logs", "-n", "1", "box"]) == "60000");
    // The command has begun and waits for its reader, because half of the log is more than a pipe holds.
    let mut logs = t.command(&["logs", "box"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = logs.stdout.take().unwrap();
    let mut read = [0; 1];
    output.read_exact(&mut read).unwrap();
    t.ok(&["exec", "box", "touch", "/go"]);
    eventually("the log has grown", || t.ok(&["logs", "-n", "1", "box"]) == "120000");
    let mut read = String::from_utf8(read.to_vec()).unwrap();
    output.read_to_string(&mut read).unwrap();
    assert!(logs.wait().unwrap().success());
    assert!(numbers(&read) == (1..=60_000).collect::<Vec<_>>(), "{} lines", read.lines().count());
}

#[test]
fn the_last_lines_are_lines_and_not_pieces_of_long_ones() {
    let Some(t) = Scenario::with_busybox() else { return };
    let long = "head -c 100000 /dev/zero | tr '\\0' x; echo";
    written(&t, "box", &[], &format!("echo first; {long}; echo last; {long}; echo -n unfinished"));
    let lengths = |count: &str| -> Vec<usize> {
        t.hull(&["logs", "-n", count, "box"]).stdout.split_inclusive('\n').map(str::len).collect()
    };
    assert_eq!(lengths("1"), [10]);
    assert_eq!(lengths("2"), [100_001, 10]);
    assert_eq!(lengths("3"), [5, 100_001, 10]);
    assert_eq!(lengths("4"), [100_001, 5, 100_001, 10]);
    assert_eq!(lengths("9"), [6, 100_001, 5, 100_001, 10]);
    assert_eq!(lengths("0"), Vec::<usize>::new());
    let stamped = t.hull(&["logs", "-t", "-n", "2", "box"]).stdout;
    assert_eq!(stamped.matches('Z').count(), 2, "a line has one time");
}

#[test]
fn the_last_lines_are_found_across_files_and_streams() {
    let Some(t) = Scenario::with_busybox() else { return };
    let limits = ["--log-opt", "max-size=4k", "--log-opt", "max-file=50"];
    written(&t, "box", &limits, "for i in $(seq 1 400); do echo $i; echo $i >&2; done");
    for count in [1, 2, 7, 100, 333, 799, 800, 5000] {
        let outcome = t.hull(&["logs", "-n", &count.to_string(), "box"]);
        let (out, err) = (numbers(&outcome.stdout), numbers(&outcome.stderr));
        assert_eq!(out.len() + err.len(), count.min(800), "{count}");
        for lines in [out, err] {
            assert!(lines.is_empty() || lines == (401 - lines.len() as u32..=400).collect::<Vec<_>>());
        }
    }
}

#[test]
fn since_and_until_find_their_lines_in_a_long_log() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "seq 1 20000; sleep 1.2; seq 20001 40000; sleep 1.2; seq 40001 60000";
    written(&t, "box", &["--log-opt", "max-size=700k", "--log-opt", "max-file=20"], script);
    let stamped = t.ok(&["logs", "-t", "box"]);
    let time_of = |number: u32| {
        let line = stamped.lines().find(|line| line.ends_with(&format!("Z {number}"))).unwrap();
        line.split(' ').next().unwrap().to_owned()
    };
    let (begin, end) = (time_of(20_001), time_of(40_000));
    let expected: Vec<u32> = (20_001..=40_000).collect();
    assert!(numbers(&t.ok(&["logs", "--since", &begin, "--until", &end, "box"])) == expected);
    assert_eq!(numbers(&t.ok(&["logs", "--since", &begin, "box"])).len(), 40_000);
    assert_eq!(numbers(&t.ok(&["logs", "--until", &end, "box"])).len(), 40_000);
    assert_eq!(t.ok(&["logs", "--until", &end, "-n", "2", "box"]), "39999\n40000");
    assert_eq!(t.ok(&["logs", "--since", "2100-01-01T00:00:00Z", "box"]), "");
    assert_eq!(t.ok(&["logs", "--until", "2000-01-01T00:00:00Z", "-n", "5", "box"]), "");
}

#[test]
fn only_what_is_asked_for_is_read_and_it_is_written_in_blocks() {
    let Some(t) = Scenario::with_busybox() else { return };
    written(&t, "box", &[], "seq 1 200000");
    let size = std::fs::metadata(log_of(&t, "box")).unwrap().len();
    let calls = |args: &[&str]| {
        let trace = t.write("trace", "");
        let strace = ["strace", "-f", "-e", "trace=write,pread64", "-o", trace.to_str().unwrap()];
        let mut command = wrapped(&strace, &t.command(args));
        command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
        if command.status().is_err() {
            return None;
        }
        let text = std::fs::read_to_string(&trace).unwrap();
        let read = text.lines().filter(|line| line.contains("pread64("));
        let read: u64 = read.filter_map(|line| line.rsplit(" = ").next()?.parse::<u64>().ok()).sum();
        Some((text.lines().filter(|line| line.contains("write(")).count(), read))
    };
    let Some((writes, read)) = calls(&["logs", "box"]) else {
        skip!("strace is not installed");
    };
    assert!(writes < 1000 && read >= size, "{writes} writes, {read} bytes of {size}");
    let (_, read) = calls(&["logs", "-n", "10", "box"]).unwrap();
    assert!(read < size / 20, "{read} bytes of {size} for the last ten lines");
    let (_, read) = calls(&["logs", "--since", "2100-01-01T00:00:00Z", "box"]).unwrap();
    assert!(read < size / 4, "{read} bytes of {size} for none");
}
