//! The lesson, proved: what is limited, what is not, what fails and how, and that nothing stays. Every hog here ends by
//! itself: 200 MB, 30 processes, two seconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lesson_lab::{Lab, Running, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const HOG: &str = "dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null";
const OOM: &str = "killed by the kernel: memory limit 64 MiB reached (oom_kill 1)";

lesson_lab::isolated!();

fn everyone() -> Vec<Lab> {
    lesson_lab::everyone(env!("CARGO_BIN_EXE_step-03-cgroups"))
}

/// Only root may make cgroups where nobody has delegated any. Root of a user namespace is not meant.
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

/// The directories of a running container's cgroup.
fn directories(running: &Running) -> Vec<PathBuf> {
    let made =
        running.trace.lines().filter_map(|line| line.strip_prefix("outside | mkdir(")?.strip_suffix(')'));
    made.map(PathBuf::from).collect()
}

fn signal(running: &Running, signal: Signal) {
    kill(Pid::from_raw(running.child.id() as i32), signal).unwrap();
}

#[test]
fn a_hog_is_killed_at_its_limit_and_the_reader_is_told_why() {
    let Some(lab) = root() else { return };
    let hog = lab.run(&["run", "--memory", "64m", "--", "sh", "-c", HOG]);
    assert_eq!((hog.code, &*hog.stderr), (Some(137), OOM), "{hog:?}");
    let fits = lab.run(&["run", "--memory", "512m", "--", "sh", "-c", HOG]);
    assert_eq!((fits.code, &*fits.stderr), (Some(0), ""), "the control: {fits:?}");
    assert_eq!(lab.run(&["run", "--", "sh", "-c", HOG]).code, Some(0), "no limit, no death");
}

#[test]
fn a_kill_that_is_nobodys_memory_is_not_blamed_on_it() {
    let Some(lab) = root() else { return };
    let killed = lab.run(&["run", "--memory", "64m", "--", "sh", "-c", "kill -KILL $$"]);
    assert_eq!((killed.code, &*killed.stderr), (Some(137), ""), "the same code, another reason");
}

#[test]
fn a_loop_gets_its_share_of_a_cpu_and_no_more() {
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
    assert!(used / wall <= 0.3, "{used} s of {wall} s");
    let throttled = directories(&running).iter().any(|directory| {
        let stat = fs::read_to_string(directory.join("cpu.stat")).unwrap_or_default();
        stat.lines().filter_map(|line| line.strip_prefix("nr_throttled ")).any(|count| count != "0")
    });
    assert!(throttled, "the kernel has counted");
}

#[test]
fn a_fork_bomb_stops_at_its_limit() {
    let Some(lab) = root() else { return };
    let bomb =
        "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 2 & done; wait; echo all";
    let stopped = lab.run(&["run", "--pids", "10", "--", "sh", "-c", bomb]);
    assert!(stopped.stdout.is_empty() && stopped.stderr.contains("fork"), "{stopped:?}");
    assert_eq!(lab.run(&["run", "--pids", "40", "--", "sh", "-c", bomb]).stdout, "all", "the control");
}

#[test]
fn a_limit_can_be_lifted_while_it_holds() {
    let Some(lab) = root() else { return };
    let script = "until (true | true | true | true) 2>/dev/null; do echo stuck; sleep 0.1; done; echo lifted";
    let mut running = lab.start(&["run", "--pids", "3", "--", "sh", "-c", script]);
    assert_eq!(running.line(), "stuck");
    fs::write(directories(&running)[0].join("pids.max"), "max").unwrap();
    while running.line() == "stuck" {}
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

#[test]
fn each_has_a_limit_of_its_own() {
    let Some(lab) = root() else { return };
    let mut small = lab.start(&["run", "--memory", "64m", "--", "sh", "-c", "echo ready; sleep 60"]);
    assert_eq!(small.line(), "ready");
    assert_eq!(lab.run(&["run", "--memory", "512m", "--", "sh", "-c", HOG]).code, Some(0));
    assert_eq!(lab.run(&["run", "--memory", "64m", "--", "sh", "-c", HOG]).code, Some(137));
    assert!(lesson_lab::is_alive(small.inside), "the other one is none the worse");
}

#[test]
fn everything_inside_is_in_the_cgroup_and_believes_to_be_at_the_top() {
    let Some(lab) = root() else { return };
    let limits = ["--memory", "64m", "--cpus", "1", "--pids", "20"];
    let args =
        [&["run"], &limits[..], &["--", "sh", "-c", "sleep 60 & cat /proc/self/cgroup; echo; wait"]].concat();
    let mut running = lab.start(&args);
    let inside: Vec<String> =
        std::iter::repeat_with(|| running.line()).take_while(|line| !line.is_empty()).collect();
    assert!(!inside.is_empty() && inside.iter().all(|line| line.ends_with(":/")), "{inside:?}");
    let name = format!("/step-03-{}", running.child.id());
    let outside = fs::read_to_string(format!("/proc/{}/cgroup", running.inside)).unwrap();
    assert!(outside.contains(&name), "the control: {outside}");
    for directory in directories(&running) {
        let members = fs::read_to_string(directory.join("cgroup.procs")).unwrap();
        assert!(members.lines().count() >= 3, "process 1, sh and sleep: {members}");
        assert!(members.lines().all(|pid| pid != running.child.id().to_string()), "the outside stays out");
    }
}

#[test]
fn the_cgroup_namespace_is_new_and_the_network_is_not_yet() {
    for lab in everyone() {
        for (kind, own) in [("cgroup", true), ("pid", true), ("mnt", true), ("uts", true), ("net", false)] {
            let link = format!("/proc/self/ns/{kind}");
            let inside = lab.run(&["run", "readlink", &link]).stdout;
            assert_eq!(inside != lab.shell(&format!("readlink {link}")).stdout, own, "{kind}");
        }
    }
}

#[test]
fn enter_does_not_join_the_cgroup() {
    let Some(lab) = root() else { return };
    let mut running = lab.start(&["run", "--pids", "5", "--", "sh", "-c", "echo ready; sleep 60"]);
    assert_eq!(running.line(), "ready");
    // Its cgroup, as the host sees it, since it has left for the namespaces and not for the directory.
    let entered = lab.run(&["enter", &running.inside.to_string(), "cat", "/proc/self/cgroup"]).stdout;
    assert!(!entered.is_empty() && entered.lines().any(|line| !line.ends_with(":/")), "{entered}");
}

#[test]
fn nothing_stays_whatever_the_end() {
    let Some(lab) = root() else { return };
    let limits = ["-v", "run", "--memory", "64m", "--cpus", "1", "--pids", "20"];
    let endings: [&[&str]; 4] =
        [&["true"], &["no-such-program"], &["--hostname", "", "--", "false"], &["sh", "-c", HOG]];
    for ending in endings {
        let ended = lab.run(&[&limits[..], ending].concat());
        let made: Vec<&str> = ended
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("outside | mkdir(")?.strip_suffix(')'))
            .collect();
        assert!(!made.is_empty() && made.iter().all(|directory| !Path::new(directory).exists()), "{ended:?}");
    }
    for (name, by) in [("TERM", Signal::SIGTERM), ("KILL", Signal::SIGKILL)] {
        let script = "setsid sleep 60 & echo ready; sleep 60";
        let mut running = lab.start(&["run", "--memory", "64m", "--pids", "20", "--", "sh", "-c", script]);
        assert_eq!(running.line(), "ready");
        let made = directories(&running);
        assert!(!made.is_empty() && made.iter().all(|directory| directory.exists()), "the control");
        signal(&running, by);
        running.assert_nothing_left();
        wait_for(&format!("{made:?} to go after SIG{name}"), || {
            made.iter().all(|directory| !directory.exists())
        });
    }
}

