//! `--runtime`: hull's containers made by crun, runc and youki, and by runtimes that misbehave.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hull_test_support::outcome::{Running, eventually, eventually_some};
use hull_test_support::{Scenario, Terminal, fixtures, skip};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A runtime of Debian's by its path, so that a test of one never uses another.
fn installed(name: &str) -> Option<PathBuf> {
    let found = skip::find_program(name);
    if found.is_none() {
        skip::skip(&format!("{name} is not installed"));
    }
    found
}

fn youki() -> Option<PathBuf> {
    fixtures::youki().map_err(|why| skip::skip(&format!("youki cannot be built: {why}"))).ok()
}

/// A program that stands in for a runtime.
fn script(t: &Scenario, name: &str, text: &str) -> String {
    let path = t.write(name, format!("#!/bin/sh\n{text}\n"));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn kill_hard(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it lives");
}

fn foreground_runs(t: &Scenario, runtime: &str) {
    let run = |args: &[&str], input: &str| {
        let words = [&["run", "--rm", "--network", "none", "--runtime", runtime], args].concat();
        let attempts = std::iter::repeat_with(|| t.hull_with_input(&words, input.as_bytes()));
        // youki seals a copy of itself. The kernel refuses that for as long as it holds a page of the copy, which it does for
        // moments on a busy machine (fcntl(2), F_SEAL_WRITE, EBUSY).
        let mut sealed = attempts.take(5).filter(|one| !one.stderr.contains("failed to seal /proc/self/exe"));
        sealed.next().expect("youki seals its copy in one of five attempts")
    };
    let outcome = run(&["busybox", "sh", "-c", "echo out; echo err >&2; exit 7"], "");
    assert_eq!((outcome.code(), &*outcome.stdout, &*outcome.stderr), (7, "out\n", "err\n"));
    assert_eq!(run(&["-i", "busybox", "cat"], "input").ok(), "input");
    let limits = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes || cat /sys/fs/cgroup/memory.max";
    assert_eq!(run(&["-m", "32m", "busybox", "sh", "-c", limits], "").ok(), "33554432");
    assert_eq!(
        run(&["-u", "worker", "-h", "other", "busybox", "sh", "-c", "id -u; hostname"], "").ok(),
        "1000\nother"
    );
    for (program, code) in [("nosuch", 127), ("/nosuch", 127), ("/etc/passwd", 126)] {
        let outcome = run(&["busybox", program], "");
        let name = Path::new(runtime).file_name().unwrap().to_str().unwrap();
        assert!(outcome.fails(code).contains(&format!("{name} create failed: ")), "{outcome}");
    }
    let mut terminal = Terminal::start(&t.command(&[
        "run",
        "--rm",
        "-it",
        "--network",
        "none",
        "--runtime",
        runtime,
        "busybox",
        "sh",
    ]));
    terminal.send("tty; echo $((6*7))\n");
    terminal.expect("/dev/pts/0");
    terminal.expect("42");
    terminal.send("exit 5\n");
    assert_eq!(terminal.wait(), 5);
}

fn background_runs(t: &Scenario, runtime: &str) {
    let script = "echo started; trap 'echo bye; exit 3' TERM; while :; do sleep 0.05; done";
    t.ok(&["run", "-d", "--name", "box", "--runtime", runtime, "busybox", "sh", "-c", script]);
    assert_eq!(t.inspect("box", "{{.HostConfig.Runtime}}"), runtime);
    eventually("it prints", || t.ok(&["logs", "box"]) == "started");
    let outcome = t.hull(&["exec", "box", "sh", "-c", "echo in; echo err >&2; exit 4"]);
    assert_eq!((outcome.code(), &*outcome.stdout, &*outcome.stderr), (4, "in\n", "err\n"));
    t.hull(&["exec", "box", "nosuch"]).fails(127);
    assert_eq!(t.hull_with_input(&["exec", "-i", "box", "cat"], b"input").ok(), "input");
    let mut terminal = Terminal::start(&t.command(&["exec", "-it", "box", "sh"]));
    terminal.send("tty; exit 6\n");
    terminal.expect("/dev/pts/");
    assert_eq!(terminal.wait(), 6);
    t.ok(&["exec", "-d", "box", "touch", "/made"]);
    eventually("the detached command has run", || t.hull(&["exec", "box", "ls", "/made"]).success());
    let own = t.write("own", "copied");
    t.ok(&["cp", own.to_str().unwrap(), "box:/copy"]);
    assert_eq!(t.ok(&["exec", "box", "cat", "/copy"]), "copied");
    assert!(t.ok(&["top", "box"]).contains("trap"));
    t.ok(&["pause", "box"]);
    assert_eq!(t.inspect("box", "{{.State.Status}}"), "paused");
    t.ok(&["unpause", "box"]);
    t.ok(&["update", "--memory", "64m", "--memory-swap", "64m", "box"]);
    let limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes || cat /sys/fs/cgroup/memory.max";
    assert_eq!(t.ok(&["exec", "box", "sh", "-c", limit]), "67108864");
    t.ok(&["commit", "box", "committed"]);
    t.ok(&["stop", "box"]);
    assert_eq!(t.inspect("box", "{{.State.ExitCode}}"), "3");
    assert_eq!(t.ok(&["logs", "box"]), "started\nbye");
    t.ok(&["start", "box"]);
    assert_eq!(t.ok(&["exec", "box", "cat", "/copy"]), "copied");
    t.ok(&["kill", "box"]);
    assert_eq!(t.inspect("box", "{{.State.ExitCode}}"), "137");
    t.ok(&["start", "box"]);
    t.ok(&["rm", "-f", "box"]);
    t.ok(&[
        "run",
        "-d",
        "--name",
        "again",
        "--restart",
        "on-failure:2",
        "--runtime",
        runtime,
        "busybox",
        "false",
    ]);
    eventually("it is restarted twice", || {
        t.inspect("again", "{{.State.Status}} {{.RestartCount}}") == "exited 2"
    });
    t.ok(&["run", "-d", "--name", "owner", "--ipc", "shareable", "busybox", "sleep", "300"]);
    let sharing = ["--rm", "--ipc", "container:owner", "--runtime", runtime, "busybox"];
    let outcome = t.hull(&[&["run"], &sharing[..], &["touch", "/dev/shm/shared"]].concat());
    assert_eq!((outcome.code(), &*outcome.stderr), (0, ""), "the cleanup, too, has succeeded");
    assert_eq!(t.ok(&["exec", "owner", "ls", "/dev/shm"]), "shared");
    t.ok(&["run", "-d", "--name", "box", "--runtime", runtime, "busybox", "sleep", "300"]);
    kill_hard(t.monitor_of("box"));
    eventually("the next command ends it", || t.inspect("box", "{{.State.Status}}") == "exited");
    t.ok(&["start", "box"]);
    assert_eq!(t.ok(&["exec", "box", "echo", "again"]), "again");
}

macro_rules! runtimes {
    ($($module:ident: $find:expr;)*) => { $(mod $module {
        use super::*;

        #[test]
        fn programs_run_in_the_foreground() {
            let Some(runtime) = $find else { return };
            let Some(t) = Scenario::with_busybox() else { return };
            foreground_runs(&t, runtime.to_str().unwrap());
        }

        #[test]
        fn containers_run_in_the_background() {
            let Some(runtime) = $find else { return };
            let Some(t) = Scenario::with_busybox() else { return };
            background_runs(&t, runtime.to_str().unwrap());
        }

        #[test]
        fn a_kill_in_the_middle_of_create_leaves_nothing() {
            let Some(runtime) = $find else { return };
            let Some(t) = Scenario::with_busybox() else { return };
            kills_in_the_middle(&t, runtime.to_str().unwrap());
        }
    })* };
}

runtimes! {
    crun: installed("crun");
    runc: installed("runc");
    youki: youki();
}

/// Whether a process has ended. Its parent may not have reaped it.
fn has_ended(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with(['Z', 'X']))
}

