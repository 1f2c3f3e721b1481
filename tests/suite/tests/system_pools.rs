//! Sizes of roots in storage pools, and what killed commands leave in pools.
//!
//! Loop devices are the machine's own, not the test's: each test looks for those of its directory.

mod storage;

use std::fs;

use hull_test_support::Scenario;
use storage::{create, no_loops};

/// The size of a container's root, in MiB. xfs keeps some of it for its log.
fn size(t: &Scenario, name: &str) -> u64 {
    t.ok(&["start", name]);
    let shown = t.ok(&["exec", name, "sh", "-c", "df -m / | tail -1 | tr -s ' ' | cut -d ' ' -f 2"]);
    t.ok(&["stop", "-t", "0", name]);
    shown.trim().parse().unwrap()
}

#[test]
fn a_copy_has_the_size_of_its_original() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, &["d", "dir"]);
    create(&t, &["x", "image", "size=1GiB"]);
    create(&t, &["b", "btrfs", "size=256MiB"]);
    let options = ["--storage-opt", "size=320MiB", "--network", "none", "busybox", "sleep", "1000"];
    t.ok(&[&["run", "-d", "--name", "box"], &options[..]].concat());
    t.ok(&["exec", "box", "sh", "-c", "echo first > /file"]);
    t.ok(&["snapshot", "box", "one"]);
    t.ok(&["exec", "box", "sh", "-c", "echo second > /file"]);
    t.ok(&["copy", "box", "running"]);
    t.ok(&["stop", "-t", "0", "box"]);
    t.ok(&["copy", "box", "in-d", "-s", "d"]);
    t.ok(&["copy", "in-d", "in-x", "-s", "x"]);
    t.ok(&["copy", "in-x/one", "old"]);
    let file = |name: &str| {
        t.ok(&["start", name]);
        let text = t.ok(&["exec", name, "cat", "/file"]);
        t.ok(&["stop", "-t", "0", name]);
        text
    };
    for (name, text) in [("running", "second"), ("in-d", "second"), ("in-x", "second"), ("old", "first")] {
        assert_eq!(file(name), text, "{name}");
        assert!((200..320).contains(&size(&t, name)), "{name}");
    }
    for pool in ["d", "b", "x", "default", "d"] {
        t.ok(&["move", "box", "-s", pool]);
        assert_eq!(file("box"), "second", "in {pool}");
        assert!(pool == "b" || (200..320).contains(&size(&t, "box")), "in {pool}");
    }
    t.ok(&["restore", "box", "one"]);
    assert_eq!(file("box"), "first");
    let archive = t.path("backup.tar");
    t.ok(&["backup", "export", "in-d", archive.to_str().unwrap()]);
    t.ok(&["backup", "import", archive.to_str().unwrap(), "imported"]);
    assert_eq!(file("imported"), "second");
    t.ok(&["rm", "box", "running", "in-d", "in-x", "old", "imported"]);
    // Whatever moment a copy is killed at, nothing of it is left, or all.
    t.ok(&[&["create", "--name", "box"], &options[..]].concat());
    for round in 0..10 {
        let mut copy = t.spawn(&["copy", "box", "copy", "-s", "d"]);
        std::thread::sleep(std::time::Duration::from_millis(round * 20));
        copy.kill();
        copy.wait();
        let found = t.ok(&["ps", "-a", "--format", "{{.Names}}"]);
        if found.contains("copy") {
            assert!((200..320).contains(&size(&t, "copy")));
            t.ok(&["rm", "copy"]);
        }
        // The first listing frees the name, and the next one removes files that have no name.
        t.ok(&["ps"]);
        assert!(names(&t.data_root().join("pools/d/containers")).is_empty(), "round {round}");
    }
    t.ok(&["rm", "box"]);
    ["d", "x", "b"].iter().for_each(|pool| drop(t.ok(&["storage", "delete", pool])));
    no_loops(&t);
}

