//! The verbs of `hull-oci` apart from the life cycle: limits, statistics and other processes.

#[allow(dead_code, reason = "each suite uses its part")]
mod oci_fixture;

use oci_fixture::Fixture;
use serde_json::{Value, json};

#[test]
fn update_takes_units_and_every_limit() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "1000"]));
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    let pid = w.state("box")["pid"].as_i64().unwrap() as i32;
    let read = |controller: &str, v1: &str, v2: &str| {
        let name = if hull_test_support::cgroups::is_v2(controller) { v2 } else { v1 };
        let file = hull_test_support::cgroups::directory(pid, controller).join(name);
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    };
    w.oci(&["update", "--memory", "64m", "--memory-reservation", "32MiB", "box"]).ok();
    assert_eq!(read("memory", "memory.limit_in_bytes", "memory.max"), "67108864");
    assert_eq!(read("memory", "memory.soft_limit_in_bytes", "memory.low"), "33554432");
    w.oci(&["update", "--cpu-quota", "20000", "--cpu-period", "50000", "--cpu-burst", "1000", "box"]).ok();
    assert_eq!(read("cpu", "cpu.cfs_burst_us", "cpu.max.burst"), "1000");
    w.oci(&["update", "--cpu-idle", "1", "box"]).ok();
    assert_eq!(read("cpu", "cpu.idle", "cpu.idle"), "1");
    w.oci(&["update", "--cpu-idle", "0", "--cpu-share", "512", "box"]).ok();
    assert_eq!(read("cpu", "cpu.idle", "cpu.idle"), "0");
    let less = w.write("less.json", &json!({"memory": {"limit": 4096, "checkBeforeUpdate": true}}));
    assert!(w.oci(&["update", "-r", &less, "box"]).fails(1).contains("in use"));
    assert_eq!(read("memory", "memory.limit_in_bytes", "memory.max"), "67108864", "nothing was changed");
    for wrong in [["--memory", "64x"], ["--memory", "99999999999g"], ["--l3-cache-schema", "L3:0=f"]] {
        w.oci(&["update", wrong[0], wrong[1], "box"]).fails(1);
    }
}

#[test]
fn events_tell_what_a_container_uses() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sh", "-c", "while [ ! -e /go ]; do sleep 0.1; done"]));
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    let event: Value = serde_json::from_str(w.oci(&["events", "--stats", "box"]).ok()).unwrap();
    assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!("box")));
    assert!(event["data"]["memory"]["usage"]["usage"].as_u64().unwrap() > 0, "{event}");
    assert!(event["data"]["cpu"]["usage"]["total"].as_u64().unwrap() > 0, "{event}");
    assert!(event["data"]["pids"]["current"].as_u64().unwrap() > 0, "{event}");
    let log = w.path("events");
    let mut command = w.command(&["events", "--interval", "50ms", "box"]);
    let mut events = command.stdout(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let lines = || std::fs::read_to_string(&log).unwrap().lines().count();
    hull_test_support::outcome::eventually("it prints an event in each interval", || lines() >= 2);
    std::fs::write(w.path("bundle/rootfs/go"), "").unwrap();
    assert!(events.wait().unwrap().success(), "it ends with the container");
    assert!(w.oci(&["events", "box"]).fails(1).contains("not running"));
    assert!(w.oci(&["events", "--interval", "0s", "box"]).fails(1).contains("interval"));
}

#[test]
fn an_exec_has_what_it_is_given() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["sleep", "1000"]);
    config["process"]["oomScoreAdj"] = json!(300);
    config["process"]["execCPUAffinity"] = json!({"initial": "0", "final": "0"});
    w.bundle(&config);
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    assert_eq!(w.oci(&["exec", "-g", "5", "-g", "7", "box", "id", "-G"]).ok(), "0 5 7");
    assert_eq!(w.oci(&["exec", "box", "cat", "/proc/self/oom_score_adj"]).ok(), "300");
    let allowed = w.oci(&["exec", "box", "grep", "Cpus_allowed_list", "/proc/self/status"]);
    assert_eq!(allowed.ok(), "Cpus_allowed_list:\t0");
    let mut shell = std::process::Command::new("sh");
    let script = "exec 3>three 4>four; exec \"$@\"";
    shell.args(["-c", script, "sh"]).current_dir(w.path(""));
    let exec =
        w.command(&["exec", "--preserve-fds", "1", "box", "sh", "-c", "echo kept >&3; echo fourth >&4"]);
    shell.arg(exec.get_program()).args(exec.get_args());
    assert!(!shell.status().unwrap().success(), "there is no descriptor 4 inside");
    assert_eq!(std::fs::read_to_string(w.path("three")).unwrap(), "kept\n");
    assert!(
        w.oci(&["exec", "--cgroup", "../x", "box", "true"])
            .fails(255)
            .contains(" ../x is not a sub cgroup path")
    );
    assert!(
        w.oci(&["exec", "--cgroup", "nowhere", "box", "true"]).fails(255).contains("nowhere/cgroup.procs")
    );
    for kind in ["pids", "memory"] {
        let pid = w.state("box")["pid"].as_i64().unwrap() as i32;
        let directory = hull_test_support::cgroups::directory(pid, kind).join("below");
        std::fs::create_dir(directory).unwrap();
    }
    let told = w.oci(&["exec", "--cgroup", "below", "box", "grep", "pids", "/proc/self/cgroup"]);
    assert!(told.ok().ends_with("/box/below"), "{told}");
    if !hull_test_support::cgroups::is_v2("pids") {
        let in_pids =
            ["exec", "--cgroup", "pids:below", "--cgroup", "memory:/", "box", "cat", "/proc/self/cgroup"];
        let told = w.oci(&in_pids);
        let is_in = |controller: &str, end: &str| {
            told.ok().lines().any(|line| line.contains(&format!(":{controller}:")) && line.ends_with(end))
        };
        assert!(is_in("pids", "/box/below") && is_in("memory", "/box"), "{told}");
        for (wrong, why) in
            [("nosuch:/", "unknown controller nosuch"), ("cpu:below", "below/cgroup.procs"), (":x", ":x")]
        {
            assert!(w.oci(&["exec", "--cgroup", wrong, "box", "true"]).fails(255).contains(why), "{wrong}");
        }
    }
}