/// The monitor is the parent of the runtime, which is found by its argument.
fn kills_in_the_middle(t: &Scenario, runtime: &str) {
    let creating = |name: &str, started: &mut Running| {
        let id = t.inspect(name, "{{.Id}}");
        // `None` if it was too quick.
        eventually_some("the runtime runs", || {
            if started.has_ended() {
                return Some(None);
            }
            std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
                let pid = entry.file_name().to_str()?.parse::<i32>().ok()?;
                let words = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
                let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
                let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
                let parent = field("PPid:\t")?.parse::<i32>().ok()?;
                // The container's first process has the same arguments until it executes its program.
                let is_outside = field("NSpid:")?.split_whitespace().count() == 1;
                let is_runtime = words.contains("\0create\0") && words.contains(&*id) && is_outside;
                is_runtime.then_some(Some((pid, parent)))
            })
        })
    };
    for (number, delay) in [0, 1, 3, 8, 15, 30, 60].into_iter().enumerate() {
        for kills_monitor in [true, false] {
            let name = format!("box{number}{kills_monitor}");
            let words = [
                "create",
                "--name",
                &name,
                "--network",
                "none",
                "--runtime",
                runtime,
                "busybox",
                "sleep",
                "300",
            ];
            t.ok(&words);
            let mut started = t.spawn(&["start", &name]);
            if let Some((pid, monitor)) = creating(&name, &mut started) {
                std::thread::sleep(Duration::from_millis(delay));
                let killed = if kills_monitor { monitor } else { pid };
                let _ = kill(Pid::from_raw(killed), Signal::SIGKILL);
                // A signal takes a moment, in which the container still counts as running.
                eventually("it has ended", || has_ended(killed));
            }
            let outcome = started.wait();
            // The kill may have come too late.
            if !outcome.success() {
                assert!(outcome.code() == 1 || outcome.code() == 125, "{outcome}");
            }
            t.ok(&["ps", "-a"]);
            t.ok(&["start", &name]);
            assert_eq!(t.ok(&["exec", &name, "echo", "usable"]), "usable");
            t.ok(&["rm", "-f", &name]);
        }
    }
}

