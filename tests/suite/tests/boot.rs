//! `boot`: after a reboot, exactly those containers run that should run by their restart policies. The tests simulate a
//! reboot by an emptied run root and another boot id.

use std::os::unix::fs::PermissionsExt;

use hull_test_support::Scenario;
use hull_test_support::outcome::eventually;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::mount::{UnmountFlags, mount_bind, unmount};

const STATE: &str = "{{.State.Status}}";

fn status(t: &Scenario, name: &str) -> String {
    t.inspect(name, STATE)
}

fn run(t: &Scenario, name: &str, options: &[&str]) {
    let all = [&["run", "-d", "--name", name, "--stop-timeout", "1"], options, &["busybox", "sleep", "300"]];
    t.ok(&all.concat());
}

/// The machine starts again: the cgroups and the run root are empty.
fn reboot(t: &Scenario) {
    let cgroups = hull_test_support::cgroups::below(t.cgroup_parent());
    for cgroup in cgroups.iter().rev() {
        let _ = std::fs::remove_dir(cgroup);
    }
    for entry in std::fs::read_dir(t.run_root()).unwrap() {
        std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
}

#[test]
fn after_a_crash_the_policies_decide() {
    let Some(t) = Scenario::with_busybox() else { return };
    for (name, policy) in
        [("always", "always"), ("unless", "unless-stopped"), ("failure", "on-failure"), ("no", "no")]
    {
        run(&t, name, &["--restart", policy, "--network", "none"]);
    }
    run(&t, "always-stopped", &["--restart", "always", "--network", "none"]);
    run(&t, "unless-stopped", &["--restart", "unless-stopped", "--network", "none"]);
    t.ok(&["create", "--name", "never-started", "--restart", "always", "busybox", "sleep", "300"]);
    t.ok(&["stop", "always-stopped", "unless-stopped"]);
    // The monitors are killed, and no command of this boot notices it.
    let pids: Vec<i32> = ["always", "unless", "failure", "no"].map(|name| t.monitor_of(name)).into();
    for pid in pids {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    let boot_id = t.write("boot_id", "11111111-2222-4333-8444-555555555555\n");
    eventually("the cgroups are empty", || {
        let below = hull_test_support::cgroups::below(t.cgroup_parent());
        below.iter().all(|cgroup| {
            std::fs::read_to_string(cgroup.join("cgroup.procs")).is_ok_and(|pids| pids.trim().is_empty())
        })
    });
    reboot(&t);
    mount_bind(&boot_id, "/proc/sys/kernel/random/boot_id").unwrap();
    let started = t.ok(&["boot", "start"]);
    assert_eq!(started.lines().count(), 3, "{started}");
    for name in ["always", "unless", "always-stopped"] {
        assert_eq!(status(&t, name), "running", "{name}");
    }
    for (name, expected) in
        [("failure", "exited"), ("no", "exited"), ("unless-stopped", "exited"), ("never-started", "created")]
    {
        assert_eq!(status(&t, name), expected, "{name}");
    }
    assert_eq!(t.ok(&["boot", "start"]), "", "they run");
    t.ok(&[
        "rm",
        "-f",
        "always",
        "unless",
        "always-stopped",
        "failure",
        "no",
        "unless-stopped",
        "never-started",
    ]);
    unmount("/proc/sys/kernel/random/boot_id", UnmountFlags::DETACH).unwrap();
}

#[test]
fn a_shutdown_is_no_stop_by_the_user_and_dependants_go_first_and_come_last() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["volume", "create", "notes"]);
    let policy = ["--restart", "unless-stopped", "-v", "notes:/notes"];
    let script = |name: &str| {
        format!(
            "echo start {name} >> /notes/all; trap 'sleep 0.2; echo stop {name} >> /notes/all; exit 0' TERM; \
             while :; do sleep 0.05; done"
        )
    };
    let start = |name: &str, options: &[&str]| {
        let script = script(name);
        let words = ["busybox", "sh", "-c", &script];
        t.ok(&[&["run", "-d", "--name", name], &policy[..], options, &words].concat());
        eventually("it has begun", || {
            let notes = t.data_root().join("volumes/notes/_data/all");
            std::fs::read_to_string(notes).is_ok_and(|text| text.contains(&format!("start {name}\n")))
        });
    };
    // In the order of their names they would start the other way.
    start("z-net", &["--network", "none"]);
    start("m-shares", &["--network", "container:z-net"]);
    start("a-last", &["--network", "container:m-shares", "--volumes-from", "z-net"]);
    start("requires", &["--network", "none", "--requires", "a-last"]);
    run(&t, "plain", &["--network", "none"]);
    let notes = || std::fs::read_to_string(t.data_root().join("volumes/notes/_data/all")).unwrap_or_default();
    t.ok(&["boot", "stop"]);
    assert_eq!(t.ok(&["ps", "-q"]), "");
    let expected = "start z-net\nstart m-shares\nstart a-last\nstart requires\n\
                    stop requires\nstop a-last\nstop m-shares\nstop z-net\n";
    assert_eq!(notes(), expected);
    // The unit or the machine is restarted.
    t.ok(&["boot", "start"]);
    let order = |name: &str| notes()[expected.len()..].find(&format!("start {name}"));
    eventually("all of them write", || order("a-last").is_some());
    assert!(order("z-net") < order("m-shares") && order("m-shares") < order("a-last"), "{}", notes());
    assert_eq!(status(&t, "plain"), "exited");
    assert_eq!(t.inspect("z-net", "{{.RestartCount}}"), "0");
    // A container that the user stops before the shutdown stays stopped.
    t.ok(&["stop", "-t", "1", "a-last"]);
    t.ok(&["boot", "stop"]);
    t.ok(&["boot", "start"]);
    assert_eq!([status(&t, "a-last"), status(&t, "m-shares")], ["exited", "running"]);
}

