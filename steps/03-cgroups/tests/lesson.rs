//! The lesson, proved: what is limited, what is not, what fails and how, and that nothing stays.
//!
//! The tests have numbers because the test harness runs them in the order of their names. The first failure is then the
//! first thing of the lesson that does not work. Every program that uses too much here ends by itself: after 200 MB, 30
//! processes, or two seconds.

// For what runs between fork and exec.
#![allow(unsafe_code)]

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use lesson_lab::{Chapter, Ended, Lab, Running, wait_for};
use nix::sys::signal::Signal;

const LIMITS: Chapter = Chapter::new("3. Limits: cgroups", "steps/03-cgroups/limits.md");
const OUT_OF_MEMORY: Chapter = Chapter::new("Out of memory, and delegation", "steps/03-cgroups/oom.md");
const V1: Chapter = Chapter::new("cgroup v1 beside v2", "steps/03-cgroups/v1.md");

const HOG: &str = "dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null";
const OOM: &str = "killed by the kernel: memory limit 64 MiB reached (oom_kill 1)";

lesson_lab::isolated!();

fn everyone() -> Vec<Lab> {
    lesson_lab::everyone(env!("CARGO_BIN_EXE_step-03-cgroups"))
}

/// Only root may create cgroups where nobody has delegated any. Root of a user namespace is not meant.
fn root() -> Option<Lab> {
    let root = everyone().into_iter().find(Lab::is_root)?;
    let tree =
        ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].into_iter().find(|tree| Path::new(tree).is_dir())?;
    if root.shell(&format!("test -w {tree}")).code != Some(0) {
        lesson_lab::skip(&format!("without writing to {tree}"));
        return None;
    }
    Some(root)
}

/// The directories that the trace says were made for a cgroup.
fn made(trace: &str) -> Vec<PathBuf> {
    let lines = trace.lines().filter_map(|line| line.strip_prefix("outside | mkdir(")?.strip_suffix(')'));
    lines.map(PathBuf::from).collect()
}

/// A container that has printed `ready` and then sleeps.
fn sleeping(lab: &Lab, limits: &[&str]) -> Running {
    let mut running = lab.start(&[&["run"], limits, &["--", "sh", "-c", "echo ready; sleep 60"]].concat());
    assert_eq!(running.line(), "ready");
    running
}

/// The example, with a shell that gets `script` to read.
mod bare {
    include!("../examples/bare.rs");

    pub fn start() -> std::io::Error {
        lesson_lab::did_not_execute(main())
    }
}

