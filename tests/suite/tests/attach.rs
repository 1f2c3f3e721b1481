//! Commands that are joined to a container: what they transfer, and that none of them blocks the container.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use hull_test_support::Scenario;
use hull_test_support::outcome::{Running, assert_stays, eventually, run, wrapped};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, socket};
use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, prlimit};

/// The longest time that a command may take on a busy machine if it has nothing to wait for.
const SOON: Duration = Duration::from_secs(8);

fn signal(running: &Running, signal: Signal) {
    kill(Pid::from_raw(running.pid()), signal).expect("own child");
}

#[track_caller]
fn assert_soon(t: &Scenario, args: &[&str]) {
    let outcome = t.hull(args);
    assert!(outcome.success() && outcome.took < SOON, "{outcome}");
}

fn sleeper(t: &Scenario) {
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
}

#[test]
fn exec_gives_the_container_none_of_the_callers_files() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t);
    let (input, output) = (t.write("input", "kept\n"), t.write("output", ""));
    let script =
        "cat; echo overwritten > /proc/self/fd/0; for fd in 0 1 2; do readlink /proc/self/fd/$fd; done";
    let mut command = t.command(&["exec", "-i", "box", "sh", "-c", script]);
    command.stdin(File::options().read(true).write(true).open(&input).unwrap());
    command.stdout(File::create(&output).unwrap()).stderr(Stdio::null());
    command.status().expect("hull runs");
    assert_eq!(std::fs::read_to_string(&input).unwrap(), "kept\n");
    let printed = std::fs::read_to_string(&output).unwrap();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!((lines.len(), lines[0]), (4, "kept"), "{printed}");
    assert!(lines[1..].iter().all(|line| line.starts_with("pipe:")), "{printed}");
    assert_eq!(t.ok(&["exec", "box", "readlink", "/proc/self/fd/0"]), "/dev/null", "without -i");
}

#[test]
fn exec_carries_everything_and_keeps_the_streams_apart() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t);
    let script = "seq 1 100000; echo err >&2; exit 7";
    let outcome = t.hull(&["exec", "box", "sh", "-c", script]);
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (7, "err\n"));
    assert_eq!((outcome.stdout.lines().count(), outcome.stdout.lines().last()), (100_000, Some("100000")));
    let input = "line\n".repeat(200_000);
    assert_eq!(t.hull_with_input(&["exec", "-i", "box", "wc", "-l"], input.as_bytes()).ok(), "200000");
    let outcome = t.hull_with_input(&["exec", "-i", "box", "true"], input.as_bytes());
    assert_eq!(outcome.code(), 0, "a program need not read its input");
}

