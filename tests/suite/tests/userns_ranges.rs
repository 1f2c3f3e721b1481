//! The ids of `--userns auto`: no two containers have the same, even after commands were killed. The maps of every mode are
//! compared with podman's.

use std::collections::HashMap;
use std::path::PathBuf;

use hull_test_support::Scenario;
use hull_test_support::outcome::run;
use hull_test_support::peers::Podman;

/// The ids that /etc/subuid and /etc/subgid give to names, in the test's mount namespace, until this is dropped.
struct SubordinateIds;

const FILES: [&str; 2] = ["/etc/subuid", "/etc/subgid"];

impl SubordinateIds {
    #[must_use]
    fn new(t: &Scenario, text: &str) -> Self {
        let own = t.write("subordinate-ids", text);
        for file in FILES {
            assert!(std::path::Path::new(file).exists(), "{file} is part of every Debian");
            rustix::mount::mount_bind(&own, file).unwrap();
        }
        Self
    }
}

impl Drop for SubordinateIds {
    fn drop(&mut self) {
        for file in FILES {
            let _ = rustix::mount::unmount(file, rustix::mount::UnmountFlags::empty());
        }
    }
}

/// The first id on the host and the number of ids, of a container with one range.
fn range(t: &Scenario, name: &str) -> (u32, u32) {
    let maps = t.inspect(name, "{{index .HostConfig.IDMappings.UidMap 0}}");
    assert_eq!(maps, t.inspect(name, "{{index .HostConfig.IDMappings.GidMap 0}}"));
    let numbers: Vec<u32> = maps.split(':').map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers[0], 0);
    (numbers[1], numbers[2])
}

fn create(t: &Scenario, name: &str, userns: &str) -> hull_test_support::Outcome {
    t.hull(&["create", "--name", name, "--network", "none", "--userns", userns, "busybox", "sleep", "1000"])
}

fn leases(t: &Scenario) -> PathBuf {
    t.data_root().join("ids")
}

#[test]
fn twenty_containers_started_at_once_share_no_id() {
    let Some(t) = Scenario::with_busybox() else { return };
    let names: Vec<String> = (0..20).map(|n| format!("box{n}")).collect();
    let start = |name: &String| {
        t.spawn(&[
            "run",
            "-d",
            "--name",
            name,
            "--network",
            "none",
            "--userns",
            "auto",
            "busybox",
            "sleep",
            "1000",
        ])
    };
    let running: Vec<_> = names.iter().map(start).collect();
    for command in running {
        command.wait().ok();
    }
    let mut ranges: Vec<(u32, u32)> = names.iter().map(|name| range(&t, name)).collect();
    ranges.sort_unstable();
    assert!(ranges.windows(2).all(|two| two[0].0 + two[0].1 <= two[1].0), "{ranges:?}");
    // The kernel shows the ids that were recorded.
    for name in &names {
        let map = t.ok(&["exec", name, "cat", "/proc/self/uid_map"]);
        let (first, count) = range(&t, name);
        assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", &first.to_string(), &count.to_string()]);
    }
}

#[test]
fn a_range_is_free_again_after_its_container_and_an_exhausted_pool_is_a_sentence() {
    let Some(t) = Scenario::with_busybox() else { return };
    let _ids = SubordinateIds::new(&t, "containers:3000000:3000\n");
    for name in ["box1", "box2", "box3"] {
        create(&t, name, "auto:size=1000").ok();
    }
    assert_eq!(["box1", "box2", "box3"].map(|name| range(&t, name).0), [3000000, 3001000, 3002000]);
    let full = create(&t, "box4", "auto:size=1000");
    assert!(full.fails(1).contains("1000 ids in a row are not free"), "{full}");
    t.hull(&["inspect", "box4"]).fails(1);
    t.ok(&["rm", "box2"]);
    create(&t, "box4", "auto:size=1000").ok();
    assert_eq!(range(&t, "box4"), (3001000, 1000));
    t.ok(&["rm", "box3", "box4"]);
    // Without a number, the container gets fewer ids if the usual number is not free.
    create(&t, "box5", "auto").ok();
    assert_eq!(range(&t, "box5"), (3001000, 1024));
    // Ids that a container got by another option are not given to another container.
    t.ok(&["rm", "box5"]);
    t.ok(&["create", "--name", "own", "--uidmap", "0:3001000:500", "busybox", "true"]);
    create(&t, "box6", "auto:size=1000").ok();
    assert_eq!(range(&t, "box6"), (3001500, 1000));
}

