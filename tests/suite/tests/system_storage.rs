//! Storage pools and their volumes: where files are, which limits hold, and what is left when something is missing or killed.
//!
//! Loop devices are the machine's own, not the test's: each test looks for those of its directory.

mod storage;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use hull_test_support::{Scenario, System};
use storage::{create, loops, no_loops};

/// Runs a script in a new container with these options.
#[track_caller]
fn sh(t: &Scenario, options: &[&str], script: &str) -> String {
    let mut args = vec!["run", "--rm", "--network", "none"];
    args.extend(options);
    args.extend(["busybox", "sh", "-c", script]);
    t.ok(&args)
}

/// The command fails, and its message has these words.
#[track_caller]
fn refused(t: &Scenario, args: &[&str], words: &[&str]) {
    let outcome = t.hull(args);
    assert!(!outcome.success(), "{args:?} succeeds: {}", outcome.stdout);
    for word in words {
        assert!(outcome.stderr.contains(word), "{args:?}: no {word:?} in {}", outcome.stderr);
    }
}

#[test]
fn each_driver_keeps_containers() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, &["plain", "dir"]);
    create(&t, &["x", "image", "size=320MiB"]);
    create(&t, &["b", "btrfs", "size=256MiB"]);
    assert_eq!(t.ok(&["storage", "get", "b", "fs"]), "btrfs", "btrfs without a source is a file");
    assert_eq!(loops(&t).len(), 2);
    let names = t.ok(&["storage", "list", "--format", "{{.Name}} {{.Driver}}"]);
    assert_eq!(names, "b image\ndefault dir\nplain dir\nx image");
    for pool in ["plain", "x", "b"] {
        t.ok(&[
            "run",
            "-d",
            "--name",
            "box",
            "--storage",
            pool,
            "--userns",
            "auto",
            "busybox",
            "sleep",
            "1000",
        ]);
        refused(&t, &["storage", "delete", pool], &["in use by container box"]);
        t.ok(&["exec", "box", "sh", "-c", "echo kept > /new; rm /bin/awk; chown 7:8 /new"]);
        let changes = t.ok(&["diff", "box"]);
        assert!(changes.contains("A /new") && changes.contains("D /bin/awk"), "{pool}: {changes}");
        assert!(!changes.contains("/bin/sh"), "{pool}: only what has changed is listed: {changes}");
        t.ok(&["restart", "-t", "0", "box"]);
        assert_eq!(t.ok(&["exec", "box", "stat", "-c", "%u:%g", "/new"]), "7:8");
        t.ok(&["stop", "-t", "0", "box"]);
        let copied = t.path(format!("copied-{pool}"));
        t.ok(&["cp", "box:/new", copied.to_str().unwrap()]);
        assert_eq!(fs::read_to_string(&copied).unwrap(), "kept\n");
        t.ok(&["commit", "box", "made"]);
        let listed =
            t.ok(&["run", "--rm", "--network", "none", "made", "sh", "-c", "cat /new; ls /bin/awk || true"]);
        assert_eq!(listed, "kept", "{pool}");
        t.ok(&["rm", "box"]);
        t.ok(&["rmi", "made"]);
        t.ok(&["storage", "delete", pool]);
    }
    no_loops(&t);
    let left: Vec<_> =
        fs::read_dir(t.data_root().join("pools")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().ends_with(".lock")), "{left:?}");
}

#[test]
fn containers_of_a_btrfs_share_their_images_files() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, &["b", "image", "size=256MiB", "fs=btrfs"]);
    for name in ["one", "two"] {
        t.ok(&["create", "--name", name, "--storage", "b", "busybox", "true"]);
    }
    let images = fs::read_dir(t.run_root().join("pools/named/b/images")).unwrap().count();
    assert_eq!(images, 1);
    t.ok(&["rm", "one", "two"]);
    t.ok(&["storage", "delete", "b"]);
    no_loops(&t);
}

