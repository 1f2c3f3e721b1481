//! `hull-oci` and the file system that it builds: the targets and the order of mounts, and the mounts that it refuses.

#[allow(dead_code, reason = "each suite uses its part")]
mod oci_fixture;

use std::os::unix::fs::{FileTypeExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use hull_test_support::Outcome;
use oci_fixture::Fixture;
use serde_json::{Value, json};

fn mounts(config: &mut Value) -> &mut Vec<Value> {
    config["mounts"].as_array_mut().unwrap()
}

fn bind(w: &Fixture, source: &str, destination: &str, options: &[&str]) -> Value {
    json!({"destination": destination, "type": "bind", "source": w.path(source), "options": options})
}

/// A symlink in an image, or in a volume that is mounted earlier, cannot redirect /proc.
#[test]
fn the_kernels_file_systems_go_on_ordinary_directories_only() {
    let Some(w) = Fixture::start() else { return };
    std::fs::create_dir_all(w.path("volume/there")).unwrap();
    for (name, kind) in [("proc", "proc"), ("sys", "sysfs")] {
        for target in ["/volume/there", "/nowhere", "/bin"] {
            let mut config = w.config(&["true"]);
            mounts(&mut config).push(json!({"destination": "/sys", "type": "sysfs", "source": "sysfs"}));
            mounts(&mut config).insert(0, bind(&w, "volume", "/volume", &["rbind"]));
            w.bundle(&config);
            let place = w.path("bundle/rootfs").join(name);
            let _ = std::fs::remove_dir(&place);
            symlink(target, &place).unwrap();
            let refused = w.oci(&["run", "--bundle", "bundle", "box"]);
            let why = format!("{kind} must be mounted on ordinary directory");
            assert!(refused.fails(1).contains(&why), "{refused:?}");
            std::fs::remove_file(&place).unwrap();
            // The same with a symlink in the middle of the path.
            symlink(target, w.path("bundle/rootfs/way")).unwrap();
            mounts(&mut config).push(json!({"destination": "/way/on", "type": kind, "source": kind}));
            w.bundle(&config);
            let refused = w.oci(&["run", "--bundle", "bundle", "box"]);
            let why = format!("{kind} must be mounted on ordinary directory");
            assert!(refused.fails(1).contains(&why), "{refused:?}");
            std::fs::remove_file(w.path("bundle/rootfs/way")).unwrap();
        }
    }
    assert_eq!(std::fs::read_dir(w.path("volume/there")).unwrap().count(), 0);
    w.assert_nothing_left();
}

/// A bind mount of the host's /proc is accepted as a kernel file system, like a new one.
#[test]
fn the_hosts_proc_is_bound_on_an_ordinary_directory_only() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["true"]);
    mounts(&mut config)[0] =
        json!({"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]});
    w.bundle(&config);
    w.oci(&["run", "--bundle", "bundle", "box"]).ok();
    std::fs::remove_dir(w.path("bundle/rootfs/proc")).unwrap();
    symlink("/bin", w.path("bundle/rootfs/proc")).unwrap();
    assert!(w.oci(&["run", "--bundle", "bundle", "box"]).fails(1).contains("ordinary directory"));
    w.assert_nothing_left();
}

#[test]
fn nothing_is_mounted_on_proc_or_into_it() {
    let Some(w) = Fixture::start() else { return };
    std::fs::create_dir_all(w.path("volume/sys")).unwrap();
    std::fs::write(w.path("file"), "of ours\n").unwrap();
    symlink("/proc/sys", w.path("bundle/rootfs/link")).unwrap();
    let refused = [
        (bind(&w, "volume", "/proc", &["bind"]), "not of type proc"),
        (bind(&w, "volume", "/bin/../proc", &["bind"]), "not of type proc"),
        (json!({"destination": "/proc", "type": "tmpfs", "source": "tmpfs"}), "not of type proc"),
        (bind(&w, "volume", "/proc/sys", &["bind"]), "inside /proc"),
        (bind(&w, "volume", "/link/net", &["bind"]), "inside /proc"),
        (bind(&w, "file", "/proc/self/attr/exec", &["bind"]), "inside /proc"),
    ];
    for (mount, why) in refused {
        let mut config = w.config(&["true"]);
        mounts(&mut config).push(mount.clone());
        w.bundle(&config);
        assert!(w.oci(&["run", "--bundle", "bundle", "box"]).fails(1).contains(why), "{mount}");
    }
    // The files that lxcfs replaces for the container.
    let mut config = w.config(&["cat", "/proc/uptime"]);
    mounts(&mut config).push(bind(&w, "file", "/proc/uptime", &["bind"]));
    w.bundle(&config);
    assert_eq!(w.oci(&["run", "--bundle", "bundle", "box"]).ok(), "of ours");
}

/// A race: another container swaps directories in a shared volume while this container is made.
#[test]
fn swapping_what_a_mount_goes_on_leads_no_terminal_elsewhere() {
    let Some(w) = Fixture::start() else { return };
    for side in ["one", "other"] {
        std::fs::create_dir_all(w.path("volume").join(side).join("pts")).unwrap();
        std::fs::write(w.path("volume").join(side).join("console"), "").unwrap();
        for number in 0..2 {
            let pts = w.path("volume").join(side).join("pts").join(number.to_string());
            symlink("/proc/sys/kernel/core_pattern", pts).unwrap();
        }
    }
    let _ = std::fs::remove_dir(w.path("bundle/rootfs/dev"));
    symlink("/volume/one", w.path("bundle/rootfs/dev")).unwrap();
    let mut config = w.config(&["sh", "-c", "grep core_pattern /proc/self/mountinfo >>/volume/seen; :"]);
    config["process"]["terminal"] = true.into();
    mounts(&mut config).insert(0, bind(&w, "volume", "/volume", &["rbind"]));
    w.bundle(&config);
    let (one, other) = (w.path("volume/one"), w.path("volume/other"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(rustix::fs::CWD, &one, rustix::fs::CWD, &other, flags).unwrap();
                std::thread::sleep(std::time::Duration::from_micros(20));
            }
        });
        // A run is refused when its directory is swapped during the lookup, which happens to about half of the runs.
        let runs = (0..200).map(|_| w.oci(&["run", "--bundle", "bundle", "box"]));
        let succeeded = runs.filter(Outcome::success).count();
        stop.store(true, Ordering::Relaxed);
        assert!(succeeded > 0, "no container came as far as to look");
    });
    let seen = std::fs::read_to_string(w.path("volume/seen")).unwrap_or_default();
    assert_eq!(seen, "", "/dev/console is a file of the kernel's");
}

