//! `hull-oci` does what an OCI runtime does: the life cycle of a bundle, and no leftovers at its end.

#[allow(dead_code, reason = "each suite uses its part")]
mod oci_fixture;

use hull_test_support::outcome::eventually;
use oci_fixture::Fixture;
use serde_json::{Value, json};

/// A program that ends with 7 on SIGTERM. PID 1 needs a handler for the signal.
const UNTIL_TERM: &str = "trap 'exit 7' TERM; touch /listens; echo started; while :; do sleep 0.05; done";

#[test]
fn a_container_is_created_started_killed_and_deleted() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sh", "-c", UNTIL_TERM]));
    let pid_file = w.path("pid");
    w.detached(&["create", "--bundle", "bundle", "--pid-file", pid_file.to_str().unwrap(), "box"]).ok();
    let state = w.state("box");
    assert_eq!((state["status"].as_str(), state["id"].as_str()), (Some("created"), Some("box")));
    assert_eq!(state["pid"].to_string(), std::fs::read_to_string(&pid_file).unwrap());
    assert_eq!(w.output(), "", "the program does not run yet");

    w.oci(&["start", "box"]).ok();
    assert!(w.oci(&["start", "box"]).fails(1).contains("running"));
    eventually("the program says so", || w.output() == "started\n");
    assert_eq!(w.state("box")["status"], "running");
    assert!(w.oci(&["delete", "box"]).fails(1).contains("running"));

    w.oci(&["kill", "box"]).ok();
    eventually("it has stopped", || w.state("box")["status"] == "stopped");
    assert!(w.oci(&["kill", "box"]).fails(1).contains("not running"));
    assert!(w.oci(&["exec", "box", "true"]).fails(255).contains("cannot exec in a stopped container"));
    w.oci(&["delete", "box"]).ok();
    assert!(w.oci(&["state", "box"]).fails(1).contains("does not exist"));
    assert!(w.oci(&["delete", "box"]).fails(1).contains("does not exist"));
    w.oci(&["delete", "--force", "box"]).ok();
    w.assert_nothing_left();
}

#[test]
fn a_container_that_was_never_started_can_be_killed() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "1000"]));
    w.detached(&["create", "--bundle", "bundle", "box"]).ok();
    w.oci(&["kill", "box", "KILL"]).ok();
    eventually("it has stopped", || w.state("box")["status"] == "stopped");
    assert!(w.oci(&["start", "box"]).fails(1).contains("stopped"));
    assert!(w.oci(&["kill", "box", "SIGNONSENSE"]).fails(1).contains("SIGNONSENSE"));
    w.oci(&["delete", "box"]).ok();
    w.assert_nothing_left();
}

#[test]
fn a_program_that_cannot_be_executed_is_told_by_start() {
    let Some(w) = Fixture::start() else { return };
    w.write("bundle/rootfs/script", &json!("no #! line"));
    let script = w.path("bundle/rootfs/script");
    std::fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    w.bundle(&w.config(&["/script"]));
    w.detached(&["create", "--bundle", "bundle", "box"]).ok();
    assert!(w.oci(&["start", "box"]).fails(1).contains("Exec format error"));
    eventually("it has stopped", || w.state("box")["status"] == "stopped");
    w.oci(&["delete", "box"]).ok();
    w.assert_nothing_left();
}

#[test]
fn run_ends_with_the_exit_code_and_leaves_nothing() {
    let Some(w) = Fixture::start() else { return };
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("sh -c 'kill -9 $$'; exit $?", 137)] {
        w.bundle(&w.config(&["sh", "-c", script]));
        assert_eq!(w.oci(&["run", "--bundle", "bundle", "box"]).code(), code, "{script}");
        w.assert_nothing_left();
    }
    w.bundle(&w.config(&["no-such-program"]));
    let told = w.oci(&["run", "--bundle", "bundle", "box"]);
    assert!(told.fails(1).contains("executable file not found in $PATH"));
    w.assert_nothing_left();
    w.bundle(&w.config(&["sh", "-c", "exit 3"]));
    assert_eq!(w.oci(&["run", "--bundle", "bundle", "--keep", "box"]).code(), 3);
    assert_eq!(w.state("box")["status"], "stopped");
}