#[test]
fn a_container_starts_after_the_one_whose_user_namespace_it_joins() {
    let Some(t) = Scenario::with_busybox() else { return };
    let names = ["d-ids", "c-joins", "b-joins", "a-joins"];
    for (index, name) in names.iter().enumerate() {
        let userns = match index.checked_sub(1) {
            None => "auto".to_owned(),
            Some(before) => format!("container:{}", names[before]),
        };
        run(&t, name, &["--restart", "always", "--network", "none", "--userns", &userns]);
    }
    t.ok(&["boot", "stop"]);
    t.ok(&["boot", "start"]);
    assert_eq!(names.map(|name| status(&t, name)), ["running"; 4]);
}

#[test]
fn many_start_together_and_one_that_cannot_start_keeps_no_other_back() {
    let Some(t) = Scenario::with_busybox() else { return };
    let source = t.path("source");
    std::fs::create_dir(&source).unwrap();
    let mount = format!("type=bind,source={},target=/x", source.display());
    for number in 0..20 {
        run(&t, &format!("box{number}"), &["--restart", "always", "--network", "none"]);
    }
    run(&t, "broken", &["--restart", "always", "--network", "none", "--mount", &mount]);
    t.ok(&["boot", "stop"]);
    std::fs::remove_dir(&source).unwrap();
    let outcome = t.hull(&["boot", "start"]);
    assert!(outcome.fails(1).contains("source"), "{outcome}");
    assert_eq!(t.ok(&["ps", "-q"]).lines().count(), 20);
}

#[test]
fn a_container_of_an_unprivileged_user_starts_at_boot() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    run(&t, "box", &["--restart", "always", "--network", "none"]);
    run(&t, "other", &["--restart", "always", "--network", "none"]);
    t.ok(&["boot", "stop"]);
    assert_eq!(status(&t, "box"), "exited");
    t.ok(&["boot", "start"]);
    assert_eq!(status(&t, "box"), "running");
    // A later command runs in the same user namespace.
    assert_eq!(t.ok(&["exec", "other", "echo", "inside"]), "inside");
}

