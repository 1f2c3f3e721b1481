//! The table of networks: a start on one, a published port, the throughput of a veth pair, names.

#[path = "common/mod.rs"]
mod common;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::pairs::{Pairs, count, milliseconds, row};
use common::{Bench, succeed};

const BRIDGE: &str = "base0";
const HOST: &str = "10.99.0.1";

fn main() {
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let Some(bench) = Bench::new() else { return };
    sh(&format!("ip link set lo up; ip link add {BRIDGE} type bridge; ip addr add {HOST}/16 dev {BRIDGE}"));
    sh(&format!("ip link set {BRIDGE} up"));
    let pairs = count();
    row("what (medians)", "baseline", "hull", "", "target");
    start(&bench, pairs);
    at_once(&bench, pairs);
    ports(&bench, pairs);
    throughput(&bench, pairs);
    names(&bench);
    sh(&format!("ip link delete {BRIDGE}"));
}

fn sh(line: &str) {
    succeed(Command::new("sh").args(["-ec", line]));
}

fn baseline_start(bench: &Bench, number: u32) -> Command {
    let mut command = bench.baseline();
    let cgroup = format!("{}/baseline{number}", bench.scenario().cgroup_parent());
    command.args(["start-on", BRIDGE]).arg(bench.scenario().path("baseline")).args([&cgroup, "/bin/true"]);
    command
}

fn hull_start(bench: &Bench, options: &[&str]) -> Command {
    let args = [&["run", "--rm"], options, &["busybox", "/bin/true"]].concat();
    bench.scenario().command(&args)
}

fn start(bench: &Bench, pairs: u32) {
    let baseline = || succeed(&mut baseline_start(bench, 0));
    let taken = Pairs::take(pairs, || {}, baseline, || succeed(&mut hull_start(bench, &[])));
    taken.print_ratio("run --rm IMAGE /bin/true, on the bridge", "<= x 2.5");
}

/// Sixteen at a time, each followed by the next.
fn at_once(bench: &Bench, pairs: u32) {
    const WIDE: u32 = 16;
    const ALL: u32 = 64;
    let all = |start: &dyn Fn(u32) -> Command| {
        let spawn = |number| {
            let mut command = start(number);
            command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it starts")
        };
        let mut running: std::collections::VecDeque<Child> = (0..WIDE).map(spawn).collect();
        for number in WIDE..ALL + WIDE {
            let mut first = running.pop_front().expect("sixteen are running");
            assert!(first.wait().expect("own child").success());
            if number < ALL {
                running.push_back(spawn(number));
            }
        }
    };
    let baseline = || all(&|number| baseline_start(bench, number));
    let taken = Pairs::take(pairs.div_ceil(10), || {}, baseline, || all(&|_| hull_start(bench, &[])));
    let rate = |time: Duration| format!("{:.0}/s", f64::from(ALL) / time.as_secs_f64());
    let ratio = taken.median(|p| p.0.as_secs_f64() / p.1.as_secs_f64());
    let (baseline, hull) = (taken.median(|p| p.0), taken.median(|p| p.1));
    let result = format!("{:.0} %", ratio * 100.0);
    row("starts, sixteen at a time", &rate(baseline), &rate(hull), &result, ">= 60 %");
}

/// What one more published port costs, beside none and beside five thousand of another container.
fn ports(bench: &Bench, pairs: u32) {
    let scenario = bench.scenario();
    for others in [0, 5000] {
        if others > 0 {
            let range = format!("20000-{0}:20000-{0}", 20000 + others - 1);
            scenario.ok(&["run", "-d", "--name", "many", "-p", &range, "busybox", "sleep", "3600"]);
        }
        let with = ["-p", "10000-10099:10000-10099"];
        let bare = || succeed(&mut hull_start(bench, &[]));
        let taken = Pairs::take(pairs, || {}, bare, || succeed(&mut hull_start(bench, &with)));
        let each = taken.median(|p| p.1.as_secs_f64() - p.0.as_secs_f64()) / 100.0;
        taken.print(&format!("each -p, beside {others}"), &format!("{:.0} us", each * 1e6), "<= 50 us");
    }
    scenario.ok(&["rm", "-f", "many"]);
}

/// A network namespace that `ip` has connected to the bridge.
struct HandMade(Child, String);

