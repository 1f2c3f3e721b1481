//! State on disk: two roots side by side, a newer format, a reboot.

use hull_test_support::Scenario;
use rustix::mount::{UnmountFlags, mount_bind, unmount};

#[test]
fn two_roots_on_one_machine_do_not_touch_each_other() {
    let Some(one) = Scenario::with_busybox() else { return };
    let two = one.second_root();
    two.busybox();
    for t in [&one, &two] {
        t.ok(&["run", "-d", "--name", "same", "-v", "same:/data", "busybox", "sleep", "300"]);
        t.ok(&["run", "--name", "old", "busybox", "true"]);
    }
    assert!(one.hull(&["inspect", &two.ok(&["ps", "-q"])]).fails(1).contains("No such"));
    one.ok(&["system", "prune", "-af", "--volumes"]);
    assert_eq!(two.ok(&["ps", "-a", "--format", "{{.Names}}"]), "old\nsame");
    assert_eq!(two.ok(&["exec", "same", "echo", "alive"]), "alive");
    two.ok(&["system", "prune", "-af", "--volumes"]);
    for t in [&one, &two] {
        assert_eq!(t.ok(&["ps", "-a", "--format", "{{.Names}}"]), "same");
        assert_eq!(t.ok(&["exec", "same", "echo", "alive"]), "alive");
    }
    one.ok(&["rm", "-f", "same"]);
    assert_eq!(two.ok(&["exec", "same", "echo", "alive"]), "alive");
}

#[test]
fn a_root_that_is_named_alone_has_a_run_directory_of_its_own() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "first", "busybox", "sleep", "300"]);
    let other = t.path("other");
    let other = other.to_str().unwrap();
    // The state of the first root's container would look like the rest of one that is gone.
    let refused = t.hull(&["--root", other, "ps"]);
    assert!(refused.fails(1).contains("cannot be used with another data root"), "{refused}");
    let ok = |args: &[&str]| {
        let mut command = t.command(&[&["--root", other], args].concat());
        command.env_remove("HULL_RUNROOT");
        let outcome = hull_test_support::outcome::run(&mut command);
        outcome.ok().to_owned()
    };
    assert_eq!(ok(&["ps", "-aq"]), "");
    // A copy goes to that root's own run directory, too.
    t.ok(&["copy", "--target-root", other, "first", "second"]);
    ok(&["start", "second"]);
    ok(&["system", "prune", "-f"]);
    assert_eq!(t.ok(&["exec", "first", "echo", "alive"]), "alive");
    t.ok(&["system", "prune", "-f"]);
    assert_eq!(ok(&["exec", "second", "echo", "alive"]), "alive");
    assert!(t.path("other/run/containers").exists());
    ok(&["rm", "-f", "second"]);
}

#[test]
fn a_root_of_a_newer_version_is_refused_with_a_sentence() {
    let Some(t) = Scenario::with_busybox() else { return };
    let file = t.data_root().join("version");
    let original = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, original.replace(|digit: char| digit.is_ascii_digit(), "999")).unwrap();
    for args in [&["ps"][..], &["run", "--rm", "busybox", "true"], &["images"]] {
        let outcome = t.hull(args);
        assert!(!outcome.success() && outcome.stderr.contains("newer"), "{outcome}");
        assert!(outcome.stderr.contains("999"), "{outcome}");
    }
    std::fs::write(&file, original).unwrap();
    assert_eq!(t.ok(&["run", "--rm", "busybox", "echo", "back"]), "back");
}

#[test]
fn after_a_reboot_every_container_is_exited_and_starts_again() {
    let Some(t) = Scenario::with_busybox() else { return };
    let ended = t.hull(&["run", "--name", "ended", "busybox", "sh", "-c", "echo x > /file; exit 5"]);
    assert_eq!(ended.code(), 5, "{ended}");
    t.ok(&[
        "run",
        "-d",
        "--name",
        "ran",
        "busybox",
        "sh",
        "-c",
        "test -e /file || echo y > /file; sleep 300",
    ]);
    hull_test_support::outcome::eventually("it has written", || {
        t.hull(&["exec", "ran", "test", "-s", "/file"]).success()
    });
    // Simulates a power cut: no process gets a signal, the run root is empty, the kernel has another boot id, and no rules.
    let (monitor, init) = (t.monitor_of("ran"), t.pid_of("ran"));
    for pid in [monitor, init] {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
    hull_test_support::outcome::eventually("they are gone", || {
        [monitor, init].iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
    });
    for cgroup in hull_test_support::cgroups::below(t.cgroup_parent()) {
        let _ = std::fs::remove_dir(cgroup);
    }
    for entry in std::fs::read_dir(t.run_root()).unwrap() {
        std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    if hull_test_support::skip::find_program("nft").is_some() {
        hull_test_support::outcome::run(std::process::Command::new("nft").args(["flush", "ruleset"])).ok();
    }
    let boot_id = t.write("boot_id", "11111111-2222-4333-8444-555555555555\n");
    mount_bind(&boot_id, "/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(t.inspect("ended", "{{.State.Status}} {{.State.ExitCode}}"), "exited 5");
    assert_eq!(t.inspect("ran", "{{.State.Status}} {{.State.Pid}}"), "exited 0");
    assert_eq!(t.ok(&["ps", "-q"]), "");
    t.ok(&["start", "ran"]);
    assert_eq!(t.ok(&["exec", "ran", "cat", "/file"]), "y", "its files are still there");
    t.ok(&["rm", "-f", "ran", "ended"]);
    unmount("/proc/sys/kernel/random/boot_id", UnmountFlags::DETACH).unwrap();
}

#[test]
fn a_root_with_a_very_long_path_works() {
    let Some(t) = Scenario::start() else { return };
    // A socket's path holds 107 bytes. A longer root must work as well.
    let long = t.path("long/".to_owned() + &"very-long-directory-name/".repeat(6));
    let hull = |args: &[&str]| {
        let mut command = t.command(args);
        command.env("HULL_ROOT", long.join("data")).env("HULL_RUNROOT", long.join("run"));
        hull_test_support::outcome::run(&mut command)
    };
    let tar = hull_test_support::fixtures::busybox();
    hull(&["import", tar.to_str().unwrap(), "busybox"]).ok();
    hull(&["run", "-d", "--name", "box", "busybox", "/bin/sleep", "300"]).ok();
    assert_eq!(hull(&["exec", "box", "/bin/echo", "reached"]).ok(), "reached");
    assert_eq!(hull(&["run", "--rm", "busybox", "/bin/echo", "attached"]).ok(), "attached");
    hull(&["rm", "-f", "box"]).ok();
}