#[test]
fn a_size_holds() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, &["b", "image", "size=400MiB", "fs=btrfs"]);
    create(&t, &["d", "dir"]);
    let fill = "dd if=/dev/zero of=/big bs=1M count=200 2>&1 | grep -c 'No space\\|quota' ; stat -c %s /big";
    for options in [
        &["--storage-opt", "size=40m"][..],
        &["--storage-opt", "size=40m", "--storage", "d"],
        &["--storage-opt", "size=40m", "--storage", "b"],
        &["--storage-opt", "size=40m", "--userns", "auto"],
    ] {
        let said = sh(&t, options, fill);
        let (full, bytes) = said.split_once('\n').unwrap();
        assert_eq!(full, "1", "{options:?}: {said}");
        assert!(bytes.parse::<u64>().unwrap() < 42 << 20, "{options:?}: {bytes} bytes");
    }
    refused(&t, &["run", "--rm", "--storage-opt", "size=1k", "busybox", "true"], &["at least"]);
    refused(&t, &["run", "--rm", "--storage-opt", "colour=red", "busybox", "true"], &["colour"]);
    for pool in ["b", "d"] {
        t.ok(&["storage", "delete", pool]);
    }
    no_loops(&t);
}

#[test]
fn an_image_grows_while_it_is_used() {
    let Some(t) = Scenario::with_busybox() else { return };
    for (pool, fs) in [("x", "fs=xfs"), ("b", "fs=btrfs")] {
        create(&t, &[pool, "image", "size=320MiB", fs]);
        t.ok(&["run", "-d", "--name", "box", "--storage", pool, "busybox", "sleep", "1000"]);
        let blocks = || t.ok(&["exec", "box", "sh", "-c", "stat -f -c '%b %S' /"]);
        let bytes = |text: String| -> u64 {
            text.split_whitespace().map(|number| number.parse::<u64>().unwrap()).product()
        };
        let before = bytes(blocks());
        t.ok(&["storage", "set", pool, "size=640MiB"]);
        assert!(bytes(blocks()) > before + (300 << 20), "{pool}");
        refused(&t, &["storage", "set", pool, "size=320MiB"], &["does not shrink"]);
        assert_eq!(t.ok(&["storage", "get", pool, "size"]), "640MiB");
        t.ok(&["rm", "-f", "box"]);
        t.ok(&["storage", "delete", pool]);
    }
    no_loops(&t);
}

#[test]
fn a_start_in_a_full_pool_is_an_error_until_the_pool_grows() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, &["x", "image", "size=320MiB"]);
    t.ok(&["create", "--name", "box", "--storage", "x", "busybox", "sh", "-c", "touch /new && sleep 1000"]);
    t.ok(&["run", "--name", "filler", "--storage", "x", "busybox", "sh", "-c", "cat /dev/zero >/big; true"]);
    refused(&t, &["start", "box"], &["No space left on device"]);
    t.ok(&["storage", "set", "x", "size=640MiB"]);
    t.ok(&["start", "box"]);
    t.ok(&["exec", "box", "ls", "/new"]);
    t.ok(&["rm", "-f", "box", "filler"]);
    t.ok(&["storage", "delete", "x"]);
    no_loops(&t);
}

#[test]
fn a_missing_or_damaged_pool_is_an_error_and_loses_nothing() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, &["x", "image", "size=320MiB"]);
    create(&t, &["d", "dir"]);
    for (name, pool) in [("on-x", "x"), ("on-d", "d")] {
        t.ok(&[
            "run",
            "--name",
            name,
            "--network",
            "none",
            "--storage",
            pool,
            "busybox",
            "sh",
            "-c",
            "cat /kept || echo kept > /kept",
        ]);
    }
    let (image, directory) = (t.data_root().join("pools/x.img"), t.data_root().join("pools/d"));
    // As after a reboot: nothing is mounted.
    let pools = t.run_root().join("pools");
    nix::mount::umount2(&pools, nix::mount::MntFlags::MNT_DETACH).unwrap();
    no_loops(&t);
    let hidden = t.path("hidden");
    for (path, name, pool) in [(&image, "on-x", "x"), (&directory, "on-d", "d")] {
        fs::rename(path, &hidden).unwrap();
        refused(&t, &["start", "-a", name], &["pool", pool, "not available"]);
        refused(&t, &["rm", name], &["not available"]);
        fs::rename(&hidden, path).unwrap();
        assert_eq!(t.ok(&["start", "-a", name]), "kept");
    }
    nix::mount::umount2(&pools, nix::mount::MntFlags::MNT_DETACH).unwrap();
    no_loops(&t);
    let head = fs::read(&image).unwrap()[..4096].to_vec();
    let write = |bytes: &[u8]| {
        use std::os::unix::fs::FileExt;
        fs::OpenOptions::new().write(true).open(&image).unwrap().write_all_at(bytes, 0).unwrap();
    };
    write(&[0; 4096]);
    refused(&t, &["start", "-a", "on-x"], &["cannot mount the image", "xfs"]);
    write(&head);
    assert_eq!(t.ok(&["start", "-a", "on-x"]), "kept");
    t.ok(&["rm", "on-x", "on-d"]);
    t.ok(&["storage", "delete", "x", "d"]);
    no_loops(&t);
}