#[test]
fn a_slow_reader_gets_everything() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t);
    // The output fits into the buffers of the sockets and pipes, so the program ends long before the reader begins.
    let seq = ["seq", "1", "50000"];
    for args in [&["exec", "box"][..], &["run", "--rm", "busybox"]] {
        let command = t.command(&[args, &seq].concat());
        let slow = &["sh", "-c", "\"$0\" \"$@\" | (sleep 4; wc -l)"];
        let mut slow = wrapped(slow, &command);
        assert_eq!(run(slow.stderr(Stdio::inherit())).ok(), "50000", "{args:?}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_exec_as_it_ends_a_pipe() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t);
    let command = t.command(&["exec", "box", "yes"]);
    let outcome = run(&mut wrapped(&["sh", "-c", "\"$0\" \"$@\" | head -n 1"], &command));
    assert_eq!((outcome.ok(), outcome.stderr.as_str()), ("y", ""));
    eventually("the program has ended", || !t.ok(&["top", "box"]).contains("yes"));
}

/// Runs a hull command in a pipeline. The reader of the pipe leaves after the first line.
#[track_caller]
fn into_head(t: &Scenario, args: &[&str]) {
    let script = "(\"$0\" \"$@\"; echo code $? >&2) | head -n 1";
    let outcome = run(&mut wrapped(&["sh", "-c", script], &t.command(args)));
    assert!(outcome.took < SOON, "{outcome}");
    // A program of exec that continues to write ends by SIGPIPE, as in any pipe.
    let codes: &[&str] = if args[0] == "exec" { &["code 0\n", "code 141\n"] } else { &["code 0\n"] };
    assert!(outcome.stdout == "line\n" && codes.contains(&outcome.stderr.as_str()), "{args:?}: {outcome}");
}

#[test]
fn a_command_ends_with_the_reader_of_its_output_and_the_container_goes_on() {
    let Some(t) = Scenario::with_busybox() else { return };
    let talks = ["sh", "-c", "while :; do echo line; sleep 0.1; done"];
    let silent = ["sh", "-c", "echo line; sleep 300"];
    for (name, program) in [("talks", talks), ("silent", silent)] {
        into_head(&t, &[&["run", "--name", name, "busybox"], &program[..]].concat());
        assert_eq!(t.inspect(name, "{{.State.Running}}"), "true", "{name}");
        into_head(&t, &["logs", "-f", name]);
        t.ok(&["kill", name]);
        into_head(&t, &["start", "-a", name]);
        assert_eq!(t.inspect(name, "{{.State.Running}}"), "true", "{name}");
        into_head(&t, &[&["exec", "talks"], &program[..]].concat());
    }
    into_head(&t, &["attach", "talks"]);
    t.ok(&["kill", "talks"]);
    into_head(&t, &["logs", "talks"]);
}

#[test]
fn a_reader_that_left_before_anything_was_written_ends_it_too() {
    let Some(t) = Scenario::with_busybox() else { return };
    let command = t.command(&["run", "--name", "box", "busybox", "sleep", "300"]);
    let outcome = run(&mut wrapped(&["sh", "-c", "\"$0\" \"$@\" | true"], &command));
    assert!(outcome.success() && outcome.took < SOON, "{outcome}");
    for verb in ["attach box", "logs -f box", "exec box sleep 300"] {
        let args: Vec<&str> = verb.split(' ').collect();
        let outcome = run(&mut wrapped(&["sh", "-c", "\"$0\" \"$@\" | true"], &t.command(&args)));
        assert!(outcome.success() && outcome.took < SOON, "{outcome}");
    }
}

/// Whether a line of proc_pid_status(5), such as "SigBlk:", has `signal`.
fn is_in_mask(child: &Child, line: &str, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("own child");
    let mask = status.lines().find_map(|text| text.strip_prefix(line)).expect("every process has it");
    u64::from_str_radix(mask.trim(), 16).expect("a mask") & (1 << (signal as u32 - 1)) != 0
}

#[test]
fn the_third_interrupt_ends_a_command_whose_container_does_not_end() {
    let Some(t) = Scenario::with_busybox() else { return };
    for stuck in [false, true] {
        let program = if stuck { "trap '' INT; yes" } else { "trap '' INT; sleep 300" };
        let mut command = t.command(&["run", "--name", "box", "busybox", "sh", "-c", program]);
        let mut reader = None;
        let mut running = match stuck {
            // Nobody reads, and the pipe is full.
            true => {
                let (kept, output) = std::io::pipe().unwrap();
                reader = Some(kept);
                command.stdin(Stdio::null()).stdout(output).stderr(Stdio::null()).spawn().unwrap()
            }
            false => {
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
            }
        };
        eventually("it runs", || t.hull(&["exec", "box", "true"]).success());
        t.until_connected("box", 1);
        let pid = Pid::from_raw(running.id() as i32);
        eventually("it takes signals", || is_in_mask(&running, "SigBlk:", Signal::SIGINT));
        for _ in 0..2 {
            kill(pid, Signal::SIGINT).unwrap();
            // The kernel merges two pending signals of the same number into one (signal(7)).
            eventually("it has counted one", || !is_in_mask(&running, "ShdPnd:", Signal::SIGINT));
        }
        assert_stays("the command outlives two interrupts", Duration::from_millis(300), || {
            running.try_wait().unwrap().is_none()
        });
        kill(pid, Signal::SIGINT).unwrap();
        eventually("the third ends it", || running.try_wait().unwrap().is_some());
        assert_eq!(running.wait().unwrap().code(), Some(1), "stuck: {stuck}");
        assert_eq!(t.inspect("box", "{{.State.Running}}"), "true");
        t.ok(&["rm", "-f", "box"]);
        drop(reader);
    }
}

#[test]
fn a_stopped_exec_does_not_hold_up_the_container() {
    let Some(t) = Scenario::with_busybox() else { return };
    for program in [&["sleep", "300"][..], &["yes"]] {
        sleeper(&t);
        let mut exec = t.spawn(&[&["exec", "box"], program].concat());
        // A headline, the container's own process, and the process that exec added.
        eventually("the program runs", || t.ok(&["top", "box"]).lines().count() == 3);
        signal(&exec, Signal::SIGSTOP);
        assert_soon(&t, &["rm", "-f", "box"]);
        exec.kill();
        exec.wait();
    }
}

/// `run -i` of a program that reads nothing. Its stdin has more data than the buffers can hold.
fn backed_up(t: &Scenario, program: &[&str]) -> Running {
    let input = t.write("input", vec![b'x'; 3 << 20]);
    let mut command = t.command(&[&["run", "-i", "--name", "box", "busybox"], program].concat());
    let running = Running::start(command.stdin(File::open(input).unwrap()));
    eventually("the container runs", || t.hull(&["exec", "box", "true"]).success());
    let descriptor = format!("/proc/{}/fdinfo/0", running.pid());
    let (mut last, mut unchanged) = (String::new(), 0);
    eventually("nothing more of stdin is read", || {
        let position = std::fs::read_to_string(&descriptor).unwrap();
        unchanged = if position == last { unchanged + 1 } else { 0 };
        last = position;
        unchanged == 10
    });
    running
}

#[test]
fn stop_kill_and_rm_are_heard_while_stdin_is_backed_up() {
    let Some(t) = Scenario::with_busybox() else { return };
    for args in [&["stop", "-t", "1", "box"][..], &["kill", "box"], &["rm", "-f", "box"]] {
        let running = backed_up(&t, &["sleep", "1000"]);
        assert_soon(&t, args);
        assert_eq!(running.wait().code(), 137);
        t.hull(&["rm", "-f", "box"]);
    }
}

#[test]
fn signals_pass_a_stdin_that_is_backed_up() {
    let Some(t) = Scenario::with_busybox() else { return };
    let running = backed_up(&t, &["sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.1; done"]);
    let started = Instant::now();
    signal(&running, Signal::SIGTERM);
    assert_eq!(running.wait().code(), 9);
    assert!(started.elapsed() < SOON);
}

#[test]
fn a_stopped_attach_does_not_hold_up_the_end() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "busybox", "yes"]);
    let mut attached = t.spawn(&["attach", "box"]);
    t.until_connected("box", 1);
    signal(&attached, Signal::SIGSTOP);
    // Wait until the socket's buffer is full. Nothing outside the monitor shows this moment.
    std::thread::sleep(Duration::from_millis(300));
    assert_soon(&t, &["rm", "-f", "box"]);
    attached.kill();
    attached.wait();
}