/// A path that exists must be masked, because it would be readable otherwise. Only a missing path needs no mask.
#[test]
fn a_path_that_cannot_be_covered_is_an_error() {
    let Some(w) = Fixture::start() else { return };
    std::fs::write(w.path("bundle/rootfs/file"), "").unwrap();
    symlink("/round", w.path("bundle/rootfs/round")).unwrap();
    for list in ["maskedPaths", "readonlyPaths"] {
        for path in ["/file/below", "/round", "/round/below"] {
            let mut config = w.config(&["true"]);
            config["linux"][list] = json!([path]);
            w.bundle(&config);
            assert!(w.oci(&["run", "--bundle", "bundle", "box"]).fails(1).contains(path), "{list} {path}");
        }
        let mut config = w.config(&["true"]);
        config["linux"][list] = json!(["/nowhere", "/nowhere/below"]);
        w.bundle(&config);
        w.oci(&["run", "--bundle", "bundle", "box"]).ok();
    }
}

#[test]
fn masked_directories_are_empty_and_read_only_and_masked_files_the_null_device() {
    let Some(w) = Fixture::start() else { return };
    for name in ["a", "b", "c"] {
        std::fs::create_dir_all(w.path("bundle/rootfs").join(name).join("secret")).unwrap();
    }
    for name in ["d", "e"] {
        std::fs::write(w.path("bundle/rootfs").join(name), "secret").unwrap();
    }
    let look = "cat /d /e; ls /a /b /c | grep secret; touch /a/x /b/x /c/x 2>/dev/null && echo written; \
                stat -c '%d' /a /b /c | sort -u | wc -l; stat -c '%t:%T' /d /e";
    let mut config = w.config(&["sh", "-c", look]);
    config["linux"]["maskedPaths"] = json!(["/a", "/d", "/b", "/e", "/c"]);
    w.bundle(&config);
    assert_eq!(w.oci(&["run", "--bundle", "bundle", "box"]).ok(), "1\n1:3\n1:3");
}

