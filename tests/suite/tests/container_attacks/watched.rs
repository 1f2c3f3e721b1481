//! Processes that enter a container, watched by a program inside that may trace other processes.

use std::path::PathBuf;

use hull_test_support::{Outcome, Scenario, helper};

/// In the environment of hull's caller.
pub(crate) const SECRET: &str = "a-secret-of-the-callers";

/// The options that let a container look into other processes.
const RIGHTS: &[&[&str]] = &[
    &["--cap-add", "SYS_PTRACE"],
    &["--cap-add", "SYS_ADMIN"],
    &["--cap-add", "SYS_PTRACE", "--cap-add", "SYS_ADMIN"],
];

/// A system container, which has all rights over its own user namespace.
const SYSTEM: &[&str] = &["--system"];

/// Namespaces of hull's caller, which no container is in.
pub(crate) fn namespaces() -> [String; 5] {
    ["mnt", "net", "uts", "ipc", "cgroup"].map(|kind| {
        let link = std::fs::read_link(format!("/proc/thread-self/ns/{kind}")).unwrap();
        link.display().to_string()
    })
}

/// A container `watcher` that looks at all processes in its pid namespace.
struct Watched {
    t: Scenario,
    program: PathBuf,
}

impl Watched {
    fn new() -> Option<Self> {
        let t = Scenario::with_busybox()?;
        let program = helper::compile(&t, "watcher", include_str!("watcher.c"))?;
        t.write("hosts-own", "of the host's root alone");
        Some(Self { t, program })
    }

    fn start(&self, rights: &[&str]) {
        let volume = format!("{}:/watcher:ro", self.program.display());
        let file = self.t.path("hosts-own").display().to_string();
        let host = namespaces();
        let mut args = vec!["run", "-d", "--ipc", "shareable", "--name", "watcher"];
        args.extend(rights);
        let backwards: String = SECRET.chars().rev().collect();
        args.extend(["-v", &volume, "busybox", "/watcher", &file, &backwards]);
        args.extend(host.iter().map(String::as_str));
        self.t.ok(&args);
    }

    fn hull(&self, args: &[&str]) -> Outcome {
        hull_test_support::outcome::run(self.t.command(args).env("SECRET", SECRET))
    }

    /// The watcher may not have found anything. Returns true if it has looked at a process of hull.
    #[track_caller]
    fn end(&self) -> bool {
        assert_eq!(self.t.inspect("watcher", "{{.State.Running}}"), "true", "it watches to the end");
        let log = self.t.ok(&["logs", "watcher"]);
        assert!(log.contains("LOOKED"), "the watcher has looked at nobody: {log}");
        self.t.ok(&["rm", "-f", "watcher"]);
        assert!(!log.contains("LEAK"), "{log}");
        log.contains("SEEN")
    }
}

/// How often each command runs. The watcher looks some ten thousand times a second.
pub(crate) const TIMES: usize = 30;

#[test]
fn exec_shows_nothing_that_the_container_does_not_have() {
    let Some(w) = Watched::new() else { return };
    let mut seen = false;
    for rights in RIGHTS.iter().chain([&SYSTEM]) {
        w.start(rights);
        for _ in 0..TIMES {
            w.hull(&["exec", "watcher", "true"]).ok();
            w.hull(&["exec", "-t", "watcher", "true"]).ok();
            w.hull(&["exec", "-u", "1000", "watcher", "true"]).ok();
        }
        seen |= w.end();
    }
    assert!(seen, "nobody was caught on the way");
}

#[test]
fn what_only_looks_at_a_container_is_not_seen_in_it() {
    let Some(w) = Watched::new() else { return };
    for rights in [RIGHTS[2], SYSTEM] {
        look(&w, rights);
    }
}

