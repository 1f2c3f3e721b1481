//! The start of a container's program: its environment, its working directory, its processors, its filter.

#[allow(dead_code, reason = "each suite uses its part")]
mod oci_fixture;

use std::os::unix::fs::{PermissionsExt, chown};

use hull_test_support::outcome::eventually;
use oci_fixture::{Fixture, as_user};
use serde_json::{Value, json};

/// The system calls that the C library makes before and after `main` of the smallest program, and write(2). The runtime
/// itself needs only execve(2).
const FEW: &[&str] = &[
    "arch_prctl",
    "brk",
    "execve",
    "exit_group",
    "fstat",
    "getrandom",
    "mmap",
    "mprotect",
    "newfstatat",
    "prlimit64",
    "readlink",
    "readlinkat",
    "rseq",
    "set_robust_list",
    "set_tid_address",
    "write",
];

const SMALL: &str = "#include <unistd.h>\nint main() { return write(1, \"ran\\n\", 4) != 4; }\n";

/// The filter is loaded last, so it need not allow the system calls of the runtime before it.
#[test]
fn a_filter_needs_to_allow_execve_and_what_the_program_does() {
    let Some(w) = Fixture::start() else { return };
    let Some(()) = w.compile("small", SMALL) else { return };
    for no_new_privileges in [true, false] {
        for (uid, profile) in [(0, "ERRNO"), (1000, "ERRNO"), (0, "KILL_PROCESS")] {
            let mut config = w.config(&["/small"]);
            as_user(&mut config, uid);
            config["process"]["noNewPrivileges"] = no_new_privileges.into();
            config["linux"]["seccomp"] = json!({"defaultAction": format!("SCMP_ACT_{profile}"),
                "syscalls": [{"names": FEW, "action": "SCMP_ACT_ALLOW"}]});
            w.bundle(&config);
            let case = format!("no_new_privs {no_new_privileges}, uid {uid}, {profile}");
            assert_eq!(w.oci(&["run", "--bundle", "bundle", "box"]).ok(), "ran", "{case}");
            w.detached(&["create", "--bundle", "bundle", "box"]).ok();
            assert_eq!(w.oci(&["exec", "box", "/small"]).ok(), "ran", "exec, {case}");
            w.oci(&["delete", "--force", "box"]).ok();
        }
    }
}

#[test]
fn without_no_new_privs_the_program_has_no_right_of_the_loader() {
    let Some(w) = Fixture::start() else { return };
    for uid in [0, 1000] {
        let mut config = w.config(&["grep", "-E", "Cap(Prm|Eff|Amb)|NoNewPrivs", "/proc/self/status"]);
        as_user(&mut config, uid);
        config["process"]["noNewPrivileges"] = false.into();
        config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]});
        w.bundle(&config);
        let said = w.oci(&["run", "--bundle", "bundle", "box"]);
        let numbers: Vec<_> = said.ok().split_whitespace().filter(|word| !word.ends_with(':')).collect();
        assert_eq!(numbers, ["0000000000000000", "0000000000000000", "0000000000000000", "0"], "uid {uid}");
    }
}

/// Programs of the bundle that run inside are confined like the container.
#[test]
fn hooks_inside_run_with_the_filter() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["true"]);
    config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]});
    config["hooks"] = json!({"startContainer": [{"path": "/bin/mkdir", "args": ["mkdir", "/made"]}]});
    w.bundle(&config);
    assert!(w.oci(&["run", "--bundle", "bundle", "box"]).fails(1).contains("startContainer"));
    assert!(!w.path("bundle/rootfs/made").exists());
    w.assert_nothing_left();
}