#[test]
fn what_a_killed_command_has_leased_is_free_and_what_a_container_has_is_not() {
    let Some(t) = Scenario::with_busybox() else { return };
    let _ids = SubordinateIds::new(&t, "containers:3000000:2000\n");
    create(&t, "box1", "auto:size=1000").ok();
    let id = t.inspect("box1", "{{.Id}}");
    // A command that was killed after the lease and before the container: its process is gone, and there is no container.
    let lease = std::fs::read_to_string(leases(&t).join(&id)).unwrap();
    let left = lease.replace("3000000", "3001000");
    let stale = leases(&t).join("f".repeat(64));
    std::fs::write(&stale, left).unwrap();
    create(&t, "box2", "auto:size=1000").ok();
    assert_eq!(range(&t, "box2"), (3001000, 1000));
    assert!(!stale.exists());
    // A damaged lease: the container's own record has its ids.
    std::fs::write(leases(&t).join(&id), "damaged").unwrap();
    create(&t, "box3", "auto:size=1000").fails(1);
    t.ok(&["rm", "box1"]);
    assert!(!leases(&t).join(&id).exists());
    create(&t, "box3", "auto:size=1000").ok();
    assert_eq!(range(&t, "box3").0, 3000000);
}

#[test]
fn a_creator_killed_at_any_moment_keeps_no_ids() {
    let Some(t) = Scenario::with_busybox() else { return };
    let _ids = SubordinateIds::new(&t, "containers:3000000:1000\n");
    for pause in 0..5 {
        let mut command = t.spawn(&["create", "--userns", "auto:size=1000", "busybox", "true"]);
        std::thread::sleep(std::time::Duration::from_millis(pause * 8));
        command.kill();
        command.wait();
        for id in t.ok(&["ps", "-aq", "--no-trunc"]).lines() {
            t.ok(&["rm", id]);
        }
        create(&t, "box", "auto:size=1000").ok();
        t.ok(&["rm", "box"]);
    }
}

#[test]
fn every_mode_has_podmans_ids() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(podman) = Podman::new(&t, t.path("podman")) else { return };
    let _ids =
        SubordinateIds::new(&t, "containers:2147483647:2147483648\nann:300000:5000\nann:400000:5000\n");
    let tar = hull_test_support::fixtures::busybox();
    podman.ok(&["import", "--quiet", tar.to_str().unwrap(), "busybox"]);
    let modes: [(&str, &[&str]); 6] = [
        ("both", &["--uidmap", "0:100000:5000"]),
        ("groups", &["--gidmap", "0:100000:5000"]),
        ("several", &["--uidmap", "0:100000:10", "--uidmap", "10:200000:10", "--gidmap", "0:5:6"]),
        ("named", &["--subuidname", "ann"]),
        ("sized", &["--userns", "auto:size=5000"]),
        ("more", &["--userns", "auto:size=5000,uidmapping=5:1000:2,gidmapping=7:1000:1"]),
    ];
    for (name, options) in modes {
        let args = [&["create", "--name", name, "--network", "none"], options, &["busybox", "true"]].concat();
        podman.ok(&args);
        t.ok(&args);
        let template = "{{json .HostConfig.IDMappings}}";
        // podman prints them in any order.
        let sorted = |text: &str| {
            let mut maps: serde_json::Value = serde_json::from_str(text).unwrap();
            for kind in ["UidMap", "GidMap"] {
                maps[kind].as_array_mut().unwrap().sort_by_key(|map| map.to_string());
            }
            maps
        };
        let theirs = podman.ok(&["inspect", "-f", template, name]);
        assert_eq!(sorted(&t.inspect(name, template)), sorted(&theirs), "{options:?}");
        t.ok(&["rm", name]);
        podman.ok(&["rm", name]);
    }
    let refused: [&[&str]; 9] = [
        &["--userns", "keep-id"],
        &["--userns", "nomap"],
        &["--userns", "private"],
        &["--userns", "auto", "--uidmap", "0:1:1"],
        &["--userns", "host", "--uidmap", "0:1:1"],
        &["--uidmap", "1:100000:5000"],
        &["--subuidname", "nobody-of-this-name"],
        &["--userns", "container:nobody-of-this-name"],
        &["--userns", "auto:size=99999999999"],
    ];
    for options in refused {
        let args = [&["create", "--network", "none"], options, &["busybox", "true"]].concat();
        assert!(!run(&mut podman.command(&args)).success(), "podman takes {options:?}");
        assert!(!t.hull(&args).success(), "{options:?}");
    }
    let modes: HashMap<&str, &str> =
        [("--userns=container:first", "container:ID"), ("--uidmap=0:1:9", "private")].into();
    t.ok(&["create", "--name", "first", "--userns", "auto", "busybox", "true"]);
    podman.ok(&["create", "--name", "first", "--network", "none", "--userns", "auto", "busybox", "true"]);
    for (option, wanted) in modes {
        let args = ["create", "--name", "second", "--network", "none", option, "busybox", "true"];
        t.ok(&args);
        podman.ok(&args);
        let own = t.inspect("second", "{{.HostConfig.UsernsMode}}");
        let theirs = podman.ok(&["inspect", "-f", "{{.HostConfig.UsernsMode}}", "second"]);
        let id = |text: String, first: String| text.replace(&first, "ID");
        assert_eq!(id(own, t.inspect("first", "{{.Id}}")), wanted);
        assert_eq!(id(theirs, podman.ok(&["inspect", "-f", "{{.Id}}", "first"])), wanted);
        t.ok(&["rm", "second"]);
        podman.ok(&["rm", "second"]);
    }
}
