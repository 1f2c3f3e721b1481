//! What a program in the lab cannot do to the machine. The tests themselves are outside, and look from there.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs a script in a lab of its own, or says why there is none.
fn in_a_lab(script: &str, argument: &str) -> Option<Output> {
    if !nix::unistd::geteuid().is_root() {
        lesson_lab::skip("what only root can do to a machine");
        return None;
    }
    let lab = Command::new(env!("CARGO_BIN_EXE_lesson-lab")).args(["sh", "-c", script, argument]).output();
    Some(lab.expect("it runs"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

#[test]
fn the_machines_files_are_read_only_and_a_directory_of_the_labs_is_not() {
    let name = format!("lesson-lab-test-{}", std::process::id());
    let directories = ["/etc", "/usr", "/var/tmp", "/tmp", "/run"];
    let script = format!(
        "for directory in {}; do touch $directory/$0 2>/dev/null && echo $directory is writable; done; \
         echo mine >$TMPDIR/file && cat $TMPDIR/file && rm $TMPDIR/file",
        directories.join(" ")
    );
    let Some(tried) = in_a_lab(&script, &name) else { return };
    assert_eq!(text(&tried.stdout), "mine", "a program in the lab has written to the machine: {tried:?}");
    for directory in directories {
        assert!(!Path::new(directory).join(&name).exists(), "{directory}/{name} is on the machine");
    }
    let written =
        fs::write(format!("/tmp/{name}"), "").and_then(|()| fs::remove_file(format!("/tmp/{name}")));
    written.expect("the control: outside, root may write there");
}

#[test]
fn processes_of_the_machine_are_neither_seen_nor_reached() {
    let mut sleep = Command::new("sleep").arg("100").spawn().expect("sleep runs");
    let pid = sleep.id().to_string();
    let script = "kill -KILL $0 2>/dev/null && echo killed; ls -d /proc/[0-9]* | wc -l";
    let tried = in_a_lab(script, &pid);
    let ended = sleep.try_wait().expect("it is our child");
    let _ = sleep.kill().and_then(|()| sleep.wait());
    let Some(tried) = tried else { return };
    assert_eq!(ended, None, "a program in the lab has killed a process of the machine: {tried:?}");
    let seen: u32 = text(&tried.stdout).parse().unwrap_or(u32::MAX);
    assert!(seen <= 4, "process 1, sh, ls and wc are in the lab, and it sees more: {tried:?}");
}

#[test]
fn cgroups_of_the_lab_are_in_a_subtree_of_its_own_and_end_with_it() {
    let name = format!("lab-{}", std::process::id());
    // A tree in which cgroups can be made: v2, or the one for memory on v1.
    let v1 = Path::new("/sys/fs/cgroup/memory");
    let tree = if v1.is_dir() { v1 } else { Path::new("/sys/fs/cgroup") };
    let script = format!("mkdir {}/$0 && cat /proc/self/cgroup && read _", tree.display());
    if !nix::unistd::geteuid().is_root() {
        return lesson_lab::skip("what only root can do to a machine");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_lesson-lab"));
    command.args(["sh", "-c", &script, &name]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut lab = command.spawn().expect("it runs");
    let mut found = Vec::new();
    lesson_lab::wait_for("a cgroup made in the lab to be on the machine", || {
        found = named(tree, &name, 6);
        !found.is_empty()
    });
    let own = format!("lesson-lab-{}", lab.id());
    let in_the_subtree = found.iter().all(|path| path.parent().is_some_and(|parent| parent.ends_with(&own)));
    drop(lab.stdin.take());
    let output = lab.wait_with_output().expect("it ends");
    assert!(in_the_subtree, "a cgroup of the lab is outside of {own}: {found:?}");
    let paths = text(&output.stdout);
    let is_short = |line: &str| line.ends_with(":/") || line.ends_with(":/tests");
    assert!(paths.lines().all(is_short), "the lab sees more than its own part of the tree: {paths}");
    assert!(!found[0].parent().expect("it has one").exists(), "{own} is left on the machine");
}

/// Directories of this name, so many levels down.
fn named(directory: &Path, name: &str, levels: u32) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if entry.file_name() == *name {
            found.push(entry.path());
        } else if is_directory && levels > 0 {
            found.extend(named(&entry.path(), name, levels - 1));
        }
    }
    found
}

#[test]
fn exit_codes_leave_the_lab_and_processes_left_running_do_not() {
    let Some(ended) = in_a_lab("sleep 100 >/dev/null 2>&1 & exit 42", "") else { return };
    assert_eq!(ended.status.code(), Some(42), "{ended:?}");
    let Some(killed) = in_a_lab("kill -TERM $$", "") else { return };
    assert_eq!(killed.status.code(), Some(143), "{killed:?}");
}

#[test]
fn what_a_killed_test_program_has_left_is_removed_by_the_next_one() {
    if !nix::unistd::geteuid().is_root() {
        return lesson_lab::skip("what only root can do to a machine");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_lesson-lab"));
    command.args(["sh", "-c", "echo $TMPDIR; touch $TMPDIR/left; exec sleep 100"]).stdout(Stdio::piped());
    let mut lab = command.spawn().expect("it runs");
    let mut line = String::new();
    let output = lab.stdout.take().expect("piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).expect("text");
    let directory = Path::new(line.trim_end()).to_owned();
    lesson_lab::wait_for("the file in the lab", || directory.join("left").exists());
    lab.kill().and_then(|()| lab.wait()).expect("it is our child");
    assert!(directory.exists(), "the control: a killed program cannot remove its directory");
    drop(in_a_lab("exit 0", ""));
    assert!(!directory.exists(), "{} is left", directory.display());
    let v1 = Path::new("/sys/fs/cgroup/memory");
    let tree = if v1.is_dir() { v1 } else { Path::new("/sys/fs/cgroup") };
    let own = format!("lesson-lab-{}", lab.id());
    lesson_lab::wait_for("its cgroup to be gone", || named(tree, &own, 5).is_empty());
}