#[test]
fn home_is_the_users_and_each_name_is_there_once() {
    let Some(w) = Fixture::start() else { return };
    std::fs::write(w.path("bundle/rootfs/etc/passwd"), "root:x:0:0::/root:\nbob:x:1000:1000::/home/bob:\n")
        .unwrap();
    for (uid, env, expected) in [
        (0, json!(["PATH=/bin"]), "HOME=/root"),
        (1000, json!(["PATH=/bin", "HOME="]), "HOME=/home/bob"),
        (1000, json!(["PATH=/bin", "HOME=/x", "HOME="]), "HOME=/home/bob"),
        (7, json!(["PATH=/bin"]), "HOME=/"),
        (0, json!(["PATH=/bin", "HOME=/first", "HOME=/last"]), "HOME=/last"),
    ] {
        let mut config = w.config(&["env"]);
        as_user(&mut config, uid);
        config["process"]["env"] = env;
        w.bundle(&config);
        let said = w.oci(&["run", "--bundle", "bundle", "box"]);
        let lines: Vec<_> = said.ok().lines().filter(|line| line.starts_with("HOME")).collect();
        assert_eq!(lines, [expected], "uid {uid}");
    }
    let mut config = w.config(&["sleep", "1000"]);
    config["process"]["env"] = json!(["PATH=/bin", "A=1", "B=2"]);
    w.bundle(&config);
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    let said = w.oci(&["exec", "--env", "A=3", "--user", "1000:1000", "box", "env"]);
    let mut lines: Vec<_> = said.ok().lines().filter(|line| !line.starts_with("PATH")).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["A=3", "B=2", "HOME=/home/bob"]);
}

/// An /etc/passwd that leads out of the container's files is not read.
#[test]
fn home_is_read_from_the_containers_own_files_only() {
    let Some(w) = Fixture::start() else { return };
    for target in ["/proc/kmsg", "/proc/self/environ", "/dev/zero", "../../../etc/passwd"] {
        let passwd = w.path("bundle/rootfs/etc/passwd");
        let _ = std::fs::remove_file(&passwd);
        std::os::unix::fs::symlink(target, &passwd).unwrap();
        w.bundle(&w.config(&["sh", "-c", "echo $HOME"]));
        assert_eq!(w.oci(&["run", "--bundle", "bundle", "box"]).ok(), "/", "{target}");
        std::fs::remove_file(&passwd).unwrap();
    }
}

#[test]
fn the_working_directory_is_entered_by_a_user_with_the_right_to() {
    let Some(w) = Fixture::start() else { return };
    for (name, owner) in [("users", 1000), ("roots", 0)] {
        let directory = w.path("bundle/rootfs").join(name);
        std::fs::create_dir(&directory).unwrap();
        chown(&directory, Some(owner), Some(owner)).unwrap();
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    for cwd in ["/users", "/roots"] {
        for uid in [0, 1000] {
            let mut config = w.config(&["/bin/readlink", "/proc/self/cwd"]);
            as_user(&mut config, uid);
            config["process"]["cwd"] = cwd.into();
            w.bundle(&config);
            assert_eq!(w.oci(&["run", "--bundle", "bundle", "box"]).ok(), cwd, "uid {uid}");
        }
    }
    let mut config = w.config(&["/bin/sleep", "1000"]);
    config["process"]["cwd"] = "/users".into();
    w.bundle(&config);
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    for user in ["0:0", "1000:1000"] {
        let said = w.oci(&["exec", "--user", user, "box", "/bin/readlink", "/proc/self/cwd"]);
        assert_eq!(said.ok(), "/users", "{user}");
    }
    // A path that is not a directory of the container is refused for every user.
    for cwd in ["/proc/self/fd/3", "/proc/self/fd/5", "/proc/self/fd/7/../.."] {
        let mut config = w.config(&["true"]);
        config["process"]["cwd"] = cwd.into();
        w.bundle(&config);
        w.oci(&["run", "--bundle", "bundle", "other"]).fails(1);
    }
}

/// Since Linux 6.2 a process keeps the processors that its caller was bound to.
#[test]
fn the_callers_processors_are_not_the_containers() {
    let Some(w) = Fixture::start() else { return };
    let own = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap();
    let of = |set: &nix::sched::CpuSet| {
        (0..nix::sched::CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap()).collect::<Vec<_>>()
    };
    let cpus = of(&own);
    if cpus.len() < 2 {
        return hull_test_support::skip::skip("there is one processor only");
    }
    let mut one = nix::sched::CpuSet::new();
    one.set(cpus[0]).unwrap();
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &one).unwrap();
    let look = "grep Cpus_allowed_list /proc/self/status";
    let has_all = |said: &str| said.contains('-') || said.contains(',');
    w.bundle(&w.config(&["sh", "-c", look]));
    assert!(has_all(w.oci(&["run", "--bundle", "bundle", "box"]).ok()));
    w.bundle(&w.config(&["sleep", "1000"]));
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    assert!(has_all(w.oci(&["exec", "box", "sh", "-c", look]).ok()));
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &own).unwrap();
}

