//! The sequences of LXC's documentation, typed into LXC's programs and into hull under their names: what is printed, how it
//! ends, and what is seen inside.

use std::os::unix::process::CommandExt;

use hull_test_support::outcome::{eventually, run};
use hull_test_support::systems::System;
use hull_test_support::{Lxc, Outcome, Scenario};

/// The same commands for both.
struct Both<'a> {
    t: &'a Scenario,
    lxc: Lxc<'a>,
}

impl<'a> Both<'a> {
    fn start(t: &'a Scenario) -> Option<Self> {
        Some(Self { t, lxc: Lxc::start(t, System::Busybox)? })
    }

    /// hull under the name of one of LXC's programs.
    fn hull(&self, words: &[&str]) -> Outcome {
        run(self.t.command(&words[1..]).arg0(words[0]))
    }

    fn both(&self, words: &[&str]) -> (Outcome, Outcome) {
        (self.lxc.run(words), self.hull(words))
    }

    /// Both end with the same code and print the same.
    #[track_caller]
    fn all(&self, line: &str) -> String {
        let (theirs, ours) = self.both(&words(line));
        assert_eq!((theirs.code(), &*theirs.stdout), (ours.code(), &*ours.stdout), "{theirs}\n{ours}");
        ours.stdout
    }

    /// Both end with this code. Their messages may differ.
    #[track_caller]
    fn ends(&self, code: i32, line: &str) {
        let (theirs, ours) = self.both(&words(line));
        assert_eq!((theirs.code(), ours.code()), (code, code), "{theirs}\n{ours}");
    }

    fn create(&self, name: &str) {
        let (description, root) = &self.lxc.archives;
        let (description, root) = (description.to_str().unwrap(), root.to_str().unwrap());
        self.ends(0, &format!("lxc-create -n {name} -t local -- --metadata {description} --fstree {root}"));
    }

    fn until_inside(&self, name: &str) {
        eventually("a command runs in the container", || {
            let (theirs, ours) = self.both(&["lxc-attach", "-n", name, "--", "true"]);
            theirs.success() && ours.success()
        });
    }