#[test]
fn run_ends_well_when_somebody_else_deletes_the_container() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "1000"]));
    for _ in 0..10 {
        let running =
            hull_test_support::Running::start(&mut w.command(&["run", "--bundle", "bundle", "box"]));
        eventually("it runs", || w.oci(&["state", "box"]).stdout.contains("running"));
        w.oci(&["delete", "--force", "box"]).ok();
        let ended = running.wait();
        assert_eq!((ended.code(), ended.stderr.as_str()), (137, ""), "{ended}");
    }
    w.assert_nothing_left();
}

#[test]
fn run_passes_signals_on() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sh", "-c", UNTIL_TERM]));
    let running = hull_test_support::Running::start(&mut w.command(&["run", "--bundle", "bundle", "box"]));
    eventually("it runs", || w.oci(&["state", "box"]).stdout.contains("running"));
    let pid = nix::unistd::Pid::from_raw(running.pid());
    eventually("it listens", || w.path("bundle/rootfs/listens").exists());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let outcome = running.wait();
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (7, "started\n"));
    w.assert_nothing_left();
}

#[test]
fn exec_runs_another_process_inside() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "1000"]));
    w.detached(&["run", "--detach", "--bundle", "bundle", "box"]).ok();
    assert_eq!(w.oci(&["exec", "box", "sh", "-c", "exit 5"]).code(), 5);
    let told = w.oci(&[
        "exec",
        "-e",
        "X=1 2",
        "--cwd",
        "/tmp",
        "-u",
        "1000:2000",
        "box",
        "sh",
        "-c",
        "echo $X; pwd; id -u; id -g; hostname",
    ]);
    assert_eq!(told.ok(), "1 2\n/tmp\n1000\n2000\nbox");
    let process = json!({"args": ["sh", "-c", "echo $HOME"], "cwd": "/", "env": ["PATH=/bin", "HOME=/x"],
        "user": {"uid": 0, "gid": 0}});
    let file = w.write("process.json", &process);
    assert_eq!(w.oci(&["exec", "--process", &file, "box"]).ok(), "/x");
    let told = w.oci(&["exec", "-u", "1000", "box", "sh", "-c", "echo again > /dev/stdout"]);
    assert_eq!(told.ok(), "again", "a pipe belongs to the user who writes to it");
    let refused = w.write("process.json", &json!({"args": ["sh"], "cwd": "/", "selinuxLabel": "x"}));
    assert!(w.oci(&["exec", "-p", &refused, "box"]).fails(255).contains("selinuxLabel"));
    assert!(w.oci(&["exec", "box", "nope"]).fails(255).contains("not found"));
    assert!(w.oci(&["exec", "--cap", "CAP_NONSENSE", "box", "sh"]).fails(255).contains("CAP_NONSENSE"));
    assert!(w.oci(&["exec", "box"]).fails(255).contains("command"));
    let caps = w.oci(&["exec", "--cap", "CAP_NET_ADMIN", "box", "grep", "CapEff", "/proc/self/status"]);
    assert!(caps.ok().ends_with("1000"), "{caps}");
    let pid_file = w.path("exec.pid");
    let args = ["exec", "-d", "--pid-file", pid_file.to_str().unwrap(), "box", "sleep", "500"];
    w.detached(&args).ok();
    let pids: Vec<i32> = serde_json::from_str(w.oci(&["ps", "--format", "json", "box"]).ok()).unwrap();
    assert!(pids.contains(&std::fs::read_to_string(&pid_file).unwrap().parse().unwrap()));
    assert_eq!(pids.len(), 2);
    w.oci(&["delete", "--force", "box"]).ok();
    w.assert_nothing_left();
}

