//! The same commands as an ordinary user.

use hull_test_support::outcome::{eventually, run, wrapped};
use hull_test_support::{Scenario, Terminal, fixtures};

#[test]
fn the_readmes_first_command_works_for_an_ordinary_user() {
    let Some(t) = Scenario::rootless() else { return };
    let mut terminal = Terminal::start(&t.command(&["run", "--rm", "-it", "host", "sh"]));
    terminal.send("echo pid-$$ uid-$(id -u)\n");
    terminal.expect("pid-1 uid-0");
    terminal.send("exit 3\n");
    assert_eq!(terminal.wait(), 3);
}

#[test]
fn import_run_exec_logs_stop_and_rm_work_for_an_ordinary_user() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    assert_eq!(t.ok(&["run", "--rm", "--network", "none", "busybox", "echo", "hello"]), "hello");
    let script = "echo started; trap 'exit 0' TERM; while :; do sleep 0.1; done";
    t.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", script]);
    assert_eq!(t.ok(&["exec", "box", "hostname"]).len(), 12);
    eventually("it is logged", || t.hull(&["logs", "box"]).stdout == "started\n");
    assert!(t.ok(&["ps", "--format", "{{.Names}}"]).contains("box"));
    t.ok(&["stop", "box"]);
    assert_eq!(t.inspect("box", "{{.State.ExitCode}}"), "0");
    t.ok(&["rm", "box"]);
}

#[test]
fn an_archive_loads_for_an_ordinary_user() {
    let archive = match fixtures::by_skopeo("docker-archive", "example/box:1.2") {
        Ok(archive) => archive,
        Err(why) => hull_test_support::skip!("{why}"),
    };
    let Some(t) = Scenario::rootless() else { return };
    // The build directory may be closed to the user.
    let bytes = std::fs::read(archive).unwrap();
    t.hull_with_input(&["load"], &bytes).ok();
    assert_eq!(t.ok(&["run", "--rm", "example/box:1.2", "cat", "/etc/issue-of-image"]), "made for tests");
}

#[test]
fn volumes_keep_what_an_ordinary_users_container_wrote() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    t.ok(&[
        "run",
        "--rm",
        "-v",
        "vol:/data",
        "busybox",
        "sh",
        "-c",
        "echo kept > /data/file; chown 1000 /data/file",
    ]);
    let read = t.ok(&[
        "run",
        "--rm",
        "-v",
        "vol:/data",
        "busybox",
        "sh",
        "-c",
        "cat /data/file; stat -c %u /data/file",
    ]);
    assert_eq!(read, "kept\n1000", "subordinate ids are in use");
}

#[test]
fn the_machines_network_can_be_shared_by_an_ordinary_user() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap().display().to_string();
    assert_eq!(t.ok(&["run", "--rm", "--network", "host", "busybox", "readlink", "/proc/self/ns/net"]), own);
}

#[test]
fn a_limit_without_delegation_is_refused_with_what_would_allow_it() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    let outcome = t.hull(&["run", "--rm", "-m", "64m", "busybox", "true"]);
    let message = outcome.fails(125).to_lowercase();
    assert!(message.contains("cgroup") && message.contains("delegat"), "{outcome}");
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn an_ordinary_users_container_is_isolated_too() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    let status = t.ok(&["run", "--rm", "busybox", "grep", "-E", "^(CapEff|Seccomp):", "/proc/self/status"]);
    assert_eq!(status, "CapEff:\t00000000a80425fb\nSeccomp:\t2");
    assert_eq!(t.ok(&["run", "--rm", "busybox", "sh", "-c", "cat /proc/keys | wc -c"]), "0");
}

#[test]
fn root_of_a_user_namespace_can_run_containers_too() {
    let Some(t) = Scenario::start() else { return };
    let hull = t.command(&["run", "--rm", "host", "sh", "-c", "echo pid-$$ uid-$(id -u)"]);
    let mut unshare = wrapped(&["unshare", "--user", "--map-root-user"], &hull);
    assert_eq!(run(&mut unshare).ok(), "pid-1 uid-0");
}