#[test]
fn a_read_only_dev_is_filled_first() {
    let Some(w) = Fixture::start() else { return };
    let look = "test -c /dev/null && test -c /dev/pts/ptmx && test -e /dev/shm/below && echo filled; \
                touch /dev/x /dev/shm/x 2>/dev/null && echo written; \
                awk '$5==\"/dev\" || $5==\"/dev/shm\" {print substr($6, 1, 2)}' /proc/self/mountinfo";
    let mut config = w.config(&["sh", "-c", look]);
    mounts(&mut config)[1]["options"] = json!(["nosuid", "ro", "mode=755"]);
    mounts(&mut config).extend([
        json!({"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["ro"]}),
        json!({"destination": "/dev/shm/below", "type": "tmpfs", "source": "below"}),
    ]);
    w.bundle(&config);
    assert_eq!(w.oci(&["run", "--bundle", "bundle", "box"]).ok(), "filled\nro\nro");
}

#[test]
fn a_relative_destination_begins_at_the_root() {
    let Some(w) = Fixture::start() else { return };
    std::fs::create_dir(w.path("volume")).unwrap();
    std::fs::write(w.path("volume/file"), "there\n").unwrap();
    let mut config = w.config(&["cat", "/a/b/file"]);
    mounts(&mut config).push(bind(&w, "volume", "a/b", &["bind"]));
    w.bundle(&config);
    assert_eq!(w.oci(&["run", "--bundle", "bundle", "box"]).ok(), "there");
}

/// mount(8)'s options: `ro` applies to the one mount, `rro` also to all mounts below it.
#[test]
fn ro_is_of_one_mount_and_rro_of_all_below() {
    let Some(w) = Fixture::start() else { return };
    std::fs::create_dir_all(w.path("volume/below")).unwrap();
    let flags = nix::mount::MsFlags::empty();
    nix::mount::mount(Some("t"), &w.path("volume/below"), Some("tmpfs"), flags, None::<&str>).unwrap();
    for (option, expected) in [("ro", "below"), ("rro", "")] {
        let look = "touch /v/x 2>/dev/null && echo top; touch /v/below/x 2>/dev/null && echo below; :";
        let mut config = w.config(&["sh", "-c", look]);
        mounts(&mut config).push(bind(&w, "volume", "/v", &["rbind", option]));
        w.bundle(&config);
        assert_eq!(w.oci(&["run", "--bundle", "bundle", "box"]).ok(), expected, "{option}");
    }
    nix::mount::umount(&w.path("volume/below")).unwrap();
}

/// As on every host with systemd as its first process.
#[test]
fn the_roots_propagation_is_as_asked_where_the_hosts_mounts_are_shared() {
    let Some(w) = Fixture::start() else { return };
    nix::mount::mount(
        None::<&str>,
        "/",
        None::<&str>,
        nix::mount::MsFlags::MS_SHARED | nix::mount::MsFlags::MS_REC,
        None::<&str>,
    )
    .unwrap();
    let look = "awk '$5==\"/\" {for (i = 7; $i != \"-\"; i++) printf \"%s \", $i}' /proc/self/mountinfo";
    for (asked, expected) in [
        ("private", ""),
        ("rslave", "master:"),
        ("slave", "master:"),
        ("shared", "shared:"),
        ("rshared", "shared:"),
        ("unbindable", "unbindable"),
    ] {
        let mut config = w.config(&["sh", "-c", look]);
        config["linux"]["rootfsPropagation"] = asked.into();
        w.bundle(&config);
        let outcome = w.oci(&["run", "--bundle", "bundle", "box"]);
        let tags = outcome.ok().trim_end();
        assert!(tags.starts_with(expected) && tags.is_empty() == expected.is_empty(), "{asked}: {tags}");
    }
    w.assert_nothing_left();
}

/// The files keep their content, and the host's files keep their owners.
#[test]
fn a_dev_that_is_bound_is_left_as_it_is() {
    let Some(w) = Fixture::start() else { return };
    std::fs::create_dir(w.path("dev")).unwrap();
    let mut config = w.config(&["sh", "-c", "echo /dev/*"]);
    mounts(&mut config).retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
    mounts(&mut config).push(bind(&w, "dev", "/dev", &["bind"]));
    w.bundle(&config);
    assert_eq!(w.oci(&["run", "--bundle", "bundle", "box"]).ok(), "/dev/*");
    assert_eq!(std::fs::read_dir(w.path("dev")).unwrap().count(), 0);
}

#[test]
fn a_devices_owner_is_as_asked() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["stat", "-c", "%F %a %u:%g", "/dev/own"]);
    config["linux"]["devices"] = json!([{"path": "/dev/own", "type": "c", "major": 1, "minor": 3,
        "fileMode": 0o640, "uid": 12, "gid": 34}]);
    w.bundle(&config);
    assert_eq!(w.oci(&["run", "--bundle", "bundle", "box"]).ok(), "character special file 640 12:34");
    assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

/// The same for a container in a user namespace, which may not bind mounts of other namespaces, and with mapped ids.
#[test]
fn a_source_below_the_root_is_what_earlier_mounts_show() {
    let Some(w) = Fixture::start() else { return };
    let flags = |options: &[&str]| json!(options);
    for is_user in [false, true] {
        for is_mapped in [false, true] {
            for name in ["one", "two"] {
                std::fs::create_dir_all(w.path("sources").join(name).join("below")).unwrap();
                std::fs::write(w.path("sources").join(name).join("below/file"), format!("{name}\n")).unwrap();
            }
            let mut config = w.config(&["cat", "/last/below/file"]);
            let root = w.path("bundle/rootfs");
            let mut last = json!({"destination": root.join("last"), "type": "bind", "source": root.join("first"),
                "options": flags(&["rbind"])});
            let map = json!([{"containerID": 0, "hostID": 100000, "size": 65536}]);
            if is_mapped {
                last["uidMappings"] = map.clone();
                last["gidMappings"] = map;
            }
            if is_user {
                oci_fixture::in_user_namespace(&mut config);
                w.give_root_away();
            }
            mounts(&mut config).extend([
                bind(&w, "sources/one", "/first", &["bind"]),
                bind(&w, "sources/two/below", "/first/below", &["bind"]),
                last,
            ]);
            w.bundle(&config);
            let outcome = w.oci(&["run", "--bundle", "bundle", "box"]);
            assert_eq!(outcome.ok(), "two", "user namespace {is_user}, mapped {is_mapped}");
        }
    }
    w.assert_nothing_left();
}