#[test]
fn an_id_is_one_name_and_nobody_elses() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "1000"]));
    for id in ["../x", ".", "..", "a/b", "", "a b", "ä", &"x".repeat(256)] {
        for verb in ["create", "state", "start", "delete"] {
            let told = w.oci(&[verb, "--", id]);
            assert!(told.fails(1).contains("invalid container id"), "{verb} {id:?}: {told}");
        }
    }
    assert!(w.oci(&["kill", "../x", "KILL"]).fails(1).contains("invalid container id"));
    w.assert_nothing_left();
    w.detached(&["create", "--bundle", "bundle", "a_B+1.-"]).ok();
    assert!(w.oci(&["create", "--bundle", "bundle", "a_B+1.-"]).fails(1).contains("exists"));
    assert_eq!(w.state("a_B+1.-")["status"], "created", "the one that was there is untouched");
}

#[test]
fn a_create_that_fails_leaves_nothing() {
    let Some(w) = Fixture::start() else { return };
    let good = w.config(&["sleep", "1000"]);
    let with = |pointer: &str, value: Value| {
        let mut config = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(name.into(), value);
        config
    };
    for (config, named) in [
        (with("/hooks", json!({"poststop": [{"path": "bin/true"}]})), "hooks.poststop"),
        (with("/linux/uidMappings", json!([{"containerID": 0, "hostID": 7, "size": 1}])), "uidMappings"),
        (with("/linux/intelRdt", json!({"closID": "x"})), "intelRdt"),
        (with("/linux/namespaces", json!([{"type": "pid"}])), "mount namespace"),
        (with("/linux/namespaces", json!([{"type": "mount"}, {"type": "nonsense"}])), "nonsense"),
        (with("/linux/cgroupsPath", json!("../../x")), "cgroupsPath"),
        (with("/linux/resources/memory", json!({"limit": 1})), "memory limit is too low"),
        (with("/linux/sysctl", json!({"vm.swappiness": "1"})), "vm.swappiness"),
        (with("/process/args", json!(["nope"])), "not found"),
        (with("/process/args", json!("sh")), "sequence"),
        (with("/process/rlimits", json!([{"type": "RLIMIT_X", "soft": 1, "hard": 1}])), "RLIMIT_X"),
        (with("/root/path", json!("nowhere")), "nowhere"),
        (with("/mounts", json!([{"destination": "/x", "type": "bind", "source": "/nowhere"}])), "/nowhere"),
        (with("/mounts", json!([{"destination": "/x", "type": "no-such-fs"}])), "no-such-fs"),
        (with("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_X"})), "SCMP_ACT_X"),
        (with("/process/terminal", json!(true)), "--console-socket"),
    ] {
        w.bundle(&config);
        let told = w.detached(&["create", "--bundle", "bundle", "--pid-file", "failed.pid", "box"]);
        assert!(told.fails(1).contains(named), "{named}: {told}");
        assert!(!w.path("failed.pid").exists(), "{named}");
        w.assert_nothing_left();
    }
    w.bundle(&good);
    for args in
        [["--pid-file", "no/such/directory"], ["--console-socket", "nothing"], ["--preserve-fds", "99"]]
    {
        w.detached(&["create", "--bundle", "bundle", args[0], args[1], "box"]).fails(1);
        w.assert_nothing_left();
    }
    std::fs::write(w.path("bundle/config.json"), "{\"ociVersion\": ").unwrap();
    assert!(w.oci(&["create", "--bundle", "bundle", "box"]).fails(1).contains("config.json"));
    assert!(w.oci(&["create", "--bundle", "nowhere", "box"]).fails(1).contains("nowhere"));
    w.assert_nothing_left();
}

#[test]
fn anothers_cgroup_is_not_taken() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "1000"]));
    w.detached(&["run", "--detach", "--bundle", "bundle", "first"]).ok();
    let told = w.detached(&["create", "--bundle", "bundle", "second"]);
    assert!(told.fails(1).contains("container's cgroup is not empty: 1 process(es) found"), "{told}");
    assert_eq!(w.state("first")["status"], "running");
    assert!(w.oci(&["state", "second"]).fails(1).contains("container does not exist"));
}

