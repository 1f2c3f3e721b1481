//! `linux.resources`, as the container sees the limits in its own cgroup mount.

use hull_test_support::cgroups::is_v2;
use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::{Case, case};

/// Prints files of the container's cgroup: the names for v1, each with its controller, and those for v2.
#[track_caller]
fn limits(b: &mut Bundle, resources: Value, expected: &[(&str, &str, &str, &str)]) {
    b.namespace("cgroup", None);
    b.mount("/sys", "sysfs", "sysfs", &["ro"]);
    b.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]);
    b.set("/linux/resources", resources);
    let files = expected.iter().map(|(controller, v1, v2, _)| match is_v2(controller) {
        true => format!("/sys/fs/cgroup/{v2}"),
        false => format!("/sys/fs/cgroup/{controller}/{v1}"),
    });
    let script = format!("for f in {}; do cat $f | xargs; done", files.collect::<Vec<_>>().join(" "));
    let values: Vec<&str> = expected.iter().map(|(.., value)| *value).collect();
    b.expect(&script, &values.join("\n"));
}

const MIB: i64 = 1 << 20;

pub const CASES: &[Case] = &[
    case("memory_is_limited", |b| {
        limits(
            b,
            json!({"memory": {"limit": 64 * MIB, "reservation": 32 * MIB}}),
            &[
                ("memory", "memory.limit_in_bytes", "memory.max", "67108864"),
                ("memory", "memory.soft_limit_in_bytes", "memory.low", "33554432"),
            ],
        );
    }),
    case("swap_is_limited_with_memory", |b| {
        if !is_v2("memory") {
            let files = [("memory", "memory.memsw.limit_in_bytes", "", "134217728")];
            if std::path::Path::new("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists() {
                limits(b, json!({"memory": {"limit": 64 * MIB, "swap": 128 * MIB}}), &files);
            }
        }
    }),
    case("swappiness_is_set", |b| {
        if !is_v2("memory") {
            limits(b, json!({"memory": {"swappiness": 7}}), &[("memory", "memory.swappiness", "", "7")]);
        }
    }),
    case("the_oom_killer_can_be_off", |b| {
        if !is_v2("memory") {
            let memory = json!({"memory": {"limit": 64 * MIB, "disableOOMKiller": true}});
            let shown = "oom_kill_disable 1 under_oom 0 oom_kill 0";
            limits(b, memory, &[("memory", "memory.oom_control", "", shown)]);
        }
    }),
    case("memory_of_the_kernel_is_limited_or_it_is_said", |b| {
        if is_v2("memory") {
            return;
        }
        let tcp = json!({"memory": {"kernelTCP": 8 * MIB}});
        limits(b, tcp, &[("memory", "memory.kmem.tcp.limit_in_bytes", "", "8388608")]);
        // Linux 5.16 and later accept no value here.
        let own = "/sys/fs/cgroup/memory/memory.kmem.limit_in_bytes";
        b.set("/linux/resources", json!({"memory": {"kernel": 64 * MIB}}));
        let outcome = b.sh(&format!("cat {own}")).run();
        let is_said = outcome.stderr.contains("memory.kernel is obsolete");
        assert!(outcome.success() && (is_said || outcome.stdout == "67108864\n"), "{outcome}");
        b.fixture.assert_nothing_left();
    })
    .not_on(&["runc"]),
    case("a_memory_hog_is_killed", |b| {
        b.set("/linux/resources/memory", json!({"limit": 32 * MIB, "swap": 32 * MIB}));
        let outcome = b.sh("x=$(head -c 100m /dev/zero | tr '\\0' x); echo survived").run();
        assert!(!outcome.stdout.contains("survived"), "{outcome}");
        b.fixture.assert_nothing_left();
    }),
    case("processes_are_limited", |b| {
        limits(b, json!({"pids": {"limit": 23}}), &[("pids", "pids.max", "pids.max", "23")]);
    }),
    case("processes_without_limit_are_max", |b| {
        limits(b, json!({"pids": {"limit": -1}}), &[("pids", "pids.max", "pids.max", "max")]);
    }),
    case("cpu_time_is_limited", |b| {
        let cpu = json!({"cpu": {"shares": 512, "quota": 20_000, "period": 50_000}});
        match is_v2("cpu") {
            true => limits(b, cpu, &[("cpu", "", "cpu.max", "20000 50000")]),
            false => limits(
                b,
                cpu,
                &[
                    ("cpu", "cpu.shares", "", "512"),
                    ("cpu", "cpu.cfs_quota_us", "", "20000"),
                    ("cpu", "cpu.cfs_period_us", "", "50000"),
                ],
            ),
        }
    }),
    case("cpu_time_can_be_saved_up", |b| {
        let cpu = json!({"cpu": {"quota": 20_000, "period": 50_000, "burst": 10_000}});
        limits(b, cpu, &[("cpu", "cpu.cfs_burst_us", "cpu.max.burst", "10000")]);
    })
    .not_on(&["runc", "crun"]),
    case("a_container_can_be_idle", |b| {
        limits(b, json!({"cpu": {"idle": 1}}), &[("cpu", "cpu.idle", "cpu.idle", "1")]);
    })
    .not_on(&["runc", "crun"]),
    case("real_time_is_limited_or_refused", |b| {
        let asked = json!({"cpu": {"realtimeRuntime": 10_000, "realtimePeriod": 500_000}});
        if has_real_time(b) {
            let files =
                [("cpu", "cpu.rt_runtime_us", "", "10000"), ("cpu", "cpu.rt_period_us", "", "500000")];
            limits(b, asked, &files);
        } else {
            let named = if is_v2("cpu") { "realtime" } else { "cpu.rt_period_us" };
            b.set("/linux/resources", asked).refused(named);
        }
    })
    .not_on(&["crun"]),
    case("cpus_and_memory_nodes_are_chosen", |b| {
        b.set("/linux/resources", json!({"cpu": {"cpus": "0", "mems": "0"}}));
        b.expect("grep -E 'Cpus_allowed_list|Mems_allowed_list' /proc/self/status | cut -f2", "0\n0");
    }),
    case("block_io_is_throttled", |b| {
        let Some(disk) = disk() else { return };
        let device = |rate: u64| json!([{"major": disk.0, "minor": disk.1, "rate": rate}]);
        let shown = |rate: u64| format!("{}:{} {rate}", disk.0, disk.1);
        let block_io = json!({"blockIO": {
            "throttleReadBpsDevice": device(1_000_000), "throttleWriteBpsDevice": device(2_000_000),
            "throttleReadIOPSDevice": device(66), "throttleWriteIOPSDevice": device(77)}});
        if !is_v2("blkio") {
            limits(
                b,
                block_io,
                &[
                    ("blkio", "blkio.throttle.read_bps_device", "", &shown(1_000_000)),
                    ("blkio", "blkio.throttle.write_bps_device", "", &shown(2_000_000)),
                    ("blkio", "blkio.throttle.read_iops_device", "", &shown(66)),
                    ("blkio", "blkio.throttle.write_iops_device", "", &shown(77)),
                ],
            );
        }
    }),
    case("block_io_has_a_weight", |b| {
        if !is_v2("blkio") {
            b.namespace("cgroup", None).set("/linux/resources", json!({"blockIO": {"weight": 500}}));
            b.mount("/sys", "sysfs", "sysfs", &["ro"]).mount("/sys/fs/cgroup", "cgroup", "cgroup", &["ro"]);
            b.expect(
                "cd /sys/fs/cgroup/blkio; cat blkio.bfq.weight blkio.weight 2> /dev/null | head -1",
                "500",
            );
        }
    }),
    case("weights_that_the_scheduler_of_disks_lacks_are_refused", |b| {
        if is_v2("blkio") || std::path::Path::new("/sys/fs/cgroup/blkio/blkio.leaf_weight").exists() {
            return;
        }
        let Some(disk) = disk() else { return };
        b.set("/linux/resources", json!({"blockIO": {"leafWeight": 300}})).refused("blkio.leaf_weight");
        let device = json!([{"major": disk.0, "minor": disk.1, "leafWeight": 300}]);
        b.set("/linux/resources", json!({"blockIO": {"weightDevice": device}}));
        b.refused("blkio.leaf_weight_device");
    })
    .not_on(&["runc", "crun"]),
    case("what_it_reads_and_writes_is_counted_for_itself", |b| {
        if !is_v2("blkio") {
            let own = b.fixture.cgroup();
            b.expect("grep ':blkio:' /proc/self/cgroup | cut -d: -f3", &own);
        }
    }),
    case("huge_pages_are_limited", |b| {
        let limit = json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]});
        b.namespace("cgroup", None).set("/linux/resources", limit);
        b.mount("/sys", "sysfs", "sysfs", &["ro"]).mount("/sys/fs/cgroup", "cgroup", "cgroup", &["ro"]);
        b.expect(
            "cat $(find /sys/fs/cgroup -name 'hugetlb.2MB.max' -o -name 'hugetlb.2MB.limit_in_bytes')",
            "4194304",
        );
    })
    .not_on(&["runc", "crun"]),
    case("a_page_size_that_is_none_is_refused", |b| {
        b.set("/linux/resources", json!({"hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}))
            .refused("3MB");
    })
    .not_on(&["runc", "crun"]),
    case("a_limit_without_its_controller_is_refused", |b| {
        if !std::fs::read_to_string("/proc/cgroups").unwrap_or_default().contains("rdma") {
            b.set("/linux/resources", json!({"rdma": {"mlx5_1": {"hcaHandles": 3}}})).refused("rdma");
        }
    })
    .not_on(&["runc", "crun"]),
    case("network_traffic_is_classified", |b| {
        let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        if mounts.contains(",net_cls") || mounts.contains("net_cls,") {
            let network = json!({"network": {"classID": 0x10_0001}});
            limits(b, network, &[("net_cls", "net_cls.classid", "", "1048577")]);
        } else if b.is_hull() {
            let named = if is_v2("memory") { "classes" } else { "net_cls" };
            b.set("/linux/resources", json!({"network": {"classID": 0x10_0001}})).refused(named);
            let named = if is_v2("memory") { "classes" } else { "net_prio" };
            let priorities = json!([{"name": "lo", "priority": 5}]);
            b.set("/linux/resources", json!({"network": {"priorities": priorities}})).refused(named);
        }
    })
    .not_on(&["crun"]),
    case("files_of_v2_are_refused_on_v1", |b| {
        if !is_v2("memory") {
            b.set("/linux/resources", json!({"unified": {"memory.high": "1000000"}})).refused("memory.high");
        }
    }),
    case("only_the_usual_devices_can_be_opened", |b| {
        b.set("/linux/resources", json!({"devices": [{"allow": false, "access": "rwm"}]}));
        b.set(
            "/process/capabilities",
            json!({"bounding": ["CAP_MKNOD"], "effective": ["CAP_MKNOD"],
            "permitted": ["CAP_MKNOD"]}),
        );
        b.expect(
            "mknod /mem c 1 1; mknod /null c 1 3; (cat /mem | head -c 1) 2>&1 | grep -c 'not permitted'; cat /null; echo x > /null && echo ok",
            "1\nok",
        );
    }),
    case("a_device_that_is_allowed_can_be_opened", |b| {
        let rules = json!([{"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]);
        b.set("/linux/resources", json!({"devices": rules}));
        b.set("/linux/devices", json!([{"path": "/dev/messages", "type": "c", "major": 1, "minor": 11}]));
        // Reading the kernel's messages needs this capability too.
        b.set(
            "/process/capabilities",
            json!({"bounding": ["CAP_SYSLOG"], "effective": ["CAP_SYSLOG"],
            "permitted": ["CAP_SYSLOG"]}),
        );
        b.expect(
            "(: < /dev/messages) && echo read; (: > /dev/messages) 2> /dev/null || echo denied",
            "read\ndenied",
        );
    }),
    case("without_a_cgroup_namespace_only_the_containers_cgroups_are_seen", |b| {
        b.mount("/sys", "sysfs", "sysfs", &["ro"]);
        b.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]);
        if !is_v2("memory") {
            b.set("/linux/resources", json!({"memory": {"limit": 64 * MIB}}));
            b.expect(
                "cd /sys/fs/cgroup/memory; cat memory.limit_in_bytes; ls -d */ 2> /dev/null | wc -l",
                "67108864\n0",
            );
        }
    }),
    case("zeros_that_engines_write_are_no_limits", |b| {
        limits(
            b,
            json!({"memory": {"limit": 0, "swap": 0}, "pids": {"limit": -1}, "cpu": {"shares": 0, "quota": 0},
                "blockIO": {"weight": 0}, "devices": null}),
            &[("pids", "pids.max", "pids.max", "max")],
        );
    }),
];

/// Whether cgroups divide real time (`CONFIG_RT_GROUP_SCHED`, v1). If so, the parent of the container's cgroup has some.
pub fn has_real_time(b: &Bundle) -> bool {
    let root = std::path::Path::new("/sys/fs/cgroup/cpu");
    if is_v2("cpu") || !root.join("cpu.rt_runtime_us").exists() {
        return false;
    }
    let parent = root.join(b.fixture.cgroup_parent().trim_start_matches('/'));
    std::fs::create_dir_all(&parent).unwrap();
    std::fs::write(parent.join("cpu.rt_runtime_us"), "50000").unwrap();
    true
}

/// A whole disk of this machine.
fn disk() -> Option<(u32, u32)> {
    let mut disks = std::fs::read_dir("/sys/block").ok()?.flatten().map(|entry| entry.path());
    let real = disks.find(|path| path.join("device").exists())?;
    let number = std::fs::read_to_string(real.join("dev")).ok()?;
    let (major, minor) = number.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