impl HandMade {
    fn new(address: &str) -> Self {
        let child = Command::new("unshare").args(["-n", "sleep", "3600"]).spawn().expect("it starts");
        let own = std::fs::read_link("/proc/thread-self/ns/net").expect("/proc is mounted");
        let theirs = format!("/proc/{}/ns/net", child.id());
        while std::fs::read_link(&theirs).is_ok_and(|theirs| theirs == own) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let pid = child.id();
        sh(&format!("ip link add hand{pid} type veth peer name eth0 netns {pid}"));
        sh(&format!("ip link set hand{pid} master {BRIDGE} up"));
        sh(&format!("nsenter -t {pid} -n sh -ec 'ip addr add {address}/16 dev eth0; ip link set eth0 up'"));
        Self(child, address.to_owned())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for HandMade {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn throughput(bench: &Bench, pairs: u32) {
    if Command::new("iperf3").arg("-v").output().is_err() {
        return eprintln!("SKIP throughput: iperf3 is not installed");
    }
    let scenario = bench.scenario();
    let hand = [HandMade::new("10.99.0.2"), HandMade::new("10.99.0.3")];
    let run = |name: &str, options: &[&str]| {
        scenario.ok(&[&["run", "-d", "--name", name], options, &["busybox", "sleep", "3600"]].concat());
        (scenario.pid_of(name).to_string(), scenario.inspect(name, "{{.NetworkSettings.IPAddress}}"))
    };
    let (one, (two, address)) = (run("one", &[]).0, run("two", &["-p", "5201:5201"]));
    let rounds = pairs.div_ceil(8).clamp(3, 9);
    for (what, target, by_hand, by_hull) in [
        ("through the bridge", ">= x 0.97", (Some(hand[0].pid()), &hand[1].1), (Some(one), &address)),
        ("to a published port", ">= x 0.95", (None, &hand[1].1), (None, &HOST.to_owned())),
    ] {
        let measure = |from: &Option<String>, server: &str, to: &str| gigabits(from.as_deref(), server, to);
        let mut taken = Vec::new();
        for _ in 0..rounds {
            let baseline = measure(&by_hand.0, &hand[1].pid(), by_hand.1);
            taken.push((baseline, measure(&by_hull.0, &two, by_hull.1)));
        }
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let baseline = median(taken.iter().map(|t| t.0).collect());
        let hull = median(taken.iter().map(|t| t.1).collect());
        let ratio = median(taken.iter().map(|t| t.1 / t.0).collect());
        row(
            what,
            &format!("{baseline:.1} Gb/s"),
            &format!("{hull:.1} Gb/s"),
            &format!("x {ratio:.2}"),
            target,
        );
    }
    scenario.ok(&["rm", "-f", "one", "two"]);
}

/// What iperf3 gets through, from the namespace of one process, or our own, to a server in that of another.
fn gigabits(from: Option<&str>, server: &str, to: &str) -> f64 {
    let mut listening = Command::new("nsenter")
        .args(["-t", server, "-n", "iperf3", "-s", "-1"])
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let client: Vec<&str> = match from {
        Some(pid) => vec!["nsenter", "-t", pid, "-n", "iperf3"],
        None => vec!["iperf3"],
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    let bits = loop {
        let asked = Command::new(client[0]).args(&client[1..]).args(["-c", to, "-t", "2", "-J"]).output();
        let answer = serde_json::from_slice(&asked.expect("it starts").stdout).unwrap_or_default();
        let answer: serde_json::Value = answer;
        // Until the server listens.
        match answer["end"]["sum_received"]["bits_per_second"].as_f64() {
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            bits => break bits,
        }
    };
    let _ = listening.kill();
    let _ = listening.wait();
    bits.expect("iperf3 measures") / 1e9
}

fn names(bench: &Bench) {
    const COUNT: u32 = 50_000;
    let scenario = bench.scenario();
    scenario.ok(&["network", "create", "names"]);
    for name in ["asks", "asked"] {
        scenario.ok(&["run", "-d", "--name", name, "--network", "names", "busybox", "sleep", "3600"]);
    }
    let pid = scenario.pid_of("asks").to_string();
    let baseline = bench.baseline();
    let mut times: Vec<_> = (0..5)
        .map(|_| {
            let started = Instant::now();
            let mut ask = Command::new("nsenter");
            ask.args(["-t", &pid, "-n"]).arg(baseline.get_program());
            succeed(ask.args(["ask", "asked", &COUNT.to_string()]));
            started.elapsed()
        })
        .collect();
    times.sort();
    let rate = format!("{:.0}/s", f64::from(COUNT) / times[2].as_secs_f64());
    row("names, of a container", "", &rate, &milliseconds(times[2] / COUNT), ">= 20000/s");
    scenario.ok(&["rm", "-f", "asks", "asked"]);
    scenario.ok(&["network", "rm", "names"]);
}
