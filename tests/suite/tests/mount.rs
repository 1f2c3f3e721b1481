//! `mount` and `unmount`: a container's root on the host, as podman has it.

use std::fs;
use std::path::Path;
use std::process::Command;

use hull_test_support::outcome::{eventually, run};
use hull_test_support::peers::Podman;
use hull_test_support::{Scenario, fixtures};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn create(t: &Scenario, name: &str, words: &[&str]) {
    t.ok(&[&["create", "--name", name, "--network", "none"][..], words].concat());
}

/// The mounts that are left in the run root and in this namespace.
fn is_clean(t: &Scenario) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    !t.run_root().join("mounts").exists() && !mounts.contains(t.run_root().join("mounts").to_str().unwrap())
}

#[test]
fn the_verbs_answer_as_podmans() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(podman) = Podman::new(&t, t.path("podman")) else { return };
    let tar = fixtures::busybox();
    podman.ok(&["import", "-q", "-c", "CMD sh", tar.to_str().unwrap(), "busybox"]);
    for name in ["one", "two"] {
        create(&t, name, &["busybox", "true"]);
        podman.ok(&["create", "--name", name, "--network", "none", "busybox", "true"]);
    }
    // Ids and paths differ between the engines. The counts of lines and of columns, names and errors are compared.
    let shape = |text: &str| {
        let words =
            |line: &str| line.split_whitespace().map(|word| usize::from(word.starts_with('/'))).collect();
        text.lines().map(words).collect::<Vec<Vec<usize>>>()
    };
    for words in [
        &["mount", "one"][..],
        &["mount"],
        &["mount", "one", "two"],
        &["mount"],
        &["mount", "nothing"],
        &["mount", "--all"],
        &["mount", "--notruncate"],
        &["mount", "--format", "other"],
        &["umount", "one"],
        &["mount"],
        &["unmount", "one", "two"],
        &["umount", "one"],
        &["umount", "one"],
        &["umount", "nothing"],
        &["umount", "--force", "two"],
        &["mount"],
        &["umount"],
        &["umount", "--all", "one"],
        &["mount", "two"],
        &["umount", "--all"],
        &["mount"],
    ] {
        let (ours, theirs) = (t.hull(words), run(&mut podman.command(words)));
        assert_eq!(ours.success(), theirs.success(), "{words:?}\n{ours}\n{theirs}");
        assert_eq!(shape(&ours.stdout), shape(&theirs.stdout), "{words:?}\n{ours}\n{theirs}");
    }
    let keys = |text: &str| {
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        let one = json[0].as_object().unwrap();
        (one.keys().cloned().collect::<Vec<_>>(), one["Names"].clone())
    };
    t.ok(&["mount", "one"]);
    podman.ok(&["mount", "one"]);
    let json = ["mount", "--format", "json"];
    assert_eq!(keys(&t.ok(&json)), keys(&podman.ok(&json)));
    // A mounted container can be removed, which unmounts it.
    for words in [&["rm", "one"][..], &["mount"], &["rm", "two"]] {
        let (ours, theirs) = (t.ok(words), podman.ok(words));
        assert_eq!(ours, theirs, "{words:?}");
    }
    assert!(is_clean(&t));
    rustix::mount::unmount(t.path("podman/overlay"), rustix::mount::UnmountFlags::DETACH).ok();
}

#[test]
fn a_mounted_container_is_the_same_for_the_host_and_inside() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, "box", &["busybox", "sleep", "300"]);
    let path = t.ok(&["container", "mount", "box"]);
    let root = Path::new(&path);
    fs::write(root.join("from-host"), "host").unwrap();
    assert_eq!(t.inspect("box", "{{.State.Status}}"), "created", "looking at it is no run");
    t.ok(&["cp", "box:/from-host", t.path("copied").to_str().unwrap()]);
    assert_eq!(t.ok(&["diff", "box"]), "A /from-host");
    // The container runs while it is mounted, and can be mounted while it runs.
    t.ok(&["start", "box"]);
    assert_eq!(t.ok(&["exec", "box", "cat", "/from-host"]), "host");
    t.ok(&["exec", "box", "touch", "/from-inside"]);
    assert!(root.join("from-inside").exists());
    t.ok(&["umount", "box"]);
    assert!(is_clean(&t));
    assert_eq!(t.ok(&["mount", "box"]), path);
    assert!(root.join("from-inside").exists());
    t.ok(&["exec", "box", "touch", "/later"]);
    t.ok(&["kill", "box"]);
    t.ok(&["wait", "box"]);
    assert!(root.join("later").exists());
    t.ok(&["start", "box"]);
    t.ok(&["exec", "box", "rm", "/later"]);
    assert!(!root.join("later").exists());
    // No other container keeps a copy of the mount.
    t.ok(&["run", "-d", "--name", "other", "--network", "none", "busybox", "sleep", "300"]);
    let monitor = fs::read_to_string(format!("/proc/{}/mounts", t.monitor_of("other"))).unwrap();
    assert!(!monitor.contains(&path), "{monitor}");
    // An open file prevents the unmount, unless it is forced.
    let held = fs::File::open(root.join("etc")).unwrap();
    assert!(t.hull(&["umount", "box"]).fails(1).contains("busy"));
    t.ok(&["umount", "-f", "box"]);
    drop(held);
    assert!(is_clean(&t));
    assert_eq!(t.ok(&["exec", "box", "cat", "/from-host"]), "host");
}

