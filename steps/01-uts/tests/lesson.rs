//! The lesson, proved: what a UTS namespace isolates, what it does not, what fails and how, and that nothing stays.
//!
//! The tests have numbers because the test harness runs them in the order of their names. The first failure is then the
//! first thing of the lesson that does not work.

// For what runs between fork and exec.
#![allow(unsafe_code)]

use std::os::unix::process::CommandExt;

use lesson_lab::{Chapter, Lab, WRITABLE, is_alive};
use nix::sys::signal::Signal;

const HOSTNAMES: Chapter = Chapter::new("1. Hostnames: the UTS namespace", "steps/01-uts/uts.md");
const USERS: Chapter = Chapter::new("Users: the user namespace", "steps/01-uts/user.md");
const ENTERING: Chapter = Chapter::new("Entering a container: setns", "steps/01-uts/enter.md");

lesson_lab::isolated!();

fn everyone() -> Vec<Lab> {
    lesson_lab::everyone(env!("CARGO_BIN_EXE_step-01-uts"))
}

fn hostname() -> String {
    nix::unistd::gethostname().unwrap().to_string_lossy().into_owned()
}

/// The namespace of this kind that the tests themselves are in.
fn namespace(kind: &str) -> String {
    std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().display().to_string()
}

#[test]
fn t01_the_inside_has_a_hostname_of_its_own_and_the_hosts_is_untouched() {
    let before = hostname();
    for lab in everyone() {
        let named = lab.run(&["run", "--hostname", "web", "hostname"]);
        HOSTNAMES.same(
            (named.stdout.as_str(), named.stderr.as_str()),
            ("web", ""),
            "The program inside sees the hostname that was asked for. clone made a UTS namespace for it (CLONE_NEWUTS), \
             and sethostname changed the name there.",
        );
        let outside = lab.shell("hostname").stdout;
        HOSTNAMES.same(
            &*outside,
            &*before,
            "The hostname outside is what it was. Without CLONE_NEWUTS the child is in the host's UTS namespace, and \
             sethostname renames the host.",
        );
        let renamed = lab.run(&["run", "--", "sh", "-c", "hostname again && hostname"]);
        HOSTNAMES.same(
            &*renamed.stdout,
            "again",
            "The program inside may change the hostname itself, because it is root over its own UTS namespace.",
        );
        HOSTNAMES.same(
            &*lab.shell("hostname").stdout,
            &*before,
            "A change inside is not seen outside, because there are two UTS namespaces.",
        );
    }
    HOSTNAMES.same(hostname(), before, "The tests themselves still see the same hostname.");
}

#[test]
fn t02_the_bare_example_needs_no_more_than_three_calls() {
    let lab = everyone().pop().expect("somebody");
    let example = lab.example(env!("CARGO_BIN_EXE_step-01-uts"), "step-01-bare");
    HOSTNAMES.same(
        &*lab.shell(&format!("echo hostname | {}", example.display())).stdout,
        "bare",
        "unshare, sethostname and exec are enough for a shell with a hostname of its own.",
    );
}

#[test]
fn t03_stdout_is_the_programs_and_the_trace_names_each_call_in_order() {
    for lab in everyone() {
        let quiet = lab.run(&["run", "hostname"]);
        HOSTNAMES.same(
            (&*quiet.stdout, &*quiet.stderr),
            ("box", ""),
            "The output is that of the program inside and nothing else.",
        );
        let traced = lab.run(&["-v", "run", "hostname"]);
        HOSTNAMES.same(&*traced.stdout, "box", "The trace goes to stderr, so stdout stays the program's.");
        let mut calls = vec!["outside | clone(", "/ns/uts ", "release ", "inside  | execve(/proc/self/exe"];
        calls.extend([
            "inside  | sethostname(\"box\")",
            "inside  | execve([\"hostname\"]",
            "outside | waitpid(",
        ]);
        if !lab.is_root() {
            calls.splice(2..2, ["\"deny\" to /proc/", "uid_map", "gid_map"]);
        }
        let mut rest = &*traced.stderr;
        for call in calls {
            let at = rest.find(call);
            HOSTNAMES.holds(
                at.is_some(),
                &traced.stderr,
                &format!(
                    "The trace of -v has {call:?} at its place: the child is released after its maps are written, and it \
                     executes the program again before it sets the hostname."
                ),
            );
            rest = &rest[at.unwrap_or_default()..];
        }
    }
}

#[test]
fn t04_a_hostname_that_is_too_long_is_explained() {
    for lab in everyone() {
        let refused = lab.run(&["run", "--hostname", &"x".repeat(65), "true"]);
        HOSTNAMES.same(refused.code, Some(125), "125 means: the container could not be made.");
        HOSTNAMES.holds(
            refused.stderr.contains("EINVAL: Invalid argument\nhint: a hostname has at most 64"),
            &refused,
            "The error names the errno and gives the reason, because the kernel takes 64 bytes at most.",
        );
        let accepted = lab.run(&["run", "--hostname", &"x".repeat(64), "true"]);
        HOSTNAMES.same(accepted.code, Some(0), "A hostname of 64 bytes is accepted.");
    }
}

