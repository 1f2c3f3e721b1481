//! A container from create to rm: docker's verbs, in the order in which a user types them.

use std::time::{Duration, Instant};

use hull_test_support::Scenario;
use hull_test_support::outcome::{assert_stays, eventually, run};

/// Starts a container that sleeps and ends quickly on SIGTERM.
fn sleeper(t: &Scenario, name: &str) {
    let script = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
    t.ok(&["run", "-d", "--name", name, "busybox", "sh", "-c", script]);
}

#[test]
fn run_gives_back_output_and_exit_code() {
    let Some(t) = Scenario::with_busybox() else { return };
    let outcome = t.hull(&["run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 42"]);
    assert_eq!((outcome.code(), outcome.stdout.as_str(), outcome.stderr.as_str()), (42, "out\n", "err\n"));
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn run_i_passes_stdin_to_its_end() {
    let Some(t) = Scenario::with_busybox() else { return };
    let input = "line\n".repeat(50_000);
    let outcome = t.hull_with_input(&["run", "--rm", "-i", "busybox", "wc", "-l"], input.as_bytes());
    assert_eq!(outcome.ok(), "50000");
}

#[test]
fn run_dies_of_the_signal_its_program_died_of() {
    let Some(t) = Scenario::with_busybox() else { return };
    // The kernel protects PID 1 from its own signals (pid_namespaces(7)), so the program does not run as PID 1 here.
    let outcome = t.hull(&["run", "--rm", "--init", "busybox", "sh", "-c", "kill -9 $$"]);
    assert_eq!(outcome.code(), 137, "{outcome}");
}

#[test]
fn create_start_attach_and_rm_are_what_run_does() {
    let Some(t) = Scenario::with_busybox() else { return };
    let id = t.ok(&["create", "--name", "box", "busybox", "sh", "-c", "echo ran; exit 3"]);
    assert_eq!(id.len(), 64);
    assert_eq!(t.inspect("box", "{{.State.Status}}"), "created");
    let started = t.hull(&["start", "-a", "box"]);
    assert_eq!((started.code(), started.stdout.as_str()), (3, "ran\n"), "{started}");
    assert_eq!(t.inspect("box", "{{.State.Status}} {{.State.ExitCode}}"), "exited 3");
    assert_eq!(t.ok(&["start", "box"]), "box", "it prints the name it was given");
    assert_eq!(t.ok(&["wait", "box"]), "3");
    assert_eq!(t.ok(&["rm", "box"]), "box");
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn stop_sends_sigterm_and_then_sigkill() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t, "polite");
    assert_eq!(t.ok(&["stop", "polite"]), "polite");
    assert_eq!(t.inspect("polite", "{{.State.Status}} {{.State.ExitCode}}"), "exited 0");
    t.ok(&["run", "-d", "--name", "deaf", "busybox", "sleep", "300"]);
    t.ok(&["stop", "-t", "1", "deaf"]);
    assert_eq!(t.inspect("deaf", "{{.State.ExitCode}}"), "137");
}

#[test]
fn a_stop_that_waits_lets_kill_and_rm_through() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "trap 'echo heard' TERM; echo ready; while :; do sleep 0.1; done";
    t.ok(&["run", "-d", "--name", "deaf", "busybox", "sh", "-c", script]);
    eventually("it handles the signal", || t.ok(&["logs", "deaf"]).contains("ready"));
    let waiting = t.spawn(&["stop", "-t", "50", "deaf"]);
    eventually("stop has sent the signal", || t.ok(&["logs", "deaf"]).contains("heard"));
    let started = Instant::now();
    t.ok(&["rm", "-f", "deaf"]);
    assert!(started.elapsed() < Duration::from_secs(30));
    waiting.wait();
}

#[test]
fn the_stop_signal_can_be_chosen() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "trap 'exit 7' USR1; while :; do sleep 0.1; done";
    t.ok(&["run", "-d", "--name", "box", "--stop-signal", "SIGUSR1", "busybox", "sh", "-c", script]);
    t.ok(&["stop", "box"]);
    assert_eq!(t.inspect("box", "{{.State.ExitCode}}"), "7");
}