#[test]
fn a_reader_who_leaves_does_not_keep_the_cgroup() {
    let Some(lab) = root() else { return };
    let mut running =
        lab.start(&["run", "--memory", "64m", "--pids", "20", "--", "sh", "-c", "echo ready; sleep 60"]);
    assert_eq!(running.line(), "ready");
    let made = directories(&running);
    // What it tells of its end goes into a pipe that nobody reads.
    drop(running);
    wait_for(&format!("{made:?} to go"), || made.iter().all(|directory| !directory.exists()));
}

#[test]
fn a_cgroup_that_cannot_be_finished_is_taken_back() {
    let Some(lab) = root() else { return };
    // More than the kernel's counter of pids can hold: the directories are there by then.
    let refused = lab.run(&["-v", "run", "--memory", "64m", "--pids", "99999999999", "true"]);
    assert_eq!(refused.code, Some(125), "{refused:?}");
    assert!(
        refused.stderr.contains("write \"99999999999\" to ") && refused.stderr.contains("EINVAL"),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("mkdir(") && refused.stderr.contains("removed "), "{refused:?}");
}

#[test]
fn an_unprivileged_user_without_a_delegated_part_is_told_how_to_get_one() {
    for lab in everyone().iter().filter(|lab| !lab.is_root()) {
        let refused = lab.run(&["run", "--memory", "64m", "true"]);
        assert_eq!(refused.code, Some(125));
        assert!(refused.stderr.contains("): EACCES: Permission denied\nhint: "), "{refused:?}");
        assert_eq!(lab.run(&["run", "true"]).code, Some(0), "without a limit there is nothing to be refused");
    }
}

#[test]
fn a_limit_that_makes_no_sense_is_refused_before_anything_is_made() {
    for lab in everyone() {
        for (flag, value, reason) in [
            ("--memory", "lots", "a number, with k, m or g"),
            ("--memory", "1k", "at least 4m"),
            ("--memory", "99999999999g", "more than there can be"),
            ("--cpus", "0.001", "between 0.01 and 1024"),
            ("--cpus", "half", "a number of CPUs"),
            ("--pids", "1", "1 is not in 2.."),
        ] {
            let refused = lab.run(&["-v", "run", flag, value, "true"]);
            assert_ne!(refused.code, Some(0));
            assert!(refused.stderr.contains(reason) && !refused.stderr.contains("mkdir("), "{refused:?}");
        }
    }
}

#[test]
fn what_the_steps_before_have_shown_still_holds() {
    for lab in everyone() {
        let script = "hostname; echo $PPID; id -u; test -e $0 || echo gone; exit 3";
        let inside = lab.run(&["run", "--", "sh", "-c", script, &lab.dir.to_string_lossy()]);
        assert_eq!((inside.code, &*inside.stdout), (Some(3), "box\n1\n0\ngone"), "{inside:?}");
        assert_eq!(lab.run(&["run", "no-such-program"]).code, Some(127));
        let mut running = lab.start(&[
            "run",
            "--",
            "sh",
            "-c",
            "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done",
        ]);
        assert_eq!(running.line(), "ready");
        signal(&running, Signal::SIGTERM);
        assert_eq!(running.child.wait().unwrap().code(), Some(7));
    }
}