#[test]
fn the_unit_is_printed_and_installed_and_removed() {
    let Some(t) = Scenario::start() else { return };
    let unit = t.ok(&["boot", "enable", "--print"]);
    let hull = hull_test_support::program::hull();
    let (data, run) = (t.data_root(), t.run_root());
    let command = format!(
        "{} --root={} --runroot={} --cgroup-parent={} boot",
        hull.display(),
        data.display(),
        run.display(),
        t.cgroup_parent()
    );
    assert!(unit.contains(&format!("ExecStart={command} start\nExecStop={command} stop\n")), "{unit}");
    assert!(unit.contains("WantedBy=multi-user.target"), "{unit}");
    if std::path::Path::new("/usr/bin/systemd-analyze").exists() {
        let file = t.write("hull-boot.service", &unit);
        let verified = std::process::Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&verified.stderr);
        assert!(!said.contains("hull-boot.service"), "{said}");
    }
    // Without systemd.
    let off = t.path("off");
    std::fs::create_dir(&off).unwrap();
    mount_bind(&off, "/run").unwrap();
    assert!(t.hull(&["boot", "enable"]).fails(1).contains("not booted with systemd"));
    assert!(t.hull(&["boot", "enable", "--user"]).fails(1).contains("root's containers"));
    // A systemd that only this test uses.
    std::fs::create_dir_all("/run/systemd/system").unwrap();
    let etc = t.path("etc");
    std::fs::create_dir(&etc).unwrap();
    std::fs::create_dir_all("/etc/systemd/system").unwrap();
    mount_bind(&etc, "/etc/systemd/system").unwrap();
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {0}/calls\ncase $1 in is-enabled) echo enabled;; is-active) echo inactive;; esac\n",
        t.path("").display()
    );
    let systemctl = t.write("bin/systemctl", script);
    std::fs::set_permissions(&systemctl, PermissionsExt::from_mode(0o755)).unwrap();
    let hull = |args: &[&str]| {
        let mut command = t.command(args);
        command.env("PATH", format!("{}:/usr/bin:/bin", t.path("bin").display()));
        hull_test_support::outcome::run(&mut command)
    };
    assert_eq!(hull(&["boot", "status"]).fails(1), "");
    assert_eq!(hull(&["boot", "enable"]).ok(), "/etc/systemd/system/hull-boot.service");
    assert_eq!(std::fs::read_to_string(etc.join("hull-boot.service")).unwrap().trim(), unit.trim());
    assert_eq!(hull(&["boot", "status"]).ok(), "enabled");
    hull(&["boot", "disable"]).ok();
    assert!(!etc.join("hull-boot.service").exists());
    let calls = std::fs::read_to_string(t.path("calls")).unwrap();
    assert_eq!(
        calls,
        "daemon-reload\nenable hull-boot.service\nis-enabled hull-boot.service\nis-active hull-boot.service\n\
         disable hull-boot.service\ndaemon-reload\n"
    );
    unmount("/etc/systemd/system", UnmountFlags::DETACH).unwrap();
    unmount("/run", UnmountFlags::DETACH).unwrap();
}

/// Writes keys of LXD's configuration into the container's record, as if they were in force.
fn set_keys(t: &Scenario, name: &str, keys: &[&str]) {
    let path = t.data_root().join("containers").join(t.inspect(name, "{{.Id}}")).join("container.json");
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let pairs = keys.iter().map(|pair| pair.split_once('=').unwrap());
    let config: serde_json::Map<_, _> = pairs.map(|(key, value)| (key.to_owned(), value.into())).collect();
    record["instance"] = serde_json::json!({ "config": config, "expanded": { "config": config } });
    std::fs::write(&path, record.to_string()).unwrap();
}

/// LXD's keys come before restart policies, and decide the order.
#[test]
fn autostart_starts_and_stops_in_the_order_of_priorities() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["volume", "create", "notes"]);
    let script = |name: &str| {
        format!(
            "echo start {name} >> /notes/all; trap 'echo stop {name} >> /notes/all; exit 0' TERM; \
             while :; do sleep 0.05; done"
        )
    };
    let all = [
        ("late", vec!["boot.autostart=true", "boot.autostart.priority=1", "boot.stop.priority=5"]),
        ("early", vec!["boot.autostart=true", "boot.autostart.priority=9", "boot.autostart.delay=1"]),
        ("never", vec!["boot.autostart=false"]),
        ("plain", vec![]),
    ];
    for (name, keys) in &all {
        let script = script(name);
        let create = [
            "create",
            "--name",
            name,
            "--network",
            "none",
            "-v",
            "notes:/notes",
            "busybox",
            "sh",
            "-c",
            &script,
        ];
        t.ok(&create);
        set_keys(&t, name, keys);
    }
    t.ok(&["start", "never"]);
    let notes = || std::fs::read_to_string(t.data_root().join("volumes/notes/_data/all")).unwrap();
    eventually("it has begun", || notes().contains("start never\n"));
    t.ok(&["boot", "stop"]);
    let begun = std::time::Instant::now();
    // `plain` was never started, and `never` has a key against it.
    let started = t.ok(&["boot", "start"]);
    assert_eq!(started.lines().count(), 2, "{started}");
    assert!(begun.elapsed() > std::time::Duration::from_secs(1), "the delay of the first");
    eventually("they have begun", || notes().contains("start late\n"));
    let order = notes();
    assert!(order.find("start early").unwrap() < order.find("start late").unwrap(), "{order}");
    assert_eq!(order.matches("start never").count(), 1, "{order}");
    t.ok(&["boot", "stop"]);
    let order = notes();
    assert!(order.find("stop late").unwrap() < order.find("stop early").unwrap(), "{order}");
    let service = t.ok(&["boot", "enable", "--print-openrc"]);
    assert!(service.starts_with("#!/sbin/openrc-run\n") && service.contains(" boot stop\n"), "{service}");
    t.ok(&["rm", "late", "early", "never", "plain"]);
    t.ok(&["volume", "rm", "notes"]);
}
