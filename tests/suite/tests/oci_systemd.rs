//! `hull-oci --systemd-cgroup` with a real systemd, on every layout of cgroups that a machine can have.

#[path = "oci_systemd/manager.rs"]
mod manager;
#[allow(dead_code, reason = "each suite uses its part")]
mod oci_fixture;

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use hull_test_support::{cgroups, outcome};
use manager::Manager;
use oci_fixture::Fixture;
use serde_json::{Value, json};

fn config(w: &Fixture, args: &[&str]) -> Value {
    let mut config = w.config(args);
    config["linux"]["cgroupsPath"] = json!("top-inner.slice:pre:box");
    config["linux"]["resources"] = json!({"memory": {"limit": 64 << 20}, "pids": {"limit": 33},
        "cpu": {"quota": 50_000, "period": 100_000},
        "devices": [{"allow": false, "access": "rwm"}]});
    config
}

/// The content of a file in the scope's cgroup, by its controller and name on v1 or its name on v2.
fn limit(w: &Fixture, v1: (&str, &str), v2: &str) -> String {
    let directory = "top.slice/top-inner.slice/pre-box.scope";
    let hierarchies = cgroups::hierarchies();
    let is_v2 = cgroups::is_v2(v1.0);
    let mount =
        hierarchies.iter().find(|one| one.v2 == is_v2 && (is_v2 || one.mount_point.ends_with(v1.0))).unwrap();
    let group = mount.mount_point.join(w.cgroup_parent().trim_start_matches('/')).join(directory);
    let file = group.join(if is_v2 { v2 } else { v1.1 });
    std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        .trim()
        .to_owned()
}

fn memory(w: &Fixture) -> String {
    limit(w, ("memory", "memory.limit_in_bytes"), "memory.max")
}

#[test]
fn systemd_makes_the_scope_and_knows_its_limits() {
    let Some(w) = Fixture::start() else { return };
    let Some(m) = Manager::start(&w) else { return };
    let mut config = config(&w, &["sleep", "1000"]);
    config["annotations"] = json!({"org.systemd.property.TimeoutStopUSec": "uint64 7000000"});
    w.bundle(&config);
    m.oci(&["create", "--bundle", "bundle", "box"]).ok();
    assert_eq!(m.scopes(), ["pre-box.scope"]);
    let show = |what: &str| m.systemctl(&["show", "--value", "-p", what, "pre-box.scope"]).ok().to_owned();
    assert_eq!(show("ControlGroup"), "/top.slice/top-inner.slice/pre-box.scope");
    assert_eq!((show("Delegate"), show("TasksMax")), ("yes".into(), "33".into()));
    let known = if cgroups::is_v2("memory") { "MemoryMax" } else { "MemoryLimit" };
    assert_eq!((show(known), show("CPUQuotaPerSecUSec")), ("67108864".into(), "500ms".into()));
    assert_eq!(show("TimeoutStopUSec"), "7s");
    assert_eq!(memory(&w), "67108864");
    // The container's first process is the only one in the cgroup.
    assert_eq!(show("TasksCurrent"), "1");

    m.oci(&["start", "box"]).ok();
    assert_eq!(m.oci(&["exec", "box", "sh", "-c", "echo x > /dev/null; exit 3"]).code(), 3);
    m.oci(&["update", "--memory", "32m", "box"]).ok();
    assert_eq!((show(known), memory(&w)), ("33554432".into(), "33554432".into()));
    // systemd writes the limits again: the same values, and nothing that removes the devices.
    m.systemctl(&["daemon-reload"]).ok();
    assert_eq!(memory(&w), "33554432");
    assert_eq!(limit(&w, ("cpu", "cpu.cfs_quota_us"), "cpu.max").split(' ').next(), Some("50000"));
    m.oci(&["exec", "box", "sh", "-c", "echo x > /dev/null"]).ok();

    m.oci(&["pause", "box"]).ok();
    assert!(m.oci(&["state", "box"]).ok().contains("paused"));
    m.oci(&["resume", "box"]).ok();
    assert!(m.oci(&["ps", "box"]).ok().contains("sleep"));
    m.oci(&["kill", "box", "KILL"]).ok();
    outcome::eventually("it has ended", || m.oci(&["state", "box"]).ok().contains("stopped"));
    m.oci(&["delete", "box"]).ok();
    assert_eq!((m.scopes(), m.cgroups()), (vec![], vec![]));
}