#[test]
fn what_is_killed_or_removed_leaves_no_mount() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "300"]);
    let path = t.ok(&["mount", "box"]);
    kill(Pid::from_raw(t.monitor_of("box")), Signal::SIGKILL).unwrap();
    eventually("the kill is noticed", || t.hull(&["ps", "-q"]).stdout.is_empty());
    assert!(Path::new(&path).join("etc").exists());
    t.ok(&["start", "box"]);
    t.ok(&["exec", "box", "true"]);
    t.ok(&["rm", "-f", "box"]);
    assert!(is_clean(&t));
    t.ok(&["run", "-d", "--rm", "--name", "brief", "--network", "none", "busybox", "sleep", "300"]);
    t.ok(&["mount", "brief"]);
    t.ok(&["stop", "-t", "0", "brief"]);
    t.ok(&["ps", "-a"]);
    assert!(is_clean(&t));
    // A command that was killed after it had written the record and before it mounted.
    create(&t, "half", &["busybox", "true"]);
    let id = t.inspect("half", "{{.Id}}");
    fs::create_dir_all(t.run_root().join("mounts").join(&id)).unwrap();
    fs::write(t.run_root().join("mounts").join(format!("{id}.json")), "{\"count\":1}").unwrap();
    assert_eq!(t.ok(&["mount"]), "");
    let path = t.ok(&["mount", "half"]);
    assert!(Path::new(&path).join("etc").exists());
    t.ok(&["umount", "half"]);
    assert!(is_clean(&t));
}

#[test]
fn copying_from_a_new_container_does_not_start_it() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, "box", &["busybox", "true"]);
    t.ok(&["cp", "box:/etc/passwd", t.path("passwd").to_str().unwrap()]);
    t.ok(&["cp", t.path("passwd").to_str().unwrap(), "box:/new"]);
    assert_eq!(t.inspect("box", "{{.State.Status}}"), "created");
    assert_eq!(t.ok(&["start", "-a", "box"]), "");
    assert_eq!(t.inspect("box", "{{.State.Status}} {{.State.ExitCode}}"), "exited 0");
    assert_eq!(t.ok(&["diff", "box"]), "A /new");
}

#[test]
fn an_unprivileged_user_is_told_where_it_would_work() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    create(&t, "box", &["busybox", "true"]);
    for verb in ["mount", "unmount"] {
        let refused = t.hull(&[verb, "box"]);
        assert!(refused.fails(1).contains("podman unshare"), "{refused}");
    }
    assert_eq!(t.ok(&["mount"]), "");
    // In a user namespace with a mount namespace of its own, and with the ids that hull gives the user's containers.
    let plain = t.command(&["mount", "box"]);
    let words: Vec<_> = plain.get_args().collect();
    let (own, hull) = words.split_at(words.iter().position(|word| *word == "--").unwrap() + 1);
    let mut inside = Command::new(plain.get_program());
    inside.args(own).args(["unshare", "--map-root-user", "--map-auto", "--mount", "sh", "-c"]);
    inside
        .arg("p=$(\"$0\" \"$@\") && cat \"$p/etc/issue-of-image\" && \"$0\" umount box && ls \"$p\"")
        .args(hull);
    inside.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let seen = run(inside.current_dir(t.path("")));
    assert!(seen.stdout.starts_with("made for tests\nbox\n"), "{seen}");
    assert!(seen.stderr.contains("No such file"), "{seen}");
}