#[test]
fn kill_sends_any_signal_and_restart_starts_anew() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t, "box");
    let first = t.pid_of("box");
    assert_eq!(t.ok(&["restart", "box"]), "box");
    assert_ne!(t.pid_of("box"), first);
    assert_eq!(t.ok(&["kill", "-s", "KILL", "box"]), "box");
    eventually("the container has exited", || t.inspect("box", "{{.State.Status}}") == "exited");
    assert_eq!(t.inspect("box", "{{.State.ExitCode}}"), "137");
    assert!(t.hull(&["kill", "box"]).fails(1).contains("not running"));
}

#[test]
fn init_reaps_and_forwards() {
    let Some(t) = Scenario::with_busybox() else { return };
    // The orphan's pid is not in /proc any more, so it was reaped and is not a zombie.
    let script =
        "orphan=$(sleep 0.1 >/dev/null & echo $!); while [ -e /proc/$orphan ]; do sleep 0.1; done; echo $$";
    let program = t.ok(&["run", "--rm", "--init", "busybox", "sh", "-c", script]);
    assert_ne!(program, "1", "the program is not PID 1");
    t.ok(&["run", "-d", "--name", "box", "--init", "busybox", "sleep", "300"]);
    t.ok(&["stop", "box"]);
    assert_eq!(t.inspect("box", "{{.State.ExitCode}}"), "143", "init forwards SIGTERM");
}

#[test]
fn exec_runs_beside_the_program() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t, "box");
    let outcome = t.hull(&[
        "exec",
        "-e",
        "A=b",
        "-w",
        "/tmp",
        "-u",
        "worker",
        "box",
        "sh",
        "-c",
        "echo $A; pwd; id -u; exit 9",
    ]);
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (9, "b\n/tmp\n1000\n"), "{outcome}");
    assert_eq!(t.hull_with_input(&["exec", "-i", "box", "cat"], b"through\n").ok(), "through");
    t.ok(&["exec", "-d", "box", "touch", "/made-behind-the-back"]);
    eventually("a detached exec works", || {
        t.hull(&["exec", "box", "test", "-e", "/made-behind-the-back"]).success()
    });
    assert_eq!(t.ok(&["exec", "box", "grep", "CapEff", "/proc/self/status"]), "CapEff:\t00000000a80425fb");
    assert_eq!(t.ok(&["exec", "box", "grep", "Seccomp:", "/proc/self/status"]), "Seccomp:\t2");
    t.ok(&["stop", "box"]);
    assert!(t.hull(&["exec", "box", "true"]).fails(1).contains("not running"));
}

#[test]
fn ps_lists_what_runs_and_with_a_all() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t, "up");
    t.ok(&["run", "--name", "down", "-l", "team=blue", "busybox", "true"]);
    let list = t.ok(&["ps"]);
    let header: Vec<_> =
        list.lines().next().unwrap().split("  ").map(str::trim).filter(|c| !c.is_empty()).collect();
    assert_eq!(header, ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]);
    assert!(list.contains("up") && !list.contains("down"), "{list}");
    assert_eq!(t.ok(&["ps", "-a", "--format", "{{.Names}}"]), "down\nup", "newest first");
    assert_eq!(t.ok(&["ps", "-aq"]).lines().count(), 2);
    assert_eq!(t.ok(&["ps", "-a", "--filter", "status=exited", "--format", "{{.Names}}"]), "down");
    assert_eq!(t.ok(&["ps", "-a", "--filter", "label=team=blue", "--format", "{{.Names}}"]), "down");
    assert_eq!(t.ok(&["ps", "-a", "-f", "name=up", "--format", "{{.Image}}"]), "busybox");
    assert!(t.ok(&["ps", "-a", "--format", "{{.Status}}", "-f", "name=down"]).starts_with("Exited (0)"));
    assert_eq!(t.ok(&["ps", "-n", "1", "-q", "--no-trunc"]).len(), 64);
}