#[test]
fn what_a_killed_verb_of_volumes_leaves_is_collected() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, &["d", "dir"]);
    create(&t, &["b", "image", "size=256MiB", "fs=btrfs"]);
    let file = t.path("volume.tar");
    let path = file.to_str().unwrap();
    for (pool, key) in [("d", "size=64MiB"), ("d", "user.a=b"), ("b", "user.a=b")] {
        t.ok(&["storage", "volume", "create", pool, "data", key]);
        t.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
        t.ok(&["storage", "volume", "attach", pool, "data", "box", "/d"]);
        t.ok(&["exec", "box", "sh", "-c", "for n in $(seq 200); do echo $n > /d/$n; done"]);
        t.ok(&["rm", "-f", "box"]);
        t.ok(&["storage", "volume", "snapshot", pool, "data", "first"]);
        t.ok(&["storage", "volume", "export", pool, "data", path]);
        let (from, to) = (format!("{pool}/data"), format!("{pool}/copy"));
        let verbs: [&[&str]; 3] =
            [&["copy", &from, &to], &["restore", pool, "data", "first"], &["import", pool, path, "copy"]];
        for verb in verbs {
            let verb = [&["storage", "volume"], verb].concat();
            for round in 0..10 {
                let mut command = t.spawn(&verb);
                std::thread::sleep(std::time::Duration::from_millis(round * 6));
                command.kill();
                command.wait();
                t.ok(&["ps"]);
                let listed = t.ok(&["storage", "volume", "list", pool, "--format", "{{.Name}}"]);
                if listed.contains("copy") {
                    // A volume that exists is whole.
                    assert_eq!(files_of(&t, pool, "copy"), 200, "{verb:?}, round {round}");
                    t.ok(&["storage", "volume", "delete", pool, "copy"]);
                }
                assert_eq!(files_of(&t, pool, "data"), 200, "{verb:?}, round {round}");
                let volumes = match pool {
                    "d" => t.data_root().join("pools/d/volumes"),
                    _ => t.run_root().join("pools/named/b/volumes"),
                };
                assert_eq!(names(&volumes), ["data"], "{verb:?} in {pool}, round {round}");
                let files = if key.starts_with("size") { "data.img" } else { "_data" };
                let mut within = names(&volumes.join("data"));
                within.retain(|name| name != "mounts.lock" && name != "lock");
                assert_eq!(within, [files, "snapshots", "volume.json"], "{verb:?} in {pool}");
            }
        }
        fs::remove_file(&file).unwrap();
        t.ok(&["storage", "volume", "delete", pool, "data"]);
    }
    t.ok(&["storage", "delete", "d"]);
    t.ok(&["storage", "delete", "b"]);
    no_loops(&t);
}

/// How many files a volume has.
fn files_of(t: &Scenario, pool: &str, volume: &str) -> usize {
    let file = t.path("counted.tar");
    t.ok(&["storage", "volume", "export", pool, volume, file.to_str().unwrap()]);
    let listed = std::process::Command::new("tar").arg("-tf").arg(&file).output().unwrap();
    fs::remove_file(&file).unwrap();
    String::from_utf8(listed.stdout).unwrap().lines().filter(|name| !name.ends_with('/')).count()
}

fn names(directory: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_change_that_fails_leaves_the_size_of_the_root() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, &["b", "image", "size=512MiB", "fs=btrfs"]);
    create(&t, &["d", "dir"]);
    for (pool, small, large) in [("b", "64MiB", "128MiB"), ("d", "320MiB", "400MiB")] {
        let listen = "listen=tcp:127.0.0.1:7077";
        let (asked, in_pool, size) =
            (format!("size={small}"), format!("pool={pool}"), format!("size={small}"));
        let options = ["--storage", pool, "--storage-opt", &asked, "--network", "none"];
        t.ok(&[&["create", "--name", "box"], &options[..], &["busybox", "sleep", "1000"]].concat());
        t.ok(&["device", "add", "box", "root", "disk", "path=/", &in_pool, &size]);
        t.ok(&["start", "box"]);
        t.ok(&["device", "add", "box", "one", "proxy", listen, "connect=tcp:127.0.0.1:80"]);
        // A second proxy cannot listen there, so the whole change fails.
        let document = format!(
            "devices:\n  root: {{type: disk, path: /, pool: {pool}, size: {large}}}\n  \
             one: {{type: proxy, {l}, connect: 'tcp:127.0.0.1:80'}}\n  two: {{type: proxy, {l}, connect: \
             'tcp:127.0.0.1:81'}}\n",
            l = "listen: 'tcp:127.0.0.1:7077'"
        );
        let nesting = format!("config:\n  security.nesting: \"true\"\n{document}");
        let changed = t.hull_with_input(&["container", "config", "edit", "box"], nesting.as_bytes());
        assert!(!changed.success() && changed.stderr.contains("7077"), "{changed}");
        let shown = t.ok(&["container", "config", "show", "-e", "box"]);
        assert!(shown.contains(small) && !shown.contains(large) && !shown.contains("two:"), "{shown}");
        assert_eq!(t.ok(&["volume", "ls", "-q"]), "", "the volumes of security.nesting");
        let fill = if pool == "b" { "head -c 100m" } else { "head -c 300m" };
        let filled = t.hull(&["exec", "box", "sh", "-c", &format!("{fill} /dev/zero > /full; sync")]);
        let size: u64 = t.ok(&["exec", "box", "stat", "-c", "%s", "/full"]).parse().unwrap();
        assert!(size < if pool == "b" { 70 << 20 } else { 270 << 20 }, "{pool}: {size} {filled}");
        t.ok(&["exec", "box", "rm", "/full"]);
        let change = document.split("  two").next().unwrap();
        t.hull_with_input(&["container", "config", "edit", "box"], change.as_bytes()).ok();
        t.ok(&["exec", "box", "sh", "-c", &format!("{fill} /dev/zero > /full && sync")]);
        t.ok(&["rm", "-f", "box"]);
    }
    t.ok(&["storage", "delete", "b"]);
    t.ok(&["storage", "delete", "d"]);
    no_loops(&t);
}

