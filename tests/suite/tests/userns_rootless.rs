//! `--userns` for an unprivileged user: the image's files are copied with the ids that the container has.

use std::os::unix::fs::MetadataExt;

use hull_test_support::Scenario;
use hull_test_support::user::ID;

fn start() -> Option<Scenario> {
    let t = Scenario::rootless()?;
    t.busybox();
    Some(t)
}

/// Runs `run --rm` with options, and returns the output of a script.
#[track_caller]
fn sh(t: &Scenario, options: &[&str], script: &str) -> String {
    let mut args = vec!["run", "--rm", "--network", "none"];
    args.extend(options);
    args.extend(["busybox", "sh", "-c", script]);
    t.ok(&args)
}

/// A map of ids with single spaces.
fn map(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join(", ")
}

#[test]
fn maps_are_podmans() {
    let Some(t) = start() else { return };
    let maps = |options: &[&str]| map(&sh(&t, options, "cat /proc/self/uid_map"));
    let (next, rest) = (ID + 1, 65536 - ID);
    assert_eq!(maps(&["--userns", "keep-id"]), format!("0 1 {ID}, {ID} 0 1, {next} {next} {rest}"));
    assert_eq!(maps(&["--userns", "keep-id:uid=7,gid=8"]), "0 1 7, 7 0 1, 8 8 65529");
    assert_eq!(maps(&["--userns", "nomap"]), "0 1 65536");
    assert_eq!(maps(&["--userns", "auto"]), "0 1 1024");
    assert_eq!(maps(&["--userns", "auto:size=50"]), "0 1 50");
    assert_eq!(maps(&["--uidmap", "0:1:5000"]), "0 1 5000");
    let refused = t.hull(&["run", "--rm", "--uidmap", "0:1:70000", "busybox", "true"]);
    assert!(refused.fails(125).contains("there is no user 65537 in your user namespace"), "{refused}");
    let refused = t.hull(&["run", "--rm", "--userns", "auto", "-v", "/tmp:/x:idmap", "busybox", "true"]);
    assert!(refused.fails(125).contains("only root"), "{refused}");
}

#[test]
fn keep_id_runs_as_the_user_on_files_of_root() {
    let Some(t) = start() else { return };
    let home = t.path("home");
    let bind = format!("{}:/home", home.display());
    let script = "id -u; stat -c %u:%g / /bin /bin/busybox /etc/hosts /home; echo > /home/mine; (echo > /x) 2>/dev/null || echo refused";
    let said = sh(&t, &["--userns", "keep-id", "-v", &bind], script);
    assert_eq!(said, format!("{ID}\n0:0\n0:0\n0:0\n0:0\n{ID}:{ID}\nrefused"));
    assert_eq!(home.join("mine").metadata().unwrap().uid(), ID);
    assert_eq!(sh(&t, &["--userns", "keep-id", "-u", "0"], "id -u; echo > /x; stat -c %u /x"), "0\n0");
    assert_eq!(sh(&t, &["--userns", "nomap", "-v", &bind], "id -u; stat -c %u / /home"), "0\n0\n65534");
}

#[test]
fn the_container_goes_on_where_it_stopped_and_becomes_an_image() {
    let Some(t) = start() else { return };
    t.ok(&[
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "none",
        "--userns",
        "keep-id",
        "-u",
        "0",
        "busybox",
        "sleep",
        "1000",
    ]);
    t.ok(&["exec", "box", "sh", "-c", "mkdir /d; echo text > /d/f; chown 7:8 /d/f; rm /bin/id"]);
    let owner = |name: &str| {
        let found = t.path("home").join(name).metadata().unwrap();
        (found.uid(), found.gid())
    };
    t.ok(&["cp", "box:/d/f", t.path("home/running").to_str().unwrap()]);
    t.ok(&["restart", "-t", "0", "box"]);
    assert_eq!(t.ok(&["exec", "box", "stat", "-c", "%u:%g", "/d/f", "/", "/bin"]), "7:8\n0:0\n0:0");
    t.ok(&["stop", "-t", "0", "box"]);
    t.ok(&["cp", "box:/d/f", t.path("home/stopped").to_str().unwrap()]);
    assert_eq!((owner("running"), owner("stopped")), ((ID, ID), (ID, ID)));
    assert!(t.ok(&["diff", "box"]).contains("A /d/f"));
    t.ok(&["commit", "box", "image"]);
    for options in [&["--userns", "nomap"][..], &[]] {
        let mut args = vec!["run", "--rm", "--network", "none"];
        args.extend(options);
        args.extend(["image", "sh", "-c", "stat -c %u:%g /d/f /bin; ls /bin/id"]);
        let said = t.hull(&args);
        assert_eq!(said.stdout, "7:8\n0:0\n", "{said}");
    }
}

#[test]
fn the_other_namespaces_and_a_network_work() {
    let Some(t) = start() else { return };
    t.ok(&[
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "none",
        "--userns",
        "auto",
        "-v",
        "data:/data",
        "busybox",
        "sleep",
        "1000",
    ]);
    assert_eq!(t.ok(&["exec", "box", "id", "-u"]), "0");
    assert_eq!(
        map(&sh(&t, &["--userns", "auto"], "cat /proc/self/uid_map")),
        "0 1025 1024",
        "ids of its own"
    );
    let join = sh(&t, &["--userns", "container:box"], "readlink /proc/self/ns/user");
    assert_eq!(join, t.ok(&["exec", "box", "readlink", "/proc/self/ns/user"]));
    assert_eq!(
        t.ok(&["run", "--rm", "--network", "host", "--userns", "keep-id", "busybox", "id", "-u"]),
        ID.to_string()
    );
}