#[test]
fn logs_keep_both_streams_and_follow() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "for i in 1 2 3 4 5; do echo out $i; done; echo err >&2; while ! test -e /go; do sleep 0.05; done; echo last";
    t.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", script]);
    eventually("the log has both streams", || {
        let logs = t.hull(&["logs", "box"]);
        logs.stdout == "out 1\nout 2\nout 3\nout 4\nout 5\n" && logs.stderr == "err\n"
    });
    let followed = t.spawn(&["logs", "-f", "--tail", "1", "box"]);
    let descriptors = format!("/proc/{}/fd", followed.pid());
    eventually("it waits for more", || {
        let links = std::fs::read_dir(&descriptors).unwrap().flatten();
        links
            .filter_map(|one| std::fs::read_link(one.path()).ok())
            .any(|link| link.ends_with("anon_inode:inotify"))
    });
    t.let_end("box");
    let followed = followed.wait();
    assert!(followed.ok().ends_with("last"), "{followed}");
    let stamped = t.ok(&["logs", "-t", "--tail", "1", "box"]);
    assert!(stamped.ends_with("Z last") && stamped.starts_with("20"), "{stamped}");
}

#[test]
fn the_log_is_rotated_or_not_kept() {
    let Some(t) = Scenario::with_busybox() else { return };
    let options = ["--log-opt", "max-size=4k", "--log-opt", "max-file=2"];
    let mut args = vec!["run", "--name", "small"];
    args.extend(options);
    args.extend(["busybox", "seq", "1", "2000"]);
    t.hull(&args).ok();
    let logs = t.ok(&["logs", "small"]);
    assert!(logs.ends_with("2000") && logs.lines().count() < 500, "{} lines kept", logs.lines().count());
    t.ok(&["run", "--name", "silent", "--log-driver", "none", "busybox", "echo", "unheard"]);
    assert!(!t.hull(&["logs", "silent"]).stdout.contains("unheard"));
}

#[test]
fn attach_and_wait_end_with_the_container() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "while ! test -e /go; do sleep 0.05; done; echo done; exit 5";
    t.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", script]);
    let (attached, waited) = (t.spawn(&["attach", "--no-stdin", "box"]), t.spawn(&["wait", "box"]));
    t.until_connected("box", 2);
    t.let_end("box");
    let attached = attached.wait();
    assert_eq!((attached.code(), attached.stdout.as_str()), (5, "done\n"), "{attached}");
    assert_eq!(waited.wait().ok(), "5");
}

#[test]
fn cp_copies_in_and_out() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t, "box");
    t.write("tree/a/file", "one\n");
    t.ok(&["cp", t.path("tree").to_str().unwrap(), "box:/tmp"]);
    assert_eq!(t.ok(&["exec", "box", "cat", "/tmp/tree/a/file"]), "one");
    t.ok(&["cp", "box:/etc/issue-of-image", t.path("out").to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(t.path("out")).unwrap(), "made for tests\n");
    let tar = t.hull(&["cp", "box:/tmp/tree", "-"]);
    assert!(tar.success() && tar.stdout.contains("tree/a/file"), "a tar on stdout");
    t.ok(&["stop", "box"]);
    t.ok(&["cp", "box:/tmp/tree/a/file", t.path("stopped").to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(t.path("stopped")).unwrap(), "one\n");
    assert!(t.hull(&["cp", "box:/no/such", t.path("x").to_str().unwrap()]).fails(1).contains("/no/such"));
}

#[test]
fn cp_does_not_follow_a_symlink_out_of_the_container() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t, "box");
    let secret = t.write("secret", "of the machine");
    t.ok(&["exec", "box", "ln", "-s", secret.to_str().unwrap(), "/tmp/link"]);
    t.hull(&["cp", "-L", "box:/tmp/link", t.path("stolen").to_str().unwrap()]);
    assert!(!std::fs::read_to_string(t.path("stolen")).unwrap_or_default().contains("of the machine"));
    t.ok(&["exec", "box", "ln", "-s", t.path("").to_str().unwrap(), "/tmp/door"]);
    let gift = t.write("gift", "from outside");
    t.hull(&["cp", gift.to_str().unwrap(), "box:/tmp/door/landed"]);
    assert!(!t.path("landed").exists(), "written on the machine");
}

