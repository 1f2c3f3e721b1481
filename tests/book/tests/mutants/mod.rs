//! Shows that the freshness check can fail: in a copy of the workspace one line changes, and the check notices it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use hull_book::{WORKSPACE, workspace};

/// A file, a text in it, the text that replaces it, and the generated files that show it.
const MUTANTS: [(&str, &str, &str, &[&str]); 6] = [
    ("tests/steps/traces/02-pid-mount.txt", "pivot_root", "chroot", &["traces/02-pid-mount.txt"]),
    (
        "steps/01-uts/src/main.rs",
        "CloneFlags::CLONE_NEWUTS;",
        "CloneFlags::empty();",
        &["code/01-uts/main/flags.rs"],
    ),
    ("steps/01-uts/src/idmap.rs", "setgroups", "setgroup", &["code/01-uts/idmap/write.rs"]),
    (
        "steps/02-pid-mount/src/rootfs.rs",
        "MsFlags::MS_PRIVATE",
        "MsFlags::MS_SHARED",
        &["code/02-pid-mount/rootfs/detach.rs"],
    ),
    (
        "steps/05-veth-bridge/src/main.rs",
        "CLONE_NEWNET",
        "CLONE_NEWUSER",
        &["diffs/05-veth-bridge/main.diff", "diffs/06-images/main.diff"],
    ),
    ("book/diagrams/uts.picture", "laptop", "desktop", &["diagrams/uts.svg"]),
];

/// Runs the freshness test of this program on the workspace in that directory.
fn check(copy: &Path) -> Output {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["what_is_generated_is_fresh", "--exact"]).env(WORKSPACE, copy);
    test.output().unwrap()
}

#[test]
fn a_changed_line_of_a_step_makes_the_book_stale() {
    let copy = tempfile::tempdir().unwrap();
    let mut cp = Command::new("cp");
    cp.args(["-r", "--parents", "book", "steps", "final", "tests/steps/traces"]).arg(copy.path());
    cp.current_dir(workspace());
    assert!(cp.status().unwrap().success());
    let unchanged = check(copy.path());
    let said = String::from_utf8_lossy(&unchanged.stdout);
    assert!(unchanged.status.success() && said.contains("1 passed"), "the control:\n{said}");

    for (file, before, after, shown) in MUTANTS {
        let path = copy.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        let mutant = text.replacen(before, after, 1);
        assert_ne!(mutant, text, "{file} has no {before}");
        fs::write(&path, mutant).unwrap();
        let output = check(copy.path());
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{before} -> {after} in {file} is not noticed:\n{said}");
        for part in shown {
            assert!(said.contains(&format!("{part} has changed")), "{file}: nothing about {part}:\n{said}");
        }
        fs::write(&path, text).unwrap();
    }
}
