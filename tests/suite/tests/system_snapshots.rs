//! Snapshots of containers, copies, archives and schedules.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hull_test_support::Scenario;

/// A container with a file of the image removed, a directory replaced, and some files of its own.
fn started(t: &Scenario, name: &str) {
    t.ok(&["run", "-d", "--name", name, "--network", "none", "--userns", "auto", "busybox", "sleep", "1000"]);
    t.ok(&["exec", name, "sh", "-c", "mkdir /d; echo old > /d/old; echo one > /one; ln /one /twin"]);
}

fn stop(t: &Scenario, name: &str) {
    t.ok(&["stop", "-t", "0", name]);
}

/// Which of the test's files the container has in `/`.
fn files(t: &Scenario, name: &str) -> String {
    let script = "cd /; ls -d one twin two d d/* 2>/dev/null | tr '\\n' ' '";
    t.ok(&["start", name]);
    let found = t.ok(&["exec", name, "sh", "-c", script]);
    stop(t, name);
    found.trim().to_owned()
}

fn directory(t: &Scenario, name: &str) -> PathBuf {
    t.data_root().join("containers").join(t.inspect(name, "{{.Id}}"))
}

/// The numbers of the layers that a container has above its first.
fn layers(t: &Scenario, name: &str) -> Vec<String> {
    let found = std::fs::read_dir(directory(t, name).join("private"));
    let mut names: Vec<String> = found
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_restore_brings_back_files_and_configuration() {
    let Some(t) = Scenario::with_busybox() else { return };
    started(&t, "box");
    stop(&t, "box");
    assert_eq!(t.ok(&["snapshot", "box"]), "snap0");
    t.ok(&["update", "--cpus", "0.5", "box"]);
    t.ok(&["start", "box"]);
    // The directory is opaque, the twin is a whiteout over a layer of the container's own.
    t.ok(&["exec", "box", "sh", "-c", "rm -r /d; mkdir /d; echo new > /d/new; rm /twin; echo two > /two"]);
    assert_eq!(t.ok(&["snapshot", "box", "running"]), "running");
    t.ok(&["exec", "box", "rm", "/one"]);
    stop(&t, "box");
    assert_eq!(files(&t, "box"), "d d/new two");
    t.ok(&["restore", "box", "running"]);
    assert_eq!(files(&t, "box"), "d d/new one two");
    assert_eq!(t.inspect("box", "{{.HostConfig.NanoCpus}}"), "500000000");
    t.ok(&["restore", "box", "snap0"]);
    assert_eq!(files(&t, "box"), "d d/old one twin");
    assert_eq!(t.inspect("box", "{{.HostConfig.NanoCpus}}"), "0", "a snapshot has the configuration, too");
    // A snapshot can be restored more than once, and whatever came after it.
    t.ok(&["restore", "box", "running"]);
    assert_eq!(files(&t, "box"), "d d/new one two");
    // A running container is stopped for a restore, and started again.
    t.ok(&["start", "box"]);
    t.ok(&["restore", "box", "snap0"]);
    assert_eq!(t.inspect("box", "{{.State.Status}}"), "running");
    assert_eq!(t.ok(&["exec", "box", "cat", "/twin"]), "one");
    let program = format!("/proc/{}/exe", t.monitor_of("box"));
    let mounted = rustix::fs::statvfs(program).unwrap().f_flag;
    assert!(mounted.contains(rustix::fs::StatVfsMountFlags::RDONLY), "no container can write hull's program");
    t.ok(&["rm", "-f", "box"]);
}

#[test]
fn older_layers_are_the_containers_changes() {
    let Some(t) = Scenario::with_busybox() else { return };
    started(&t, "box");
    stop(&t, "box");
    t.ok(&["snapshot", "box"]);
    t.ok(&["start", "box"]);
    t.ok(&["exec", "box", "sh", "-c", "rm -r /d; mkdir /d; rm /twin; echo two > /two; rm /bin/dd"]);
    stop(&t, "box");
    let diff = t.ok(&["diff", "box"]);
    let own: Vec<&str> =
        diff.lines().filter(|line| !line.contains("/run") && !line.contains("/etc")).collect();
    assert_eq!(own, ["C /bin", "D /bin/dd", "A /d", "A /one", "A /two"]);
    t.ok(&["commit", "box", "committed"]);
    let script = "ls -d /d /one /two /twin /bin/dd /d/old 2>/dev/null | tr '\\n' ' '";
    let found = t.ok(&["run", "--rm", "--network", "none", "committed", "sh", "-c", script]);
    assert_eq!(found.trim(), "/d /one /two");
    assert_eq!(t.ok(&["run", "--rm", "--network", "none", "committed", "cat", "/one"]), "one");
    assert!(t.inspect("box", "{{.GraphDriver.Data.LowerDir}}").contains("/upper:"));
    t.ok(&["rm", "box"]);
}

#[test]
fn layers_go_with_the_last_that_names_them() {
    let Some(t) = Scenario::with_busybox() else { return };
    started(&t, "box");
    stop(&t, "box");
    t.ok(&["snapshot", "box", "a"]);
    assert_eq!(layers(&t, "box"), ["1"]);
    // Nothing has changed, so nothing is added.
    t.ok(&["snapshot", "box", "same"]);
    assert_eq!(layers(&t, "box"), ["1"]);
    t.ok(&["start", "box"]);
    t.ok(&["exec", "box", "touch", "/two"]);
    t.ok(&["snapshot", "box", "b"]);
    assert_eq!(layers(&t, "box"), ["1", "2"], "a copy of what the container writes to");
    stop(&t, "box");
    t.ok(&["snapshots", "rename", "box/b", "moved"]);
    assert_eq!(t.ok(&["snapshots", "ls", "--format", "{{.Name}}", "box"]), "a\nsame\nmoved");
    t.ok(&["rm", "box/moved"]);
    assert_eq!(layers(&t, "box"), ["1"]);
    // The container itself still uses its first layers.
    let table = t.ok(&["snapshots", "ls", "box"]);
    assert!(table.contains(" UTC") && !table.contains('.'), "{table}");
    t.ok(&["snapshots", "delete", "box/a", "box/same"]);
    assert!(directory(&t, "box").join("upper/one").exists());
    assert_eq!(files(&t, "box"), "d d/old one twin two");
    // A restore removes the layer that nothing but the container has used.
    t.ok(&["snapshot", "box", "x"]);
    t.ok(&["start", "box"]);
    t.ok(&["exec", "box", "touch", "/gone"]);
    stop(&t, "box");
    t.ok(&["restore", "box", "x"]);
    assert_eq!(layers(&t, "box"), ["1", "3"], "the layer with /gone is removed");
    t.ok(&["snapshot", "box", "--reuse", "x"]);
    t.ok(&["rm", "box"]);
    assert!(t.traces_left().is_empty(), "{:?}", t.traces_left());
}

#[test]
fn what_is_wrong_is_refused() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["create", "--name", "box", "busybox", "true"]);
    t.ok(&["snapshot", "box", "s"]);
    for (args, message) in [
        (&["snapshot", "box", "s"][..], "container box has a snapshot \"s\" already"),
        (&["snapshot", "box", "a/b"], "it may have letters, digits and"),
        (&["snapshot", "box", "--", "-x"], "it begins with a dot or a dash"),
        (&["snapshot", "nobody"], "No such container: nobody"),
        (&["snapshot", "--stateful", "box", "x"], "CRIU cannot save those of systemd"),
        (&["restore", "--stateful", "box", "s"], "CRIU cannot save those of systemd"),
        (&["restore", "box", "t"], "container box has no snapshot \"t\""),
        (&["restore", "box", "../s"], "container box has no snapshot"),
        (&["rm", "box/t"], "container box has no snapshot \"t\""),
        (&["rename", "box/s", "other/s"], "a snapshot stays with its container"),
        (&["snapshot", "--expiry", "soon", "box"], "neither a time from now"),
        (&["snapshot", "--expiry", "8000y", "box"], "after the year 9999"),
        (&["copy", "box/t", "d"], "container box has no snapshot \"t\""),
        (&["copy", "box", "box"], "is already in use"),
        (&["copy", "box", "ssh://-oProxyCommand=x/d"], "invalid address"),
    ] {
        let outcome = t.hull(args);
        assert_ne!(outcome.code(), 0, "{args:?}");
        assert!(outcome.stderr.contains(message), "{args:?}: {}", outcome.stderr);
    }
    assert_eq!(t.ok(&["snapshots", "ls", "--format", "{{.Name}}"]), "s");
    // After the year 9999, which no date can say, is never.
    t.ok(&["container", "config", "set", "box", "snapshots.expiry=8000y"]);
    t.ok(&["snapshot", "box", "late"]);
    assert_eq!(t.ok(&["snapshots", "ls", "--format", "{{.Name}}"]), "s\nlate");
    t.ok(&["rm", "box"]);
}

