//! The flags of `hull-oci`: all of runc's flags exist, and those that no other suite uses do what runc's do.

#[allow(dead_code, reason = "each suite uses its part")]
mod oci_fixture;

use std::process::{Command, Stdio};

use hull_test_support::outcome::{self, eventually};
use hull_test_support::{cgroups, skip};
use oci_fixture::Fixture;
use serde_json::{Value, json};

/// A container that keeps running.
fn running(w: &Fixture, config: &Value) {
    w.bundle(config);
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
}

fn pid(w: &Fixture) -> i32 {
    w.state("box")["pid"].as_i64().unwrap() as i32
}

/// The long flag of each line of a help that begins with one.
fn flags(help: &str) -> Vec<&str> {
    let named = help.lines().filter_map(|line| {
        let (before, rest) = line.split_once("--")?;
        let is_flag = before.trim_end_matches(", ").trim().trim_start_matches('-').len() <= 1;
        is_flag.then(|| rest.split(|c: char| !c.is_alphanumeric() && c != '-').next())?
    });
    named.filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_flag_of_runc_is_known() {
    let Some(runc) = skip::find_program("runc") else { return skip::skip("runc is not installed") };
    let Some(w) = Fixture::start() else { return };
    let help = |words: &[&str]| outcome::run(Command::new(&runc).args(words)).ok().to_owned();
    // The flags of checkpoint have a suite of their own.
    let verbs = [
        "create", "start", "run", "state", "kill", "delete", "exec", "list", "ps", "events", "pause",
        "resume", "update", "spec", "features",
    ];
    let mut known = 0;
    for verb in verbs {
        for flag in flags(&help(&["help", verb])).into_iter().filter(|flag| *flag != "help") {
            // Whether the value is refused or not, the flag is known.
            let told = w.oci(&[verb, &format!("--{flag}=\n"), "--help"]);
            assert!(!told.stderr.contains("unexpected argument"), "{verb} --{flag}: {told}");
            known += 1;
        }
    }
    assert!(known > 40, "runc's help is read in another way: {known}");
    for flag in flags(&help(&["--help"])).into_iter().filter(|flag| !["help", "version"].contains(flag)) {
        let told = w.oci(&[&format!("--{flag}=\n"), "list"]);
        assert!(!told.stderr.contains("unexpected argument"), "--{flag}: {told}");
    }
}

#[test]
fn kill_all_reaches_every_process() {
    let Some(w) = Fixture::start() else { return };
    let script = "sh -c 'trap \"touch /term\" TERM; touch /ready; while :; do sleep 0.05; done' & \
        trap : TERM; while :; do sleep 0.05; done";
    running(&w, &w.config(&["sh", "-c", script]));
    eventually("the child listens", || w.path("bundle/rootfs/ready").exists());
    w.oci(&["kill", "--all", "box", "TERM"]).ok();
    eventually("it was told", || w.path("bundle/rootfs/term").exists());
    assert_eq!(w.state("box")["status"], "running", "the first process takes it as it likes");
    w.oci(&["kill", "-a", "box", "9"]).ok();
    eventually("it has stopped", || w.state("box")["status"] == "stopped");
    w.oci(&["delete", "box"]).ok();
    w.assert_nothing_left();
}

#[test]
fn a_keyring_is_new_unless_asked() {
    // /proc/keys shows the keys of all users, so the system calls show whether a new keyring was made.
    let Some(strace) = skip::find_program("strace") else { return skip::skip("strace is not installed") };
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["true"]));
    for (flags, made) in [(&[][..], true), (&["--no-new-keyring"], false)] {
        let words = [&["run", "--bundle", "bundle"], flags, &["box"]].concat();
        let watched = [strace.to_str().unwrap(), "-f", "-o", "calls", "-e", "trace=keyctl"];
        outcome::run(&mut outcome::wrapped(&watched, &w.command(&words))).ok();
        let calls = std::fs::read_to_string(w.path("calls")).unwrap();
        assert_eq!(calls.contains("KEYCTL_JOIN_SESSION_KEYRING"), made, "{flags:?}: {calls}");
    }
}

