//! The table of system containers, beside LXD and LXC: the same Debian with systemd, and the same words typed into LXD's
//! client and into hull under its name.

#[path = "common/mod.rs"]
mod common;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::pairs::{Pairs, count, row};
use common::succeed;
use hull_test_support::outcome::run;
use hull_test_support::systems::System;
use hull_test_support::{Lxd, Scenario};

const IMAGE: &str = System::Systemd.image();
const METADATA: &str = "architecture: x86_64\ncreation_date: 1700000000\n";
const NAME: &str = "peer1";

/// Both sides.
struct Both<'a> {
    t: &'a Scenario,
    lxd: Lxd<'a>,
}

fn main() {
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let Some(t) = Scenario::with_systems(&[System::Systemd]) else { return };
    let Some(lxd) = Lxd::start(&t) else { return };
    let both = Both { t: &t, lxd };
    both.import();
    // A boot takes seconds, so a tenth of the pairs has to do.
    let few = count().div_ceil(10);
    row("what (medians)", "LXD", "hull", "", "target");
    let gone = || both.remove(&["delete", "--force", NAME]);
    let launched = Pairs::take(
        few,
        gone,
        || both.until_running(|words| both.lxd(words), true),
        || both.until_running(|words| both.hull(words), true),
    );
    launched.print_ratio("launch until systemd says running", "<= x 0.7");
    // The last removal was of both, and the last launch of one.
    gone();
    both.until_running(|words| both.lxd(words), true);
    both.until_running(|words| both.hull(words), true);
    both.changes_of_a_running_one(few);
    let running = || both.until_both_run();
    let stopped = Pairs::take(few, running, || both.lxd(&["stop", NAME]), || both.hull(&["stop", NAME]));
    stopped.print_ratio("stop", "<= x 0.6 of LXC's");
    both.until_both_run();
    both.each(&["stop", "--force", NAME]);
    both.snapshots(few);
    both.beside_lxc(few);
    both.each(&["delete", "--force", NAME]);
    freeze(&t);
    list_of_two_hundred(&t);
}

/// How long a running system stands still while a snapshot of it is taken on btrfs: the longest pause that one of its
/// processes notices.
fn freeze(t: &Scenario) {
    // The image has perl without its module for the time: 228 is clock_gettime(2) of x86_64, and 1 the monotonic clock.
    const TICKS: &str = "sub now { my $t = \"\\0\" x 16; syscall(228, 1, $t); my ($s, $n) = unpack('qq', $t); $s * 1000 + $n / 1e6 } \
        my ($last, $most) = (now(), 0); while (!-e '/end') { select(undef, undef, undef, 0.001); my $now = now(); \
        $most = $now - $last if $now - $last > $most; $last = $now; } printf('%.0f', $most);";
    t.ok(&["storage", "create", "fast", "btrfs", "size=2GiB"]);
    t.ok(&["launch", "-s", "fast", "-n", "none", IMAGE, "still"]);
    let script =
        "until test -S /run/systemd/private; do sleep 0.01; done; systemctl is-system-running --wait || true";
    t.ok(&["exec", "still", "sh", "-c", script]);
    // Without any snapshot the pause is that of the scheduler.
    let mut pauses = Vec::new();
    for snapshots in [0, 5] {
        t.ok(&["exec", "still", "rm", "-f", "/end"]);
        let ticking = t.spawn(&["exec", "still", "perl", "-e", TICKS]);
        for number in 0..snapshots {
            t.ok(&["snapshot", "still", &format!("s{number}")]);
        }
        std::thread::sleep(Duration::from_millis(500));
        t.ok(&["exec", "still", "touch", "/end"]);
        pauses.push(format!("{} ms", ticking.wait().ok()));
    }
    row("longest pause, 5 snapshots on btrfs", &pauses[0], &pauses[1], "", "<= 50 ms");
    t.ok(&["rm", "-f", "still"]);
    t.ok(&["storage", "delete", "fast"]);
}

/// `lxc list` has more to ask of a container than `hull ps`.
fn list_of_two_hundred(t: &Scenario) {
    let names: Vec<String> = (0..200).map(|number| format!("one{number}")).collect();
    for name in &names {
        t.ok(&["create", "--network", "none", "--name", name, IMAGE, "true"]);
    }
    let ps = || {
        t.ok(&["ps", "-a"]);
    };
    let list = || {
        run(t.command(&["list"]).arg0("lxc")).ok();
    };
    let taken = Pairs::take(count(), || {}, ps, list);
    taken.print_ratio("list of 200, beside ps -a", "<= x 2");
    let mut all = vec!["rm", "-f"];
    all.extend(names.iter().map(String::as_str));
    t.ok(&all);
}