#[test]
fn a_hook_at_the_start_has_the_variables_of_the_program() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["true"]);
    config["process"]["env"] = json!(["PATH=/bin", "ONE=1", "ONE=2"]);
    let script = r#"[ "$ONE:$HOME" = 2:/root ] || { echo "$ONE:$HOME"; exit 1; }"#;
    config["hooks"] = json!({"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]});
    w.bundle(&config);
    w.oci(&["run", "--bundle", "bundle", "box"]).ok();
}

/// The first process has no default actions: the kernel discards signals for which it has no handler (pid_namespaces(7)).
#[test]
fn a_container_that_was_not_started_ends_by_a_signal() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "100"]));
    for signal in ["TERM", "INT", "HUP"] {
        w.detached(&["create", "--bundle", "bundle", "box"]).ok();
        w.oci(&["kill", "box", signal]).ok();
        eventually("it has stopped", || w.state("box")["status"] == "stopped");
        w.oci(&["delete", "box"]).ok();
    }
    // Once the program runs, signals are left to it, and this program handles none.
    w.detached(&["run", "--detach", "--bundle", "bundle", "box"]).ok();
    w.oci(&["kill", "box", "TERM"]).ok();
    let status = std::fs::read_to_string(format!("/proc/{}/status", w.state("box")["pid"])).unwrap();
    assert!(status.contains("SigBlk:\t0000000000000000"), "{status}");
    assert_eq!(w.state("box")["status"], "running");
    w.oci(&["delete", "--force", "box"]).ok();
}

/// sched(7): a process with SCHED_DEADLINE may not fork, unless it has set reset-on-fork, and the policy is not inherited.
#[test]
fn a_policy_that_is_not_inherited_reaches_an_execed_program() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "100"]));
    w.detached(&["run", "--detach", "--bundle", "bundle", "box"]).ok();
    for (policy, flags, number) in
        [("SCHED_DEADLINE", "[]", "6"), ("SCHED_BATCH", r#"["SCHED_FLAG_RESET_ON_FORK"]"#, "3")]
    {
        let mut process = w.config(&["cut", "-d ", "-f41", "/proc/self/stat"])["process"].take();
        process["scheduler"] =
            json!({"policy": policy, "flags": serde_json::from_str::<Value>(flags).unwrap()});
        if policy == "SCHED_DEADLINE" {
            for (name, nanoseconds) in
                [("runtime", 1_000_000), ("deadline", 10_000_000), ("period", 10_000_000)]
            {
                process["scheduler"][name] = nanoseconds.into();
            }
        }
        let file = w.write("process.json", &process);
        assert_eq!(w.oci(&["exec", "--process", &file, "box"]).ok(), number, "{policy}");
    }
    w.oci(&["delete", "--force", "box"]).ok();
}

#[test]
fn processors_of_its_own_and_a_policy_for_all_are_told_apart() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["true"]);
    config["linux"]["resources"]["cpu"] = json!({"cpus": "0"});
    config["process"]["scheduler"] =
        json!({"policy": "SCHED_DEADLINE", "runtime": 42_000, "deadline": 1_000_000, "period": 1_000_000});
    w.bundle(&config);
    let refused = w.oci(&["run", "--bundle", "bundle", "box"]);
    let expected = "process scheduler can't be used together with AllowedCPUs";
    assert!(refused.fails(1).contains(expected), "{refused}");
}

#[test]
fn letters_that_stand_for_no_access_are_passed_over() {
    let Some(w) = Fixture::start() else { return };
    let mut config = w.config(&["true"]);
    config["linux"]["resources"]["devices"] = json!([{"allow": false, "access": "rwm"},
        {"allow": false, "type": "c", "major": 1, "minor": 11, "access": "rwa"}]);
    w.bundle(&config);
    w.oci(&["run", "--bundle", "bundle", "box"]).ok();
}