#[test]
fn orphans_are_somebody_elses_without_a_subreaper() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["sleep", "1000"]);
    // In the runtime's own pid namespace, the runtime may become the parent of orphans.
    let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|one| one["type"] != "pid");
    config["process"]["args"] = json!(["sh", "-c", "(sleep 3 & echo $! > /orphan); sleep 1000"]);
    for (flags, reaped) in [(&[][..], true), (&["--no-subreaper"], false)] {
        let _ = std::fs::remove_file(w.path("bundle/rootfs/orphan"));
        w.bundle(&config);
        let words = [&["run", "--bundle", "bundle"], flags, &["box"]].concat();
        let running = hull_test_support::Running::start(&mut w.command(&words));
        let parent = outcome::eventually_some("there is an orphan", || {
            let orphan = std::fs::read_to_string(w.path("bundle/rootfs/orphan")).ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", orphan.trim())).ok()?;
            stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<i32>().ok()
        });
        assert_eq!(parent == running.pid(), reaped, "{flags:?}: its father is {parent}");
        w.oci(&["kill", "-a", "box", "KILL"]).ok();
        running.wait();
    }
    w.assert_nothing_left();
}

#[test]
fn an_exec_has_no_more_rights_than_asked() {
    let Some(w) = Fixture::start() else { return };
    running(&w, &w.config(&["sleep", "1000"]));
    let status = |words: &[&str]| {
        let all = [&["exec"], words, &["box", "grep", "NoNewPrivs", "/proc/self/status"]].concat();
        w.oci(&all).ok().to_owned()
    };
    assert_eq!(status(&[]), "NoNewPrivs:\t0");
    assert_eq!(status(&["--no-new-privs"]), "NoNewPrivs:\t1");
    assert!(w.oci(&["exec", "--cwd", "tmp", "box", "true"]).fails(255).contains("process.cwd"));
    if !std::path::Path::new("/sys/module/apparmor").exists() {
        let refused = w.oci(&["exec", "--apparmor", "docker-default", "box", "true"]);
        assert!(refused.fails(255).contains("apparmorProfile"), "{refused}");
    }
    if !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
        let refused = w.oci(&["exec", "--process-label", "system_u:object_r:x_t:s0", "box", "true"]);
        assert!(refused.fails(255).contains("selinuxLabel"), "{refused}");
    }
}

#[test]
fn a_paused_container_keeps_a_process_waiting() {
    let Some(w) = Fixture::start() else { return };
    running(&w, &w.config(&["sleep", "1000"]));
    w.oci(&["pause", "box"]).ok();
    let mut exec = hull_test_support::Running::start(&mut w.command(&[
        "exec",
        "--ignore-paused",
        "box",
        "sh",
        "-c",
        "echo went on",
    ]));
    hull_test_support::outcome::assert_stays(
        "it does not run while the container is paused",
        std::time::Duration::from_millis(300),
        || !exec.has_ended(),
    );
    w.oci(&["resume", "box"]).ok();
    assert_eq!(exec.wait().ok(), "went on");
}

