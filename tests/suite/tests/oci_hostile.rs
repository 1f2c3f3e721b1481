//! `hull-oci` under faults and attacks: system calls that fail, paths that are swapped during their lookup, and a container
//! that attacks the runtime itself.

#[allow(dead_code, reason = "each suite uses its part")]
mod oci_fixture;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use hull_test_support::{inject, outcome, program};
use nix::errno::Errno;
use oci_fixture::Fixture;
use serde_json::{Value, json};

/// A configuration with one of everything that a failed create has to undo.
fn config_with_everything(w: &Fixture) -> Value {
    let mut config = w.config(&["sleep", "1000"]);
    std::fs::create_dir_all(w.path("volume")).unwrap();
    let volume = w.path("volume");
    config["mounts"].as_array_mut().unwrap().extend([
        json!({"destination": "/volume", "type": "bind", "source": volume, "options": ["rbind", "ro"]}),
        json!({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]}),
        json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}),
    ]);
    config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "cgroup"}));
    config["linux"]["resources"] = json!({"memory": {"limit": 64 << 20}, "pids": {"limit": 50}, "cpu": {"shares": 512},
        "devices": [{"allow": false, "access": "rwm"}]});
    config["linux"]["maskedPaths"] = json!(["/proc/kcore"]);
    config["linux"]["readonlyPaths"] = json!(["/proc/sys"]);
    config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]});
    config["process"]["capabilities"] = json!({"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"]});
    config["hooks"] = json!({"createRuntime": [{"path": "/bin/true"}]});
    config
}

/// The system calls that fail, and the errno: from the `first` one on, every `step`-th.
struct Sample {
    errno: Errno,
    first: usize,
    step: usize,
}

/// The least number of calls that must be fatal when they fail, because otherwise the injection proves nothing. It is a
/// number and not a share of all calls: on a loaded machine processes wait for each other more often, and a failed wait is
/// repeated.
type Fatal = usize;

/// A create that fails has removed everything that it made. After one that succeeds, the container can be deleted.
#[track_caller]
fn assert_nothing_is_left_whichever_call_fails(
    w: &Fixture,
    Sample { errno, first, step }: Sample,
    fatal: Fatal,
) {
    let command = w.command(&["create", "--bundle", "bundle", "--pid-file", "pid", "box"]);
    let (mut nth, mut failures) = (first, 0);
    loop {
        let injected = inject::run(&command, nth, errno);
        if injected.code == 0 {
            w.oci(&["delete", "--force", "box"]).ok();
        } else {
            failures += 1;
            // The exit codes of a panic and of an abort.
            assert!(injected.code == 1, "call {nth}: {injected:?}");
        }
        assert_nothing_left(w, nth, &injected);
        if injected.failed.is_none() {
            assert_eq!(injected.code, 0, "nothing failed: {injected:?}");
            break;
        }
        nth += step;
    }
    assert!(nth > 100 && failures >= fatal, "{errno}: of {nth} calls only {failures} were fatal");
}

/// The same for any other command. `before` it, a container is made. After it, `delete --force` can remove everything.
#[track_caller]
fn assert_no_panic_whichever_call_fails(
    w: &Fixture,
    words: &[&str],
    sample: &Sample,
    before: impl Fn(),
    after: impl Fn(usize),
) {
    let command = w.command(words);
    for nth in (sample.first..).step_by(sample.step) {
        before();
        let injected = inject::run(&command, nth, sample.errno);
        // The exit codes of a panic and of an abort.
        assert!(![101, 134].contains(&injected.code), "call {nth} of {words:?}: {injected:?}");
        after(nth);
        if injected.failed.is_none() {
            assert_eq!(injected.code, 0, "nothing failed: {words:?}: {injected:?}");
            return assert!(nth > 30, "only {nth} calls of {words:?}");
        }
    }
}

fn assert_nothing_left(w: &Fixture, nth: usize, injected: &inject::Injected) {
    let left = w.left_behind();
    assert!(left.is_empty(), "call {nth}, {injected:?}: {left:?}");
}

#[test]
fn a_create_in_which_any_call_fails_leaves_nothing() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&config_with_everything(&w));
    assert_nothing_is_left_whichever_call_fails(&w, Sample { errno: Errno::ENOMEM, first: 1, step: 1 }, 250);
}

#[test]
fn a_create_leaves_nothing_whatever_the_error() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&config_with_everything(&w));
    for (first, errno) in [Errno::EPERM, Errno::EINTR, Errno::EIO, Errno::EMFILE].into_iter().enumerate() {
        assert_nothing_is_left_whichever_call_fails(&w, Sample { errno, first: 1 + first, step: 17 }, 10);
    }
}