fn look(w: &Watched, rights: &[&str]) {
    w.start(rights);
    let to = w.t.path("copied").display().to_string();
    for _ in 0..TIMES / 3 {
        w.hull(&["cp", "watcher:/etc/passwd", &to]).ok();
        w.hull(&["cp", &to, "watcher:/root/copied"]).ok();
        w.hull(&["top", "watcher"]).ok();
        w.hull(&["stats", "--no-stream", "watcher"]);
        let mut joins = vec!["run", "--rm", "--ipc", "container:watcher", "--network", "container:watcher"];
        if rights == SYSTEM {
            // Only a process with the container's ids can join its namespaces.
            joins.extend(["--userns", "container:watcher"]);
        }
        joins.extend(["busybox", "true"]);
        w.hull(&joins).ok();
    }
    // The watcher runs and has looked, and there should be no process that it could have seen.
    w.end();
}

#[test]
fn no_filter_and_no_right_is_added_to_what_exec_asks_for() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    let fields = "^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp|Seccomp_filters|Uid|Gid):";
    let status = |user: &str| t.ok(&["exec", "-u", user, "box", "grep", "-E", fields, "/proc/self/status"]);
    assert_eq!(status("0"), t.ok(&["exec", "box", "grep", "-E", fields, "/proc/1/status"]));
    assert!(status("7").contains("NoNewPrivs:\t0"), "{}", status("7"));
    // A session of its own. The program leads it and controls its terminal.
    let ids = t.ok(&["exec", "-t", "box", "sh", "-c", "cut -d' ' -f1,5,6 /proc/$$/stat; tty && : </dev/tty"]);
    let numbers: Vec<&str> = ids.lines().next().unwrap().split_whitespace().collect();
    assert!(numbers[0] == numbers[1] && numbers[0] == numbers[2], "{ids}");
    assert!(ids.contains("/dev/pts/0"), "{ids}");
    t.ok(&["run", "-d", "--name", "few", "--ulimit", "nproc=1:1", "busybox", "sleep", "300"]);
    let limit = t.ok(&["exec", "-u", "4242", "few", "grep", "processes", "/proc/self/limits"]);
    assert_eq!(limit.split_whitespace().nth(2), Some("1"), "{limit}");
}

/// A policy that allows only the program's own calls.
fn strict(t: &Scenario) -> String {
    let policy = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"action": "SCMP_ACT_ALLOW",
        "names": ["execve", "brk", "arch_prctl", "write", "exit_group", "exit", "prctl", "getuid", "uname", "readlink",
        "mprotect", "set_tid_address", "set_robust_list", "rseq", "prlimit64", "getrandom", "rt_sigaction", "pause", "mmap"]}]}"#;
    format!("seccomp={}", t.write("strict.json", policy).display())
}

#[test]
fn exec_works_under_a_policy_that_allows_none_of_hulls_calls() {
    let Some(t) = Scenario::with_busybox() else { return };
    let text = "#include <unistd.h>\nint main(int n, char **v) { if (n > 1) return write(1, \"in\\n\", 3) != 3; for (;;) pause(); }";
    let Some(program) = helper::compile(&t, "strict", text) else { return };
    let volume = format!("{}:/strict:ro", program.display());
    let policy = strict(&t);
    for more in [&[][..], &["--security-opt", "no-new-privileges"]] {
        let args = [&["run", "-d", "--name", "box", "--security-opt", &policy, "-v", &volume], more].concat();
        t.ok(&[&args[..], &["busybox", "/strict"]].concat());
        assert_eq!(t.ok(&["exec", "box", "/strict", "again"]), "in");
        assert_eq!(t.ok(&["exec", "-u", "7", "box", "/strict", "again"]), "in");
        t.ok(&["rm", "-f", "box"]);
    }
}

#[test]
fn a_container_that_joins_the_pid_namespace_shows_nothing_either() {
    let Some(w) = Watched::new() else { return };
    let mut seen = false;
    for rights in RIGHTS {
        w.start(rights);
        for times in 0..TIMES {
            let more: &[&str] = if times % 3 == 0 { &["--init"] } else { &[] };
            let args = [&["run", "--rm", "--pid", "container:watcher"], more, &["busybox", "true"]].concat();
            w.hull(&args).ok();
        }
        seen |= w.end();
    }
    assert!(seen, "nobody was caught on the way");
}