#[test]
fn a_stopped_wait_does_not_brake_the_container() {
    let Some(t) = Scenario::with_busybox() else { return };
    // Long lines, so that the log receives more data in the same time.
    let line = "0123456789".repeat(100);
    let script =
        "sleep 1; yes $0 | head -c 5000000; touch /done; while test -e /done; do sleep 0.1; done; exit 3";
    t.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", script, &line]);
    let waiting = t.spawn(&["wait", "box"]);
    t.until_connected("box", 1);
    signal(&waiting, Signal::SIGSTOP);
    eventually("the container has printed", || t.hull(&["exec", "box", "test", "-e", "/done"]).success());
    signal(&waiting, Signal::SIGCONT);
    t.ok(&["exec", "box", "rm", "/done"]);
    assert_eq!(waiting.wait().ok(), "3");
}

/// A connection to the monitor of `box`, without a hull command.
fn connection(t: &Scenario) -> OwnedFd {
    // Through a descriptor of the directory, because the path is longer than a socket's address may be (unix(7)).
    let dir = File::open(t.run_root().join("containers").join(t.inspect("box", "{{.Id}}"))).unwrap();
    let path = format!("/proc/self/fd/{}/attach.sock", dir.as_raw_fd());
    let client = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap();
    connect(client.as_raw_fd(), &UnixAddr::new(path.as_str()).unwrap()).unwrap();
    client
}

#[test]
fn a_message_nobody_knows_does_not_stop_the_monitor() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t);
    let client = connection(&t);
    send(client.as_raw_fd(), b"?from the future", MsgFlags::empty()).unwrap();
    assert_soon(&t, &["stop", "-t", "1", "box"]);
}