#[test]
fn update_has_every_limit_of_runcs() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["sleep", "1000"]);
    // A limit cannot be set later in a hierarchy where the container has no cgroup.
    config["linux"]["resources"]["cpu"] = json!({"cpus": "0", "mems": "0"});
    config["linux"]["resources"]["blockIO"] = json!({"weight": 100});
    running(&w, &config);
    if cgroups::is_v2("memory") {
        return skip::skip("these files are those of v1");
    }
    let read = |controller: &str, name: &str| {
        let file = cgroups::directory(pid(&w), controller).join(name);
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    };
    w.oci(&["update", "--blkio-weight", "300", "--cpuset-cpus", "0", "--cpuset-mems", "0", "box"]).ok();
    let bfq = cgroups::directory(pid(&w), "blkio").join("blkio.bfq.weight").exists();
    assert_eq!(read("blkio", if bfq { "blkio.bfq.weight" } else { "blkio.weight" }), "300");
    assert_eq!((read("cpuset", "cpuset.cpus"), read("cpuset", "cpuset.mems")), ("0".into(), "0".into()));
    w.oci(&["update", "--kernel-memory-tcp", "16m", "box"]).ok();
    assert_eq!(read("memory", "memory.kmem.tcp.limit_in_bytes"), "16777216");
    w.oci(&["update", "--memory", "64m", "--memory-swap", "-1", "box"]).ok();
    // A machine that does not support a limit reports this.
    let has_real_time = cgroups::directory(pid(&w), "cpu").join("cpu.rt_runtime_us").exists();
    for flag in ["--cpu-rt-period", "--cpu-rt-runtime"] {
        let told = w.oci(&["update", flag, "100000", "box"]);
        assert!(has_real_time || told.fails(1).contains("cpu.rt_"), "{told}");
    }
    for flag in ["--l3-cache-schema", "--mem-bw-schema"] {
        let refused = w.oci(&["update", flag, "MB:0=50", "box"]);
        assert!(refused.fails(1).contains("resctrl"), "{refused}");
    }
    // In the form in which engines pass them.
    let mut piped = w.command(&["update", "-r", "-", "box"]);
    let told = outcome::run_with_input(&mut piped, br#"{"pids": {"limit": 29}}"#);
    told.ok();
    assert_eq!(read("pids", "pids.max"), "29");
}

#[test]
fn processes_are_shown_as_ps_is_asked_to() {
    let Some(w) = Fixture::start() else { return };
    running(&w, &w.config(&["sleep", "1000"]));
    let table = w.oci(&["ps", "box"]);
    assert!(table.ok().contains("PID") && table.stdout.contains("sleep 1000"), "{table}");
    let asked = w.oci(&["ps", "box", "-o", "pid,args"]);
    assert!(asked.ok().contains(&pid(&w).to_string()) && asked.stdout.contains("sleep 1000"), "{asked}");
    assert!(!asked.stdout.contains("UID"), "{asked}");
}

#[test]
fn the_log_says_what_is_done_when_asked() {
    let Some(w) = Fixture::start() else { return };
    running(&w, &w.config(&["sleep", "1000"]));
    let log = w.path("log.txt");
    let log = log.to_str().unwrap();
    w.oci(&["--log", log, "state", "box"]).ok();
    assert_eq!(std::fs::read_to_string(log).unwrap_or_default(), "", "nothing went wrong");
    w.oci(&["--debug", "--log", log, "--log-format", "text", "state", "box"]).ok();
    let text = std::fs::read_to_string(log).unwrap();
    assert!(text.contains("level=debug") && text.contains("state"), "{text}");
    w.oci(&["--log", log, "state", "nobody"]).fails(1);
    let text = std::fs::read_to_string(log).unwrap();
    assert!(text.contains("level=error") && text.contains("does not exist"), "{text}");
    // Engines set these options, and they change nothing.
    for flag in ["--rootless=auto", "--criu=/nowhere"] {
        w.oci(&[flag, "state", "box"]).ok();
    }
}

#[test]
fn events_tell_that_memory_ran_out() {
    let Some(w) = Fixture::start() else { return };
    let hog = "while [ ! -e /go ]; do sleep 0.05; done; x=$(head -c 100m /dev/zero | tr '\\0' x); sleep 1000";
    let mut config = w.config(&["sh", "-c", hog]);
    config["linux"]["resources"]["memory"] = json!({"limit": 24 << 20, "swap": 24 << 20});
    running(&w, &config);
    let mut events = w.command(&["events", "--interval", "50ms", "box"]);
    let file = std::fs::File::create(w.path("events")).unwrap();
    let mut events = events.stdin(Stdio::null()).stdout(file).spawn().unwrap();
    let told = |kind: &str| {
        let text = std::fs::read_to_string(w.path("events")).unwrap_or_default();
        let kinds = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        kinds.into_iter().any(|event| event["type"] == kind && event["id"] == "box")
    };
    eventually("it watches", || told("stats"));
    std::fs::write(w.path("bundle/rootfs/go"), "").unwrap();
    eventually("it tells", || told("oom"));
    w.oci(&["delete", "--force", "box"]).ok();
    events.wait().unwrap();
}
