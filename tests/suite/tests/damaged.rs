//! A damaged file of a container, a name or a volume hides no other object in a listing, and `rm -f` removes the damaged
//! object.

use std::path::{Path, PathBuf};

use hull_test_support::Scenario;
use hull_test_support::damage::{DAMAGES, damage};

/// Every regular file in a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let mut files: Vec<_> = files.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// Every command that looks at all containers sees the other container.
fn others_are_seen(t: &Scenario, what: &str) {
    for listing in [
        &["ps", "-a"][..],
        &["ps", "-a", "--format", "json"],
        &["network", "inspect", "bridge"],
        &["inspect", "other"],
    ] {
        let outcome = t.hull(listing);
        assert!(outcome.stdout.contains("other"), "{what}: {listing:?}: {outcome}");
    }
    assert!(t.ok(&["images"]).contains("busybox"), "{what}");
    assert!(t.ok(&["network", "ls"]).contains("bridge"), "{what}");
    assert!(t.ok(&["system", "df"]).contains("Containers"), "{what}");
    t.ok(&["image", "prune", "-f"]);
    t.ok(&["network", "prune", "-f"]);
    // A container with an unreadable record may use any volume, so no volume counts as unused.
    let pruned = t.hull(&["volume", "prune", "-f"]);
    assert!(pruned.success() || pruned.fails(1).contains("victim is damaged"), "{what}: {pruned}");
    assert!(t.ok(&["volume", "ls"]).contains("precious"), "{what}");
    assert_eq!(t.ok(&["exec", "other", "echo", "well"]), "well", "{what}");
}

fn victim(t: &Scenario, running: bool) -> String {
    t.hull(&["rm", "-f", "victim"]);
    let (program, argument) = if running { ("sleep", "300") } else { ("sh", "-cexit 3") };
    let args =
        ["run", "-d", "--name", "victim", "-p", "80", "--network", "bridge", "busybox", program, argument];
    let id = t.ok(&args);
    match running {
        true => {
            drop(t.ok(&["network", "expose", "--name", &format!("victim-{}", std::process::id()), "victim"]))
        }
        false => drop(t.ok(&["wait", "victim"])),
    }
    id
}

#[test]
fn any_damaged_file_of_a_container_hides_no_other_and_rm_f_takes_it() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "other", "-v", "precious:/data", "busybox", "sleep", "300"]);
    for running in [true, false] {
        let mut seen = 0;
        for how in DAMAGES {
            let names: Vec<PathBuf> = {
                let id = victim(&t, running);
                let dirs =
                    [t.data_root().join("containers").join(&id), t.run_root().join("containers").join(&id)];
                let found = dirs.iter().flat_map(|dir| files(dir));
                found.map(|file| PathBuf::from(file.to_str().unwrap().replace(&id, "ID"))).collect()
            };
            for name in names {
                let id = victim(&t, running);
                let path = PathBuf::from(name.to_str().unwrap().replace("ID", &id));
                if !path.is_file() {
                    continue;
                }
                let what = format!("{} {how}, running: {running}", name.display());
                damage(&path, how);
                others_are_seen(&t, &what);
                assert!(t.ok(&["ps", "-aq", "--no-trunc"]).contains(&id), "{what}: it is shown");
                let removed = t.hull(&["rm", "-f", &id]);
                assert!(removed.success(), "{what}: {removed}");
                assert!(!t.ok(&["ps", "-aq", "--no-trunc"]).contains(&id), "{what}");
                seen += 1;
            }
        }
        assert!(seen >= 8, "{seen} files were damaged");
    }
    t.ok(&["rm", "-f", "other"]);
}

#[test]
fn a_damaged_record_is_shown_and_only_removed_by_force() {
    let Some(t) = Scenario::with_busybox() else { return };
    let id = t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    damage(&t.data_root().join("containers").join(&id).join("container.json"), "half");
    let listed = t.hull(&["ps"]);
    assert!(listed.stdout.contains("box") && listed.stdout.contains("(damaged)"), "{listed}");
    assert!(listed.stderr.contains("container.json"), "{listed}");
    for verb in ["inspect", "stop", "start", "rm", "exec", "logs"] {
        let args = if verb == "exec" { vec![verb, "box", "true"] } else { vec![verb, "box"] };
        let refused = t.hull(&args);
        assert!(!refused.success() && refused.stderr.contains("hull rm -f box"), "{verb}: {refused}");
    }
    assert_eq!(t.ok(&["rm", "-f", "box"]), "box");
    t.ok(&["run", "--rm", "--name", "box", "busybox", "true"]);
}