#[test]
fn a_killed_create_or_delete_is_finished_by_the_next() {
    let Some(t) = Scenario::with_busybox() else { return };
    for round in 0..8 {
        let mut command = t.command(&["storage", "create", "x", "image", "size=320MiB"]);
        command.process_group(0);
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(round * 8));
        child.kill().unwrap();
        child.wait().unwrap();
        let names = t.ok(&["storage", "list", "--format", "{{.Name}} {{.State}}"]);
        match names.contains("x Created") {
            true => drop(t.ok(&["storage", "delete", "x"])),
            false => {
                create(&t, &["x", "dir"]);
                t.ok(&["storage", "delete", "x"]);
            }
        }
        no_loops(&t);
        assert!(!t.data_root().join("pools/x.img").exists(), "round {round}");
    }
}

#[test]
fn volumes_of_each_kind_are_kept_copied_and_restored() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, &["b", "image", "size=400MiB", "fs=btrfs"]);
    create(&t, &["d", "dir"]);
    let volume = |args: &[&str]| t.ok(&[&["storage", "volume"], args].concat());
    let source = |pool: &str, name: &str| match pool {
        "b" => t.run_root().join(format!("pools/named/b/volumes/{name}/_data")),
        _ => t.data_root().join(format!("pools/d/volumes/{name}/_data")),
    };
    for pool in ["b", "d"] {
        volume(&["create", pool, "data"]);
        refused(&t, &["storage", "volume", "create", pool, "data"], &["already exists"]);
        let file = source(pool, "data").join("file");
        fs::write(&file, "one").unwrap();
        volume(&["snapshot", pool, "data"]);
        fs::write(&file, "two").unwrap();
        volume(&["snapshot", pool, "data", "second"]);
        volume(&["restore", pool, "data", "snap0"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
        volume(&["restore", pool, "data", "second"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        volume(&["delete", pool, "data/snap0"]);
        refused(&t, &["storage", "volume", "restore", pool, "data", "snap0"], &["snap0"]);
        volume(&["rename", pool, "data", "other"]);
        // A database refuses a directory that others can read.
        fs::set_permissions(source(pool, "other"), fs::Permissions::from_mode(0o700)).unwrap();
        volume(&["copy", &format!("{pool}/other"), &format!("{pool}/copy")]);
        volume(&["copy", &format!("{pool}/other"), "b/elsewhere"]);
        for (pool, name) in [(pool, "copy"), ("b", "elsewhere")] {
            assert_eq!(
                fs::metadata(source(pool, name)).unwrap().permissions().mode() & 0o777,
                0o700,
                "{pool} {name}"
            );
        }
        volume(&["delete", "b", "elsewhere"]);
        assert_eq!(fs::read_to_string(source(pool, "copy").join("file")).unwrap(), "two");
        assert!(volume(&["info", pool, "copy"]).contains("second"), "the snapshots are copied");
        volume(&["export", pool, "copy", "tar"]);
        volume(&["import", pool, "tar", "again"]);
        assert_eq!(fs::read_to_string(source(pool, "again").join("file")).unwrap(), "two");
        refused(&t, &["storage", "delete", pool], &["in use by volume"]);
        volume(&["delete", pool, "again"]);
        volume(&["delete", pool, "copy"]);
    }
    volume(&["move", "b/other", "d/moved"]);
    assert_eq!(fs::read_to_string(source("d", "moved").join("file")).unwrap(), "two");
    volume(&["delete", "d", "moved"]);
    volume(&["delete", "d", "other"]);
    t.ok(&["storage", "delete", "b", "d"]);
    no_loops(&t);
}

#[test]
fn a_volume_with_a_size_is_full_at_that_size_and_grows() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, &["d", "dir"]);
    t.ok(&["storage", "volume", "create", "d", "data", "size=320MiB"]);
    let path = t.run_root().join("pools/volumes/d/data");
    t.ok(&["storage", "volume", "info", "d", "data"]);
    fs::write(path.join("file"), "one").unwrap();
    t.ok(&["storage", "volume", "snapshot", "d", "data"]);
    t.ok(&["storage", "volume", "set", "d", "data", "size=480MiB"]);
    let stat = rustix::fs::statvfs(&path).unwrap();
    assert!(stat.f_blocks * stat.f_frsize > 320 << 20);
    fs::write(path.join("file"), "two").unwrap();
    t.ok(&["storage", "volume", "restore", "d", "data", "snap0"]);
    t.ok(&["storage", "volume", "info", "d", "data"]);
    assert_eq!(fs::read_to_string(path.join("file")).unwrap(), "one");
    t.ok(&["storage", "volume", "delete", "d", "data"]);
    t.ok(&["storage", "delete", "d"]);
    no_loops(&t);
}

/// As after a reboot: no image is mounted.
fn forget_mounts(t: &Scenario) {
    let pools = t.run_root().join("pools");
    nix::mount::umount2(&pools, nix::mount::MntFlags::MNT_DETACH).unwrap();
}

#[test]
fn volumes_of_pools_are_mounted_in_containers() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, &["b", "image", "size=256MiB", "fs=btrfs"]);
    create(&t, &["d", "dir"]);
    for (name, flags) in [("plain", &[][..]), ("mapped", &["--userns", "auto"])] {
        t.ok(&[&["run", "-d", "--name", name], flags, &["busybox", "sleep", "1000"]].concat());
    }
    let volume = |args: &[&str]| t.ok(&[&["storage", "volume"], args].concat());
    for (pool, key) in [("b", "user.a=b"), ("d", "user.a=b"), ("d", "size=40MiB")] {
        volume(&["create", pool, "data", key]);
        volume(&["attach", pool, "data", "plain", "/data"]);
        volume(&["attach", pool, "data", "mapped", "disk", "/mnt/data"]);
        assert_eq!(t.ok(&["device", "list", "mapped"]), "disk");
        t.ok(&["exec", "mapped", "sh", "-c", "echo kept > /mnt/data/f; chown 5:6 /mnt/data/f"]);
        let seen = t.ok(&["exec", "plain", "sh", "-c", "cat /data/f; stat -c %u:%g /data/f"]);
        assert_eq!(seen, "kept\n5:6", "{pool}: the ids on the disk are no container's");
        let used = volume(&["show", pool, "data"]);
        assert!(used.contains("- mapped") && used.contains("- plain"), "{used}");
        refused(&t, &["storage", "volume", "delete", pool, "data"], &["in use", "mapped", "plain"]);
        refused(&t, &["storage", "volume", "rename", pool, "data", "x"], &["in use"]);
        t.ok(&["stop", "-t", "0", "plain", "mapped"]);
        forget_mounts(&t);
        t.ok(&["start", "plain", "mapped"]);
        assert_eq!(t.ok(&["exec", "plain", "cat", "/data/f"]), "kept", "{pool} {key}: after a reboot");
        let full =
            "dd if=/dev/zero of=/mnt/data/big bs=1M count=60 2>&1 | grep -c 'No space'; rm /mnt/data/big";
        let is_full = t.ok(&["exec", "mapped", "sh", "-c", full]);
        assert_eq!(is_full, if key.starts_with("size") { "1" } else { "0" }, "{pool} {key}");
        volume(&["detach", pool, "data", "plain"]);
        assert_eq!(t.ok(&["exec", "plain", "ls", "/data"]), "");
        refused(&t, &["storage", "volume", "detach", pool, "data", "plain"], &["no device"]);
        volume(&["detach", pool, "data", "mapped", "disk"]);
        volume(&["delete", pool, "data"]);
    }
    refused(&t, &["storage", "volume", "attach", "d", "none", "plain", "/x"], &["none"]);
    t.ok(&["rm", "-f", "plain", "mapped"]);
    t.ok(&["storage", "delete", "b", "d"]);
    no_loops(&t);
}