#[test]
fn top_and_rename_and_labels() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t, "box");
    let top = t.ok(&["top", "box"]);
    assert!(top.lines().next().unwrap().contains("PID") && top.lines().count() >= 2, "{top}");
    t.ok(&["rename", "box", "crate"]);
    assert_eq!(t.inspect("crate", "{{.Name}}"), "/crate");
    assert!(t.hull(&["inspect", "box"]).fails(1).contains("box"));
    t.ok(&["run", "-d", "--name", "box", "busybox", "true"]);
}

#[test]
fn a_container_with_rm_survives_a_restart_and_goes_under_its_new_name() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--rm", "--name", "box", "busybox", "sleep", "300"]);
    t.ok(&["exec", "box", "touch", "/kept"]);
    t.ok(&["restart", "-t", "0", "box"]);
    t.ok(&["exec", "box", "test", "-e", "/kept"]);
    t.ok(&["rename", "box", "crate"]);
    t.ok(&["stop", "-t", "0", "crate"]);
    assert_eq!(t.ok(&["ps", "-aq"]), "");
    t.ok(&["run", "--rm", "--name", "crate", "busybox", "true"]);
}

#[test]
fn kill_ends_a_container_also_for_its_restart_policy() {
    let Some(t) = Scenario::with_busybox() else { return };
    // The shell handles a signal at once while it waits. An end that comes later does not count as the signal's doing.
    let script = "trap 'exit 3' HUP; echo ready; sleep 300 & wait";
    t.ok(&["run", "-d", "--name", "box", "--restart", "always", "busybox", "sh", "-c", script]);
    eventually("it listens", || t.ok(&["logs", "box"]) == "ready");
    t.ok(&["kill", "-s", "HUP", "box"]);
    eventually("it has ended", || t.inspect("box", "{{.State.Status}}") == "exited");
    assert_eq!(t.inspect("box", "{{.RestartCount}} {{.State.ExitCode}}"), "0 3");
}

#[test]
fn environment_comes_from_flags_files_and_the_caller() {
    let Some(t) = Scenario::with_busybox() else { return };
    let file = t.write("env", "# a comment\nFROM_FILE=1\nCALLER\n");
    let args = [
        "run",
        "--rm",
        "--env-file",
        file.to_str().unwrap(),
        "-e",
        "FLAG=two words",
        "-e",
        "CALLER",
        "busybox",
        "env",
    ];
    let outcome = hull_test_support::outcome::run(t.command(&args).env("CALLER", "me"));
    for wanted in ["FROM_FILE=1", "FLAG=two words", "CALLER=me", "HOME=/root"] {
        assert!(outcome.ok().lines().any(|l| l == wanted), "{wanted}: {outcome}");
    }
}

#[test]
fn the_cid_file_names_the_container_and_is_never_overwritten() {
    let Some(t) = Scenario::with_busybox() else { return };
    let file = t.path("cid");
    let args = ["run", "-d", "--cidfile", file.to_str().unwrap(), "busybox", "true"];
    let id = t.ok(&args);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), id);
    assert!(t.hull(&args).fails(125).contains("cid"));
    assert_eq!(t.ok(&["ps", "-aq"]).lines().count(), 1);
}

#[test]
fn hosts_and_resolv_conf_follow_the_flags() {
    let Some(t) = Scenario::with_busybox() else { return };
    let args = ["run", "--rm", "--add-host", "db:10.1.2.3", "--dns", "192.0.2.1", "busybox"];
    let cat = |file: &str| t.ok(&[&args[..], &["cat", file]].concat());
    assert!(cat("/etc/hosts").lines().any(|l| l.split_whitespace().eq(["10.1.2.3", "db"])));
    assert!(cat("/etc/hosts").contains("localhost"));
    assert!(cat("/etc/resolv.conf").contains("nameserver 192.0.2.1"));
}

