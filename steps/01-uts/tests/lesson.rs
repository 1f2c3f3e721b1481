//! The lesson, proved: what a UTS namespace isolates, what it does not, what fails and how, and that nothing stays.

// What runs between fork and exec.
#![allow(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::Command;

use lesson_lab::{Lab, WRITABLE, is_alive};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

lesson_lab::isolated!();

fn everyone() -> Vec<Lab> {
    lesson_lab::everyone(env!("CARGO_BIN_EXE_step-01-uts"))
}

fn host_name() -> String {
    nix::unistd::gethostname().unwrap().to_string_lossy().into_owned()
}

/// What `kind` of namespace a process is in.
fn namespace(pid: &str, kind: &str) -> String {
    std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap().display().to_string()
}

#[test]
fn the_inside_has_a_name_of_its_own_and_the_hosts_is_untouched() {
    let before = host_name();
    for lab in everyone() {
        assert_eq!(lab.run(&["run", "--hostname", "web", "hostname"]).stdout, "web");
        let renamed = lab.run(&["run", "--", "sh", "-c", "hostname again && hostname"]);
        assert_eq!(renamed.stdout, "again", "{renamed:?}");
        assert_eq!(lab.shell("hostname").stdout, before, "the control");
    }
    assert_eq!(host_name(), before);
}

#[test]
fn an_unprivileged_user_is_root_inside_and_nobody_special_outside() {
    for lab in everyone().iter().filter(|lab| !lab.is_root()) {
        assert_eq!(lab.run(&["run", "--", "id", "-u"]).stdout, "0");
        let map = lab.run(&["run", "--", "cat", "/proc/self/uid_map"]).stdout;
        let words: Vec<&str> = map.split_whitespace().collect();
        assert_eq!(words, ["0", &lab.user.to_string(), "1"]);
        let touched = lab.run(&["run", "--", "touch", &format!("{WRITABLE}/lesson-01")]);
        assert_eq!(touched.code, Some(1));
        assert!(touched.stderr.contains("Permission denied"), "{touched:?}");
        let named = lab.shell("hostname stolen");
        assert_ne!(named.code, Some(0), "without a namespace of their own they may not: {named:?}");
    }
}

#[test]
fn groups_cannot_be_dropped_because_setgroups_is_denied() {
    for lab in everyone().iter().filter(|lab| !lab.is_root()) {
        assert_eq!(lab.run(&["run", "--", "cat", "/proc/self/setgroups"]).stdout, "deny");
    }
}

#[test]
fn root_needs_no_user_namespace() {
    for lab in everyone().iter().filter(|lab| lab.is_root()) {
        let inside = lab.run(&["run", "--", "readlink", "/proc/self/ns/user"]).stdout;
        assert_eq!(inside, namespace("self", "user"));
    }
}

#[test]
fn processes_files_and_the_rest_are_shared_until_a_later_step() {
    for lab in everyone() {
        for kind in ["pid", "ipc", "cgroup", "time"] {
            let inside = lab.run(&["run", "--", "readlink", &format!("/proc/self/ns/{kind}")]).stdout;
            assert_eq!(inside, namespace("self", kind));
        }
        assert_ne!(lab.run(&["run", "--", "sh", "-c", "echo $$"]).stdout, "1");
        let file = lab.dir.join("a file of the host");
        std::fs::write(&file, "seen").unwrap();
        assert_eq!(lab.run(&["run", "cat", &file.to_string_lossy()]).stdout, "seen");
    }
}

#[test]
fn enter_joins_the_namespaces_of_a_running_process() {
    for lab in everyone() {
        let mut running = lab.start(&["run", "--hostname", "entered", "--", "sleep", "60"]);
        running.wait_for_trace("execve([\"sleep\"");
        let pid = running.inside.to_string();
        let entered = lab.run(&["enter", &pid, "hostname"]);
        assert_eq!(entered.stdout, "entered", "{entered:?}");
        assert_eq!(lab.run(&["enter", &pid, "--", "id", "-u"]).stdout, "0");
        let uts = lab.run(&["enter", &pid, "readlink", "/proc/self/ns/uts"]).stdout;
        assert_eq!(uts, lab.shell(&format!("readlink /proc/{pid}/ns/uts")).stdout);
        assert_ne!(uts, namespace("self", "uts"));
    }
}

#[test]
fn entering_where_one_is_already_or_a_dead_process_is_explained() {
    for lab in everyone() {
        let same = lab.shell("exec $P enter $$ hostname");
        assert_eq!(same.code, Some(125));
        assert!(same.stderr.contains("that is not yours too\nhint: "), "{same:?}");
        // Above the highest number there can be (pid_max is at most 2^22).
        let dead = lab.run(&["enter", "4194305", "hostname"]);
        assert_eq!(dead.code, Some(125));
        assert!(dead.stderr.contains("pidfd_open(4194305): ESRCH: No such process"), "{dead:?}");
    }
}

#[test]
fn an_unprivileged_user_cannot_enter_what_root_has_made() {
    let labs = everyone();
    let [root, ordinary] = &labs[..] else { return lesson_lab::skip("it takes two users") };
    let running = root.start(&["run", "--", "sleep", "60"]);
    let refused = ordinary.run(&["enter", &running.inside.to_string(), "hostname"]);
    assert_eq!(refused.code, Some(125), "{refused:?}");
    assert!(refused.stderr.contains(": E"), "the errno has its name: {refused:?}");
}