#[test]
fn the_root_of_a_container_gets_another_size_while_it_runs() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    create(&t, &["b", "image", "size=400MiB", "fs=btrfs"]);
    create(&t, &["d", "dir"]);
    let image = System::Busybox.image();
    let fill = |name: &str, megabytes: u32| {
        let script =
            format!("dd if=/dev/zero of=/big bs=1M count={megabytes} 2>/dev/null; stat -c %s /big; rm /big");
        t.ok(&["exec", name, "sh", "-c", &script]).parse::<u64>().unwrap() >> 20
    };
    t.ok(&["profile", "device", "add", "default", "root", "disk", "path=/", "pool=default"]);
    t.ok(&["launch", "-s", "b", "-d", "root,size=40MiB", image, "sub"]);
    assert!(fill("sub", 60) < 41);
    t.ok(&["device", "set", "sub", "root", "size=100MiB"]);
    assert_eq!(fill("sub", 60), 60);
    assert!(fill("sub", 120) < 101);
    t.ok(&["restart", "-t", "0", "sub"]);
    assert!(fill("sub", 120) < 101);
    t.ok(&["device", "unset", "sub", "root", "size"]);
    assert_eq!(fill("sub", 120), 120);
    refused(&t, &["device", "set", "sub", "root", "pool=d"], &["in the pool b"]);
    t.ok(&["launch", "-d", "root,pool=d", "-d", "root,size=320MiB", image, "file"]);
    t.ok(&["device", "set", "file", "root", "size=480MiB"]);
    let blocks = t.ok(&["exec", "file", "stat", "-f", "-c", "%b %S", "/"]);
    let bytes: u64 = blocks.split(' ').map(|number| number.parse::<u64>().unwrap()).product();
    assert!(bytes > 330 << 20, "{blocks}");
    refused(&t, &["device", "set", "file", "root", "size=320MiB"], &["does not shrink"]);
    refused(&t, &["device", "unset", "file", "root", "size"], &["keeps one"]);
    t.ok(&["restart", "-t", "0", "file"]);
    t.ok(&["launch", image, "plain"]);
    refused(&t, &["device", "override", "plain", "root", "size=1GiB"], &["made with a size"]);
    for (wrong, words) in
        [("root", "DEVICE,KEY=VALUE"), ("none,path=/x", "type=TYPE"), ("root,siz=1", "size")]
    {
        refused(&t, &["launch", "-d", wrong, image, "wrong"], &[words]);
    }
    t.ok(&["rm", "-f", "sub", "file", "plain"]);
    t.ok(&["profile", "device", "remove", "default", "root"]);
    t.ok(&["storage", "delete", "b", "d"]);
    no_loops(&t);
}

#[test]
fn an_image_that_is_gone_leaves_the_pools() {
    let Some(t) = Scenario::with_busybox() else { return };
    create(&t, &["b", "image", "size=256MiB", "fs=btrfs"]);
    t.ok(&["run", "--name", "one", "--network", "none", "--storage", "b", "busybox", "touch", "/own"]);
    t.ok(&["commit", "one", "made"]);
    t.ok(&["rm", "one"]);
    t.ok(&["run", "--rm", "--network", "none", "--storage", "b", "made", "ls", "/own"]);
    let images = || fs::read_dir(t.run_root().join("pools/named/b/images")).unwrap().count();
    assert_eq!(images(), 2);
    t.ok(&["rmi", "made"]);
    assert_eq!(images(), 1, "the layers of busybox are still there");
    t.ok(&["run", "--rm", "--network", "none", "--storage", "b", "busybox", "true"]);
    t.ok(&["image", "prune", "-a", "-f"]);
    assert_eq!(images(), 0);
    t.ok(&["storage", "delete", "b"]);
    no_loops(&t);
}
