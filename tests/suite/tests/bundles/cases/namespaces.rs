//! Namespaces: new, joined by path, or the runtime's own. Also the settings inside them.

use serde_json::json;

use crate::bundle::Other;
use crate::{Case, case};

fn own(kind: &str) -> String {
    std::fs::read_link(format!("/proc/thread-self/ns/{kind}")).unwrap().display().to_string()
}

fn ip(words: &[&str]) -> String {
    let done = std::process::Command::new("ip").args(words).output().expect("ip is installed");
    assert!(done.status.success(), "ip {words:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// In the case's own network namespace.
fn make_device() {
    ip(&["link", "add", "outside0", "type", "veth", "peer", "name", "peer0"]);
    ip(&["addr", "add", "10.9.8.7/24", "dev", "outside0"]);
}

pub const CASES: &[Case] = &[
    case("a_new_namespace_is_another_one", |b| {
        b.namespace("cgroup", None);
        let printed = b.prints("for n in pid net mnt ipc uts cgroup; do readlink /proc/self/ns/$n; done");
        for (line, kind) in printed.lines().zip(["pid", "net", "mnt", "ipc", "uts", "cgroup"]) {
            assert_ne!(line, own(kind), "{kind}");
        }
    }),
    case("a_namespace_that_is_not_named_is_the_runtimes", |b| {
        for kind in ["network", "ipc"] {
            b.without_namespace(kind);
        }
        let printed = b.prints("readlink /proc/self/ns/net; readlink /proc/self/ns/ipc");
        assert_eq!(printed, format!("{}\n{}", own("net"), own("ipc")));
    }),
    case("the_first_process_is_number_one", |b| b.expect("echo $$", "1")),
    case("hostname_is_the_containers", |b| {
        b.set("/hostname", json!("other")).expect("hostname", "other");
    }),
    case("domainname_is_the_containers", |b| {
        b.set("/domainname", json!("example.org")).expect("cat /proc/sys/kernel/domainname", "example.org");
    })
    .not_on(&["runc"]),
    case("a_hostname_without_its_namespace_is_refused", |b| {
        b.without_namespace("uts").refused("uts");
    }),
    case("a_network_of_its_own_has_the_loopback_only", |b| {
        b.expect(
            "tail -n +3 /proc/net/dev | cut -d: -f1 | xargs; ip link show lo | grep -c LOOPBACK,UP",
            "lo\n1",
        );
    })
    .not_on(&["crun"]),
    case("a_network_is_joined_by_path", |b| {
        let other = Other::start(&["--net"], "true");
        b.namespace("network", Some(&other.path("net")));
        b.expect("readlink /proc/self/ns/net", &other.name("net"));
    }),
    case("uts_and_ipc_are_joined_by_path", |b| {
        let other = Other::start(&["--uts", "--ipc"], "hostname elsewhere");
        b.config.as_object_mut().unwrap().remove("hostname");
        b.namespace("uts", Some(&other.path("uts"))).namespace("ipc", Some(&other.path("ipc")));
        b.expect("hostname; readlink /proc/self/ns/ipc", &format!("elsewhere\n{}", other.name("ipc")));
    }),
    case("a_pid_namespace_is_joined_by_path", |b| {
        let other = Other::start(&["--pid", "--fork"], "true");
        b.namespace("pid", Some(&other.path("pid")));
        b.expect(
            "readlink /proc/self/ns/pid; test $$ -ne 1 && echo behind",
            &format!("{}\nbehind", other.name("pid")),
        );
    }),
    case("a_cgroup_namespace_begins_at_the_containers_cgroup", |b| {
        b.namespace("cgroup", None);
        b.expect("grep -E ':(memory|):|:$' /proc/self/cgroup | cut -d: -f3 | sort -u", "/");
    })
    .not_on(&["runc", "crun"]),
    case("clocks_differ_by_their_offsets", |b| {
        b.namespace("time", None);
        b.set(
            "/linux/timeOffsets",
            json!({"boottime": {"secs": 1_000_000_000, "nanosecs": 5}, "monotonic": {"secs": 9}}),
        );
        b.expect("test $(cut -d. -f1 /proc/uptime) -gt 1000000000 && echo later", "later");
    })
    .not_on(&["runc", "crun"]),
    case("a_time_namespace_is_joined_by_path", |b| {
        // The unshare of busybox, which the virtual machine has, does not support time namespaces.
        let usage = std::process::Command::new("unshare").arg("--help").output().unwrap();
        if !String::from_utf8_lossy(&usage.stdout).contains("--boottime") {
            return;
        }
        let other = Other::start(&["--time", "--boottime", "500000000", "--fork"], "true");
        b.namespace("time", Some(&other.path("time")));
        b.expect("test $(cut -d. -f1 /proc/uptime) -gt 500000000 && echo later", "later");
    })
    .not_on(&["runc", "crun"]),
    case("offsets_need_a_time_namespace", |b| {
        b.set("/linux/timeOffsets", json!({"monotonic": {"secs": 9}})).refused("time namespace");
    })
    .not_on(&["runc", "crun"]),
    case("a_namespace_of_another_kind_is_refused", |b| {
        let path = format!("/proc/{}/ns/net", std::process::id());
        b.namespace("ipc", Some(&path)).refused(&path);
    }),
    case("a_path_that_is_no_namespace_is_refused", |b| {
        b.namespace("network", Some("/etc/passwd")).refused("/etc/passwd");
    }),
    case("a_namespace_named_twice_is_refused", |b| {
        b.push("/linux/namespaces", json!({"type": "pid"})).refused("twice");
    })
    .not_on(&["crun"]),
    case("an_unknown_namespace_is_refused", |b| {
        b.push("/linux/namespaces", json!({"type": "nonsense"})).refused("nonsense");
    }),
    case("sysctls_of_the_containers_namespaces_are_set", |b| {
        b.set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1", "kernel.msgmax": "4096"}));
        b.expect("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax", "1\n4096");
    }),
    case("sysctls_of_the_machine_are_refused", |b| {
        b.set("/linux/sysctl", json!({"vm.swappiness": "1"})).refused("vm.swappiness");
    })
    .not_on(&["crun"]),
    case("sysctls_without_their_namespace_are_refused", |b| {
        b.without_namespace("network")
            .set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}))
            .refused("ip_forward");
    })
    .not_on(&["crun"]),
    case("a_network_device_moves_in_with_its_addresses", |b| {
        make_device();
        b.set("/linux/netDevices", json!({"outside0": {"name": "inside0"}}));
        let printed = b.prints(
            "ip -o addr show inside0 | grep -o 'inet 10[^ ]*'; ip link show inside0 | grep -o '[,<]UP'",
        );
        assert_eq!(printed.replace('<', ","), "inet 10.9.8.7/24\n,UP");
        b.company = true;
    })
    .not_on(&["runc", "crun"]),
    case("a_network_device_moves_back_when_the_create_fails", |b| {
        make_device();
        b.company = true;
        b.set("/linux/netDevices", json!({"outside0": {"name": "inside0"}}));
        b.set("/process/args", json!(["/nowhere"]));
        assert!(!b.run().success());
        let shown = ip(&["-o", "addr", "show", "outside0"]);
        assert!(shown.contains("10.9.8.7/24"), "{shown}");
        ip(&["link", "delete", "outside0"]);
    })
    .not_on(&["runc", "crun"]),
    case("a_network_device_that_is_missing_is_refused", |b| {
        b.set("/linux/netDevices", json!({"nowhere0": {}})).refused("nowhere0");
        b.set("/linux/netDevices", json!({"a/b": {}})).refused("a/b");
    })
    .not_on(&["runc", "crun"]),
    case("a_mount_namespace_is_joined_by_path", |b| {
        let other = Other::start(&["--mount"], "true");
        let rootfs = b.rootfs("").display().to_string();
        b.set("/root/path", json!(rootfs)).set("/mounts", json!([]));
        b.namespace("mount", Some(&other.path("mnt"))).without_namespace("pid");
        b.expect("ls / | grep -c etc; test -e /etc/issue-of-image && echo inside", "1\ninside");
        assert_ne!(other.name("mnt"), own("mnt"));
    })
    .not_on(&["runc", "crun"]),
];