#[test]
fn a_damaged_state_of_a_container_that_runs_changes_nothing_for_its_user() {
    let Some(t) = Scenario::with_busybox() else { return };
    for how in DAMAGES {
        let id = t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
        let pid = t.pid_of("box");
        damage(&t.run_root().join("containers").join(&id).join("state.json"), how);
        assert!(t.ok(&["ps"]).contains("Up "), "{how}");
        assert_eq!(t.pid_of("box"), pid, "{how}");
        assert_eq!(t.ok(&["stop", "-t", "0", "box"]), "box");
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{how}");
        assert_eq!(t.inspect("box", "{{.State.Status}}"), "exited", "{how}");
        t.ok(&["rm", "box"]);
    }
}

#[test]
fn damaged_names_leases_and_volumes_stop_nobody() {
    let Some(t) = Scenario::with_busybox() else { return };
    let run = ["run", "-d", "--name", "other", "-v", "precious:/data", "busybox", "sleep", "300"];
    t.ok(&run);
    for how in DAMAGES {
        t.ok(&["run", "-d", "--name", "victim", "-v", "torn:/data", "busybox", "sleep", "300"]);
        let leases = t.run_root().join("networks/bridge");
        let address = t.inspect("victim", "{{.NetworkSettings.IPAddress}}");
        for path in [
            t.data_root().join("names/victim"),
            t.data_root().join("volumes/torn/volume.json"),
            leases.join("leases").join(address),
            leases.join("last"),
        ] {
            damage(&path, how);
            others_are_seen(&t, &format!("{} {how}", path.display()));
            t.ok(&["run", "--rm", "busybox", "true"]);
        }
        assert!(t.ok(&["volume", "ls"]).contains("torn"));
        t.ok(&["rm", "-f", "victim"]);
        t.ok(&["volume", "rm", "torn"]);
    }
    t.ok(&["rm", "-f", "other"]);
}

#[test]
fn a_damaged_network_hides_no_other_and_can_be_removed() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "other", "-v", "precious:/data", "busybox", "sleep", "300"]);
    for how in DAMAGES.into_iter().chain(["renamed", "fifo", "loop"]) {
        t.ok(&["network", "create", "torn"]);
        let path = t.data_root().join("networks/torn.json");
        let whole = std::fs::read_to_string(&path).unwrap();
        match how {
            "renamed" => std::fs::write(&path, whole.replace("\"torn\"", "\"../../x\"")).unwrap(),
            "fifo" => {
                std::fs::remove_file(&path).unwrap();
                assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
            }
            "loop" => {
                std::fs::remove_file(&path).unwrap();
                std::os::unix::fs::symlink("torn.json", &path).unwrap();
            }
            how => damage(&path, how),
        }
        others_are_seen(&t, how);
        let listed = t.hull(&["network", "ls"]);
        assert!(listed.success() && listed.stdout.contains("torn"), "{how}: {listed}");
        assert!(listed.stderr.contains("torn is damaged"), "{how}: {listed}");
        t.ok(&["network", "create", "sound"]);
        t.ok(&["run", "--rm", "--network", "sound", "busybox", "true"]);
        t.ok(&["network", "rm", "sound"]);
        assert!(!t.hull(&["run", "--rm", "--network", "torn", "busybox", "true"]).success(), "{how}");
        assert_eq!(t.ok(&["network", "rm", "torn"]), "torn", "{how}");
        assert!(!t.ok(&["network", "ls"]).contains("torn"), "{how}");
    }
    let address = t.inspect("other", "{{.NetworkSettings.IPAddress}}");
    for how in DAMAGES {
        damage(&t.run_root().join("networks/bridge/network.json"), how);
        t.ok(&["run", "--rm", "busybox", "ping", "-c", "1", "-W", "5", &address]);
        others_are_seen(&t, how);
    }
    t.ok(&["rm", "-f", "other"]);
}
