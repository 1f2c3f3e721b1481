//! SIGKILL at moments spread over snapshot, restore, copy, move, publish and export: the container and each snapshot are
//! whole, or the new one does not exist.

use std::process::Command;
use std::time::{Duration, Instant};

use hull_test_support::Scenario;
use hull_test_support::outcome::run;

/// How often each verb is killed.
const ROUNDS: u32 = 12;

/// Kills the command after a part of the time that it takes.
fn killed(t: &Scenario, args: &[&str], round: u32, whole: Duration) {
    let mut command = t.spawn(args);
    // The kills are spread over the whole time and a little more, so some commands finish.
    std::thread::sleep(whole * (round % ROUNDS) / (ROUNDS - 2));
    command.kill();
    command.wait();
}

/// The sum of all of the container's files.
fn sum(t: &Scenario, name: &str) -> String {
    t.ok(&["start", name]);
    let script = "cd /data && find . -type f | sort | xargs cat | md5sum";
    let found = t.ok(&["exec", name, "sh", "-c", script]);
    t.ok(&["stop", "-t", "0", name]);
    found
}

fn snapshots(t: &Scenario, name: &str) -> Vec<String> {
    let names = t.ok(&["snapshots", "ls", "--format", "{{.Name}}", name]);
    names.lines().map(str::to_owned).collect()
}

fn containers(t: &Scenario) -> Vec<String> {
    t.ok(&["ps", "-a", "--format", "{{.Names}}"]).lines().map(str::to_owned).collect()
}

#[test]
fn what_is_killed_leaves_wholes() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    let script = "mkdir /data; for n in $(seq 300); do echo $n > /data/$n; done; \
                  dd if=/dev/urandom of=/data/big bs=1M count=8 2>/dev/null";
    t.ok(&["exec", "box", "sh", "-c", script]);
    t.ok(&["snapshot", "box", "first"]);
    t.ok(&["stop", "-t", "0", "box"]);
    let before = sum(&t, "box");
    let file = t.path("backup.tar");
    let path = file.to_str().unwrap();
    t.ok(&["storage", "create", "plain", "dir"]);
    let image = t.path("image.tar");
    let verbs: [&[&str]; 9] = [
        &["snapshot", "box"],
        &["restore", "box", "first"],
        &["copy", "box", "copy"],
        &["backup", "export", "box", path],
        &["backup", "import", path, "copy"],
        &["move", "box", "moved"],
        &["move", "box", "-s", "plain"],
        &["publish", "box/first", "--alias", "published"],
        &["image", "export", "published", image.to_str().unwrap()],
    ];
    for verb in verbs {
        let begun = Instant::now();
        t.ok(verb);
        let whole = begun.elapsed();
        for round in 0..ROUNDS {
            undo(&t, verb[0]);
            killed(&t, verb, round, whole);
            for archive in [&file, &image].into_iter().filter(|archive| archive.exists()) {
                run(Command::new("tar").arg("-tf").arg(archive)).ok();
            }
            // The next command works, and the container exists under one of its names.
            let found = containers(&t);
            assert!(found.iter().any(|name| name == "box" || name == "moved"), "{verb:?} {found:?}");
            if found.iter().any(|name| name == "copy") {
                assert_eq!(sum(&t, "copy"), before, "{verb:?} {round}");
                assert!(snapshots(&t, "copy").contains(&"first".to_owned()));
            }
        }
        undo(&t, verb[0]);
        assert_eq!(sum(&t, "box"), before, "{verb:?}");
        if verb[0] == "publish" {
            t.ok(verb);
        }
        // The next verb imports this archive.
        if verb[0] == "backup" && verb[1] == "export" {
            t.ok(verb);
        }
    }
    for name in snapshots(&t, "box") {
        t.ok(&["restore", "box", &name]);
        assert_eq!(sum(&t, "box"), before, "{name}");
    }
    t.ok(&["rm", "box"]);
    t.ok(&["rmi", "published"]);
    t.ok(&["storage", "delete", "plain"]);
    assert!(t.traces_left().is_empty(), "{:?}", t.traces_left());
}

/// Volumes are made before the record that names them. A kill in between leaves none.
#[test]
fn what_is_killed_leaves_no_volume() {
    let Some(t) = Scenario::with_busybox() else { return };
    let targets: Vec<String> = (0..30).map(|number| format!("/volumes/{number}")).collect();
    let volumes: Vec<&str> = targets.iter().flat_map(|target| ["-v", target.as_str()]).collect();
    let create =
        |name| [&["create", "--network", "none", "--name", name], &volumes[..], &["busybox"]].concat();
    t.ok(&create("box"));
    let file = t.path("backup.tar");
    let path = file.to_str().unwrap();
    t.ok(&["backup", "export", "box", path]);
    let verbs: [&[&str]; 3] =
        [&create("copy"), &["copy", "box", "copy"], &["backup", "import", path, "copy"]];
    for verb in verbs {
        let begun = Instant::now();
        t.ok(verb);
        let whole = begun.elapsed();
        for round in 0..ROUNDS {
            if containers(&t).contains(&"copy".to_owned()) {
                t.ok(&["rm", "-v", "copy"]);
            }
            killed(&t, verb, round, whole);
            let copies = containers(&t).iter().filter(|name| *name == "copy").count();
            let left = t.ok(&["volume", "ls", "-q"]).lines().count();
            assert_eq!(left, (1 + copies) * targets.len(), "{verb:?}, round {round}");
        }
        t.hull(&["rm", "-v", "copy"]);
    }
    t.ok(&["rm", "-v", "box"]);
    let notes = std::fs::read_dir(t.data_root().join("new-volumes")).unwrap();
    assert_eq!(notes.count(), 0);
}

/// A restore ends the container and starts it again. Two at once both succeed.
#[test]
fn restores_at_once_wait_for_each_other() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    t.ok(&["snapshot", "box", "first"]);
    for _ in 0..5 {
        let restores = [(); 3].map(|()| t.spawn(&["restore", "box", "first"]));
        for restore in restores {
            restore.wait().ok();
        }
        assert_eq!(t.inspect("box", "{{.State.Running}}"), "true");
    }
    t.ok(&["rm", "-f", "box"]);
}

/// Makes the state from which each verb starts.
fn undo(t: &Scenario, verb: &str) {
    let found = containers(t);
    match verb {
        "copy" | "backup" if found.contains(&"copy".to_owned()) => drop(t.ok(&["rm", "-f", "copy"])),
        "move" if found.contains(&"moved".to_owned()) => drop(t.ok(&["rename", "moved", "box"])),
        "move" => drop(t.ok(&["move", "box", "--storage", "default"])),
        // The image may not exist, so this command may fail.
        "publish" => drop(t.hull(&["rmi", "-f", "published"])),
        _ => {}
    }
}
