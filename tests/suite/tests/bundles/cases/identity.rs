//! The user of the process, its rights, and user namespaces.

use std::os::unix::fs::{MetadataExt, chown};

use serde_json::{Value, json};

use crate::bundle::{Bundle, Other};
use crate::{Case, case};

const STATUS: &str = "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | cut -f2 | xargs";

/// As an engine does that gives each container ids of its own.
fn map(b: &mut Bundle) {
    let ids = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
    b.namespace("user", None).set("/linux/uidMappings", ids.clone()).set("/linux/gidMappings", ids);
    give_to(b, 100_000);
}

fn give_to(b: &Bundle, id: u32) {
    let mut chown = std::process::Command::new("chown");
    assert!(chown.args(["-hR", &format!("{id}:{id}")]).arg(b.rootfs("")).status().unwrap().success());
}

/// A tmpfs supports it since Linux 6.3, and the virtual machine has an older kernel.
pub(super) fn maps_ids(directory: &str) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|number| number.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (6, 3) || rustix::fs::statfs(directory).unwrap().f_type != TMPFS
}

fn capabilities(names: &[&str]) -> Value {
    json!({"bounding": names, "effective": names, "permitted": names})
}

pub const CASES: &[Case] = &[
    case("user_and_group_are_numbers", |b| {
        b.set("/process/user", json!({"uid": 1000, "gid": 2000}));
        b.expect("id -u; id -g; id -G", "1000\n2000\n2000");
    }),
    case("additional_groups_are_set", |b| {
        b.set("/process/user", json!({"uid": 1000, "gid": 2000, "additionalGids": [5, 77]}));
        b.expect("id -G", "2000 5 77");
    }),
    case("without_capabilities_root_has_none", |b| {
        b.set("/process/capabilities", capabilities(&[]));
        let zero = "0000000000000000";
        b.expect(STATUS, &[zero; 5].join(" "));
    }),
    case("five_sets_of_capabilities_are_set", |b| {
        b.set(
            "/process/capabilities",
            json!({
                "bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_NET_RAW"],
                "permitted": ["CAP_KILL", "CAP_CHOWN"],
                "effective": ["CAP_KILL"],
                "inheritable": [],
            }),
        );
        // execve(2) gives a program of root its bounding set.
        b.expect(STATUS, "0000000000000000 0000000000002021 0000000000002021 0000000000002021 0000000000000000");
    }),
    case("ambient_capabilities_reach_an_unprivileged_user", |b| {
        let all = ["CAP_NET_BIND_SERVICE"];
        b.set("/process/user", json!({"uid": 1000, "gid": 1000}));
        b.set(
            "/process/capabilities",
            json!({"bounding": all, "permitted": all, "effective": all, "inheritable": all, "ambient": all}),
        );
        b.expect(STATUS, &["0000000000000400"; 5].join(" "));
    }),
    case("an_unprivileged_user_has_no_capabilities", |b| {
        b.set("/process/user", json!({"uid": 1000, "gid": 1000}));
        b.set("/process/capabilities", capabilities(&["CAP_KILL"]));
        b.expect("grep CapEff /proc/self/status | cut -f2", "0000000000000000");
    }),
    case("what_a_capability_allows_is_refused_without", |b| {
        b.set("/process/capabilities", capabilities(&["CAP_CHOWN"]));
        b.expect("touch /x && chown 7 /x && stat -c %u /x; mount -t tmpfs x /tmp 2>&1 | grep -c denied", "7\n1");
    }),
    case("a_user_namespace_maps_its_ids", |b| {
        map(b);
        let printed = b.prints("id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map | xargs; touch /made");
        assert_eq!(printed, "0\n0\n0 100000 65536 0 100000 65536");
        let made = std::fs::metadata(b.rootfs("made")).unwrap();
        assert_eq!((made.uid(), made.gid()), (100_000, 100_000));
    }),
    case("in_a_user_namespace_a_user_is_one_of_its_own", |b| {
        map(b);
        b.set("/process/user", json!({"uid": 1000, "gid": 2000, "additionalGids": [5]}));
        b.expect("id -u; id -G", "1000\n2000 5");
    }),
    case("in_a_user_namespace_all_usual_mounts_work", |b| {
        map(b);
        b.namespace("cgroup", None);
        b.mount("/sys", "sysfs", "sysfs", &["ro", "nosuid", "noexec", "nodev"]);
        b.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]);
        b.mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid"]).mount("/dev/shm", "tmpfs", "shm", &["size=64k"]);
        b.set("/linux/maskedPaths", json!(["/proc/kcore", "/sys/firmware"]));
        b.set("/linux/readonlyPaths", json!(["/proc/sys"]));
        b.expect("echo x > /dev/null && head -c 1 /dev/zero | wc -c && echo 1 > /proc/sys/kernel/shmmax || echo ro", "1\nro");
    }),
    case("in_a_user_namespace_binds_and_limits_work", |b| {
        map(b);
        let host = b.host_dir("volume");
        chown(&host, Some(100_007), Some(100_007)).unwrap();
        b.mount("/volume", "bind", &host, &["rbind"]);
        b.mount("/etc/resolv.conf", "bind", "/etc/passwd", &["bind", "ro"]);
        b.set("/linux/resources/pids/limit", json!(50));
        b.set("/hostname", json!("mapped"));
        b.expect("stat -c %u /volume; touch /etc/resolv.conf 2>&1 | grep -c Read-only; hostname", "7\n1\nmapped");
    }),
    case("a_user_namespace_needs_mappings", |b| {
        b.namespace("user", None).refused("uidMappings");
    })
    .not_on(&["runc", "crun"]),
    case("mappings_need_a_user_namespace", |b| {
        b.set("/linux/uidMappings", json!([{"containerID": 0, "hostID": 7, "size": 1}])).refused("Mappings");
    })
    .not_on(&["runc", "crun"]),
    case("a_user_namespace_can_be_joined_with_others", |b| {
        let other = Other::start(&["--user", "--net", "--ipc"], "true");
        for file in ["uid_map", "gid_map"] {
            std::fs::write(other.file(file), "0 200000 1000").unwrap();
        }
        give_to(b, 200_000);
        for (kind, file) in [("user", "user"), ("network", "net"), ("ipc", "ipc")] {
            b.namespace(kind, Some(&other.path(file)));
        }
        let (user, net) = (other.name("user"), other.name("net"));
        let printed = b.sh("id -u; readlink /proc/self/ns/user; readlink /proc/self/ns/net; cat /proc/self/uid_map | xargs").run();
        assert_eq!(printed.ok(), format!("0\n{user}\n{net}\n0 200000 1000"));
    })
    // The specification demands mappings in this case as well.
    .not_on(&["runc"]),
    case("an_idmapped_mount_shows_other_ids", |b| {
        let host = b.host_dir("volume");
        if !maps_ids(&host) {
            return;
        }
        chown(&host, Some(0), Some(0)).unwrap();
        b.fixture.write("volume/file", &json!(1));
        let ids = json!([{"containerID": 0, "hostID": 5000, "size": 1000}]);
        b.push(
            "/mounts",
            json!({"destination": "/volume", "type": "bind", "source": host, "options": ["bind", "idmap"],
                "uidMappings": ids, "gidMappings": ids}),
        );
        b.expect("stat -c %u:%g /volume/file", "5000:5000");
        assert_eq!(std::fs::metadata(b.fixture.path("volume/file")).unwrap().uid(), 0);
    })
    .not_on(&["runc", "crun"]),
    case("an_idmapped_mount_takes_the_containers_mappings", |b| {
        map(b);
        let host = b.host_dir("volume");
        if !maps_ids(&host) {
            return;
        }
        chown(&host, Some(0), Some(0)).unwrap();
        b.mount("/volume", "bind", &host, &["rbind", "ridmap"]);
        b.expect("stat -c %u /volume; touch /volume/made && stat -c %u /volume/made", "0\n0");
        assert_eq!(std::fs::metadata(b.fixture.path("volume/made")).unwrap().uid(), 0);
    })
    .not_on(&["runc", "crun"]),
];