#[test]
fn a_runtime_that_misbehaves_is_reported_in_a_sentence() {
    let Some(t) = Scenario::with_busybox() else { return };
    let run = |runtime: &str| t.hull(&["run", "--rm", "--runtime", runtime, "busybox", "true"]);
    for (text, expected) in [
        ("echo no luck today >&2; exit 1", "create failed: no luck today"),
        ("exit 9", "create failed: it has exited with code 9"),
        ("exit 0", "create failed: it has left no pid file"),
        ("yes error | head -c 10000000 >&2; echo >&2; echo the end >&2; exit 1", "create failed: the end"),
        ("yes | head -c 10000000; exit 1", "create failed: it has exited with code 1"),
        // Process 1 is not its child.
        (
            "while [ $# -gt 0 ]; do [ \"$1\" = --pid-file ] && echo 1 > $2; shift; done",
            "process 1 of its pid file",
        ),
        (
            "while [ $# -gt 0 ]; do [ \"$1\" = --pid-file ] && echo x > $2; shift; done",
            "it has left no pid file",
        ),
        (
            "while [ $# -gt 0 ]; do [ \"$1\" = --log ] && echo '{\"level\":\"error\",\"msg\":\"in the log\"}' > $2; shift; done; exit 1",
            "create failed: in the log",
        ),
    ] {
        let outcome = run(&script(&t, "bad-runtime", text));
        assert!(outcome.fails(125).contains(expected), "{expected}: {outcome}");
        assert!(outcome.took < Duration::from_secs(20), "{outcome}");
    }
    let plain = t.write("plain", "text");
    let plain = plain.to_str().unwrap();
    for (runtime, expected) in [
        ("/nosuch/runtime", "/nosuch/runtime: No such file or directory"),
        (plain, "cannot be executed"),
        ("/etc", "is not a file"),
        ("ls", "daemon.json has none of this name"),
        ("./crun", "a path has to begin with /"),
        ("io.containerd.runsc.v1", "shim of containerd"),
    ] {
        assert!(run(runtime).fails(125).contains(expected), "{runtime}");
    }
    assert_eq!(t.ok(&["ps", "-aq"]), "");
    // It has gone since the container was created.
    let there = script(&t, "gone", "exit 1");
    t.ok(&["create", "--name", "box", "--runtime", &there, "busybox", "true"]);
    std::fs::remove_file(&there).unwrap();
    assert!(t.hull(&["start", "box"]).fails(1).contains("No such file or directory"));
}

#[test]
fn a_runtime_that_hangs_is_ended_with_its_children() {
    let Some(runc) = installed("runc") else { return };
    let Some(t) = Scenario::with_busybox() else { return };
    // No other process has this number in its command line.
    let number = format!("76543{}", std::process::id());
    let text =
        format!("case \"$*\" in *' pause '*) sleep {number} & wait;; esac\nexec {} \"$@\"", runc.display());
    let runtime = script(&t, "hangs", &text);
    t.ok(&["run", "-d", "--name", "box", "--runtime", &runtime, "busybox", "sleep", "300"]);
    let outcome = t.hull(&["pause", "box"]);
    assert!(outcome.fails(1).contains("pause failed: it has not ended within 10 seconds"), "{outcome}");
    assert!(outcome.took < Duration::from_secs(20), "{outcome}");
    let is_left = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read_to_string(entry.path().join("cmdline"))
            .is_ok_and(|words| words == format!("sleep\0{number}\0"))
    });
    assert!(!is_left, "its child is left");
    assert_eq!(t.inspect("box", "{{.State.Status}}"), "running");
    assert_eq!(t.ok(&["exec", "box", "echo", "alive"]), "alive");
}

