//! An unprivileged user on machines that lack something: subordinate ids, cgroups, device nodes, a login session.

use std::path::Path;

use hull_test_support::outcome::{Outcome, run};
use hull_test_support::{Scenario, fixtures};

/// Takes the user's subordinate ids away, or restores them.
fn set_ids(t: &Scenario, text: &str) {
    for file in ["subuid", "subgid"] {
        // The file that is bound over /etc/subuid in the scenario's namespace.
        t.write(file, text);
    }
}

/// A tar of `/bin/busybox`, `/mail` of user 8, and the files that `script` makes in the current directory.
fn archive(t: &Scenario, script: &str) -> String {
    let busybox = fixtures::busybox();
    let tar = t.path("image.tar");
    let script = format!(
        "mkdir tree && cd tree && tar xf {} && echo m > mail && chown 8:8 mail && {script} && tar cf {} .",
        busybox.display(),
        tar.display()
    );
    run(std::process::Command::new("sh").args(["-ec", &script]).current_dir(t.path("."))).ok();
    tar.display().to_string()
}

#[test]
fn without_subordinate_ids_it_is_said_and_the_image_is_unpacked_anew_when_there_are_some() {
    let Some(t) = Scenario::rootless() else { return };
    let ids = std::fs::read_to_string(t.path("subuid")).unwrap();
    set_ids(&t, "");
    let imported = t.hull(&["import", &archive(&t, "true"), "box"]);
    assert!(imported.success() && imported.stderr.contains("for which you have no ids"), "{imported}");
    assert!(imported.stderr.contains("usermod --add-subuids"), "{imported}");
    let owner = ["run", "--rm", "--network", "none", "box", "/bin/stat", "-c", "%u:%g", "/mail"];
    let squashed = t.hull(&owner);
    assert_eq!((squashed.stdout.trim(), squashed.stderr.as_str()), ("0:0", ""), "said once");
    let other = t.hull(&["run", "--rm", "--network", "none", "--user", "1000", "box", "/bin/true"]);
    assert!(other.fails(125).contains("no user 1000") && other.stderr.contains("usermod"), "{other}");
    t.ok(&["create", "--name", "old", "--network", "none", "box", "/bin/stat", "-c", "%u:%g", "/mail"]);
    set_ids(&t, &ids);
    assert_eq!(t.ok(&owner), "8:8", "unpacked anew");
    assert_eq!(t.ok(&["start", "-a", "old"]), "0:0", "what a container stands on does not change");
    t.ok(&["rm", "old"]);
    t.ok(&["rmi", "box"]);
    let left = std::fs::read_dir(t.data_root().join("layers-one-id")).unwrap();
    assert_eq!(left.count(), 0, "both copies go with the image");
}

#[test]
fn a_user_whose_id_is_beyond_the_ranges_is_refused_with_a_hint() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    let outcome = t.hull(&["run", "--rm", "--network", "none", "--user", "70000", "busybox", "true"]);
    assert!(outcome.fails(125).contains("no user 70000") && outcome.stderr.contains("65536"), "{outcome}");
}

#[test]
fn a_device_has_the_name_that_was_asked_and_is_the_one_that_was_named() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    let device = |asked: &str, path: &str| {
        t.ok(&["run", "--rm", "--network", "none", "--device", asked, "busybox", "stat", "-c", "%t:%T", path])
    };
    assert_eq!(device("/dev/null:/dev/other", "/dev/other"), "1:3");
    // A name that the host has, too.
    assert_eq!(device("/dev/null:/dev/loop-control", "/dev/loop-control"), "1:3");
    assert_eq!(device("/dev/zero", "/dev/zero"), "1:5");
}

#[test]
fn an_image_with_device_nodes_is_used_without_them_and_that_is_said() {
    let Some(t) = Scenario::rootless() else { return };
    let script = "mkdir -p jail/dev && mknod jail/dev/null c 1 3 && ln jail/dev/null jail/dev/also && mknod dev/x c 1 3";
    let imported = t.hull(&["import", &archive(&t, script), "box"]);
    assert!(imported.success() && imported.stderr.contains("device nodes are left out"), "{imported}");
    assert!(imported.stderr.contains("1 more"), "{imported}");
    let listed = t.ok(&["run", "--rm", "--network", "none", "box", "/bin/ls", "/jail/dev"]);
    assert_eq!(listed, "");
}

#[test]
fn commit_of_a_running_container_without_a_cgroup_does_without_the_freezer_and_says_so() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    let script = "echo x > /f; touch /ready; exec sleep 600";
    t.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sh", "-c", script]);
    hull_test_support::outcome::eventually("it has written", || {
        t.hull(&["exec", "box", "test", "-e", "/ready"]).success()
    });
    let committed = t.hull(&["commit", "box", "made"]);
    assert!(committed.success() && committed.stderr.contains("runs on while it is committed"), "{committed}");
    assert_eq!(t.hull(&["commit", "--pause=false", "box", "made"]).stderr, "");
    assert_eq!(t.ok(&["run", "--rm", "--network", "none", "made", "cat", "/f"]), "x");
    t.ok(&["rm", "-f", "box"]);
}

/// `hull args…` of the user, with another value of `XDG_RUNTIME_DIR`, or none.
fn in_session(t: &Scenario, runtime_dir: Option<&Path>, args: &[&str]) -> Outcome {
    let mut command = t.command(args);
    match runtime_dir {
        Some(dir) => command.env("XDG_RUNTIME_DIR", dir),
        None => command.env_remove("XDG_RUNTIME_DIR"),
    };
    run(&mut command)
}

#[test]
fn a_container_is_the_same_with_and_without_a_login_session() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    t.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    let status = in_session(&t, None, &["ps", "-a", "--format", "{{.Status}}"]);
    assert!(status.ok().starts_with("Up"), "{status}");
    let pid = t.pid_of("box");
    in_session(&t, None, &["stop", "-t", "0", "box"]).ok();
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "what is said to be stopped is");
    t.ok(&["rm", "box"]);
}

#[test]
fn a_runtime_directory_that_is_not_the_users_own_is_not_used_and_that_is_said() {
    let Some(t) = Scenario::rootless() else { return };
    let foreign = t.path("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::set_permissions(&foreign, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    for (dir, why) in
        [(foreign.as_path(), "belongs to user 0"), (Path::new("relative"), "not an absolute path")]
    {
        let said = in_session(&t, Some(dir), &["ps"]);
        assert!(said.success() && said.stderr.contains(why), "{said}");
    }
    assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 0, "nothing is written there");
    assert!(!t.path("relative").exists());
    let asked = foreign.display().to_string();
    let refused = t.hull(&["--runroot", &asked, "ps"]);
    assert!(refused.fails(1).contains("belongs to user 0"), "{refused}");
    assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 0, "nor when it is asked for");
}
