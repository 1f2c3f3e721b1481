//! What engines and scripts read from `hull-oci` and expect where runc has it: messages, exit codes, hooks.

#[allow(dead_code, reason = "each suite uses its part")]
mod oci_fixture;

use oci_fixture::Fixture;
use serde_json::json;

fn running(w: &Fixture) {
    w.bundle(&w.config(&["sleep", "1000"]));
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
}

#[test]
fn errors_are_in_the_words_that_engines_compare() {
    let Some(w) = Fixture::start() else { return };
    running(&w);
    let told = w.detached(&["create", "--bundle", "bundle", "box"]);
    assert!(told.fails(1).contains("container with given ID already exists"), "{told}");
    let fails = |words: &[&str], code: i32, text: &str| {
        let told = w.oci(words);
        assert!(told.fails(code).contains(text), "{told}");
    };
    fails(&["start", "box"], 1, "cannot start an already running container");
    fails(&["delete", "box"], 1, "cannot delete container box that is not stopped: running");
    fails(&["resume", "box"], 1, "container not paused");
    w.oci(&["pause", "box"]).ok();
    fails(&["pause", "box"], 1, "container not running or created");
    fails(&["exec", "box", "true"], 255, "cannot exec in a paused container");
    w.oci(&["kill", "box", "KILL"]).ok();
    hull_test_support::outcome::eventually("it has stopped", || w.state("box")["status"] == "stopped");
    fails(&["kill", "box", "0"], 1, "container not running");
    w.oci(&["kill", "--all", "box", "0"]).ok();
    fails(&["start", "box"], 1, "cannot start a container that has stopped");
    fails(&["update", "--pids-limit", "9", "box"], 1, "container not running");
    fails(&["exec", "box", "true"], 255, "cannot exec in a stopped container");
    w.oci(&["delete", "box"]).ok();
    for verb in ["state", "start", "kill", "delete", "pause", "ps"] {
        fails(&[verb, "box"], 1, "container does not exist");
    }
}

#[test]
fn a_program_that_cannot_run_is_told_of_as_the_kernel_does() {
    let Some(w) = Fixture::start() else { return };
    running(&w);
    std::fs::write(w.path("bundle/rootfs/run.sh"), "#!/nowhere\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(w.path("bundle/rootfs/run.sh"), mode).unwrap();
    let told = w.oci(&["exec", "box", "/run.sh"]);
    assert_eq!(told.fails(255), "exec /run.sh: no such file or directory\n");
}

#[test]
fn a_created_container_is_deleted_without_force() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "1000"]));
    w.detached(&["create", "--bundle", "bundle", "box"]).ok();
    w.oci(&["delete", "box"]).ok();
    w.assert_nothing_left();
}

#[test]
fn debug_tells_the_steps_on_stderr_or_in_the_log_alone() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["true"]));
    let run = |global: &[&str]| {
        let told = w.oci(&[global, &["run", "--bundle", "bundle", "box"]].concat());
        told.ok();
        told.stderr
    };
    let steps = ["hull-oci run", "first process is cloned", "waits for its start"];
    let told = run(&["--debug"]);
    assert!(steps.iter().all(|step| told.contains(step)) && told.starts_with("time=\""), "{told}");
    let log = w.path("log");
    assert_eq!(run(&["--debug", "--log", log.to_str().unwrap(), "--log-format", "json"]), "");
    let lines = std::fs::read_to_string(&log).unwrap();
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "debug");
    }
    assert!(steps.iter().all(|step| lines.contains(step)), "{lines}");
}

#[test]
fn help_and_version_name_the_program_as_it_was_called() {
    let Some(w) = Fixture::start() else { return };
    std::os::unix::fs::symlink(hull_test_support::program::hull_oci(), w.path("runc")).unwrap();
    let runc = |words: &[&str]| {
        hull_test_support::outcome::run(std::process::Command::new(w.path("runc")).args(words))
    };
    let version = runc(&["-v"]);
    let lines: Vec<&str> = version.ok().lines().collect();
    assert!(lines[0].starts_with("runc version ") && lines[1].starts_with("commit: "), "{version}");
    assert!(lines[2].starts_with("spec: 1."), "{version}");
    assert!(runc(&["-h"]).ok().starts_with("NAME:\n   runc - Open Container Initiative runtime"));
    assert!(runc(&["kill", "--help"]).ok().starts_with("NAME:\n   runc kill - "));
    assert!(runc(&["nonsense", "-h"]).fails(1).contains("No help topic for 'nonsense'"));
}