#[test]
fn a_cgroup_that_waits_for_its_container_is_taken() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "1000"]));
    let controller = if hull_test_support::cgroups::is_v2("freezer") { "" } else { "freezer" };
    let frozen = |directory: &std::path::Path, is: bool| {
        let (file, value) = match (controller.is_empty(), is) {
            (true, is) => ("cgroup.freeze", if is { "1" } else { "0" }),
            (false, is) => ("freezer.state", if is { "FROZEN" } else { "THAWED" }),
        };
        std::fs::write(directory.join(file), value).unwrap();
    };
    let hierarchies = hull_test_support::cgroups::hierarchies();
    let made: Vec<_> =
        hierarchies.iter().map(|one| one.mount_point.join(w.cgroup().trim_start_matches('/'))).collect();
    made.iter().for_each(|directory| std::fs::create_dir_all(directory).unwrap());
    let freezer = made.iter().find(|directory| {
        directory.join("freezer.state").exists()
            || controller.is_empty() && directory.join("cgroup.freeze").exists()
    });
    if let Some(freezer) = freezer {
        frozen(freezer, true);
        let told = w.detached(&["create", "--bundle", "bundle", "box"]);
        assert!(told.fails(1).contains("container's cgroup unexpectedly frozen"), "{told}");
        frozen(freezer, false);
    }
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    w.oci(&["delete", "-f", "box"]).ok();
    // Hierarchies in which a container gets a cgroup only on request are not changed.
    made.iter().for_each(|directory| drop(std::fs::remove_dir(directory)));
    w.assert_nothing_left();
}

#[test]
fn a_killed_create_is_cleared_by_delete() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "1000"]));
    for delay in 0..25 {
        let file = std::fs::File::create(w.path("out")).unwrap();
        let mut command = w.command(&["create", "--bundle", "bundle", "box"]);
        let mut create = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_micros(delay * 1_000));
        create.kill().unwrap();
        create.wait().unwrap();
        w.oci(&["delete", "--force", "box"]).ok();
        w.assert_nothing_left();
    }
}

#[test]
fn a_damaged_state_is_named_and_can_be_deleted() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "1000"]));
    for text in [Some("{\"format\": 1, \"id\""), Some(""), Some("{\"format\": 99}"), None] {
        w.detached(&["create", "--bundle", "bundle", "box"]).ok();
        let file = w.path("oci/box/state.json");
        match text {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        for verb in ["state", "start", "delete"] {
            let told = w.oci(&[verb, "box"]);
            assert!(told.fails(1).contains("state.json"), "{verb}: {told}");
        }
        assert!(w.oci(&["list"]).fails(1).contains("state.json"));
        w.oci(&["delete", "--force", "box"]).ok();
        w.assert_nothing_left();
    }
}

#[test]
fn list_and_state_have_what_engines_look_for() {
    let Some(w) = Fixture::start() else { return };
    assert_eq!(w.oci(&["list", "--format", "json"]).ok(), "[]");
    let mut config = w.config(&["sleep", "1000"]);
    config["annotations"] = json!({"com.example.key": "value"});
    w.bundle(&config);
    w.detached(&["create", "--bundle", "bundle", "box"]).ok();
    let listed: Value = serde_json::from_str(w.oci(&["list", "--format", "json"]).ok()).unwrap();
    let keys: Vec<&str> = listed[0].as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner"];
    assert_eq!(keys, expected);
    let state = w.state("box");
    assert_eq!(state["annotations"]["com.example.key"], "value");
    assert_eq!(state["bundle"], w.path("bundle").to_str().unwrap());
    assert_eq!(state["owner"], "root");
    assert_eq!(w.oci(&["list", "-q"]).ok(), "box");
    let table = w.oci(&["list"]);
    assert!(table.ok().starts_with("ID ") && table.stdout.contains(" created "), "{table}");
}

