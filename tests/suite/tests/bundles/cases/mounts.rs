//! The root file system and what is mounted in it.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::{Case, case};

/// In mountinfo, the file system stands after the optional fields and the options before them.
const MOUNTINFO: &str = "grep ' /x ' /proc/self/mountinfo | cut -d' ' -f6";

pub const CASES: &[Case] = &[
    case("the_root_is_writable_unless_asked", |b| {
        b.expect("touch /written && echo done", "done");
        assert!(b.rootfs("written").exists());
        b.set("/root/readonly", json!(true));
        b.expect("touch /again 2>&1 | grep -c Read-only", "1");
    }),
    case("a_root_may_be_an_absolute_path", |b| {
        let path = b.rootfs("").display().to_string();
        b.set("/root/path", json!(path)).expect("echo ran", "ran");
    }),
    case("a_missing_root_is_refused", |b| {
        b.set("/root/path", json!("nowhere")).refused("nowhere");
    }),
    case("the_default_devices_are_there", |b| {
        let list = "cd /dev; for d in null zero full random urandom tty; do stat -c '%n %F %t:%T %a' $d; done";
        let device = |name: &str, number: &str| format!("{name} character special file {number} 666");
        let expected = [("null", "1:3"), ("zero", "1:5"), ("full", "1:7"), ("random", "1:8"), ("urandom", "1:9")];
        let mut lines: Vec<String> = expected.iter().map(|(name, number)| device(name, number)).collect();
        lines.push(device("tty", "5:0"));
        b.expect(list, &lines.join("\n"));
    }),
    case("the_default_links_are_there", |b| {
        b.expect(
            "cd /dev; for l in fd stdin stdout stderr ptmx; do readlink $l | sed 's,^/dev/,,'; done",
            "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx",
        );
    }),
    case("a_tmpfs_has_its_size_and_mode", |b| {
        b.mount("/x", "tmpfs", "tmpfs", &["size=64k", "mode=1770", "nosuid", "nodev", "noexec"]);
        let printed = b.prints(&format!("{MOUNTINFO}; stat -c %a /x; df -k /x | tail -1 | awk '{{print $2}}'"));
        assert_eq!(printed, "rw,nosuid,nodev,noexec,relatime\n1770\n64");
    }),
    case("a_tmpfs_can_begin_with_what_it_covers", |b| {
        std::fs::create_dir_all(b.rootfs("x/deep")).unwrap();
        std::fs::write(b.rootfs("x/deep/file"), "text").unwrap();
        symlink("deep/file", b.rootfs("x/link")).unwrap();
        std::os::unix::fs::chown(b.rootfs("x/deep/file"), Some(7), Some(8)).unwrap();
        b.mount("/x", "tmpfs", "tmpfs", &["tmpcopyup"]);
        b.expect("cat /x/link; echo; stat -c %u:%g /x/deep/file; touch /x/new && echo new", "text\n7:8\nnew");
        assert!(!b.rootfs("x/new").exists(), "what is below it stays as it was");
    }),
    case("a_bind_mount_is_the_hosts", |b| {
        let host = b.host_dir("volume");
        b.mount("/x", "bind", &host, &["rbind", "rw"]);
        b.prints("echo text > /x/file");
        assert_eq!(std::fs::read_to_string(b.fixture.path("volume/file")).unwrap(), "text\n");
    }),
    case("a_bind_mount_without_its_type_is_one", |b| {
        let host = b.host_dir("volume");
        b.push("/mounts", json!({"destination": "/x", "source": host, "options": ["bind"]}));
        b.prints("echo text > /x/file");
        assert!(b.fixture.path("volume/file").exists());
    }),
    case("a_source_is_relative_to_the_bundle", |b| {
        b.host_dir("bundle/volume");
        b.mount("/x", "bind", "volume", &["bind"]).prints("touch /x/file");
        assert!(b.fixture.path("bundle/volume/file").exists());
    })
    .not_on(&["crun"]),
    case("a_file_can_be_bound", |b| {
        let file = b.fixture.write("file", &json!("text"));
        b.mount("/etc/new/file", "bind", &file, &["bind", "ro"]);
        b.expect("cat /etc/new/file; touch /etc/new/file 2>&1 | grep -c Read-only", "\"text\"1");
    }),
    case("a_read_only_bind_is_not_written_to", |b| {
        let host = b.host_dir("volume");
        b.mount("/x", "bind", &host, &["bind", "ro", "nosuid", "nodev", "noexec"]);
        b.expect(
            &format!("touch /x/file 2>&1 | grep -c Read-only; {MOUNTINFO}"),
            "1\nro,nosuid,nodev,noexec,relatime",
        );
    }),
    case("a_bind_mount_is_one_mount_and_an_rbind_all_below", |b| {
        let host = b.host_dir("volume/below");
        rustix::mount::mount("tmpfs", &host, "tmpfs", rustix::mount::MountFlags::empty(), c"").unwrap();
        std::fs::write(b.fixture.path("volume/below/file"), "").unwrap();
        let volume = b.host_dir("volume");
        b.company = true;
        b.mount("/x", "bind", &volume, &["bind"]).expect("ls /x/below | wc -l", "0");
        b.set("/mounts/3/options", json!(["rbind"])).expect("ls /x/below | wc -l", "1");
        b.set("/mounts/3/options", json!(["rbind", "rro"]));
        let printed = b.sh("touch /x/below/new 2>&1 | grep -c Read-only; touch /x/new 2>&1 | grep -c Read-only").run();
        rustix::mount::unmount(&host, rustix::mount::UnmountFlags::DETACH).unwrap();
        assert_eq!(printed.ok(), "1\n1");
    }),
    case("recursive_options_reach_what_is_below", |b| {
        let host = b.host_dir("volume/below");
        rustix::mount::mount("tmpfs", &host, "tmpfs", rustix::mount::MountFlags::RDONLY, c"").unwrap();
        let volume = b.host_dir("volume");
        b.mount("/x", "bind", &volume, &["rbind", "rnosuid", "rnoatime", "rrw"]);
        let script = "grep -E ' /x(/below)? ' /proc/self/mountinfo | cut -d' ' -f6 | sort -u";
        let printed = b.sh(script).run();
        rustix::mount::unmount(&host, rustix::mount::UnmountFlags::DETACH).unwrap();
        assert_eq!(printed.ok(), "rw,nosuid,noatime");
    }),
    case("times_of_access_are_kept_as_asked", |b| {
        let host = b.host_dir("volume");
        b.mount("/x", "bind", &host, &["bind", "noatime", "nodiratime"]);
        b.expect(MOUNTINFO, "rw,noatime,nodiratime");
    }),
    case("a_bind_of_nothing_is_refused", |b| {
        b.mount("/x", "bind", "/nowhere/at/all", &["bind"]).refused("/nowhere/at/all");
    }),
    case("an_unknown_file_system_is_refused", |b| {
        b.mount("/x", "no-such-fs", "x", &[]).refused("no-such-fs");
    }),
    case("a_mount_point_through_a_symlink_stays_inside", |b| {
        let outside = b.host_dir("outside");
        symlink(&outside, b.rootfs("link")).unwrap();
        symlink("../../../../../../tmp", b.rootfs("up")).unwrap();
        b.mount("/link/x", "tmpfs", "tmpfs", &[]).mount("/up/y", "tmpfs", "tmpfs", &[]);
        b.expect("grep -cE ' (/tmp/y|.*/outside/x) ' /proc/self/mountinfo", "2");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "something was made outside");
    }),
    case("a_root_whose_proc_dev_or_sys_is_a_symlink_reaches_nothing_outside", |b| {
        let outside = b.host_dir("outside");
        b.mount("/sys", "sysfs", "sysfs", &["ro"]).sh("true");
        let before = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        for name in ["proc", "dev", "sys"] {
            std::fs::remove_dir(b.rootfs(name)).unwrap();
            symlink(&outside, b.rootfs(name)).unwrap();
            b.run();
            assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "{name}: something was made outside");
            assert_eq!(std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap(), before, "{name}");
            b.fixture.assert_nothing_left();
            std::fs::remove_file(b.rootfs(name)).unwrap();
            std::fs::create_dir(b.rootfs(name)).unwrap();
        }
    })
    // If /dev is a symlink, runc makes its own links on the host.
    .not_on(&["runc"]),
    case("each_option_of_the_features_is_taken", |b| {
        let shared = b.host_dir("shared");
        let features = b.fixture.oci(&["features"]).ok().to_owned();
        let features: Value = serde_json::from_str(&features).unwrap();
        let mut options = features["mountOptions"].as_array().unwrap().clone();
        assert!(options.len() > 50, "{options:?}");
        if !super::identity::maps_ids(&shared) {
            options.retain(|option| !["idmap", "ridmap"].contains(&option.as_str().unwrap()));
        }
        let ids = json!([{"containerID": 0, "hostID": 1000, "size": 10}]);
        let mounts = options.iter().enumerate().map(|(index, option)| {
            let name = option.as_str().unwrap();
            let destination = format!("/option/{index}");
            match name {
                "idmap" | "ridmap" => json!({"destination": destination, "type": "bind", "source": shared,
                    "options": ["bind", name], "uidMappings": ids, "gidMappings": ids}),
                "remount" => json!({"destination": "/option", "type": "tmpfs", "source": "tmpfs",
                    "options": [name, "size=2m"]}),
                name if name.starts_with('r') && !matches!(name, "ro" | "rw" | "relatime") => {
                    json!({"destination": destination, "type": "bind", "source": shared, "options": ["rbind", name]})
                }
                "bind" => json!({"destination": destination, "type": "bind", "source": shared, "options": [name]}),
                _ => json!({"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": [name]}),
            }
        });
        let mounts: Vec<_> = mounts.collect();
        b.mount("/option", "tmpfs", "tmpfs", &[]);
        for mount in mounts {
            b.push("/mounts", mount);
        }
        let count = (options.len() - 1).to_string();
        b.expect("cut -d' ' -f5 /proc/self/mountinfo | grep -c ^/option/", &count);
    })
    .not_on(&["runc", "crun"]),
    case("propagation_of_the_root_is_as_asked", |b| {
        let root = "grep ' / / ' /proc/self/mountinfo | grep -v rootfs | head -1; grep -E '^[0-9]+ [0-9]+ [^ ]+ [^ ]+ / ' \
            /proc/self/mountinfo | grep -oE 'shared|master|unbindable' | sort -u";
        let kind = |b: &mut crate::Bundle, asked: &str| {
            b.set("/linux/rootfsPropagation", json!(asked));
            b.prints(root).lines().last().unwrap_or_default().to_owned()
        };
        assert_eq!(kind(b, "shared"), "shared");
        assert_eq!(kind(b, "unbindable"), "unbindable");
        assert_ne!(kind(b, "private"), "shared");
        assert_ne!(kind(b, "slave"), "shared");
    })
    .not_on(&["runc"]),
    case("propagation_of_a_mount_is_as_asked", |b| {
        b.mount("/x", "tmpfs", "tmpfs", &["shared"]).mount("/y", "tmpfs", "tmpfs", &["private"]);
        b.mount("/z", "tmpfs", "tmpfs", &["unbindable"]);
        let kinds = "grep -E ' /[xyz] ' /proc/self/mountinfo | sed -E 's/.* (\\/[xyz]) [^ ]* ?([a-z]*).* - .*/\\1 \\2/' | sort";
        b.expect(kinds, "/x shared\n/y \n/z unbindable");
    }),
    case("a_volume_can_be_shared_with_the_host", |b| {
        let host = b.host_dir("volume");
        let shared = rustix::mount::MountPropagationFlags::SHARED;
        rustix::mount::mount("tmpfs", &host, "tmpfs", rustix::mount::MountFlags::empty(), c"").unwrap();
        rustix::mount::mount_change(&host, shared).unwrap();
        std::fs::create_dir(b.fixture.path("volume/inner")).unwrap();
        b.set("/linux/rootfsPropagation", json!("shared"));
        b.set("/process/capabilities", json!({"bounding": ["CAP_SYS_ADMIN"], "effective": ["CAP_SYS_ADMIN"],
            "permitted": ["CAP_SYS_ADMIN"]}));
        b.mount("/x", "bind", &host, &["rbind", "rshared"]);
        let outcome = b.sh("mount -t tmpfs inner /x/inner && echo mounted").run();
        let seen = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap().contains("/volume/inner ");
        for path in [b.fixture.path("volume/inner"), b.fixture.path("volume")] {
            let _ = rustix::mount::unmount(&path, rustix::mount::UnmountFlags::DETACH);
        }
        assert_eq!(outcome.ok(), "mounted");
        assert!(seen, "what is mounted in it is not seen outside");
    }),
    case("the_kernels_file_systems_are_mounted", |b| {
        b.mount("/sys", "sysfs", "sysfs", &["ro", "nosuid"]).mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid"]);
        b.mount("/dev/shm", "tmpfs", "shm", &["mode=1777", "size=1m"]);
        b.expect(
            "stat -f -c %T /proc /sys; test -d /sys/kernel && test -e /dev/pts/ptmx && stat -c %a /dev/shm",
            "proc\nsysfs\n1777",
        );
    }),
    case("paths_are_masked", |b| {
        std::fs::create_dir_all(b.rootfs("secret")).unwrap();
        std::fs::write(b.rootfs("secret/file"), "x").unwrap();
        std::fs::write(b.rootfs("hidden"), "x").unwrap();
        b.set("/linux/maskedPaths", json!(["/secret", "/hidden", "/proc/kcore", "/not/there"]));
        b.expect("ls /secret | wc -l; cat /hidden | wc -c; cat /proc/kcore | wc -c", "0\n0\n0");
    }),
    case("paths_are_read_only", |b| {
        std::fs::create_dir_all(b.rootfs("fixed")).unwrap();
        b.set("/linux/readonlyPaths", json!(["/proc/sys", "/fixed", "/not/there"]));
        b.expect("touch /fixed/x 2>&1 | grep -c Read-only; touch /free && echo free", "1\nfree");
    }),
    case("devices_are_made_as_asked", |b| {
        b.set(
            "/linux/devices",
            json!([
                {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 7, "gid": 8},
                {"path": "/elsewhere/disk", "type": "b", "major": 8, "minor": 0},
                {"path": "/dev/pipe", "type": "p", "fileMode": 0o600},
            ]),
        );
        b.expect(
            "stat -c '%F %t:%T %a %u:%g' /dev/fuse; stat -c '%F %t:%T' /elsewhere/disk; stat -c '%F %a' /dev/pipe",
            "character special file a:e5 640 7:8\nblock special file 8:0\nfifo 600",
        );
    }),
    case("a_mount_covers_an_earlier_one", |b| {
        b.mount("/x", "tmpfs", "first", &["size=64k"]).mount("/x", "tmpfs", "second", &["size=128k"]);
        b.expect("grep -c ' /x ' /proc/self/mountinfo; stat -f -c %b /x", "2\n32");
    }),
    case("nothing_of_the_host_is_left_in_sight", |b| {
        b.expect("grep -c ' / / ' /proc/self/mountinfo | grep -vx 0 | wc -l; ls / | grep -c old || true", "0\n0");
    })
    .not_on(&["runc", "crun"]),
];