#[test]
fn hooks_run_where_runc_runs_them() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["true"]);
    let hook = |script: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
    let out = w.path("cwd").display().to_string();
    config["process"]["env"] = json!(["PATH=/bin", "ONE=two"]);
    config["hooks"] = json!({
        "createRuntime": hook(&format!("pwd > {out}.runtime")),
        "createContainer": hook("touch made-by-hook"),
        "startContainer": hook("[ $ONE = two ] && [ -e /made-by-hook ]"),
    });
    w.bundle(&config);
    w.oci(&["run", "--bundle", "bundle", "box"]).ok();
    let bundle = std::fs::canonicalize(w.path("bundle")).unwrap();
    assert_eq!(std::fs::read_to_string(w.path("cwd.runtime")).unwrap().trim(), bundle.to_str().unwrap());
    for point in ["createRuntime", "createContainer", "startContainer", "poststart"] {
        config["hooks"] = json!({point: [{"path": "/bin/true"}, {"path": "/bin/false"}]});
        w.bundle(&config);
        let told = w.oci(&["run", "--bundle", "bundle", "box"]);
        assert!(told.fails(1).contains(&format!("error running {point} hook #1:")), "{told}");
    }
    w.assert_nothing_left();
}

#[test]
fn a_pidfd_goes_to_the_socket_that_asks_for_it() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "1000"]));
    let (listener, socket) = w.console_socket();
    w.detached(&["run", "-d", "--bundle", "bundle", "--pidfd-socket", &socket, "box"]).ok();
    let pid = |console: oci_fixture::Console| console.pid_of_pidfd();
    assert_eq!(pid(oci_fixture::Console::accept(&listener)), w.state("box")["pid"].as_i64().unwrap());
    let file = w.path("pid");
    let file = file.to_str().unwrap();
    w.detached(&["exec", "-d", "--pid-file", file, "--pidfd-socket", &socket, "box", "sleep", "999"]).ok();
    let told = pid(oci_fixture::Console::accept(&listener));
    assert_eq!(told.to_string(), std::fs::read_to_string(file).unwrap());
}

#[test]
fn an_empty_path_is_a_new_namespace() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["sh", "-c", "echo $$"]);
    for namespace in config["linux"]["namespaces"].as_array_mut().unwrap() {
        namespace["path"] = json!("");
    }
    w.bundle(&config);
    assert_eq!(w.oci(&["run", "--bundle", "bundle", "box"]).ok(), "1");
}

/// pivot_root(2) fails on an initial ramdisk. Here strace(1) makes it fail.
#[test]
fn a_root_that_cannot_be_put_away_is_moved_over_where_that_is_asked() {
    let Some(w) = Fixture::start() else { return };
    let Some(strace) = hull_test_support::skip::find_program("strace") else {
        return hull_test_support::skip::skip("strace is not installed");
    };
    w.bundle(&w.config(&["sh", "-c", "ls -d /proc/self /bundle 2>&1; echo $$"]));
    let run = |flag: &str| {
        let mut command = std::process::Command::new(&strace);
        command.args([
            "-f",
            "-o",
            "/dev/null",
            "-e",
            "trace=pivot_root",
            "-e",
            "inject=pivot_root:error=EINVAL",
        ]);
        let runtime = w.command(&["run", flag, "--bundle", "bundle", "box"]);
        command.arg(runtime.get_program()).args(runtime.get_args()).current_dir(w.path(""));
        hull_test_support::outcome::run(&mut command)
    };
    assert!(run("--keep").fails(1).contains("pivot_root"));
    let told = run("--no-pivot");
    assert_eq!(told.ok(), "ls: /bundle: No such file or directory\n/proc/self\n1", "{told}");
    w.assert_nothing_left();
}

#[test]
fn what_a_container_froze_below_its_cgroup_dies_with_it() {
    let Some(w) = Fixture::start() else { return };
    if hull_test_support::cgroups::is_v2("freezer") {
        return hull_test_support::skip::skip("cgroup v2 kills what is frozen");
    }
    running(&w);
    let file = w.path("pid");
    w.detached(&["exec", "-d", "--pid-file", file.to_str().unwrap(), "box", "sleep", "999"]).ok();
    let pid = std::fs::read_to_string(&file).unwrap();
    let init = w.state("box")["pid"].as_i64().unwrap() as i32;
    let below = hull_test_support::cgroups::directory(init, "freezer").join("below");
    std::fs::create_dir(&below).unwrap();
    std::fs::write(below.join("cgroup.procs"), pid).unwrap();
    std::fs::write(below.join("freezer.state"), "FROZEN").unwrap();
    let deleted = w.oci(&["delete", "--force", "box"]);
    deleted.ok();
    // If it cannot kill the container, it waits for ten seconds.
    assert!(deleted.took < std::time::Duration::from_secs(9), "{deleted}");
    w.assert_nothing_left();
}

#[test]
fn a_user_namespace_sees_cgroups_without_a_namespace_of_them() {
    let Some(w) = Fixture::start() else { return };
    let mut config =
        w.config(&["sh", "-c", "test -r /sys/fs/cgroup/cgroup.procs || ls /sys/fs/cgroup/*/cgroup.procs"]);
    oci_fixture::in_user_namespace(&mut config);
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts.push(json!({"destination": "/sys", "type": "sysfs", "source": "sysfs"}));
    let options = json!(["nosuid", "noexec", "nodev", "ro"]);
    mounts.push(
        json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options}),
    );
    w.bundle(&config);
    w.oci(&["run", "--bundle", "bundle", "box"]).ok();
    w.assert_nothing_left();
}
