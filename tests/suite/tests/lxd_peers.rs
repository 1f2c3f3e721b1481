//! The sequences of LXD's documentation, typed into LXD's client and into hull under its name: what is printed, how it
//! ends, and what is seen inside.

use std::os::unix::process::CommandExt;
use std::process::Command;

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
    /// The exit code. The messages may differ.
    Code,
}

impl<'a> Both<'a> {
    fn start(t: &'a Scenario) -> Option<Self> {
        let lxd = Lxd::start(t)?;
        let archive = System::Busybox.archive().expect("the scenario has it");
        let metadata = t.write("meta/metadata.yaml", METADATA);
        let packed = t.path("metadata.tar");
        let mut tar = Command::new("tar");
        tar.arg("-cf")
            .arg(&packed)
            .arg("-C")
            .arg(metadata.parent().expect("a directory"))
            .arg("metadata.yaml");
        run(&mut tar).ok();
        let (packed, archive) = (packed.to_str().expect("plain"), archive.to_str().expect("plain"));
        lxd.lxc(&["image", "import", packed, archive, "--alias", IMAGE]).ok();
        let both = Self { t, lxd };
        std::fs::create_dir_all(t.path("hull")).expect("own directory");
        both.hull(&["image", "delete", System::Busybox.image()]).ok();
        both.hull(&["image", "import", packed, archive, "--alias", IMAGE]).ok();
        Some(both)
    }

    /// hull under the name `lxc`.
    fn hull(&self, words: &[&str]) -> Outcome {
        run(self.t.command(words).current_dir(self.t.path("hull")).arg0("lxc"))
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

    /// Runs a command that changes the state once on each side. Both end with the same code.
    #[track_caller]
    fn done(&self, line: &str) {
        self.run(Same::Code, &words(line));
    }

    /// Both succeed and print the same, except for the keys that each engine keeps for itself.
    #[track_caller]
    fn shown(&self, line: &str) {
        let own = |text: &str| {
            let lines = text.lines().filter(|line| !line.contains(" volatile.") && !line.contains(" image."));
            lines.collect::<Vec<_>>().join("\n")
        };
        let words = words(line);
        assert_eq!(own(self.lxd.lxc(&words).ok()), own(self.hull(&words).ok()), "lxc {line}");
    }

    /// Waits until commands can be run in an instance that is being started.
    fn until_inside(&self, name: &str) {
        eventually("a command runs in the instance", || {
            let words = ["exec", name, "--", "true"];
            self.hull(&words).success() && self.lxd.lxc(&words).success()
        });
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
    both.inside("peer1", "hostname; id -u; id -g; pwd; echo $HOME $USER $LANG");
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
fn a_change_is_seen_inside_as_with_lxd() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    let Some(both) = Both::start(&t) else { return };
    let shared = t.write("shared/hello", "from the host\n");
    let (hello, shared) = (shown(&shared), shown(shared.parent().expect("a directory")));
    both.done("launch box peer1");
    // Keys.
    both.all("config set peer1 limits.memory=64MiB");
    both.all("config set peer1 limits.processes 50");
    both.all("config set peer1 user.note=hello");
    both.all("config get peer1 user.note");
    both.all("config unset peer1 user.note");
    both.all("config get peer1 user.note");
    both.all("config get peer1 limits.memory");
    both.shown("config show peer1");
    both.inside("peer1", "dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null; echo $?");
    both.inside("peer1", "for i in $(seq 60); do sleep 5 & done 2>&1 | grep -c fork");
    // Devices.
    both.all(&format!("config device add peer1 data disk source={shared} path=/mnt/data"));
    both.inside("peer1", "cat /mnt/data/hello; stat -c '%u' /mnt/data/hello; touch /mnt/data/new; echo $?");
    both.all("config device list peer1");
    both.all("config device show peer1");
    both.all("config device get peer1 data path");
    both.ends(1, &format!("config device add peer1 data disk source={shared} path=/other"));
    both.all("config device remove peer1 data");
    both.inside("peer1", "ls /mnt/data/hello; echo $?");
    both.ends(1, "config device remove peer1 data");
    both.all("config device add peer1 web proxy listen=unix:/tmp/from connect=unix:/tmp/to bind=instance");
    both.inside("peer1", "test -S /tmp/from; echo $?");
    both.all("config device remove peer1 web");
    // Files.
    both.done(&format!("file push {hello} peer1/root/hello --mode 0640 --uid 7 --gid 8"));
    both.inside("peer1", "stat -c '%a %u:%g' /root/hello; cat /root/hello");
    both.all("file pull peer1/root/hello -");
    both.done(&format!("file push -rp {shared} peer1/opt/deep"));
    both.inside("peer1", "ls -R /opt/deep");
    both.all("file delete peer1/root/hello");
    both.ends(1, "file pull peer1/root/hello -");
    both.done("delete --force peer1");
}

#[test]
fn what_is_kept_is_what_lxd_keeps() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    let Some(both) = Both::start(&t) else { return };
    both.done("init box peer1 -c user.note=first");
    both.done("start peer1");
    // Snapshots hold files and keys, and a running instance is restored.
    both.inside("peer1", "echo one > /kept");
    both.all("snapshot peer1 s1");
    both.all("snapshot peer1");
    both.ends(1, "snapshot peer1 s1");
    both.inside("peer1", "rm /kept; touch /later");
    both.all("config set peer1 user.note=second");
    both.all("restore peer1 s1");
    both.until_inside("peer1");
    both.inside("peer1", "cat /kept; ls /later; echo $?");
    both.all("config get peer1 user.note");
    both.all("list -c nsS -f csv");
    both.all("rename peer1/snap0 peer1/other");
    both.all("delete peer1/other");
    // Copies.
    both.done("copy peer1 peer2");
    both.done("copy peer1/s1 peer3");
    both.all("move peer3 peer4");
    both.all("list -c nsS -f csv");
    both.done("start peer4");
    both.until_inside("peer4");
    both.inside("peer4", "hostname; cat /kept");
    // Profiles.
    both.all("profile create small");
    both.all("profile set small limits.processes=40");
    both.all("profile add peer1 small");
    both.all("profile show small");
    both.all("config get peer1 limits.processes -e");
    both.all("profile device add small etc disk source=/etc path=/mnt/etc");
    both.inside("peer1", "test -e /mnt/etc/passwd; echo $?");
    both.all("profile device list small");
    both.ends(1, "profile delete small");
    both.all("profile remove peer1 small");
    both.inside("peer1", "test -e /mnt/etc/passwd; echo $?");
    both.all("profile rename small tiny");
    both.all("profile assign peer1 default,tiny");
    both.all("profile assign peer1 default");
    both.all("profile delete tiny");
    // Images.
    both.ends(1, "publish peer1 --alias mine");
    both.all("stop --force peer1");
    both.done("publish peer1 --alias mine description=mine");
    both.all("image list -c ld -f csv");
    both.all("image list -c ld");
    both.done("delete --force peer1 peer2 peer4");
}

fn shown(path: &std::path::Path) -> String {
    path.to_str().expect("a plain path").to_owned()
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
