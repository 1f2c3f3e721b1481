//! A damaged object is reported as damaged, and never as one that does not exist; a cleanup continues after errors and
//! reports them all.

use std::path::{Path, PathBuf};

use hull_test_support::Scenario;
use hull_test_support::damage::damage;
use nix::mount::{MsFlags, mount, umount};

/// Damages the file in each way, runs `check`, and restores the file.
fn with_each_damage(path: &Path, check: impl Fn(&str)) {
    let whole = std::fs::read(path).unwrap();
    for how in ["half", "empty", "garbage", "directory", "missing"] {
        match how {
            "directory" => {
                std::fs::remove_file(path).unwrap();
                std::fs::create_dir(path).unwrap();
            }
            "missing" => std::fs::remove_file(path).unwrap(),
            how => damage(path, how),
        }
        check(how);
        if how == "directory" {
            std::fs::remove_dir(path).unwrap();
        }
        std::fs::write(path, &whole).unwrap();
    }
}

/// The command fails, names the file, and does not report that the object does not exist.
#[track_caller]
fn names_the_damaged_file(t: &Scenario, args: &[&str], path: &Path) {
    let outcome = t.hull(args);
    let file = path.file_name().unwrap().to_str().unwrap();
    assert!(!outcome.success() && outcome.stderr.contains(file), "{args:?}: {outcome}");
    assert!(!outcome.stderr.to_lowercase().contains("no such object"), "{args:?}: {outcome}");
    assert!(!outcome.stderr.to_lowercase().contains("no such image"), "{args:?}: {outcome}");
    assert!(!outcome.stderr.to_lowercase().contains("no such volume"), "{args:?}: {outcome}");
    assert!(!outcome.stderr.to_lowercase().contains("no such network"), "{args:?}: {outcome}");
}

#[test]
fn a_damaged_image_is_reported_as_damaged() {
    let Some(t) = Scenario::with_busybox() else { return };
    let id = t.ok(&["image", "inspect", "--format", "{{.Id}}", "busybox"]);
    let manifest = t.ok(&["image", "inspect", "--format", "{{.Descriptor.digest}}", "busybox"]);
    for digest in [id, manifest] {
        let blob = t.data_root().join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
        with_each_damage(&blob, |_| {
            for args in [
                &["inspect", "busybox"][..],
                &["image", "inspect", "busybox"],
                &["history", "busybox"],
                &["run", "--rm", "--pull", "never", "busybox", "true"],
            ] {
                names_the_damaged_file(&t, args, &blob);
            }
        });
    }
    t.ok(&["run", "--rm", "busybox", "true"]);
}

#[test]
fn a_damaged_volume_or_network_is_reported_as_damaged() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["volume", "create", "torn"]);
    t.ok(&["network", "create", "ragged"]);
    let volume = t.data_root().join("volumes/torn/volume.json");
    let network = t.data_root().join("networks/ragged.json");
    with_each_damage(&volume, |how| {
        // The volume consists of this file.
        if how != "missing" {
            names_the_damaged_file(&t, &["inspect", "torn"], &volume);
            names_the_damaged_file(&t, &["volume", "inspect", "torn"], &volume);
            assert!(t.ok(&["volume", "ls"]).contains("torn"), "{how}");
        }
    });
    with_each_damage(&network, |how| {
        // The network consists of this file, too.
        if how != "missing" {
            names_the_damaged_file(&t, &["inspect", "ragged"], &network);
            names_the_damaged_file(&t, &["network", "inspect", "ragged"], &network);
            names_the_damaged_file(&t, &["run", "--rm", "--network", "ragged", "busybox", "true"], &network);
        }
    });
    assert_eq!(t.ok(&["volume", "rm", "torn"]), "torn");
    assert_eq!(t.ok(&["network", "rm", "ragged"]), "ragged");
}

#[test]
fn a_name_that_nothing_has_is_no_such_object() {
    let Some(t) = Scenario::with_busybox() else { return };
    for name in ["nothing", "no/thing", "No Thing", "../x", "-", "0123456789ab"] {
        let outcome = t.hull(&["inspect", "--", name]);
        assert!(outcome.fails(1).contains("No such object"), "{name}: {outcome}");
    }
}

fn directories(t: &Scenario, id: &str) -> [PathBuf; 2] {
    [t.data_root(), t.run_root()].map(|root| root.join("containers").join(id))
}

