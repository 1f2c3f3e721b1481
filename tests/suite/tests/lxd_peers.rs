//! The sequences of LXD's documentation, typed into LXD's client and into hull under its name: what is printed, how it
//! ends, and what is seen inside.

use hull_test_support::outcome::{eventually, run};
use hull_test_support::systems::System;
use hull_test_support::{Lxd, Outcome, Scenario};

/// The image's name on both sides.
const IMAGE: &str = "box";

const METADATA: &str =
    "architecture: x86_64\ncreation_date: 1700000000\nproperties:\n  description: busybox\n";

/// The same commands for both.
struct Both<'a> {
    t: &'a Scenario,
    lxd: Lxd<'a>,
}

/// The parts of two outcomes that have to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Same {
    /// What is printed, and the exit code.
    All,
    /// The exit code. The words are each one's own.
    Code,
}

impl<'a> Both<'a> {
    fn start(t: &'a Scenario) -> Option<Self> {
        let lxd = Lxd::start(t)?;
        let archive = System::Busybox.archive().expect("the scenario has it");
        let metadata = t.write("meta/metadata.yaml", METADATA);
        let packed = t.path("metadata.tar");
        let mut tar = std::process::Command::new("tar");
        tar.arg("-cf")
            .arg(&packed)
            .arg("-C")
            .arg(metadata.parent().expect("a directory"))
            .arg("metadata.yaml");
        run(&mut tar).ok();
        let (packed, archive) = (packed.to_str().expect("plain"), archive.to_str().expect("plain"));
        lxd.lxc(&["image", "import", packed, archive, "--alias", IMAGE]).ok();
        t.ok(&["import", archive, IMAGE]);
        Some(Self { t, lxd })
    }

    /// hull as `lxc`.
    fn hull(&self, words: &[&str]) -> Outcome {
        use std::os::unix::process::CommandExt;
        run(self.t.command(words).arg0("lxc"))
    }

    #[track_caller]
    fn run(&self, same: Same, words: &[&str]) -> String {
        let (theirs, ours) = (self.lxd.lxc(words), self.hull(words));
        let shown = format!(
            "lxc {}\nLXD: {:?}\n{}{}\nhull: {:?}\n{}{}",
            words.join(" "),
            theirs.code(),
            theirs.stdout,
            theirs.stderr,
            ours.code(),
            ours.stdout,
            ours.stderr
        );
        assert_eq!(theirs.code(), ours.code(), "{shown}");
        if same == Same::All {
            assert_eq!(theirs.stdout, ours.stdout, "{shown}");
        }
        ours.stdout
    }

    /// Both succeed and print the same.
    #[track_caller]
    fn all(&self, line: &str) -> String {
        self.run(Same::All, &words(line))
    }

    /// Both end with this code.
    #[track_caller]
    fn ends(&self, code: i32, line: &str) {
        let words = words(line);
        assert_eq!(self.hull(&words).code(), code, "lxc {line}");
        assert_eq!(self.lxd.lxc(&words).code(), code, "lxc {line}");
    }

    /// Changes the state, so that it is done once on each side.
    #[track_caller]
    fn done(&self, line: &str) {
        self.run(Same::Code, &words(line));
    }

    /// A script of the instance's shell.
    #[track_caller]
    fn inside(&self, name: &str, script: &str) -> String {
        self.run(Same::All, &["exec", name, "--", "sh", "-c", script])
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[test]
fn an_instance_lives_as_it_does_in_lxd() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    let Some(both) = Both::start(&t) else { return };
    both.done("launch box peer1 -c user.note=hello");
    both.all("list -c nst -f csv");
    both.all("list -c nst");
    both.all("list -c ns -f compact");
    both.all("list user.note=hello -c n -f csv");
    both.all("list -c n,user.note:NOTE");
    both.all("list nothing -f csv");
    // What a command finds inside.
    both.inside("peer1", "hostname; id; pwd; echo $HOME $USER $LANG");
    both.all("exec peer1 --cwd /etc --env A=b -- sh -c pwd");
    both.all("exec peer1 --user 5 -- id -u");
    both.inside(
        "peer1",
        "awk '{print $1}' /proc/self/uid_map; cat /proc/1/comm; test -w /proc/sys/vm/swappiness; echo $?",
    );
    both.inside("peer1", "grep -c . /proc/1/cgroup >/dev/null; awk -F: '$3 != \"/\"' /proc/1/cgroup");
    for (code, line) in [(3, "exec peer1 -- sh -c exit\t3"), (127, "exec peer1 -- nothing")] {
        let words: Vec<String> = words(line).iter().map(|word| word.replace('\t', " ")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(both.hull(&words).code(), code);
        assert_eq!(both.lxd.lxc(&words).code(), code);
    }
    // States.
    both.ends(1, "start peer1");
    both.done("pause peer1");
    both.all("list -c ns -f csv");
    both.done("start peer1");
    both.all("list -c ns -f csv");
    both.ends(1, "delete peer1");
    both.done("stop --force peer1");
    both.ends(1, "stop peer1");
    both.ends(1, "exec peer1 -- true");
    both.all("list -c ns -f csv");
    both.done("rename peer1 peer2");
    both.done("start peer2");
    eventually("the renamed instance knows its new name", || {
        both.hull(&["exec", "peer2", "--", "hostname"]).stdout == "peer2\n"
    });
    both.inside("peer2", "hostname");
    both.done("delete --force peer2");
    both.all("list -f csv");
}

#[test]
fn what_is_wrong_ends_as_in_lxd() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    let Some(both) = Both::start(&t) else { return };
    for line in [
        "nothing",
        "list --nothing",
        "list -c Z",
        "list -f nothing",
        "info peer9",
        "start peer9",
        "stop peer9",
        "delete peer9",
        "exec peer9 -- true",
        "rename peer9 peer8",
        "launch nothing peer9",
        "launch box peer9 -c nothing=1",
        "launch box peer9 -c limits.memory=much",
        "launch box not/a/name",
    ] {
        both.ends(1, line);
    }
    both.all("list -f csv");
}