#[test]
fn restart_policies_are_honoured() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "tries", "--restart", "on-failure:2", "busybox", "sh", "-c", "exit 6"]);
    eventually("it gives up after two restarts", || {
        t.inspect("tries", "{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}") == "exited 2 6"
    });
    t.ok(&["run", "-d", "--name", "always", "--restart", "always", "busybox", "sleep", "0.2"]);
    eventually("it comes back", || t.inspect("always", "{{.RestartCount}}").parse::<u32>().unwrap() >= 2);
    t.ok(&["stop", "-t", "1", "always"]);
    assert_stays("a stopped container stays stopped", Duration::from_millis(800), || {
        t.inspect("always", "{{.State.Running}}") == "false"
    });
    t.ok(&["run", "-d", "--name", "fine", "--restart", "on-failure", "busybox", "true"]);
    eventually("it has ended", || t.inspect("fine", "{{.State.Status}}") == "exited");
    assert_stays("it is not restarted", Duration::from_millis(500), || {
        t.inspect("fine", "{{.RestartCount}} {{.State.Status}}") == "0 exited"
    });
    assert!(
        t.hull(&["run", "--rm", "--restart", "always", "busybox", "true"]).fails(125).contains("restart")
    );
}

#[test]
fn named_volumes_copy_up_and_bind_mounts_mask() {
    let Some(t) = Scenario::with_busybox() else { return };
    let ls = |options: &[&str]| t.ok(&[&["run", "--rm"], options, &["busybox", "ls", "/etc"]].concat());
    assert!(
        ls(&["-v", "config:/etc"]).contains("issue-of-image"),
        "an empty volume takes what the image has"
    );
    t.ok(&[
        "run",
        "--rm",
        "-v",
        "config:/etc",
        "busybox",
        "sh",
        "-c",
        "rm /etc/issue-of-image; touch /etc/kept",
    ]);
    let second = ls(&["-v", "config:/etc"]);
    assert!(
        second.contains("kept") && !second.contains("issue-of-image"),
        "and keeps its own after that: {second}"
    );
    t.write("own/mine", "");
    let bound = format!("{}:/etc", t.path("own").display());
    assert!(ls(&["-v", &bound]).contains("mine"));
    assert!(!ls(&["-v", &bound]).contains("issue-of-image"));
    let read_only = format!("{}:/mnt:ro", t.path("own").display());
    assert!(!t.hull(&["run", "--rm", "-v", &read_only, "busybox", "touch", "/mnt/x"]).success());
    let bind = format!("type=bind,source={},target=/mnt,readonly", t.path("own").display());
    t.ok(&["run", "--rm", "--mount", &bind, "busybox", "test", "-e", "/mnt/mine"]);
    t.ok(&[
        "run",
        "--rm",
        "--mount",
        "type=volume,source=config,target=/m",
        "busybox",
        "test",
        "-e",
        "/m/kept",
    ]);
    t.ok(&["run", "--rm", "--mount", "type=tmpfs,target=/m,tmpfs-size=1m", "busybox", "touch", "/m/x"]);
    let missing = format!("type=bind,source={},target=/mnt", t.path("none").display());
    t.hull(&["run", "--rm", "--mount", &missing, "busybox", "true"]).fails(125);
    assert!(!t.path("none").exists(), "--mount makes no source");
}

#[test]
fn a_volume_is_filled_for_a_new_container_and_not_again() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "ls /etc | grep -c issue; rm /etc/*";
    let args = ["run", "--name", "box", "-v", "vol:/etc", "busybox", "sh", "-c", script];
    assert!(t.hull(&args).stdout.starts_with('1'));
    assert!(t.hull(&["start", "-a", "box"]).stdout.starts_with('0'), "what it emptied stays empty");
}

#[test]
fn anonymous_volumes_go_with_rm() {
    let Some(t) = Scenario::with_busybox() else { return };
    let volumes = || std::fs::read_dir(t.data_root().join("volumes")).map_or(0, |d| d.count());
    t.ok(&["run", "--rm", "-v", "/data", "busybox", "touch", "/data/x"]);
    assert_eq!(volumes(), 0, "--rm takes its anonymous volume along");
    t.ok(&["run", "--name", "box", "-v", "/data", "-v", "named:/more", "busybox", "true"]);
    t.ok(&["rm", "-v", "box"]);
    assert_eq!(volumes(), 1, "a named volume stays");
}