#[test]
fn a_lock_file_that_is_a_directory_does_not_stop_rm_f() {
    let Some(t) = Scenario::with_busybox() else { return };
    for running in [false, true] {
        let verb: &[&str] = if running { &["run", "-d"] } else { &["create"] };
        let id = t.ok(&[verb, &["--name", "box", "busybox", "sleep", "300"]].concat());
        let [_, run] = directories(&t, &id);
        std::fs::create_dir_all(&run).unwrap();
        if running {
            std::fs::remove_file(run.join("lock")).unwrap();
        }
        std::fs::create_dir_all(run.join("lock/inside")).unwrap();
        if !running {
            let refused = t.hull(&["rm", "box"]);
            let message = refused.fails(1);
            assert!(
                message.contains("lock file is a directory") && message.contains("hull rm -f box"),
                "{refused}"
            );
        }
        assert_eq!(t.ok(&["rm", "-f", "box"]), "box");
        assert!(!run.exists());
    }
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn rm_goes_on_past_errors_and_reports_each() {
    let Some(t) = Scenario::with_busybox() else { return };
    let id = t.ok(&["create", "--name", "box", "busybox"]);
    t.ok(&["create", "--name", "other", "busybox"]);
    let [data, run] = directories(&t, &id);
    let (upper, below_run) = (data.join("upper/busy"), run.join("busy"));
    for busy in [&upper, &below_run] {
        std::fs::create_dir_all(busy).unwrap();
        mount(Some("tmpfs"), busy, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    }
    let outcome = t.hull(&["rm", "box", "nobody", "other"]);
    umount(&below_run).unwrap();
    // The container's directory was moved away.
    for entry in std::fs::read_dir(t.data_root().join("containers")).unwrap().flatten() {
        let moved = entry.path().join("upper/busy");
        if moved.exists() {
            umount(&moved).unwrap();
        }
    }
    assert_eq!(outcome.code(), 1, "{outcome}");
    assert_eq!(outcome.stdout.trim(), "other", "{outcome}");
    let lines: Vec<_> = outcome.stderr.lines().filter(|line| line.starts_with("hull: ")).collect();
    assert_eq!(lines.len(), 3, "{outcome}");
    assert!(lines[0].contains("upper/busy") && lines[1].contains(below_run.to_str().unwrap()), "{outcome}");
    assert_eq!(t.ok(&["ps", "-aq"]), "");
    assert_eq!(
        std::fs::read_dir(t.data_root().join("containers")).unwrap().count(),
        0,
        "the next listing clears up"
    );
}

#[test]
fn prunes_at_the_same_time_do_not_disturb_each_other() {
    let Some(t) = Scenario::with_busybox() else { return };
    for _ in 0..3 {
        for _ in 0..12 {
            t.ok(&["create", "busybox"]);
        }
        std::thread::scope(|scope| {
            for verb in ["container", "system", "container"] {
                let t = &t;
                scope.spawn(move || drop(t.ok(&[verb, "prune", "-f"])));
            }
        });
        assert_eq!(t.ok(&["ps", "-aq"]), "");
    }
}

#[test]
fn a_failed_start_has_the_same_exit_code_and_hint_from_every_command() {
    let Some(t) = Scenario::with_busybox() else { return };
    // The monitor reports these errors to the command, and the record keeps the code.
    for (program, code, hint) in [("/no/such", 127, ""), ("/etc/passwd", 126, "x bit")] {
        let outcome = t.hull(&["run", "--name", "box", "busybox", program]);
        assert!(outcome.fails(code).contains(hint), "{outcome}");
        assert_eq!(t.inspect("box", "{{.State.ExitCode}}"), code.to_string());
        t.ok(&["rm", "box"]);
    }
    let taken = t.hull(&[
        "run",
        "--rm",
        "--network",
        "bridge",
        "-p",
        "127.0.0.1:1:1",
        "-p",
        "127.0.0.1:1:2",
        "busybox",
        "true",
    ]);
    assert!(taken.fails(125).contains("hint: "), "{taken}");
}

#[test]
fn what_the_networks_keep_is_told_once_at_the_end_and_by_a_start_that_fails() {
    let Some(t) = Scenario::with_busybox() else { return };
    for (name, program) in [("lives", "sleep"), ("fails", "/no/such/program")] {
        t.ok(&["create", "--name", name, "--network", "none", "busybox", program, "1000"]);
    }
    // The file with the namespace's name cannot be read.
    let block = |name: &str| {
        let note = t.run_root().join("containers").join(t.inspect(name, "{{.Id}}")).join("netns.json");
        std::fs::create_dir_all(note).unwrap();
    };
    t.ok(&["start", "lives"]);
    block("lives");
    t.ok(&["stop", "-t", "0", "lives"]);
    let recorded = t.inspect("lives", "{{.State.Error}}");
    assert_eq!(recorded.matches("netns.json").count(), 1, "{recorded}");
    block("fails");
    let outcome = t.hull(&["start", "fails"]);
    assert!(!outcome.success() && outcome.stderr.contains("/no/such/program"), "{outcome}");
    assert_eq!(outcome.stderr.matches("netns.json").count(), 1, "{outcome}");
    assert_eq!(t.inspect("fails", "{{.State.ExitCode}}"), "127");
    t.ok(&["rm", "lives", "fails"]);
}