#[test]
fn a_scope_ends_with_its_container_and_can_be_had_again() {
    let Some(w) = Fixture::start() else { return };
    let Some(m) = Manager::start(&w) else { return };
    w.bundle(&config(&w, &["sh", "-c", "exit 5"]));
    for _ in 0..3 {
        let ended = m.oci(&["run", "--bundle", "bundle", "box"]);
        assert_eq!(ended.code(), 5, "{ended}");
        assert_eq!((m.scopes(), m.cgroups()), (vec![], vec![]));
    }
    // The runtime is killed while a hook runs, so the next command has to undo the work.
    let mut slow = config(&w, &["true"]);
    slow["hooks"] = json!({"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "1000"]}]});
    w.bundle(&slow);
    let create = w.command(&["--systemd-cgroup", "create", "--bundle", "bundle", "box"]);
    let mut create = m.inside(&create).stdin(Stdio::null()).spawn().unwrap();
    outcome::eventually("the scope is there", || m.scopes() == ["pre-box.scope"]);
    m.kill_all("hull-oci");
    create.wait().unwrap();
    m.oci(&["delete", "--force", "box"]).ok();
    assert_eq!((m.scopes(), m.cgroups()), (vec![], vec![]));

    // Containers without a slice of their own are in the default slice.
    let mut config = config(&w, &["sleep", "1000"]);
    config["linux"]["cgroupsPath"] = Value::Null;
    w.bundle(&config);
    m.oci(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    assert_eq!(m.scopes(), ["hull-oci-box.scope"]);
    let group = m.systemctl(&["show", "--value", "-p", "ControlGroup", "hull-oci-box.scope"]);
    assert_eq!(group.ok(), "/system.slice/hull-oci-box.scope");
    assert!(m.oci(&["run", "-d", "--bundle", "bundle", "box"]).fails(1).contains("exists"));
    m.oci(&["delete", "--force", "box"]).ok();
    assert_eq!((m.scopes(), m.cgroups()), (vec![], vec![]));
}

#[test]
fn a_bus_does_where_systemds_own_socket_is_not() {
    if !Manager::has_bus() {
        return;
    }
    let Some(w) = Fixture::start() else { return };
    let Some(m) = Manager::start(&w) else { return };
    w.bundle(&config(&w, &["sleep", "1000"]));
    m.oci_by_bus(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    assert_eq!(m.scopes(), ["pre-box.scope"]);
    m.oci_by_bus(&["update", "--memory", "32m", "box"]).ok();
    assert_eq!(memory(&w), "33554432");
    m.oci_by_bus(&["delete", "--force", "box"]).ok();
    assert_eq!((m.scopes(), m.cgroups()), (vec![], vec![]));
}

#[test]
fn what_fails_leaves_no_scope() {
    let Some(w) = Fixture::start() else { return };
    let Some(m) = Manager::start(&w) else { return };
    let failing = |change: &dyn Fn(&mut Value), words: &str| {
        let mut config = config(&w, &["true"]);
        change(&mut config);
        w.bundle(&config);
        let created = m.oci(&["create", "--bundle", "bundle", "box"]);
        assert!(created.fails(1).contains(words), "{created}");
        assert_eq!((m.scopes(), m.cgroups()), (vec![], vec![]));
        assert!(m.oci(&["state", "box"]).fails(1).contains("does not exist"));
    };
    failing(&|config| config["linux"]["cgroupsPath"] = json!("/a/path"), "slice:prefix:name");
    failing(&|config| config["linux"]["cgroupsPath"] = json!("x.slice:p:../../y"), "cgroupsPath");
    failing(
        &|config| config["annotations"] = json!({"org.systemd.property.X": "what"}),
        "org.systemd.property.X",
    );
    failing(&|config| config["annotations"] = json!({"org.systemd.property.NoSuch": "true"}), "NoSuch");
    failing(&|config| config["linux"]["resources"]["rdma"] = json!({"none": {"hcaHandles": 1}}), "rdma");
    let nowhere = json!({"destination": "/x", "type": "bind", "source": "/nowhere", "options": ["bind"]});
    failing(&|config| config["mounts"][0] = nowhere.clone(), "/nowhere");
    failing(&|config| config["hooks"] = json!({"createRuntime": [{"path": "/bin/false"}]}), "hook");
}

#[test]
fn without_systemd_nothing_is_made() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&config(&w, &["true"]));
    // The same inside, because this mount namespace does not see it.
    let mount = "mount -t tmpfs none /run; exec \"$@\"";
    for verb in ["create", "run"] {
        let mut hidden = outcome::wrapped(
            &["unshare", "-m", "sh", "-c", mount, "sh"],
            &w.command(&["--systemd-cgroup", verb, "--bundle", "bundle", "box"]),
        );
        hidden.env_remove("DBUS_SYSTEM_BUS_ADDRESS");
        let created = outcome::run(&mut hidden);
        let said = created.fails(1);
        assert!(said.contains("systemd does not answer") && said.contains("/run/systemd/private"), "{said}");
        assert!(said.contains("Without --systemd-cgroup"), "it says what to do: {said}");
    }
    w.assert_nothing_left();
}

#[test]
fn an_unprivileged_user_asks_their_own() {
    let Some(w) = Fixture::start() else { return };
    let (run, own) = (w.path("rootless"), w.path("bundle"));
    std::fs::create_dir_all(run.join("systemd")).unwrap();
    // The build directory may be closed to the user.
    std::fs::copy(hull_test_support::program::hull_oci(), w.path("hull-oci")).unwrap();
    let mut chown = Command::new("chown");
    assert!(chown.args(["-hR", "12345:12345"]).args([&own, &run]).status().unwrap().success());
    let user = |words: &[&str]| {
        let mut command = Command::new(w.path("hull-oci"));
        command.uid(12345).gid(12345);
        command.args(words).current_dir(&own).env("XDG_RUNTIME_DIR", &run);
        command.env_remove("DBUS_SESSION_BUS_ADDRESS");
        command
    };
    outcome::run(&mut user(&["spec", "--rootless"])).ok();
    let mut config: Value = serde_json::from_slice(&std::fs::read(own.join("config.json")).unwrap()).unwrap();
    config["process"]["terminal"] = json!(false);
    config["linux"]["cgroupsPath"] = json!("user.slice:pre:box");
    w.bundle(&config);
    let refused = |command: &mut Command, named: &str| {
        let created = outcome::run(command);
        let said = created.fails(1);
        assert!(said.contains("systemd does not answer") && said.contains(named), "{created}");
        assert!(said.contains("systemctl --user") && !said.contains("first process"), "{created}");
        assert!(!run.join("hull-oci/box").exists(), "{created}");
    };
    let create = ["--systemd-cgroup", "create", "box"];
    refused(&mut user(&create), run.join("systemd/private").to_str().unwrap());
    refused(&mut user(&create), run.join("bus").to_str().unwrap());
    refused(user(&create).env_remove("XDG_RUNTIME_DIR").env("HOME", &own), "XDG_RUNTIME_DIR");

    // A service that closes the connection, and the first request that it got.
    let socket = std::os::unix::net::UnixListener::bind(run.join("systemd/private")).unwrap();
    std::os::unix::fs::chown(run.join("systemd/private"), Some(12345), Some(12345)).unwrap();
    let manager = std::thread::spawn(move || {
        let (mut client, _) = socket.accept().unwrap();
        let mut said = [0; 64];
        let length = std::io::Read::read(&mut client, &mut said).unwrap();
        String::from_utf8_lossy(&said[..length]).into_owned()
    });
    refused(&mut user(&create), "systemd/private");
    assert!(manager.join().unwrap().starts_with("\0AUTH EXTERNAL"));
    w.assert_nothing_left();
}