#[test]
fn after_a_run_a_start_or_a_delete_in_which_a_call_fails_all_can_be_deleted() {
    let Some(w) = Fixture::start() else { return };
    let config = |args: &[&str]| {
        let mut config = config_with_everything(&w);
        config["process"]["args"] = json!(args);
        w.bundle(&config);
    };
    let cleared = |nth: usize| {
        w.oci(&["delete", "--force", "box"]).ok();
        let left = w.left_behind();
        assert!(left.is_empty(), "call {nth}: {left:?}");
    };
    for (first, errno) in [Errno::ENOMEM, Errno::EPERM, Errno::EINTR].into_iter().enumerate() {
        let sample = Sample { errno, first: 1 + first, step: 19 };
        config(&["true"]);
        assert_no_panic_whichever_call_fails(
            &w,
            &["run", "--bundle", "bundle", "box"],
            &sample,
            || (),
            cleared,
        );
        config(&["sleep", "1000"]);
        let created = || drop(w.detached(&["create", "--bundle", "bundle", "box"]).ok().to_owned());
        let sample = Sample { errno, first: 1 + first, step: 7 };
        assert_no_panic_whichever_call_fails(&w, &["start", "box"], &sample, created, cleared);
        assert_no_panic_whichever_call_fails(&w, &["delete", "--force", "box"], &sample, created, cleared);
    }
}

#[test]
fn an_exec_that_fails_leaves_the_container_as_it_was() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sleep", "1000"]));
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    for (first, errno) in [Errno::ENOMEM, Errno::EPERM, Errno::EINTR].into_iter().enumerate() {
        let sample = Sample { errno, first: 1 + first, step: 8 };
        assert_no_panic_whichever_call_fails(
            &w,
            &["exec", "box", "true"],
            &sample,
            || (),
            |nth| {
                let alone = || w.oci(&["ps", "-f", "json", "box"]).ok().matches(',').count() == 0;
                outcome::eventually(&format!("after call {nth} the first process is alone"), alone);
            },
        );
    }
    assert_eq!(w.oci(&["exec", "box", "echo", "still"]).ok(), "still");
    w.oci(&["delete", "--force", "box"]).ok();
    w.assert_nothing_left();
}

#[test]
fn nor_does_one_in_a_user_namespace() {
    let Some(w) = Fixture::start() else { return };
    let mut config = config_with_everything(&w);
    oci_fixture::in_user_namespace(&mut config);
    w.give_root_away();
    w.bundle(&config);
    assert_nothing_is_left_whichever_call_fails(&w, Sample { errno: Errno::ENOMEM, first: 1, step: 3 }, 80);
}

#[test]
fn a_path_that_is_swapped_leads_nowhere_outside() {
    let Some(w) = Fixture::start() else { return };
    let (outside, rootfs) = (w.path("outside"), w.path("bundle/rootfs"));
    std::fs::create_dir(&outside).unwrap();
    std::fs::create_dir(rootfs.join("x")).unwrap();
    std::os::unix::fs::symlink(&outside, rootfs.join("other")).unwrap();
    let mut config = w.config(&["true"]);
    config["mounts"].as_array_mut().unwrap().extend([
        json!({"destination": "/x/y", "type": "tmpfs", "source": "tmpfs"}),
        json!({"destination": "/x/z/file", "type": "bind", "source": "/etc/passwd", "options": ["bind"]}),
    ]);
    config["linux"]["maskedPaths"] = json!(["/x/secret"]);
    config["linux"]["devices"] = json!([{"path": "/x/d/null", "type": "c", "major": 1, "minor": 3}]);
    w.bundle(&config);
    std::fs::write(outside.join("secret"), "x").unwrap();
    let done = AtomicBool::new(false);
    let before = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                swap(&rootfs.join("x"), &rootfs.join("other"));
            }
        });
        for _ in 0..60 {
            w.oci(&["run", "--bundle", "bundle", "box"]);
        }
        done.store(true, Ordering::Relaxed);
    });
    let names: Vec<_> =
        std::fs::read_dir(&outside).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["secret"], "something was made outside");
    assert_eq!(std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap(), before);
    w.assert_nothing_left();
}

fn swap(one: &Path, other: &Path) {
    let flags = rustix::fs::RenameFlags::EXCHANGE;
    rustix::fs::renameat_with(rustix::fs::CWD, one, rustix::fs::CWD, other, flags).unwrap();
}

#[test]
fn a_container_cannot_write_to_the_runtime() {
    let directory = tempfile_for_the_copy();
    let copy = directory.join("hull-oci");
    std::fs::copy(program::hull_oci(), &copy).unwrap();
    let Some(w) = Fixture::of(&copy) else { return };
    let before = std::fs::read(&copy).unwrap();
    let all = ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH"];
    // The attacker opens each new process's executable for writing, directly and through its descriptors.
    let script = "while :; do for p in /proc/[0-9]*; do (echo x >> $p/exe) 2> /dev/null && echo written; \
        for f in $p/fd/*; do (echo x >> $f/../exe) 2> /dev/null; done; done; done";
    let mut config = w.config(&["sh", "-c", script]);
    config["process"]["capabilities"] = json!({"bounding": all, "effective": all, "permitted": all});
    w.bundle(&config);
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    for _ in 0..20 {
        // A program whose interpreter is the runtime that executes it.
        w.oci(&["exec", "box", "/proc/self/exe", "--version"]);
        w.oci(&["exec", "box", "true"]).ok();
    }
    w.oci(&["delete", "--force", "box"]).ok();
    assert_eq!(std::fs::read(&copy).unwrap(), before, "the runtime was changed");
    assert!(!w.output().contains("written"), "{}", w.output());
    drop(w);
    std::fs::remove_dir_all(directory).unwrap();
}

fn tempfile_for_the_copy() -> std::path::PathBuf {
    let directory = std::env::temp_dir().join(format!("hull-oci-copy-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}