#[test]
fn a_monitor_without_a_descriptor_to_spare_does_not_spin() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t);
    let monitor = t.monitor_of("box");
    let limit = Rlimit { current: Some(16), maximum: Some(4096) };
    prlimit(rustix::process::Pid::from_raw(monitor), Resource::Nofile, limit).expect("as root");
    // The first connections use up the monitor's descriptors, and the others wait to be accepted.
    let clients: Vec<OwnedFd> = (0..16).map(|_| connection(&t)).collect();
    // The processor time is measured over this time.
    std::thread::sleep(Duration::from_secs(2));
    let stat = std::fs::read_to_string(format!("/proc/{monitor}/stat")).expect("it runs");
    // utime and stime (proc_pid_stat(5)).
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = [fields[11], fields[12]].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    assert!(ticks < 50, "it took {ticks} hundredths of a second in two seconds");
    drop(clients);
    assert_soon(&t, &["kill", "box"]);
}

#[test]
fn a_terminal_closed_and_opened_again_is_still_heard() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "exec <&- >&- 2>&-; sleep 1; echo again > /dev/console; sleep 1; echo last > /dev/console";
    t.ok(&["run", "-dt", "--name", "box", "busybox", "sh", "-c", script]);
    t.ok(&["wait", "box"]);
    assert_eq!(t.ok(&["logs", "box"]).replace('\r', ""), "again\nlast");
}

#[test]
fn a_terminals_last_output_is_not_lost() {
    let Some(t) = Scenario::with_busybox() else { return };
    for _ in 0..5 {
        let outcome = t.hull(&["run", "--rm", "-t", "busybox", "seq", "1", "20000"]);
        assert_eq!(outcome.ok().lines().last().map(|line| line.trim_end()), Some("20000"));
    }
}

/// The command may wait for weeks.
#[test]
fn a_monitor_gives_back_what_its_start_took() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t);
    let smaps = format!("/proc/{}/smaps", t.monitor_of("box"));
    // Each mapping is a line with its name and several more lines, and one of these says how much is in memory.
    let resident = |name: &str| -> u64 {
        let smaps = std::fs::read_to_string(&smaps).unwrap();
        let mappings = smaps.split_inclusive("VmFlags").filter(|mapping| mapping.contains(name));
        let lines = mappings.filter_map(|mapping| mapping.lines().find_map(|line| line.strip_prefix("Rss:")));
        lines.map(|line| line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()).sum()
    };
    eventually("the stack is small", || (1..200).contains(&resident("[stack]")));
    eventually("most of the program is not in memory", || (1..6000).contains(&resident(" r-xp ")));
}

#[test]
fn only_the_streams_of_a_are_attached() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "cat; echo out; echo err >&2; exit 3";
    let run = |flags: &[&str]| {
        let words = [&["run", "--rm", "--network", "none"], flags, &["busybox", "sh", "-c", script]].concat();
        let outcome = t.hull_with_input(&words, b"in\n");
        (outcome.code(), outcome.stdout, outcome.stderr)
    };
    let text = str::to_owned;
    assert_eq!(run(&["-a", "stdout"]), (3, text("out\n"), text("")));
    assert_eq!(run(&["-a", "STDERR"]), (3, text(""), text("err\n")));
    assert_eq!(run(&["-a", "stdout", "-a", "stderr"]), (3, text("out\n"), text("err\n")));
    assert_eq!(run(&["-i", "-a", "stdin", "-a", "stdout"]), (3, text("in\nout\n"), text("")));
    for (flags, expected) in [
        (["-d", "-a", "stdout"], "cannot specify both --attach and --detach"),
        (["-i", "-a", "output"], "valid streams are STDIN, STDOUT and STDERR"),
    ] {
        let (code, stdout, stderr) = run(&flags);
        assert!((code, &*stdout) == (125, "") && stderr.contains(expected), "{stderr}");
    }
    // If only stdin is attached, the command prints the id, as with -d, and the container keeps the input that it has read.
    let words = ["run", "-i", "-a", "stdin", "--name", "box", "busybox", "sh", "-c", script];
    let outcome = t.hull_with_input(&words, b"in\n");
    assert_eq!((outcome.ok(), &*outcome.stderr), (&*t.inspect("box", "{{.Id}}"), ""));
    assert_eq!(t.ok(&["wait", "box"]), "3");
    assert_eq!(t.hull(&["logs", "box"]).stdout, "in\nout\n");
    let streams =
        "{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.AttachStderr}} {{.Config.StdinOnce}}";
    assert_eq!(t.inspect("box", streams), "true false false true");
    t.ok(&["create", "-i", "-a", "stderr", "--name", "other", "busybox"]);
    assert_eq!(t.inspect("other", streams), "false false true false");
}
