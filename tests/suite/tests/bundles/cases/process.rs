//! `process`: the program, and how the kernel treats it.

use hull_test_support::cgroups::is_v2;
use serde_json::json;

use crate::{Case, case};

pub const CASES: &[Case] = &[
    case("an_exit_code_comes_back", |b| {
        for code in [0, 1, 7, 255] {
            let outcome = b.sh(&format!("exit {code}")).run();
            assert_eq!(outcome.code(), code, "{outcome}");
        }
        b.fixture.assert_nothing_left();
    }),
    case("arguments_are_passed_as_they_are", |b| {
        b.set("/process/args", json!(["echo", "a b", "", "$HOME", "*"]));
        assert_eq!(b.run().ok(), "a b  $HOME *");
    }),
    case("the_environment_is_the_bundles", |b| {
        b.set("/process/env", json!(["PATH=/bin", "A=1 2", "B=", "C=x=y"]));
        b.expect("echo \"$A|$B|$C\"; env | grep -c HULL || true", "1 2||x=y\n0");
    }),
    case("a_program_is_found_by_the_containers_path", |b| {
        std::fs::create_dir(b.rootfs("opt")).unwrap();
        std::os::unix::fs::symlink("/bin/busybox", b.rootfs("opt/true")).unwrap();
        b.set("/process/env", json!(["PATH=/nowhere:/opt"])).set("/process/args", json!(["true"]));
        b.run().ok();
    }),
    case("the_working_directory_is_the_bundles", |b| {
        b.set("/process/cwd", json!("/tmp"));
        b.expect("pwd", "/tmp");
    }),
    case("a_working_directory_that_is_missing_is_made", |b| {
        b.set("/process/cwd", json!("/made/deep"));
        b.expect("pwd", "/made/deep");
    }),
    case("a_relative_working_directory_is_refused", |b| {
        b.set("/process/cwd", json!("tmp")).refused("process.cwd");
    })
    .not_on(&["crun"]),
    case("a_program_that_is_missing_is_refused", |b| {
        b.set("/process/args", json!(["/nowhere/program"]));
        let outcome = b.run();
        assert!(!outcome.success(), "{outcome}");
        b.fixture.assert_nothing_left();
    }),
    case("resource_limits_are_set", |b| {
        b.set(
            "/process/rlimits",
            json!([
                {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
                {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
            ]),
        );
        b.expect("ulimit -n; ulimit -Hn; ulimit -c", "100\n200\n0");
    }),
    case("each_resource_limit_is_set", |b| {
        // As proc_pid_limits(5) shows them.
        let limits = [
            ("CPU", "Max cpu time", 3001_u64),
            ("FSIZE", "Max file size", 1 << 40),
            ("DATA", "Max data size", 1 << 41),
            ("STACK", "Max stack size", 16 << 20),
            ("CORE", "Max core file size", 4096),
            ("RSS", "Max resident set", 1 << 42),
            ("NPROC", "Max processes", 3002),
            ("NOFILE", "Max open files", 203),
            ("MEMLOCK", "Max locked memory", 1 << 21),
            ("AS", "Max address space", 1 << 43),
            ("LOCKS", "Max file locks", 3003),
            ("SIGPENDING", "Max pending signals", 304),
            ("MSGQUEUE", "Max msgqueue size", 8192),
            ("NICE", "Max nice priority", 0),
            ("RTPRIO", "Max realtime priority", 0),
            ("RTTIME", "Max realtime timeout", 5_000_000),
        ];
        for (name, _, value) in limits {
            let limit = json!({"type": format!("RLIMIT_{name}"), "soft": value, "hard": value});
            b.push("/process/rlimits", limit);
        }
        let printed = b.prints("sed 's/  */ /g' /proc/self/limits");
        for (_, shown, value) in limits {
            let line = format!("{shown} {value} {value} ");
            assert!(printed.lines().any(|found| found.starts_with(&line)), "{line}: {printed}");
        }
    }),
    case("an_unknown_resource_limit_is_refused", |b| {
        b.set("/process/rlimits", json!([{"type": "RLIMIT_X", "soft": 1, "hard": 1}])).refused("RLIMIT_X");
    }),
    case("the_oom_score_is_set", |b| {
        b.set("/process/oomScoreAdj", json!(500)).expect("cat /proc/self/oom_score_adj", "500");
    }),
    case("no_new_privileges_is_set", |b| {
        b.expect("grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t0");
        b.set("/process/noNewPrivileges", json!(true));
        b.expect("grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1");
    }),
    case("a_scheduling_policy_is_set", |b| {
        b.set("/process/scheduler", json!({"policy": "SCHED_BATCH", "nice": 7}));
        // Fields 19 and 41 of proc_pid_stat(5), counted after the name.
        b.expect("sed 's/.*) //' /proc/self/stat | cut -d' ' -f 17,39", "7 3");
    })
    .not_on(&["runc", "crun"]),
    case("each_scheduling_policy_is_set", |b| {
        // If cgroups divide real time, a real-time policy needs a share of it. On v2 there is no way to find out.
        if super::cgroups::has_real_time(b) {
            // Five times this share fits into the parent's. The kernel frees the share of a removed cgroup only after an RCU
            // grace period.
            b.set("/linux/resources/cpu", json!({"realtimeRuntime": 5_000}));
        }
        let may_be_refused = is_v2("cpu");
        let deadline = json!({"policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 50_000_000,
            "period": 100_000_000, "flags": ["SCHED_FLAG_RESET_ON_FORK"]});
        for (scheduler, shown) in [
            (json!({"policy": "SCHED_OTHER", "nice": -3}), "-3 0 0"),
            (json!({"policy": "SCHED_FIFO", "priority": 5}), "0 5 1"),
            (json!({"policy": "SCHED_RR", "priority": 7, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}), "0 7 2"),
            (json!({"policy": "SCHED_IDLE"}), "0 0 5"),
            (deadline, "0 0 6"),
        ] {
            if may_be_refused && scheduler["priority"] != json!(null) {
                continue;
            }
            b.set("/process/scheduler", scheduler);
            // This holds for the first process. Its children may have the normal policy again.
            b.expect("sed 's/.*) //' /proc/1/stat | cut -d' ' -f 17,38,39", shown);
        }
    })
    .not_on(&["runc", "crun"]),
    case("an_unknown_scheduling_policy_is_refused", |b| {
        b.set("/process/scheduler", json!({"policy": "SCHED_X"})).refused("process.scheduler");
    })
    .not_on(&["runc", "crun"]),
    case("an_io_priority_is_set", |b| {
        b.set("/process/ioPriority", json!({"class": "IOPRIO_CLASS_BE", "priority": 6}));
        b.expect("ionice", "best-effort: prio 6");
    })
    .not_on(&["runc", "crun"]),
    case("each_class_of_io_priority_is_set", |b| {
        b.set("/process/ioPriority", json!({"class": "IOPRIO_CLASS_RT", "priority": 2}));
        b.expect("ionice", "realtime: prio 2");
        b.set("/process/ioPriority", json!({"class": "IOPRIO_CLASS_IDLE", "priority": 0}));
        b.expect("ionice", "idle");
    })
    .not_on(&["runc", "crun"]),
    case("a_personality_is_set", |b| {
        b.set("/linux/personality", json!({"domain": "LINUX32"}));
        b.expect("uname -m", if cfg!(target_arch = "aarch64") { "armv8l" } else { "i686" });
    })
    .not_on(&["runc"]),
    case("a_memory_policy_is_set", |b| {
        b.set(
            "/linux/memoryPolicy",
            json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}),
        );
        b.expect(
            "grep -c bind=static:0 /proc/self/numa_maps | grep -vx 0 > /dev/null && echo bound",
            "bound",
        );
    })
    .not_on(&["runc", "crun"]),
    case("each_memory_policy_is_set", |b| {
        for (mode, nodes, shown) in [
            ("MPOL_PREFERRED", "0", "prefer:0"),
            ("MPOL_INTERLEAVE", "0", "interleave:0"),
            ("MPOL_LOCAL", "", "local"),
            ("MPOL_DEFAULT", "", "default"),
        ] {
            b.set("/linux/memoryPolicy", json!({"mode": mode, "nodes": nodes}));
            b.expect("cut -d' ' -f2 /proc/self/numa_maps | sort -u", shown);
        }
    })
    .not_on(&["runc", "crun"]),
    case("the_umask_is_set", |b| {
        b.set("/process/user/umask", json!(0o027)).expect("umask", "0027");
    }),
    case("unknown_fields_and_annotations_are_carried_or_ignored", |b| {
        b.set("/somethingNew", json!({"x": [1, 2]})).set("/process/somethingNew", json!("x"));
        b.set("/annotations", json!({"org.example.key": "value"}));
        b.expect("echo ran", "ran");
    }),
    case("an_unknown_minor_version_is_accepted", |b| {
        b.set("/ociVersion", json!("1.99.0")).expect("echo ran", "ran");
    }),
    case("signals_are_at_their_defaults", |b| {
        // The standard signals only: the C library and the caller of the test may have changed those from 32 on.
        b.expect(
            "grep -E 'SigBlk|SigIgn' /proc/self/status | cut -f2 | sed 's/.*\\(.......\\)$/\\1/'",
            "0000000\n0000000",
        );
    }),
    case("what_takes_resctrl_is_refused", |b| {
        for (field, value) in [
            ("closID", json!("guaranteed")),
            ("l3CacheSchema", json!("L3:0=ff")),
            ("memBwSchema", json!("MB:0=50")),
            ("schemata", json!(["L3:0=ff"])),
            ("enableCMT", json!(true)),
            ("enableMBM", json!(true)),
            ("enableMonitoring", json!(true)),
        ] {
            b.set("/linux/intelRdt", json!({field: value})).refused("linux.intelRdt");
        }
    })
    .not_on(&["runc", "crun"]),
    case("a_label_without_its_module_is_refused", |b| {
        if b.is_hull() && !std::path::Path::new("/sys/module/apparmor").exists() {
            b.set("/process/apparmorProfile", json!("docker-default")).refused("apparmorProfile");
        }
        if !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
            b.config["process"].as_object_mut().unwrap().remove("apparmorProfile");
            b.set("/process/selinuxLabel", json!("system_u:object_r:x_t:s0")).refused("selinuxLabel");
        }
        if b.is_hull() {
            b.config["process"].as_object_mut().unwrap().remove("selinuxLabel");
            b.set("/linux/mountLabel", json!("system_u:object_r:x_t:s0")).refused("mountLabel");
        }
    })
    .not_on(&["crun"]),
];