#[test]
fn a_runtime_that_only_says_that_it_has_killed_keeps_no_container_running() {
    let Some(runc) = installed("runc") else { return };
    let Some(t) = Scenario::with_busybox() else { return };
    let text = format!("case \"$*\" in *' kill '*) exit 0;; esac\nexec {} \"$@\"", runc.display());
    let runtime = script(&t, "says-so", &text);
    let run = ["run", "-d", "--network", "none", "--runtime", &runtime, "--name"];
    for (name, words) in [("box", &["kill"][..]), ("other", &["stop", "-t", "1"])] {
        t.ok(&[&run[..], &[name, "busybox", "sleep", "300"]].concat());
        let ended = t.hull(&[words, &[name]].concat());
        assert!(ended.success() && ended.took < Duration::from_secs(15), "{ended}");
        eventually("it has ended", || t.inspect(name, "{{.State.Status}}") == "exited");
    }
}

#[test]
fn a_container_whose_runtime_hangs_at_its_start_is_removed_by_force() {
    let Some(t) = Scenario::with_busybox() else { return };
    let begun = t.path("begun");
    let text = format!("case \"$*\" in *' create '*) touch {}; exec sleep 300;; esac", begun.display());
    let runtime = script(&t, "hangs", &text);
    let run =
        t.spawn(&["run", "--name", "box", "--network", "none", "--runtime", &runtime, "busybox", "true"]);
    eventually("the runtime hangs", || begun.exists());
    let removed = t.hull(&["rm", "-f", "box"]);
    assert!(removed.success() && removed.took < Duration::from_secs(30), "{removed}");
    assert!(!run.wait().success());
}

#[test]
fn commands_wait_for_a_start_whose_command_was_killed() {
    let Some(runc) = installed("runc") else { return };
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["network", "create", "other"]);
    let (begun, go) = (t.path("begun"), t.path("go"));
    let wait = format!("touch {}; while [ ! -e {} ]; do sleep 0.01; done", begun.display(), go.display());
    let text = format!("case \"$*\" in *' create '*) {wait};; esac\nexec {} \"$@\"", runc.display());
    let runtime = script(&t, "slow", &text);
    let joined = [
        "run",
        "--rm",
        "--network",
        "container:box",
        "--pid",
        "container:box",
        "busybox",
        "cat",
        "/etc/hosts",
    ];
    let second: [&[&str]; 7] = [
        &["start", "box"],
        &["exec", "box", "echo", "in"],
        &joined,
        &["cp", "box:/etc/hosts", "-"],
        &["network", "connect", "other", "box"],
        &["network", "trace", "box"],
        &["pause", "box"],
    ];
    for words in second {
        t.ok(&["create", "--name", "box", "--runtime", &runtime, "busybox", "sleep", "300"]);
        let mut first = t.spawn(&["start", "box"]);
        eventually("the runtime creates the container", || begun.exists());
        first.kill();
        first.wait();
        let waiting = t.spawn(words);
        std::thread::sleep(Duration::from_millis(300));
        std::fs::write(&go, "").unwrap();
        let outcome = waiting.wait();
        assert!(outcome.success(), "{outcome}");
        if words.contains(&"connect") {
            assert!(t.ok(&["exec", "box", "ls", "/sys/class/net"]).contains("eth1"), "it is connected");
        }
        if words.contains(&"pause") {
            assert_eq!(t.inspect("box", "{{.State.Status}}"), "paused");
        }
        t.ok(&["rm", "-f", "box"]);
        std::fs::remove_file(&go).unwrap();
        std::fs::remove_file(&begun).unwrap();
    }
}

#[test]
fn the_built_in_runtime_has_its_name() {
    let Some(t) = Scenario::with_busybox() else { return };
    for name in ["hull", "hull-oci"] {
        t.ok(&["run", "--rm", "--runtime", name, "busybox", "true"]);
    }
    t.ok(&["create", "--name", "box", "busybox", "true"]);
    assert_eq!(t.inspect("box", "{{.HostConfig.Runtime}}"), "hull");
    assert!(t.ok(&["info", "-f", "{{json .Runtimes}}"]).contains(r#""hull":{"path":"hull-oci"}"#));
}