#[test]
fn system_prune_takes_only_what_is_not_used() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t, "up");
    t.ok(&["run", "--name", "down", "busybox", "true"]);
    let pruned = t.ok(&["system", "prune", "-f"]);
    assert!(pruned.contains("Total reclaimed space"), "{pruned}");
    assert_eq!(t.ok(&["ps", "-a", "--format", "{{.Names}}"]), "up");
    assert_eq!(t.ok(&["exec", "up", "echo", "alive"]), "alive");
    t.ok(&["run", "--rm", "busybox", "true"]);
}

#[test]
fn pruned_containers_leave_their_anonymous_volumes() {
    let Some(t) = Scenario::with_busybox() else { return };
    let volumes = || t.ok(&["volume", "ls", "-q"]).lines().count();
    t.ok(&["run", "-v", "/data", "busybox", "touch", "/data/x"]);
    t.ok(&["system", "prune", "-f"]);
    assert_eq!(volumes(), 1, "docker removes them with --volumes only");
    t.ok(&["run", "--name", "kept", "-l", "keep", "-v", "/data", "busybox", "true"]);
    t.ok(&["run", "--name", "gone", "-v", "/data", "busybox", "true"]);
    let listed = || t.ok(&["ps", "-a", "--format", "{{.Names}}"]);
    t.ok(&["container", "prune", "-f", "--filter", "until=1h"]);
    assert_eq!(listed(), "gone\nkept");
    let gone = t.ok(&["inspect", "-f", "{{.Id}}", "gone"]);
    let pruned = t.ok(&["container", "prune", "-f", "--filter", "label!=keep"]);
    assert!(pruned.starts_with(&format!("Deleted Containers:\n{gone}\n")), "{pruned}");
    assert_eq!((listed().as_str(), volumes()), ("kept", 3));
    t.ok(&["container", "prune", "-f"]);
    t.ok(&["system", "prune", "-f", "--volumes"]);
    assert_eq!((listed().as_str(), volumes()), ("", 0));
}

#[test]
fn fifty_containers_started_at_once_all_run_and_all_go_away() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "echo number $0; sleep 0.2";
    let numbers: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    let running: Vec<_> =
        numbers.iter().map(|n| t.spawn(&["run", "--rm", "busybox", "sh", "-c", script, n])).collect();
    for (number, running) in running.into_iter().enumerate() {
        assert_eq!(running.wait().ok(), format!("number {number}"));
    }
    assert_eq!(t.ok(&["ps", "-aq"]), "");
    let detached: Vec<_> = (0..50).map(|_| t.spawn(&["run", "-d", "busybox", "sleep", "300"])).collect();
    for running in detached {
        running.wait().ok();
    }
    let ids = t.ok(&["ps", "-q"]);
    assert_eq!(ids.lines().count(), 50);
    t.ok(&[&["rm", "-f"], &ids.lines().collect::<Vec<_>>()[..]].concat());
}

#[test]
fn real_time_signals_are_deaths_like_any_other() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeper(&t, "box");
    assert_eq!(t.hull(&["exec", "box", "sh", "-c", "kill -40 $$"]).code(), 168);
    assert_eq!(t.hull(&["run", "--rm", "--init", "busybox", "sh", "-c", "kill -40 $$"]).code(), 168);
    t.ok(&["run", "-d", "--name", "init", "--init", "busybox", "sleep", "300"]);
    t.ok(&["kill", "-s", "RTMIN+6", "init"]);
    assert_eq!(t.ok(&["wait", "init"]), "168", "init forwards it");
}

#[test]
fn init_shows_nothing_of_hulls() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "cat /proc/1/cmdline /proc/1/comm /proc/1/environ; ls -l /proc/1/fd";
    let args = ["run", "--rm", "--init", "--privileged", "-e", "OWN=1", "busybox", "sh", "-c", script];
    let mut command = t.command(&args);
    let printed = run(command.env("SECRET_OF_THE_CALLER", "x")).ok().replace('\0', " ");
    assert!(printed.starts_with("hull-init -- sh -c cat "), "{printed}");
    assert!(printed.contains("\nhull-init\n") || printed.contains(" hull-init\n"), "{printed}");
    assert!(printed.contains("OWN=1") && !printed.contains("SECRET"), "{printed}");
    assert!(!printed.contains("privileged") && !printed.contains("socket:"), "{printed}");
}