#[test]
fn a_full_pool_is_named() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, &["x", "image", "size=320MiB"]);
    let file = t.path("large");
    fs::write(&file, vec![7; 300 << 20]).unwrap();
    let tar = t.path("large.tar");
    let packed = std::process::Command::new("tar")
        .args(["-C", t.path("").to_str().unwrap(), "-cf"])
        .args([&tar])
        .arg("large")
        .status();
    assert!(packed.unwrap().success());
    let refused = t.hull(&["storage", "volume", "import", "x", tar.to_str().unwrap(), "data"]);
    assert!(refused.stderr.contains("the storage pool x is full"), "{refused}");
    assert!(refused.stderr.contains("hull storage info x"), "{refused}");
    assert_eq!(t.ok(&["storage", "volume", "list", "x", "--format", "{{.Name}}"]), "");
    fs::remove_file(&file).unwrap();
    fs::remove_file(&tar).unwrap();
    t.ok(&["storage", "delete", "x"]);
    no_loops(&t);
}

#[test]
fn a_source_exists_and_names_may_have_one_letter() {
    let Some(t) = Scenario::with_busybox() else { return };
    let missing = t.path("missing");
    let source = format!("source={}", missing.display());
    let refused = t.hull(&["storage", "create", "d", "dir", &source]);
    assert!(refused.stderr.contains("there is no directory") && !missing.exists(), "{refused}");
    fs::create_dir(&missing).unwrap();
    t.ok(&["storage", "create", "d", "dir", &source]);
    t.ok(&["storage", "volume", "create", "d", "v"]);
    t.ok(&["storage", "volume", "rename", "d", "v", "w"]);
    t.ok(&["storage", "volume", "delete", "d", "w"]);
    t.ok(&["storage", "delete", "d"]);
    assert!(names(&missing).is_empty());
    // LXD's rule for its containers, and docker's for its own.
    t.ok(&["create", "--system", "--name", "c", "--network", "none", "busybox", "sleep", "1000"]);
    t.ok(&["copy", "c", "b"]);
    t.ok(&["rename", "c", "a"]);
    assert!(!t.hull(&["create", "--name", "c", "busybox"]).success());
    assert!(!t.hull(&["volume", "create", "v"]).success());
    t.ok(&["network", "create", "n"]);
    t.ok(&["network", "rm", "n"]);
    // The name of the file says how it is compressed.
    for (name, flags, start) in [
        ("one.tar.gz", &[][..], &[0x1f, 0x8b][..]),
        ("two.tar", &[], b"backup"),
        ("three.tar", &["--compression", "zstd"], &[0x28, 0xb5, 0x2f, 0xfd]),
    ] {
        let file = t.path(name);
        let path = file.to_str().unwrap();
        t.ok(&[&["backup", "export"], flags, &["a", path]].concat());
        assert!(fs::read(&file).unwrap().starts_with(start), "{name}");
        t.ok(&["backup", "import", path, "imported"]);
        t.ok(&["rm", "imported"]);
        fs::remove_file(&file).unwrap();
    }
    t.ok(&["rm", "a", "b"]);
}

#[test]
fn commands_on_a_pool_at_once_lose_nothing() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, &["d", "dir"]);
    let keys: Vec<String> = (0..40).map(|number| format!("user.k{number}=v")).collect();
    let running: Vec<_> = keys.iter().map(|key| t.spawn(&["storage", "set", "d", key])).collect();
    running.into_iter().for_each(|one| drop(one.wait().ok().to_owned()));
    let shown = t.ok(&["storage", "show", "d"]);
    assert!(keys.iter().all(|key| shown.contains(key.split('=').next().unwrap())), "{shown}");
    t.ok(&["storage", "delete", "d"]);
    for round in 0..12 {
        create(&t, &["d", "dir"]);
        let make = t.spawn(&["storage", "volume", "create", "d", "data"]);
        std::thread::sleep(std::time::Duration::from_micros(round * 700));
        let remove = t.spawn(&["storage", "delete", "d"]);
        let (made, removed) = (make.wait().success(), remove.wait().success());
        assert_ne!(made, removed, "round {round}: a volume in a pool that is gone, or neither of both");
        let directory = t.data_root().join("pools/d");
        assert_eq!(directory.exists(), made, "round {round}");
        if made {
            t.ok(&["storage", "volume", "delete", "d", "data"]);
            t.ok(&["storage", "delete", "d"]);
        }
    }
}