#[test]
fn a_copy_is_a_container_of_its_own() {
    let Some(t) = Scenario::with_busybox() else { return };
    started(&t, "box");
    t.ok(&["snapshot", "box", "s"]);
    t.ok(&["exec", "box", "sh", "-c", "rm -r /d; mkdir /d; echo new > /d/new"]);
    t.ok(&["copy", "box", "whole"]);
    stop(&t, "box");
    t.ok(&["copy", "--instance-only", "box", "alone"]);
    t.ok(&["copy", "box/s", "early"]);
    assert_eq!(t.ok(&["snapshots", "ls", "--format", "{{.Container}}/{{.Name}}"]), "box/s\nwhole/s");
    assert_eq!(files(&t, "alone"), "d d/new one twin");
    assert_eq!(files(&t, "early"), "d d/old one twin");
    assert_ne!(t.inspect("box", "{{.Config.Hostname}}"), t.inspect("whole", "{{.Config.Hostname}}"));
    let ids = std::fs::read_dir(t.data_root().join("ids")).unwrap().count();
    assert_eq!(ids, 5, "four containers with ids of their own, and the lock");
    // The original goes, and the copy stays whole.
    t.ok(&["rm", "box"]);
    t.ok(&["move", "whole", "moved"]);
    assert_eq!(files(&t, "moved"), "d d/new one twin");
    t.ok(&["restore", "moved", "s"]);
    assert_eq!(files(&t, "moved"), "d d/old one twin");
    t.ok(&["rm", "moved", "alone", "early"]);
    assert!(t.traces_left().is_empty(), "{:?}", t.traces_left());
}