    /// A script of the container's shell.
    #[track_caller]
    fn inside(&self, name: &str, script: &str) -> String {
        let (theirs, ours) = self.both(&["lxc-attach", "-n", name, "--", "sh", "-c", script]);
        assert_eq!((theirs.code(), &*theirs.stdout), (ours.code(), &*ours.stdout), "{theirs}\n{ours}");
        ours.stdout
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[test]
fn a_container_lives_as_it_does_in_lxc() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    let Some(both) = Both::start(&t) else { return };
    both.create("peer1");
    both.all("lxc-ls -1");
    both.all("lxc-info -n peer1 -s");
    both.all("lxc-ls --running");
    both.ends(0, "lxc-start -n peer1");
    both.until_inside("peer1");
    both.all("lxc-info -n peer1 -s");
    both.all("lxc-ls --running -1");
    both.all("lxc-ls --stopped -1");
    both.inside("peer1", "hostname; id -u; id -g; cat /proc/1/comm");
    both.all("lxc-attach -n peer1 -v A=b -- printenv A");
    both.all("lxc-attach -n peer1 --clear-env -v A=b -- printenv A");
    both.all("lxc-attach -n peer1 -u 5 -g 6 -- id -u");
    both.ends(127, "lxc-attach -n peer1 -- nothing");
    both.ends(0, "lxc-start -n peer1");
    both.ends(0, "lxc-wait -n peer1 -s RUNNING|FROZEN -t 20");
    both.ends(1, "lxc-wait -n peer1 -s STOPPED -t 1");
    both.ends(1, "lxc-stop -n peer1 -k -r");
    both.ends(1, "lxc-stop -n peer1 -k --nokill");
    both.ends(1, "lxc-stop -n peer1 --nolock");
    both.ends(0, "lxc-freeze -n peer1");
    both.all("lxc-info -n peer1 -s");
    both.all("lxc-ls --frozen -1");
    both.ends(0, "lxc-unfreeze -n peer1");
    both.all("lxc-info -n peer1 -s");
    both.inside("peer1", "echo kept >/kept");
    both.ends(1, "lxc-destroy -n peer1");
    both.ends(0, "lxc-stop -n peer1");
    both.all("lxc-info -n peer1 -s");
    both.ends(2, "lxc-stop -n peer1");
    both.ends(2, "lxc-stop -n peer1 -r");
    both.ends(2, "lxc-stop -n peer1 -W");
    both.ends(1, "lxc-attach -n peer1 -- true");
    // What was written is kept over a stop and a start.
    both.ends(0, "lxc-start -n peer1 -d");
    both.until_inside("peer1");
    both.inside("peer1", "cat /kept");
    both.ends(0, "lxc-stop -n peer1 -W");
    both.ends(0, "lxc-wait -n peer1 -s STOPPED -t 30");
    both.ends(0, "lxc-start -n peer1 -d");
    both.until_inside("peer1");
    both.ends(0, "lxc-stop -n peer1 -k");
    both.all("lxc-info -n peer1 -s");
    both.ends(0, "lxc-destroy -n peer1");
    both.ends(1, "lxc-destroy -n peer1");
    both.all("lxc-ls -1");
}

#[test]
fn copies_and_snapshots_are_as_in_lxc() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    let Some(both) = Both::start(&t) else { return };
    both.create("peer1");
    both.ends(0, "lxc-start -n peer1");
    both.until_inside("peer1");
    both.inside("peer1", "echo first >/file");
    both.ends(0, "lxc-stop -n peer1");
    both.all("lxc-snapshot -n peer1 -L");
    both.ends(0, "lxc-snapshot -n peer1");
    let names = |outcome: Outcome| outcome.stdout.split(' ').next().map(str::to_owned);
    let (theirs, ours) = both.both(&["lxc-snapshot", "-n", "peer1", "-L"]);
    assert_eq!(names(theirs), names(ours), "the first snapshot's name");
    both.ends(0, "lxc-start -n peer1");
    both.until_inside("peer1");
    both.inside("peer1", "echo second >/file");
    both.ends(0, "lxc-stop -n peer1");
    both.ends(0, "lxc-copy -n peer1 -N peer2");
    both.ends(0, "lxc-snapshot -n peer1 -r snap0 -N peer3");
    both.ends(0, "lxc-snapshot -n peer1 -r snap0");
    both.all("lxc-ls -1");
    for (name, kept) in [("peer1", "first\n"), ("peer2", "second\n"), ("peer3", "first\n")] {
        both.ends(0, &format!("lxc-start -n {name}"));
        both.until_inside(name);
        assert_eq!(both.inside(name, "cat /file"), kept, "{name}");
        assert_eq!(both.inside(name, "hostname"), format!("{name}\n"));
        both.ends(0, &format!("lxc-stop -n {name} -k"));
    }
    both.ends(0, "lxc-snapshot -n peer1 -d snap0");
    both.all("lxc-snapshot -n peer1 -L");
    both.ends(0, "lxc-copy -n peer2 -N peer4 -R");
    both.all("lxc-ls -1");
    for name in ["peer1", "peer3", "peer4"] {
        both.ends(0, &format!("lxc-destroy -n {name}"));
    }
    both.all("lxc-ls -1");
}

#[test]
fn what_is_wrong_ends_as_in_lxc() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    let Some(both) = Both::start(&t) else { return };
    for line in [
        "lxc-start -n peer9",
        "lxc-stop -n peer9",
        "lxc-destroy -n peer9",
        "lxc-info -n peer9",
        "lxc-attach -n peer9 -- true",
        "lxc-freeze -n peer9",
        "lxc-copy -n peer9 -N peer8",
        "lxc-snapshot -n peer9",
        "lxc-create -n peer9 -t nothing",
        "lxc-wait -n peer9 -s RUNNING -t 1",
        "lxc-wait -n peer9 -s FOO",
    ] {
        let (theirs, ours) = both.both(&words(line));
        assert!(!theirs.success() && theirs.code() == ours.code(), "{theirs}\n{ours}");
    }
    both.all("lxc-ls -1");
}