impl Both<'_> {
    fn import(&self) {
        let archive = System::Systemd.archive().expect("the scenario has it");
        self.t.write("metadata/metadata.yaml", METADATA);
        let metadata = self.t.path("metadata.tar");
        let mut tar = Command::new("tar");
        succeed(tar.arg("-cf").arg(&metadata).arg("-C").arg(self.t.path("metadata")).arg("metadata.yaml"));
        let plain = |path: &Path| path.to_str().expect("a plain path").to_owned();
        self.lxd(&["image", "import", &plain(&metadata), &plain(&archive), "--alias", IMAGE]);
    }

    #[track_caller]
    fn lxd(&self, words: &[&str]) {
        self.lxd.lxc(words).ok();
    }

    #[track_caller]
    fn hull(&self, words: &[&str]) {
        run(self.t.command(words).arg0("lxc")).ok();
    }

    #[track_caller]
    fn each(&self, words: &[&str]) {
        self.lxd(words);
        self.hull(words);
    }

    /// Removes what may not be there yet.
    fn remove(&self, words: &[&str]) {
        self.lxd.lxc(words);
        run(self.t.command(words).arg0("lxc"));
    }

    /// Launches, or starts, and asks systemd until it has started everything.
    fn until_running(&self, client: impl Fn(&[&str]), launch: bool) {
        match launch {
            true => client(&["launch", IMAGE, NAME]),
            false => client(&["start", NAME]),
        }
        // The script waits inside, so that asking costs the client nothing.
        let wait = "until test -S /run/systemd/private; do sleep 0.01; done; systemctl is-system-running --wait || true";
        client(&["exec", NAME, "--", "sh", "-c", wait]);
    }

    /// Starts the one that was stopped. The other is running already, which is an error in LXD.
    fn until_both_run(&self) {
        let lxd = |words: &[&str]| drop(self.lxd.lxc(words));
        let hull = |words: &[&str]| drop(run(self.t.command(words).arg0("lxc")));
        self.until_running(lxd, false);
        self.until_running(hull, false);
    }

    fn changes_of_a_running_one(&self, pairs: u32) {
        let value = std::cell::Cell::new(0);
        let next = || {
            value.set(value.get() + 1);
            format!("limits.memory={}MiB", 512 + value.get())
        };
        let set = |client: &dyn Fn(&[&str])| client(&["config", "set", NAME, &next()]);
        let (lxd, hull) = (|words: &[&str]| self.lxd(words), |words: &[&str]| self.hull(words));
        let taken = Pairs::take(pairs, || {}, || set(&lxd), || set(&hull));
        taken.print_ratio("config set limits.memory of a running one", "hull: <= 10 ms");
        let remove = || self.remove(&["config", "device", "remove", NAME, "etc"]);
        let words = ["config", "device", "add", NAME, "etc", "disk", "source=/etc", "path=/mnt"];
        let taken = Pairs::take(pairs, remove, || lxd(&words), || hull(&words));
        taken.print_ratio("device add of a disk, running", "hull: <= 20 ms");
        remove();
        let taken = Pairs::take(pairs, || {}, || lxd(&["list"]), || hull(&["list"]));
        taken.print_ratio("list", "");
    }

    /// Of a stopped one.
    fn snapshots(&self, pairs: u32) {
        let (lxd, hull) = (|words: &[&str]| self.lxd(words), |words: &[&str]| self.hull(words));
        let snapshot = ["snapshot", NAME, "s"];
        let gone = || self.remove(&["delete", "peer1/s"]);
        let taken = Pairs::take(pairs, gone, || lxd(&snapshot), || hull(&snapshot));
        taken.print_ratio("snapshot of a stopped one", "hull: <= 20 ms");
        gone();
        self.each(&snapshot);
        let restore = ["restore", NAME, "s"];
        let taken = Pairs::take(pairs, || {}, || lxd(&restore), || hull(&restore));
        taken.print_ratio("restore of a stopped one", "hull: <= 20 ms");
        let copy = ["copy", NAME, "peer2"];
        let gone = || self.remove(&["delete", "--force", "peer2"]);
        let taken = Pairs::take(pairs, gone, || lxd(&copy), || hull(&copy));
        taken.print_ratio("copy of a stopped one", "<= x 0.05 on btrfs");
        gone();
    }

    /// LXC starts the same root with the same ids, and stops it.
    fn beside_lxc(&self, pairs: u32) {
        let root = self.t.path("lxc/peer3/rootfs");
        std::fs::create_dir_all(&root).expect("own directory");
        let archive = System::Systemd.archive().expect("the scenario has it");
        succeed(Command::new("tar").arg("-C").arg(&root).arg("-xf").arg(archive));
        let config = format!(
            "lxc.include = /usr/share/lxc/config/common.conf\nlxc.include = /usr/share/lxc/config/userns.conf\n\
             lxc.rootfs.path = dir:{}\nlxc.rootfs.options = idmap=container\nlxc.uts.name = peer3\n\
             lxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 100000 65536\nlxc.net.0.type = empty\n",
            root.display()
        );
        self.t.write("lxc/peer3/config", config);
        let path = self.t.path("lxc");
        let path = path.to_str().expect("a plain path");
        let lxc = |tool: &str, words: &[&str]| {
            run(&mut self.lxd.command(&[&[tool, "-P", path, "-n", "peer3"], words].concat()))
        };
        let running = || {
            lxc("lxc-start", &[]);
            let deadline = Instant::now() + Duration::from_secs(20);
            let is_up = || {
                let state = lxc("lxc-attach", &["--", "systemctl", "is-system-running"]).stdout;
                ["running\n", "degraded\n"].contains(&&*state)
            };
            while !is_up() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(50));
            }
            assert!(is_up(), "LXC's container has started");
            // It may run already.
            self.until_running(|words| drop(run(self.t.command(words).arg0("lxc"))), false);
        };
        let taken = Pairs::take(pairs, running, || drop(lxc("lxc-stop", &[])), || self.hull(&["stop", NAME]));
        taken.print_ratio("stop, beside lxc-stop", "<= x 0.6");
    }
}