#[test]
fn an_archive_is_a_container_with_its_snapshots() {
    let Some(t) = Scenario::with_busybox() else { return };
    started(&t, "box");
    t.ok(&["snapshot", "box", "s"]);
    t.ok(&["exec", "box", "sh", "-c", "rm -r /d; mkdir /d; echo new > /d/new; chown 7:8 /one"]);
    let file = t.path("backup.tar");
    let path = file.to_str().unwrap();
    t.ok(&["backup", "export", "box", path]);
    stop(&t, "box");
    t.ok(&["rm", "box"]);
    // An import needs no image.
    t.ok(&["rmi", "-f", "busybox"]);
    assert_eq!(t.ok(&["backup", "import", path]), "box");
    assert_eq!(t.ok(&["backup", "import", path, "other"]), "other");
    assert_eq!(files(&t, "box"), "d d/new one twin");
    t.ok(&["start", "box"]);
    assert_eq!(t.ok(&["exec", "box", "stat", "-c", "%u:%g %h", "/one"]), "7:8 2");
    t.ok(&["restore", "box", "s"]);
    assert_eq!(t.ok(&["exec", "box", "cat", "/d/old"]), "old");
    assert_ne!(t.hull(&["backup", "import", path, "other"]).code(), 0, "the name is taken");
    // An archive that ends early makes nothing.
    let bytes = std::fs::read(&file).unwrap();
    for length in [0, 700, bytes.len() / 2 / 512 * 512, bytes.len() - 1024 * 10] {
        let cut = t.write("cut.tar", &bytes[..length]);
        assert_ne!(t.hull(&["backup", "import", cut.to_str().unwrap(), "cut"]).code(), 0, "{length}");
    }
    // Both containers have the archive's time of creation, so their order in the list may vary.
    let listed = t.ok(&["ps", "-a", "--format", "{{.Names}}"]);
    assert_eq!(
        listed.lines().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
        ["box", "other"]
    );
    t.ok(&["rm", "-f", "box", "other"]);
    assert!(t.traces_left().is_empty(), "{:?}", t.traces_left());
}

#[test]
fn a_container_moves_to_another_root() {
    let Some(t) = Scenario::with_busybox() else { return };
    started(&t, "box");
    t.ok(&["snapshot", "box", "s"]);
    let other = t.second_root();
    let (data, run) = (other.data_root(), other.run_root());
    let there = ["--target-root", data.to_str().unwrap(), "--target-runroot", run.to_str().unwrap()];
    let outcome = t.hull(&[&["move"], &there[..], &["box", "moved"]].concat());
    assert!(outcome.code() != 0 && outcome.stderr.contains("it is running"), "{}", outcome.stderr);
    stop(&t, "box");
    t.ok(&[&["copy"], &there[..], &["box", "copied"]].concat());
    t.ok(&[&["move"], &there[..], &["box", "moved"]].concat());
    assert_eq!(t.ok(&["ps", "-aq"]), "");
    for name in ["copied", "moved"] {
        assert_eq!(other.ok(&["snapshots", "ls", "--format", "{{.Name}}", name]), "s");
    }
    assert_eq!(files(&other, "moved"), "d d/old one twin");
    other.ok(&["rm", "copied", "moved"]);
}