#[test]
fn features_say_what_is_applied() {
    let Some(w) = Fixture::start() else { return };
    let features: Value = serde_json::from_str(w.oci(&["features"]).ok()).unwrap();
    assert_eq!(features["ociVersionMin"], "1.0.0");
    assert_eq!(features["hooks"].as_array().unwrap().len(), 6);
    let has = |pointer: &str, name: &str| {
        features.pointer(pointer).unwrap().as_array().unwrap().iter().any(|one| one == name)
    };
    assert!(has("/linux/namespaces", "pid") && has("/linux/namespaces", "user"));
    assert!(has("/mountOptions", "rro") && has("/linux/capabilities", "CAP_CHOWN"));
    assert!(
        has("/linux/seccomp/actions", "SCMP_ACT_ERRNO") && has("/linux/seccomp/operators", "SCMP_CMP_EQ")
    );
    assert_eq!(features["linux"]["cgroup"]["systemd"], true);
}

#[test]
fn the_example_bundle_runs() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&json!({}));
    assert!(w.oci(&["spec", "--bundle", "bundle"]).fails(1).contains("config.json"));
    std::fs::remove_file(w.path("bundle/config.json")).unwrap();
    w.oci(&["spec", "--bundle", "bundle"]).ok();
    let file = w.path("bundle/config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] =
        json!(["sh", "-c", "echo x > /dev/null && head -c 1 /dev/zero | wc -c && touch /x"]);
    config["linux"]["cgroupsPath"] = json!(w.cgroup());
    w.bundle(&config);
    let told = w.oci(&["run", "--bundle", "bundle", "box"]);
    assert!(told.fails(1).contains("Read-only file system") && told.stdout == "1\n", "{told}");
}

#[test]
fn a_container_is_paused_resumed_and_limited() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "1000"]));
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    assert!(w.oci(&["resume", "box"]).fails(1).contains("running"));
    w.oci(&["pause", "box"]).ok();
    assert_eq!(w.state("box")["status"], "paused");
    assert!(w.oci(&["exec", "box", "true"]).fails(255).contains("cannot exec in a paused container"));
    w.oci(&["resume", "box"]).ok();
    assert_eq!(w.state("box")["status"], "running");

    let limits = w.write("limits.json", &json!({"pids": {"limit": 23}, "memory": {"limit": 64 << 20}}));
    w.oci(&["update", "--resources", &limits, "box"]).ok();
    let pid = w.state("box")["pid"].as_i64().unwrap() as i32;
    let read = || {
        let pids = hull_test_support::cgroups::directory(pid, "pids").join("pids.max");
        std::fs::read_to_string(pids).unwrap()
    };
    assert_eq!(read(), "23\n");
    w.oci(&["update", "--pids-limit", "17", "box"]).ok();
    assert_eq!(read(), "17\n");
    for size in [64, 128, 32] {
        let bytes = (size << 20).to_string();
        w.oci(&["update", "--memory", &bytes, "--memory-swap", &bytes, "box"]).ok();
    }
    let refused = w.write("limits.json", &json!({"hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}));
    assert!(w.oci(&["update", "-r", &refused, "box"]).fails(1).contains("3MB"));
    assert!(w.oci(&["update", "box"]).fails(1).contains("--resources"));

    w.oci(&["pause", "box"]).ok();
    w.oci(&["kill", "box", "KILL"]).ok();
    eventually("a paused container is killed", || w.state("box")["status"] == "stopped");
}

#[test]
fn errors_are_in_the_log_in_the_form_engines_read() {
    let Some(w) = Fixture::start() else { return };
    let log = w.path("log.json");
    w.oci(&["--log", log.to_str().unwrap(), "--log-format", "json", "state", "nobody"]).fails(1);
    let line: Value = serde_json::from_str(&std::fs::read_to_string(&log).unwrap()).unwrap();
    assert_eq!(line["level"], "error");
    assert!(line["msg"].as_str().unwrap().contains("does not exist"));
    assert!(line["time"].as_str().unwrap().ends_with('Z'));
    w.oci(&["nonsense"]).fails(1);
    assert!(w.oci(&["--version"]).ok().contains("spec: 1."));
}

#[test]
fn a_terminal_is_handed_over_at_the_console_socket() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["sh", "-c", "tty; read line; echo got $line"]);
    config["process"]["terminal"] = json!(true);
    config["process"]["consoleSize"] = json!({"height": 33, "width": 99});
    w.bundle(&config);
    let (listener, socket) = w.console_socket();
    w.detached(&["create", "--bundle", "bundle", "--console-socket", &socket, "box"]).ok();
    let mut console = oci_fixture::Console::accept(&listener);
    w.oci(&["start", "box"]).ok();
    console.expect("/dev/pts/0");
    console.type_in("hello\n");
    console.expect("got hello");
    eventually("it has stopped", || w.state("box")["status"] == "stopped");
    w.oci(&["delete", "box"]).ok();

    config["process"]["args"] = json!(["sleep", "1000"]);
    w.bundle(&config);
    w.detached(&["run", "-d", "--bundle", "bundle", "--console-socket", &socket, "box"]).ok();
    let _kept = oci_fixture::Console::accept(&listener);
    w.detached(&["exec", "-d", "-t", "--console-socket", &socket, "box", "sh", "-c", "stty size; sleep 1"])
        .ok();
    oci_fixture::Console::accept(&listener).expect("33 99");
}