#[test]
fn exit_codes_and_deaths_by_signal_are_passed_on() {
    for lab in everyone() {
        assert_eq!(lab.run(&["run", "--", "sh", "-c", "exit 42"]).code, Some(42));
        assert_eq!(lab.run(&["run", "--", "sh", "-c", "kill -KILL $$"]).code, Some(137));
        assert_eq!(lab.run(&["run", "--", "sh", "-c", "kill -TERM $$"]).code, Some(143));
    }
}

#[test]
fn a_program_that_is_missing_or_no_program_has_its_own_exit_code() {
    for lab in everyone() {
        let missing = lab.run(&["run", "no-such-program"]);
        assert_eq!(missing.code, Some(127));
        assert_eq!(missing.stderr, "error: execve(\"no-such-program\"): ENOENT: No such file or directory");
        let directory = lab.run(&["run", "/etc"]);
        assert_eq!(directory.code, Some(126));
        assert_eq!(directory.stderr, "error: execve(\"/etc\"): EACCES: Permission denied");
    }
}

#[test]
fn a_hostname_that_is_too_long_is_explained() {
    for lab in everyone() {
        let refused = lab.run(&["run", "--hostname", &"x".repeat(65), "true"]);
        assert_eq!(refused.code, Some(125));
        assert!(
            refused.stderr.contains("EINVAL: Invalid argument\nhint: a hostname has at most 64"),
            "{refused:?}"
        );
        assert_eq!(lab.run(&["run", "--hostname", &"x".repeat(64), "true"]).code, Some(0), "the control");
    }
}

#[test]
fn stdout_is_the_programs_and_the_story_goes_to_stderr_in_order() {
    for lab in everyone() {
        let quiet = lab.run(&["run", "hostname"]);
        assert_eq!((&*quiet.stdout, &*quiet.stderr), ("box", ""));
        let told = lab.run(&["-v", "run", "hostname"]);
        assert_eq!(told.stdout, "box");
        let mut chapters =
            vec!["outside | clone(", "/ns/uts ", "release ", "inside  | execve(/proc/self/exe"];
        chapters.extend([
            "inside  | sethostname(\"box\")",
            "inside  | execve([\"hostname\"]",
            "outside | waitpid(",
        ]);
        if !lab.is_root() {
            chapters.splice(2..2, ["\"deny\" to /proc/", "uid_map", "gid_map"]);
        }
        let mut rest = &*told.stderr;
        for chapter in chapters {
            let at =
                rest.find(chapter).unwrap_or_else(|| panic!("{chapter} not in order in\n{}", told.stderr));
            rest = &rest[at..];
        }
    }
}

#[test]
fn nothing_survives_a_kill_of_the_program() {
    for lab in everyone() {
        for signal in [Signal::SIGKILL, Signal::SIGTERM] {
            let mut running = lab.start(&["run", "--", "sleep", "60"]);
            running.wait_for_trace("execve([\"sleep\"");
            assert!(is_alive(running.inside), "the control");
            kill(Pid::from_raw(running.child.id() as i32), signal).unwrap();
            running.assert_nothing_left();
        }
    }
}

#[test]
fn a_user_namespace_for_nobody_is_refused_with_the_call_that_failed() {
    for lab in everyone().iter().filter(|lab| !lab.is_root()) {
        // A user namespace in one that has no map at all: the kernel would not know whose it is.
        let refused = lab.shell("exec unshare --user $P -v run true");
        assert_eq!(refused.code, Some(125), "{refused:?}");
        assert!(
            refused.stderr.contains("error: write") || refused.stderr.contains("error: clone("),
            "{refused:?}"
        );
    }
}

#[test]
fn no_more_namespaces_is_no_full_disk() {
    for lab in everyone() {
        let refused =
            lab.shell("exec unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_uts_namespaces; exec $P run true'");
        assert_eq!(refused.code, Some(125), "{refused:?}");
        let reason =
            "clone(CLONE_NEWUTS): ENOSPC: No space left on device\nhint: no more namespaces of a kind";
        assert!(refused.stderr.contains(reason), "{refused:?}");
    }
}

#[test]
fn in_a_container_that_forbids_it_the_reader_is_told_what_to_do_about_that_one() {
    for lab in everyone() {
        let mut command = lab.program(&["run", "true"]);
        // SAFETY: system calls on values that the function has itself.
        unsafe { command.pre_exec(refuse_namespaces) };
        let refused = command.output().unwrap();
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(125), "{told}");
        assert!(told.contains(": EPERM: Operation not permitted\nhint: a seccomp filter is on us"), "{told}");
    }
}

/// As docker's filter does: of all the flags of clone those for namespaces are refused.
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

#[test]
fn the_bare_example_needs_no_more_than_three_calls() {
    let lab = everyone().pop().expect("somebody");
    let example = std::path::Path::new(env!("CARGO_BIN_EXE_step-01-uts")).with_file_name("examples/bare");
    let copy = lab.dir.join("bare");
    assert!(Command::new("cp").arg(&example).arg(&copy).status().unwrap().success());
    assert_eq!(lab.shell(&format!("echo hostname | {}", copy.display())).stdout, "bare");
}