#[test]
fn three_hundred_snapshots_deep_still_starts() {
    let Some(t) = Scenario::with_busybox() else { return };
    started(&t, "box");
    stop(&t, "box");
    let home = directory(&t, "box");
    for number in 0..300 {
        // A file as a run would write it.
        let newest = layers(&t, "box").iter().filter_map(|name| name.parse::<u32>().ok()).max();
        let layer = newest.map_or(home.clone(), |newest| home.join("private").join(newest.to_string()));
        std::fs::write(layer.join("upper").join(format!("n{number}")), "").unwrap();
        t.ok(&["snapshot", "box"]);
    }
    t.ok(&["start", "box"]);
    assert_eq!(t.ok(&["exec", "box", "sh", "-c", "ls -d /n* | wc -l"]).trim(), "300");
    stop(&t, "box");
    t.ok(&["restore", "box", "snap150"]);
    t.ok(&["start", "box"]);
    assert_eq!(t.ok(&["exec", "box", "sh", "-c", "ls -d /n* | wc -l"]).trim(), "151");
    t.ok(&["rm", "-f", "box"]);
}

#[test]
fn a_snapshot_of_many_files_takes_no_time() {
    let Some(t) = Scenario::with_busybox() else { return };
    started(&t, "box");
    t.ok(&["exec", "box", "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=200"]);
    stop(&t, "box");
    let quickest = |args: &[&str]| {
        let run = || {
            let begun = Instant::now();
            t.ok(args);
            begun.elapsed()
        };
        (0..5).map(|_| run()).min().unwrap()
    };
    let taken = quickest(&["snapshot", "box"]);
    let restored = quickest(&["restore", "box", "snap0"]);
    eprintln!("snapshot {taken:?}, restore {restored:?}");
    // A snapshot should take 20 ms at most. A copy of these files would take ten times that.
    assert!(taken.max(restored) < Duration::from_millis(100), "{taken:?} {restored:?}");
    assert_eq!(t.ok(&["snapshots", "info", "box/snap0", "--format", "{{gt .Size 200000000}}"]), "true");
    t.ok(&["rm", "box"]);
}

#[test]
fn schedules_take_and_remove_snapshots() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["create", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    assert_eq!(t.ok(&["snapshots", "run"]), "");
    t.ok(&["container", "config", "set", "box", "snapshots.schedule", "* * * * *"]);
    t.ok(&["container", "config", "set", "box", "snapshots.pattern", "auto-%d"]);
    t.ok(&["container", "config", "set", "box", "snapshots.expiry", "1d"]);
    // The container's record says that it was created long ago.
    let record = directory(&t, "box").join("container.json");
    let text = std::fs::read_to_string(&record).unwrap();
    let created = t.inspect("box", "{{.Created}}");
    std::fs::write(&record, text.replace(&created, "2026-01-01T00:00:00Z")).unwrap();
    assert_eq!(t.ok(&["snapshots", "run"]), "", "it does not run, and snapshots.schedule.stopped is not set");
    t.ok(&["container", "config", "set", "box", "snapshots.schedule.stopped", "true"]);
    assert_eq!(t.ok(&["snapshots", "run"]), "taken box/auto-0");
    let expires = t.ok(&["snapshots", "info", "box/auto-0", "--format", "{{.ExpiresAt}} {{.Scheduled}}"]);
    assert!(expires.starts_with("20") && expires.ends_with(" true"), "{expires}");
    t.ok(&["snapshot", "--no-expiry", "box"]);
    t.ok(&["snapshot", "--expiry", "1S", "box", "short"]);
    std::thread::sleep(Duration::from_millis(1100));
    t.ok(&["container", "config", "unset", "box", "snapshots.schedule"]);
    assert_eq!(t.ok(&["snapshots", "run"]), "removed box/short");
    assert_eq!(t.ok(&["snapshots", "ls", "--format", "{{.Name}}", "box"]), "auto-0\nauto-1");
    // An expired snapshot is gone, and its time of the schedule is not used again.
    t.ok(&["container", "config", "set", "box", "snapshots.schedule", "0 0 1 2 *"]);
    t.ok(&["container", "config", "set", "box", "snapshots.expiry", "1S"]);
    std::fs::remove_file(directory(&t, "box").join("scheduled.json")).unwrap();
    t.ok(&["snapshots", "rm", "box/auto-0"]);
    assert_eq!(t.ok(&["snapshots", "run"]), "taken box/auto-2");
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(t.ok(&["snapshots", "run"]), "removed box/auto-2");
    assert_eq!(t.ok(&["snapshots", "run"]), "");
    let units = t.ok(&["snapshots", "enable", "--print"]);
    assert!(units.contains("OnCalendar=minutely") && units.contains("snapshots run"), "{units}");
    t.ok(&["rm", "box"]);
}