#[test]
fn run_in_the_foreground_is_a_terminal() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["sh"]);
    config["process"]["terminal"] = json!(true);
    w.bundle(&config);
    let mut terminal = hull_test_support::Terminal::start(&w.command(&["run", "--bundle", "bundle", "box"]));
    terminal.send("stty size; echo is$((40 + 2))\n");
    terminal.expect("24 80");
    terminal.expect("is42");
    terminal.resize(50, 132);
    terminal.send("until stty size | grep '50 132'; do sleep 0.1; done\n");
    terminal.expect("50 132\r");
    let mut inside = hull_test_support::Terminal::start(&w.command(&["exec", "-t", "box", "sh"]));
    inside.send("tty; exit 4\n");
    inside.expect("/dev/pts/1");
    assert_eq!(inside.wait(), 4);
    terminal.send("exit 17\n");
    assert_eq!(terminal.wait(), 17);
    w.assert_nothing_left();
}

#[test]
fn descriptors_are_kept_only_when_asked() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sh", "-c", "echo kept >&3; echo fourth >&4"]));
    let mut shell = std::process::Command::new("sh");
    let script = "exec 3>three 4>four; exec \"$@\" > out 2>&1";
    shell.args(["-c", script, "sh"]).current_dir(w.path(""));
    let create = w.command(&["create", "--bundle", "bundle", "--preserve-fds", "1", "box"]);
    shell.arg(create.get_program()).args(create.get_args());
    assert!(shell.status().unwrap().success(), "{}", w.output());
    w.oci(&["start", "box"]).ok();
    eventually("it has stopped", || w.state("box")["status"] == "stopped");
    assert_eq!(std::fs::read_to_string(w.path("three")).unwrap(), "kept\n");
    assert_eq!(std::fs::read_to_string(w.path("four")).unwrap(), "");
}

#[test]
fn a_root_may_be_deeper_than_a_sockets_name() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sh", "-c", "echo ran"]));
    let deep = w.path("d".repeat(150));
    let deep = deep.to_str().unwrap();
    w.detached(&["--root", deep, "create", "--bundle", "bundle", "box"]).ok();
    w.oci(&["--root", deep, "start", "box"]).ok();
    eventually("it runs", || w.output() == "ran\n");
    w.oci(&["--root", deep, "delete", "-f", "box"]).ok();
}
