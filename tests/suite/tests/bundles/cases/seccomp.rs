//! `linux.seccomp`: actions, arguments, architectures, flags, and an agent that is notified.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::{Case, case};

/// Allows all system calls except one.
fn rule(b: &mut Bundle, rule: Value) {
    b.set("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}));
}

pub const CASES: &[Case] = &[
    case("a_system_call_fails_as_the_policy_says", |b| {
        rule(b, json!({"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}));
        b.expect("mkdir /x 2>&1 | grep -c 'not permitted'; touch /y && echo rest", "1\nrest");
    }),
    case("with_the_error_that_is_asked", |b| {
        rule(b, json!({"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}));
        b.expect("mkdir /x 2>&1 | grep -c 'No space'", "1");
    }),
    case("a_filter_is_shown_by_the_kernel", |b| {
        b.expect("grep ^Seccomp: /proc/self/status", "Seccomp:\t0");
        rule(b, json!({"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}));
        b.expect("grep ^Seccomp: /proc/self/status", "Seccomp:\t2");
    }),
    case("a_system_call_can_kill", |b| {
        rule(b, json!({"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL"}));
        b.expect("(mkdir /x); echo $?", "159");
    }),
    case("a_system_call_can_kill_the_process", |b| {
        rule(b, json!({"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}));
        b.expect("(mkdir /x); echo $?", "159");
    }),
    case("a_system_call_can_be_trapped", |b| {
        rule(b, json!({"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_TRAP"}));
        b.expect("(mkdir /x); echo $?", "159");
    }),
    case("a_system_call_can_be_logged_and_allowed", |b| {
        rule(b, json!({"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_LOG"}));
        b.expect("mkdir /x && echo made", "made");
    }),
    case("arguments_are_compared", |b| {
        let args = json!([{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]);
        rule(b, json!({"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": args}));
        b.expect("kill -10 $$ 2>&1 | grep -c 'not permitted'; kill -0 $$ && echo other", "1\nother");
    }),
    case("arguments_are_compared_by_order", |b| {
        for (op, refused) in
            [("SCMP_CMP_GE", true), ("SCMP_CMP_GT", false), ("SCMP_CMP_LT", false), ("SCMP_CMP_NE", false)]
        {
            let args = json!([{"index": 1, "value": 18, "op": op}]);
            rule(b, json!({"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": args}));
            b.expect(
                "kill -18 $$ 2> /dev/null && echo sent || echo refused",
                if refused { "refused" } else { "sent" },
            );
        }
    }),
    case("arguments_are_compared_under_a_mask", |b| {
        let args = json!([{"index": 1, "value": 0x1f, "valueTwo": 18, "op": "SCMP_CMP_MASKED_EQ"}]);
        rule(b, json!({"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": args}));
        b.expect("kill -18 $$ 2> /dev/null || echo refused; kill -0 $$ && echo sent", "refused\nsent");
    }),
    case("all_comparisons_of_a_rule_hold_or_it_does_not", |b| {
        let args = json!([{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 18, "op": "SCMP_CMP_EQ"}]);
        rule(b, json!({"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": args}));
        b.expect(
            "kill -18 1 2> /dev/null || echo refused; sleep 9 & kill -18 $! && echo sent; kill $!",
            "refused\nsent",
        );
    }),
    case("what_no_rule_speaks_of_fails_as_the_default_says", |b| {
        b.set("/process/args", json!(["mkdir", "/x"]));
        b.set(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 28,
                "syscalls": [{"names": NEEDED, "action": "SCMP_ACT_ALLOW"}]}),
        );
        let outcome = b.run();
        assert!(outcome.stderr.contains("No space left"), "{outcome}");
        b.fixture.assert_nothing_left();
    }),
    case("all_that_features_name_is_taken", |b| {
        let features = b.fixture.oci(&["features"]).ok().to_owned();
        let features: Value = serde_json::from_str(&features).unwrap();
        let named = |what: &str| -> Vec<String> {
            let all = features.pointer(&format!("/linux/seccomp/{what}")).unwrap();
            serde_json::from_value(all.clone()).unwrap()
        };
        let with = |b: &mut Bundle, policy: Value| {
            b.set("/linux/seccomp", policy).expect("grep ^Seccomp: /proc/self/status", "Seccomp:\t2");
        };
        let rule = |action: &str| json!([{"names": ["acct"], "action": action}]);
        for action in named("actions").iter().filter(|action| *action != "SCMP_ACT_NOTIFY") {
            with(b, json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rule(action)}));
        }
        for operator in named("operators") {
            let args = json!([{"index": 0, "value": 1, "valueTwo": 1, "op": operator}]);
            let rule = json!([{"names": ["acct"], "action": "SCMP_ACT_ERRNO", "args": args}]);
            with(b, json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rule}));
        }
        let (archs, flags) = (named("archs"), named("knownFlags"));
        assert!(archs.len() > 2 && flags.len() > 2, "{features}");
        with(b, json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": archs, "syscalls": rule("SCMP_ACT_ERRNO")}));
        for flag in flags.iter().filter(|flag| !flag.contains("WAIT_KILLABLE")) {
            let policy = json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": [flag], "syscalls": rule("SCMP_ACT_ERRNO")});
            with(b, policy);
        }
    })
    .not_on(&["runc", "crun"]),
    case("a_call_that_no_kernel_has_is_passed_over", |b| {
        rule(b, json!({"names": ["no_such_call", "mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}));
        b.expect("mkdir /x 2> /dev/null || echo refused", "refused");
    }),
    case("flags_and_architectures_are_taken", |b| {
        b.set(
            "/linux/seccomp",
            json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
                "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
                "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
            }),
        );
        b.expect("mkdir /x 2> /dev/null || echo refused", "refused");
    })
    .not_on(&["runc"]),
    case("an_unprivileged_user_is_filtered_too", |b| {
        b.set("/process/user", json!({"uid": 1000, "gid": 1000}));
        for no_new_privileges in [true, false] {
            b.set("/process/noNewPrivileges", json!(no_new_privileges));
            rule(b, json!({"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}));
            b.expect("mkdir /x 2>&1 | grep -c 'No space'", "1");
        }
    }),
    case("an_unknown_action_is_refused", |b| {
        b.set("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_X"})).refused("SCMP_ACT_X");
    }),
    case("an_unknown_comparison_is_refused", |b| {
        let args = json!([{"index": 1, "value": 10, "op": "SCMP_CMP_X"}]);
        rule(b, json!({"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": args}));
        b.refused("SCMP_CMP_X");
    }),
    case("somebody_else_answers", |b| {
        let path = b.fixture.path("agent.sock");
        let listener = UnixListener::bind(&path).unwrap();
        b.set(
            "/linux/seccomp",
            json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "listenerPath": path,
                "listenerMetadata": "for the agent",
                "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
            }),
        );
        let agent = std::thread::spawn(move || answer(&listener));
        let outcome = b.sh("mkdir /x 2>&1 | grep -c 'No medium'").run();
        assert_eq!(outcome.ok(), "1");
        let told = agent.join().unwrap();
        assert_eq!((&told["metadata"], &told["fds"][0]), (&json!("for the agent"), &json!("seccompFd")));
        assert_eq!((&told["state"]["id"], &told["state"]["status"]), (&json!("box"), &json!("creating")));
        assert!(told["pid"].as_i64().unwrap() > 1, "{told}");
    }),
    case("nobody_who_answers_is_an_error", |b| {
        b.set(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": b.fixture.path("nobody.sock"),
                "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}),
        );
        b.refused("nobody.sock");
    }),
];

/// The system calls of a runtime after it has loaded the filter, and those of a small program before it makes a directory.
const NEEDED: &[&str] = &[
    "access",
    "arch_prctl",
    "brk",
    "capget",
    "capset",
    "chdir",
    "clone",
    "close",
    "close_range",
    "dup3",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "execve",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fchdir",
    "fcntl",
    "fstat",
    "fstatfs",
    "futex",
    "getcwd",
    "getdents64",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "getppid",
    "getrandom",
    "gettid",
    "getuid",
    "ioctl",
    "lseek",
    "lstat",
    "madvise",
    "mmap",
    "mprotect",
    "munmap",
    "nanosleep",
    "newfstatat",
    "openat",
    "openat2",
    "pipe2",
    "prctl",
    "prlimit64",
    "read",
    "readlink",
    "readlinkat",
    "recvmsg",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "sendmsg",
    "set_robust_list",
    "set_tid_address",
    "setgid",
    "setgroups",
    "setresgid",
    "setresuid",
    "setuid",
    "sigaltstack",
    "stat",
    "statx",
    "tgkill",
    "umask",
    "uname",
    "unlinkat",
    "write",
    "writev",
];

const ENOMEDIUM: i32 = 123;

/// Accepts a listener, answers the first notification with ENOMEDIUM, and returns the data that came with it.
fn answer(listener: &UnixListener) -> Value {
    let (socket, _) = listener.accept().unwrap();
    let mut text = vec![0; 8192];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut text)];
    let length =
        rustix::net::recvmsg(&socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap().bytes;
    let fd = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    hull_sys::security::refuse_next(fd.unwrap().as_fd(), ENOMEDIUM).unwrap();
    serde_json::from_slice(&text[..length]).unwrap()
}