#[test]
fn an_exec_enters_a_user_namespace() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["sleep", "1000"]);
    oci_fixture::in_user_namespace(&mut config);
    config["process"]["terminal"] = json!(true);
    w.bundle(&config);
    let (listener, socket) = w.console_socket();
    w.detached(&["run", "-d", "--bundle", "bundle", "--console-socket", &socket, "box"]).ok();
    let _kept = oci_fixture::Console::accept(&listener);
    assert_eq!(
        w.oci(&["exec", "box", "sh", "-c", "id -u; cat /proc/self/uid_map | xargs"]).ok(),
        "0\n0 100000 65536"
    );
    assert_eq!(w.oci(&["exec", "-u", "1000:1000", "box", "id", "-u"]).ok(), "1000");
    let mut inside =
        hull_test_support::Terminal::start(&w.command(&["exec", "-t", "box", "sh", "-c", "tty; exit 4"]));
    inside.expect("/dev/pts/1");
    assert_eq!(inside.wait(), 4);
    w.oci(&["delete", "-f", "box"]).ok();
    w.assert_nothing_left();
}

#[test]
fn the_first_program_of_run_and_exec_sees_the_callers_size() {
    let Some(w) = Fixture::start() else { return };
    let terminal = |args: &[&str]| hull_test_support::Terminal::start(&w.command(args));
    let mut config = w.config(&["stty", "size"]);
    config["process"]["terminal"] = json!(true);
    w.bundle(&config);
    for _ in 0..10 {
        terminal(&["run", "--bundle", "bundle", "box"]).wait_and_see("24 80\r\n");
    }
    w.bundle(&w.config(&["sleep", "300"]));
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    for _ in 0..10 {
        terminal(&["exec", "-t", "box", "stty", "size"]).wait_and_see("24 80\r\n");
    }
    w.oci(&["delete", "-f", "box"]).ok();
    w.assert_nothing_left();
}

#[test]
fn an_unprivileged_user_has_containers_too() {
    let Some(w) = Fixture::start() else { return };
    let (run, own) = (w.path("rootless"), w.path("bundle"));
    std::fs::create_dir(&run).unwrap();
    // The build directory may be closed to the user.
    std::fs::copy(hull_test_support::program::hull_oci(), w.path("hull-oci")).unwrap();
    let mut chown = std::process::Command::new("chown");
    assert!(chown.args(["-hR", "12345:12345"]).args([&own, &run]).status().unwrap().success());
    let user = |words: &[&str]| {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid", "12345", "--regid", "12345", "--clear-groups", "--inh-caps=-all"]);
        command.arg(w.path("hull-oci")).args(words).current_dir(&own).env("XDG_RUNTIME_DIR", &run);
        command
    };
    let oci = |words: &[&str]| hull_test_support::outcome::run(&mut user(words));
    oci(&["spec", "--rootless"]).ok();
    let mut config: Value = serde_json::from_slice(&std::fs::read(own.join("config.json")).unwrap()).unwrap();
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["sh", "-c", "id -u; touch /tmp/x 2>&1 | grep -c Read-only"]);
    w.bundle(&config);
    assert_eq!(oci(&["run", "box"]).ok(), "0\n1");
    config["process"]["args"] = json!(["sleep", "1000"]);
    w.bundle(&config);
    let status = user(&["run", "-d", "box"]).stdout(std::process::Stdio::null()).status().unwrap();
    assert!(status.success());
    assert_eq!(oci(&["exec", "box", "sh", "-c", "echo $PPID; hostname"]).ok(), "0\nhull");
    assert_eq!(oci(&["exec", "box", "sh", "-c", "exit 3"]).code(), 3);
    oci(&["delete", "--force", "box"]).ok();
    assert_eq!(oci(&["list", "-q"]).ok(), "");
    w.assert_nothing_left();
}

#[test]
fn a_filter_is_compiled_once() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["sh", "-c", "mkdir /x 2>&1 | grep -c 'not permitted'"]);
    config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]});
    w.bundle(&config);
    let files = || std::fs::read_dir(w.path("oci/seccomp:compiled")).into_iter().flatten().flatten().count();
    for _ in 0..2 {
        assert_eq!(w.oci(&["run", "--bundle", "bundle", "box"]).ok(), "1");
        assert_eq!(files(), 1);
    }
    assert_eq!(w.oci(&["list", "-q"]).ok(), "", "it is no container");
    for file in std::fs::read_dir(w.path("oci/seccomp:compiled")).unwrap().flatten() {
        std::fs::write(file.path(), "damaged").unwrap();
    }
    assert_eq!(w.oci(&["run", "--bundle", "bundle", "box"]).ok(), "1", "what is damaged is compiled anew");
}