#[test]
fn t05_an_unprivileged_user_is_root_inside_and_nobody_special_outside() {
    for lab in everyone().iter().filter(|lab| !lab.is_root()) {
        let id = lab.run(&["run", "--", "id", "-u"]);
        USERS.same(
            (&*id.stdout, &*id.stderr),
            ("0", ""),
            "Inside, the user has id 0, because the parent has written an id map for the child.",
        );
        let map = lab.run(&["run", "--", "cat", "/proc/self/uid_map"]).stdout;
        let words: Vec<&str> = map.split_whitespace().collect();
        USERS.same(
            words,
            ["0", &lab.user.to_string(), "1"],
            "The map says: id 0 inside is the user's own id outside, for one id.",
        );
        let touched = lab.run(&["run", "--", "touch", &format!("{WRITABLE}/lesson-01")]);
        USERS.holds(
            touched.code == Some(1) && touched.stderr.contains("Permission denied"),
            &touched,
            "Root inside cannot write to a directory of root's, because for files the kernel checks the id outside.",
        );
        let named = lab.shell("hostname stolen");
        USERS.holds(
            named.code != Some(0),
            &named,
            "Without a namespace of their own the user cannot change the hostname. This is the control.",
        );
    }
}

#[test]
fn t06_groups_cannot_be_dropped_because_setgroups_is_denied() {
    for lab in everyone().iter().filter(|lab| !lab.is_root()) {
        USERS.same(
            &*lab.run(&["run", "--", "cat", "/proc/self/setgroups"]).stdout,
            "deny",
            "setgroups is denied inside. A user who could drop a group could read files that are closed to that group.",
        );
    }
}

#[test]
fn t07_root_needs_no_user_namespace() {
    for lab in everyone().iter().filter(|lab| lab.is_root()) {
        USERS.same(
            lab.run(&["run", "--", "readlink", "/proc/self/ns/user"]).stdout,
            namespace("user"),
            "Root stays in the user namespace of the host, because root may make a UTS namespace without another one.",
        );
    }
}

#[test]
fn t08_a_user_namespace_for_nobody_is_refused_with_the_call_that_failed() {
    for lab in everyone().iter().filter(|lab| !lab.is_root()) {
        // A user namespace in one that has no map: the kernel could not say which user owns it.
        let refused = lab.shell("exec unshare --user $P -v run true");
        USERS.same(refused.code, Some(125), "Nobody, id 65534, can make no user namespace with a map.");
        USERS.holds(
            refused.stderr.contains("error: write") || refused.stderr.contains("error: clone("),
            &refused,
            "The error names the call that failed.",
        );
    }
}

#[test]
fn t09_enter_joins_the_namespaces_of_a_running_process() {
    for lab in everyone() {
        let mut running = lab.start(&["run", "--hostname", "entered", "--", "sleep", "60"]);
        running.wait_for_trace("execve([\"sleep\"");
        let pid = running.inside.to_string();
        let entered = lab.run(&["enter", &pid, "hostname"]);
        ENTERING.same(
            (&*entered.stdout, &*entered.stderr),
            ("entered", ""),
            "A process that enters sees the hostname of the container, because setns moved it into the UTS namespace.",
        );
        ENTERING.same(
            &*lab.run(&["enter", &pid, "--", "id", "-u"]).stdout,
            "0",
            "It is root in there, because setns moved it into the user namespace too.",
        );
        let uts = lab.run(&["enter", &pid, "readlink", "/proc/self/ns/uts"]).stdout;
        ENTERING.same(
            &*uts,
            &*lab.shell(&format!("readlink /proc/{pid}/ns/uts")).stdout,
            "Both processes are in the same UTS namespace: the numbers of the links are equal.",
        );
        ENTERING.holds(uts != namespace("uts"), &uts, "This namespace is not the one of the tests.");
    }
}

#[test]
fn t10_entering_the_same_namespaces_or_a_dead_process_is_explained() {
    for lab in everyone() {
        let same = lab.shell("exec $P enter $$ hostname");
        ENTERING.holds(
            same.code == Some(125) && same.stderr.contains("is in the same namespaces as this one\nhint: "),
            &same,
            "Where nothing differs there is nothing to enter, and the error says so.",
        );
        // Above the highest number there can be (pid_max is at most 2^22).
        let dead = lab.run(&["enter", "4194305", "hostname"]);
        ENTERING.holds(
            dead.code == Some(125) && dead.stderr.contains("pidfd_open(4194305): ESRCH: No such process"),
            &dead,
            "A process that has ended cannot be entered, because its namespaces ended with it.",
        );
    }
}