fn bare(lab: &Lab, script: &str) -> String {
    let mut command = lab.program(&[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    // SAFETY: the example makes directories, writes files, and executes a shell.
    unsafe { command.pre_exec(|| Err(bare::start())) };
    let mut shell = command.spawn().expect("the example starts a shell");
    shell.stdin.take().expect("piped").write_all(script.as_bytes()).expect("it reads");
    let output = shell.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn limited(lab: &Lab, limit: &[&str], script: &str) -> Ended {
    lab.run(&[&["run"], limit, &["--", "sh", "-c", script]].concat())
}

#[test]
fn t01_a_program_that_needs_more_memory_than_its_limit_is_killed() {
    let Some(lab) = root() else { return };
    LIMITS.same(
        limited(&lab, &["--memory", "64m"], HOG).code,
        Some(137),
        "A program that needs 200 MB is killed at a limit of 64 MiB. The limit is in a file of the cgroup, and it holds for \
         the program because the child has written itself to the cgroup before.",
    );
    LIMITS.same(
        limited(&lab, &["--memory", "512m"], HOG).code,
        Some(0),
        "A limit of 512 MiB is enough for the same program.",
    );
    LIMITS.same(limited(&lab, &[], HOG).code, Some(0), "Without a limit the program is not killed.");
}

#[test]
fn t02_the_bare_example_needs_a_directory_and_three_files() {
    let Some(lab) = root() else { return };
    // On a machine with swap only a limit on swap makes the kill certain.
    let swap = "for file in /sys/fs/cgroup/memory/bare/memory.memsw.limit_in_bytes /sys/fs/cgroup/bare/memory.swap.max; do
                    if test -e $file; then case $file in *max) echo 0;; *) echo 64M;; esac > $file; fi; done";
    let script = format!("{swap}; {HOG}; echo $?");
    let killed = bare(&lab, &script);
    let removed = ["/sys/fs/cgroup/memory/bare", "/sys/fs/cgroup/bare"].map(fs::remove_dir);
    LIMITS.holds(
        killed == "137" && removed.iter().any(Result::is_ok),
        &killed,
        "mkdir and three writes are enough to limit the memory of a shell, and of what the shell starts.",
    );
}

#[test]
fn t03_a_program_cannot_start_more_processes_than_its_limit() {
    let Some(lab) = root() else { return };
    let bomb =
        "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 2 & done; wait; echo all";
    let stopped = limited(&lab, &["--pids", "10"], bomb);
    LIMITS.holds(
        stopped.stdout.is_empty() && stopped.stderr.contains("fork"),
        &stopped,
        "With a limit of 10 processes the shell cannot start 20: fork fails with EAGAIN.",
    );
    LIMITS.same(
        &*limited(&lab, &["--pids", "40"], bomb).stdout,
        "all",
        "A limit of 40 is enough for the same script.",
    );
}

#[test]
fn t04_a_loop_gets_its_share_of_a_cpu_and_no_more() {
    let Some(lab) = root() else { return };
    let script = "echo ready; timeout 2 sh -c 'while :; do :; done'; cat /proc/$$/stat; sleep 60";
    let mut running = lab.start(&["run", "--cpus", "0.2", "--", "sh", "-c", script]);
    assert_eq!(running.line(), "ready");
    let started = Instant::now();
    let stat = running.line();
    let wall = started.elapsed().as_secs_f64();
    // proc(5): user and system time of the children waited for, in hundredths of a second.
    let fields: Vec<&str> = stat.split(' ').collect();
    let used = (fields[15].parse::<f64>().unwrap() + fields[16].parse::<f64>().unwrap()) / 100.0;
    LIMITS.holds(
        used / wall <= 0.3,
        format!("{used} s of {wall} s"),
        "A loop with --cpus 0.2 runs for about a fifth of the time, because the cgroup has a quota for each period.",
    );
    let throttled = made(&running.trace).iter().any(|directory| {
        let stat = fs::read_to_string(directory.join("cpu.stat")).unwrap_or_default();
        stat.lines().filter_map(|line| line.strip_prefix("nr_throttled ")).any(|count| count != "0")
    });
    LIMITS.holds(
        throttled,
        "nr_throttled 0",
        "The kernel counts the periods in which it stopped the cgroup.",
    );
}

#[test]
fn t05_everything_inside_is_in_the_cgroup_and_nothing_outside_is() {
    let Some(lab) = root() else { return };
    let limits = ["--memory", "64m", "--cpus", "1", "--pids", "20"];
    let args = [&["run"], &limits[..], &["--", "sh", "-c", "sleep 60 & echo ready; wait"]].concat();
    let mut running = lab.start(&args);
    assert_eq!(running.line(), "ready");
    let name = format!("/step-03-{}", running.child.id());
    let outside = fs::read_to_string(format!("/proc/{}/cgroup", running.inside)).unwrap();
    LIMITS.holds(
        outside.contains(&name),
        &outside,
        "/proc/PID/cgroup of process 1 names the cgroup of the container.",
    );
    for directory in made(&running.trace) {
        let members = fs::read_to_string(directory.join("cgroup.procs")).unwrap();
        LIMITS.holds(
            members.lines().count() >= 3,
            &members,
            "Process 1, sh and sleep are in the cgroup, because a child is in the cgroup of its parent.",
        );
        LIMITS.holds(
            members.lines().all(|pid| pid != running.child.id().to_string()),
            &members,
            "The process outside is not in the cgroup: the limits are for the container.",
        );
    }
}

#[test]
fn t06_the_container_sees_its_own_cgroup_as_the_root_of_the_tree() {
    let Some(lab) = root() else { return };
    let inside = limited(&lab, &["--memory", "64m", "--cpus", "1", "--pids", "20"], "cat /proc/self/cgroup");
    LIMITS.holds(
        !inside.stdout.is_empty() && inside.stdout.lines().all(|line| line.ends_with(":/")),
        &inside,
        "Each path in /proc/self/cgroup is \"/\", because the container makes a cgroup namespace after it has joined.",
    );
}

#[test]
fn t07_a_container_cannot_move_to_a_cgroup_without_its_limit() {
    let Some(lab) = root() else { return };
    let mount = match Path::new("/sys/fs/cgroup/pids").is_dir() {
        true => "mount -t cgroup -o pids none /tmp/tree",
        false => "mount -t cgroup2 none /tmp/tree",
    };
    let attack = format!(
        "mkdir /tmp/tree && {mount} && mkdir /tmp/tree/free && echo 0 >/tmp/tree/free/cgroup.procs && echo moved
         for n in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; echo escaped"
    );
    let attacked = limited(&lab, &["--pids", "10"], &attack);
    LIMITS.same(
        &*attacked.stdout,
        "moved",
        "A container that mounts the tree of cgroups sees its own cgroup as the root, so every cgroup that it can move to is \
         below its limit.",
    );
}

#[test]
fn t08_a_limit_can_be_removed_while_it_holds() {
    let Some(lab) = root() else { return };
    let script = "until (true | true | true | true) 2>/dev/null; do echo stuck; sleep 0.1; done; echo free";
    let mut running = lab.start(&["run", "--pids", "3", "--", "sh", "-c", script]);
    assert_eq!(running.line(), "stuck");
    fs::write(made(&running.trace)[0].join("pids.max"), "max").unwrap();
    while running.line() == "stuck" {}
    LIMITS.same(
        running.child.wait().unwrap().code(),
        Some(0),
        "After `max` is written to pids.max the next fork succeeds: a limit counts from the moment it is written.",
    );
}

#[test]
fn t09_each_container_has_a_limit_of_its_own() {
    let Some(lab) = root() else { return };
    let small = sleeping(&lab, &["--memory", "64m"]);
    let why = "Each run has a cgroup of its own, so one container does not use up the memory of the other.";
    LIMITS.same(limited(&lab, &["--memory", "512m"], HOG).code, Some(0), why);
    LIMITS.same(limited(&lab, &["--memory", "64m"], HOG).code, Some(137), why);
    LIMITS.holds(lesson_lab::is_alive(small.inside), "it has ended", why);
}

#[test]
fn t10_the_user_is_told_when_the_memory_limit_was_the_reason() {
    let Some(lab) = root() else { return };
    let killed = limited(&lab, &["--memory", "64m"], HOG);
    OUT_OF_MEMORY.same(
        (killed.code, &*killed.stderr),
        (Some(137), OOM),
        "The exit code says SIGKILL, and only the counter oom_kill of the cgroup says that the kernel killed for lack of memory.",
    );
}

#[test]
fn t11_another_sigkill_is_not_blamed_on_the_memory_limit() {
    let Some(lab) = root() else { return };
    let killed = limited(&lab, &["--memory", "64m"], "kill -KILL $$");
    OUT_OF_MEMORY.same(
        (killed.code, &*killed.stderr),
        (Some(137), ""),
        "The exit code is the same, but oom_kill is 0.",
    );
}

#[test]
fn t12_files_in_a_tmpfs_count_as_memory() {
    let Some(lab) = root() else { return };
    let script = "dd if=/dev/zero of=/dev/shm/file bs=1M count=100 2>/dev/null";
    OUT_OF_MEMORY.same(
        limited(&lab, &["--memory", "64m"], script).code,
        Some(137),
        "A tmpfs has no disk behind it, so the kernel cannot take this memory back, and kills.",
    );
}

#[test]
fn t13_each_version_has_files_of_its_own() {
    let Some(lab) = root() else { return };
    let traced = lab.run(&["-v", "run", "--memory", "64m", "true"]);
    let (limit, joined) = match Path::new("/sys/fs/cgroup/memory").is_dir() {
        true => ("/memory.limit_in_bytes", "/tasks"),
        false => ("/memory.max", "/cgroup.procs"),
    };
    let has = |text: &str, file: &str| {
        traced
            .stderr
            .lines()
            .any(|line| line.contains(&format!("write \"{text}\" to ")) && line.ends_with(file))
    };
    V1.holds(
        has("67108864", limit) && has("0", joined),
        &traced,
        &format!("On this machine the limit goes to {limit}, and the child joins by {joined}."),
    );
}

#[test]
fn t14_nothing_stays_whatever_the_end() {
    let Some(lab) = root() else { return };
    let limits = ["-v", "run", "--memory", "64m", "--cpus", "1", "--pids", "20"];
    let endings: [&[&str]; 4] =
        [&["true"], &["no-such-program"], &["--hostname", "", "--", "false"], &["sh", "-c", HOG]];
    for ending in endings {
        let ended = lab.run(&[&limits[..], ending].concat());
        let made = made(&ended.stderr);
        LIMITS.holds(
            !made.is_empty() && made.iter().all(|directory| !directory.exists()),
            &ended,
            "The directories of the cgroup are removed at the end, even after an error.",
        );
    }
    for (name, by) in [("TERM", Signal::SIGTERM), ("KILL", Signal::SIGKILL)] {
        let script = "setsid sleep 60 & echo ready; sleep 60";
        let mut running = lab.start(&["run", "--memory", "64m", "--pids", "20", "--", "sh", "-c", script]);
        assert_eq!(running.line(), "ready");
        let made = made(&running.trace);
        assert!(!made.is_empty() && made.iter().all(|directory| directory.exists()), "the control");
        running.signal(by);
        running.assert_nothing_left();
        // The supervisor removes them.
        wait_for(&format!("{made:?} to be removed after SIG{name}"), || {
            made.iter().all(|directory| !directory.exists())
        });
    }
}

#[test]
fn t15_a_closed_pipe_for_the_output_does_not_keep_the_cgroup() {
    let Some(lab) = root() else { return };
    let running = sleeping(&lab, &["--memory", "64m", "--pids", "20"]);
    let made = made(&running.trace);
    // What the step says at its end goes into a pipe that nobody reads.
    drop(running);
    wait_for(&format!("{made:?} to be removed"), || made.iter().all(|directory| !directory.exists()));
}

#[test]
fn t16_a_cgroup_that_cannot_be_finished_is_removed_again() {
    let Some(lab) = root() else { return };
    // More than the kernel's counter of processes can hold. The directories exist by then.
    let refused = lab.run(&["-v", "run", "--memory", "64m", "--pids", "99999999999", "true"]);
    LIMITS.same(refused.code, Some(125), "125 means: the container could not be made.");
    LIMITS.holds(
        refused.stderr.contains("write \"99999999999\" to ") && refused.stderr.contains("EINVAL"),
        &refused,
        "The error names the write that failed, and the errno of the kernel.",
    );
    LIMITS.holds(
        refused.stderr.contains("mkdir(") && refused.stderr.contains("removed "),
        &refused,
        "What was created before the error is removed again.",
    );
}

#[test]
fn t17_an_unprivileged_user_without_a_delegated_part_is_told_how_to_get_one() {
    for lab in everyone().iter().filter(|lab| !lab.is_root()) {
        let refused = lab.run(&["run", "--memory", "64m", "true"]);
        OUT_OF_MEMORY.holds(
            refused.code == Some(125) && refused.stderr.contains("): EACCES: Permission denied\nhint: "),
            &refused,
            "The directory belongs to root, so mkdir fails with EACCES. The hint says what this user can do.",
        );
        OUT_OF_MEMORY.same(
            lab.run(&["run", "true"]).code,
            Some(0),
            "Without a limit no cgroup is needed, and everybody can run a container.",
        );
    }
}

#[test]
fn t18_a_limit_that_makes_no_sense_is_refused_before_anything_is_made() {
    for lab in everyone() {
        for (flag, value, reason) in [
            ("--memory", "lots", "a number, optionally followed by k, m or g"),
            ("--memory", "1k", "at least 4m"),
            ("--memory", "99999999999g", "too large a number"),
            ("--cpus", "0.001", "between 0.01 and 1024"),
            ("--cpus", "half", "a number of CPUs"),
            ("--pids", "1", "1 is not in 2.."),
        ] {
            let refused = lab.run(&["-v", "run", flag, value, "true"]);
            LIMITS.holds(
                refused.code != Some(0)
                    && refused.stderr.contains(reason)
                    && !refused.stderr.contains("mkdir("),
                &refused,
                "The option is checked first, and the message says what is allowed.",
            );
        }
    }
}

#[test]
fn t19_a_program_that_enters_is_not_in_the_cgroup() {
    let Some(lab) = root() else { return };
    let running = sleeping(&lab, &["--pids", "5"]);
    let entered = lab.run(&["enter", &running.inside.to_string(), "cat", "/proc/self/cgroup"]).stdout;
    LIMITS.holds(
        !entered.is_empty() && entered.lines().any(|line| !line.ends_with(":/")),
        &entered,
        "setns changes the namespaces of a process and not its cgroup. Seen from the container's cgroup namespace, the \
         program is outside of the root.",
    );
}

#[test]
fn t20_the_cgroup_namespace_is_new_and_the_network_is_not_yet() {
    for lab in everyone() {
        for (kind, own) in [("cgroup", true), ("pid", true), ("mnt", true), ("uts", true), ("net", false)] {
            let link = format!("/proc/self/ns/{kind}");
            let inside = lab.run(&["run", "readlink", &link]).stdout;
            LIMITS.same(
                inside != lab.shell(&format!("readlink {link}")).stdout,
                own,
                &format!(
                    "Whether the container has a {kind} namespace of its own: the network follows in step 5."
                ),
            );
        }
    }
}

#[test]
fn t21_what_the_steps_before_have_shown_still_holds() {
    for lab in everyone() {
        let script = "hostname; echo $PPID; id -u; test -e $0 || echo gone; exit 3";
        let inside = lab.run(&["run", "--", "sh", "-c", script, &lab.dir.to_string_lossy()]);
        LIMITS.same(
            (inside.code, &*inside.stdout),
            (Some(3), "box\n1\n0\ngone"),
            "The container has its own hostname, processes, users and files, as in steps 1 and 2.",
        );
        LIMITS.same(
            lab.run(&["run", "no-such-program"]).code,
            Some(127),
            "127 means that there is no such program.",
        );
        let mut running = lab.start(&[
            "run",
            "--",
            "sh",
            "-c",
            "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done",
        ]);
        assert_eq!(running.line(), "ready");
        running.signal(Signal::SIGTERM);
        LIMITS.same(
            running.child.wait().unwrap().code(),
            Some(7),
            "A signal to the step reaches the program, and its exit code comes back.",
        );
    }
}