#[test]
fn t11_an_unprivileged_user_cannot_enter_what_root_has_made() {
    let labs = everyone();
    let [root, ordinary] = &labs[..] else { return lesson_lab::skip("it takes two users") };
    let running = root.start(&["run", "--", "sleep", "60"]);
    let refused = ordinary.run(&["enter", &running.inside.to_string(), "hostname"]);
    ENTERING.holds(
        refused.code == Some(125) && refused.stderr.contains(": E"),
        &refused,
        "Entering is refused with an errno: it takes a capability over the user namespace that owns the UTS namespace.",
    );
}

#[test]
fn t12_exit_codes_and_deaths_by_signal_are_passed_on() {
    for lab in everyone() {
        let code = |script| lab.run(&["run", "--", "sh", "-c", script]).code;
        HOSTNAMES.same(
            code("exit 42"),
            Some(42),
            "The exit code of the program is the exit code of the step.",
        );
        let why = "A death by signal n is reported as 128 + n, as shells do.";
        HOSTNAMES.same(code("kill -KILL $$"), Some(137), why);
        HOSTNAMES.same(code("kill -TERM $$"), Some(143), why);
    }
}

#[test]
fn t13_a_program_that_is_missing_or_no_program_has_its_own_exit_code() {
    for lab in everyone() {
        let missing = lab.run(&["run", "no-such-program"]);
        HOSTNAMES.same(
            (missing.code, &*missing.stderr),
            (Some(127), "error: execve(\"no-such-program\"): ENOENT: No such file or directory"),
            "127 means that there is no such program, as in every shell.",
        );
        let directory = lab.run(&["run", "/etc"]);
        HOSTNAMES.same(
            (directory.code, &*directory.stderr),
            (Some(126), "error: execve(\"/etc\"): EACCES: Permission denied"),
            "126 means that the file is there and cannot be executed.",
        );
    }
}

#[test]
fn t14_nothing_survives_a_kill_of_the_program() {
    for lab in everyone() {
        for signal in [Signal::SIGKILL, Signal::SIGTERM] {
            let mut running = lab.start(&["run", "--", "sleep", "60"]);
            running.wait_for_trace("execve([\"sleep\"");
            assert!(is_alive(running.inside), "the control: the program inside runs");
            running.signal(signal);
            // The kernel sends the child SIGKILL when its parent ends (PR_SET_PDEATHSIG).
            running.assert_nothing_left();
        }
    }
}

#[test]
fn t15_no_more_namespaces_is_not_reported_as_a_full_disk() {
    for lab in everyone() {
        let refused =
            lab.shell("exec unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_uts_namespaces; exec $P run true'");
        let reason = "clone(CLONE_NEWUTS): ENOSPC: No space left on device\nhint: too many namespaces";
        HOSTNAMES.holds(
            refused.code == Some(125) && refused.stderr.contains(reason),
            &refused,
            "clone fails with ENOSPC when a user has too many namespaces, and the hint says that no disk is full.",
        );
    }
}

#[test]
fn t16_in_a_container_that_forbids_it_the_reader_is_told_what_to_do() {
    for lab in everyone() {
        let mut command = lab.program(&["run", "true"]);
        // SAFETY: system calls on values that the function has itself.
        unsafe { command.pre_exec(refuse_namespaces) };
        let refused = command.output().unwrap();
        let error = String::from_utf8(refused.stderr).unwrap();
        HOSTNAMES.holds(
            refused.status.code() == Some(125)
                && error.contains(": EPERM: Operation not permitted\nhint: a seccomp filter refuses it"),
            &error,
            "The seccomp filter of docker refuses clone with flags for namespaces, and the hint names the filter.",
        );
    }
}

/// Refuses what docker's filter refuses: clone with a flag for a namespace.
fn refuse_namespaces() -> std::io::Result<()> {
    let step = |code, k, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
    let (load, jump, end) = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, libc::BPF_JMP, libc::BPF_RET);
    let code = [
        // The number of the call, and the lower half of its first argument.
        step(load, 0, 0, 0),
        step(jump | libc::BPF_JEQ, libc::SYS_clone as u32, 0, 3),
        step(load, 16, 0, 0),
        step(jump | libc::BPF_JSET, libc::CLONE_NEWUTS as u32, 0, 1),
        step(end, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0, 0),
        step(end, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog { len: code.len() as u16, filter: code.as_ptr().cast_mut() };
    nix::sys::prctl::set_no_new_privs()?;
    // SAFETY: the kernel copies `len` instructions, which is how many there are.
    let set =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    Ok(nix::errno::Errno::result(set).map(drop)?)
}
