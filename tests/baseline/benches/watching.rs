//! The table of what watches running containers: health checks, `stats`, `update`.

#[path = "common/mod.rs"]
mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::Bench;
use common::pairs::{Pairs, count, milliseconds, row};
use hull_test_support::Scenario;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Twenty containers, each checked ten times a second.
const CHECKED: u32 = 20;
const CHECK_INTERVAL: &str = "100ms";

const CHECKED_FOR: Duration = Duration::from_secs(5);

/// docker's `stats` takes its two samples a second apart.
const STATS: u32 = 100;

fn main() {
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let Some(bench) = Bench::new() else { return };
    let pairs = count();
    row("what (medians)", "other", "hull", "", "target");
    checks(bench.scenario(), pairs);
    update(bench.scenario(), pairs);
    stats(bench.scenario());
    memory(bench.scenario());
}

fn start(t: &Scenario, name: &str, options: &[&str]) {
    let rest = ["--network", "none", "busybox", "sleep", "3600"];
    t.ok(&[&["run", "-d", "--name", name], options, &rest].concat());
}

fn remove(t: &Scenario, names: &[String]) {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    t.ok(&[&["rm", "-f"], names.as_slice()].concat());
}

/// The processor time of a health check beside that of an `exec`. Both run /bin/true.
fn checks(t: &Scenario, pairs: u32) {
    let names: Vec<String> = (0..CHECKED).map(|number| format!("checked-{number}")).collect();
    let options = ["--health-cmd", "/bin/true", "--health-interval", CHECK_INTERVAL];
    names.iter().for_each(|name| start(t, name, &options));
    let monitors: Vec<i32> = names.iter().map(|name| t.monitor_of(name)).collect();
    let used = || monitors.iter().map(|monitor| processor_time(*monitor)).sum::<Duration>();
    let events =
        || t.ok(&["events", "--since", "1h", "--until", "0s", "--filter", "event=exec_die"]).lines().count();
    let (before, began, made) = (used(), Instant::now(), events());
    std::thread::sleep(CHECKED_FOR);
    let (spent, passed, made) = (used() - before, began.elapsed(), events() - made);
    remove(t, &names);
    let a_check = spent / u32::try_from(made.max(1)).unwrap_or(1);

    start(t, "entered", &[]);
    // Sessions become children of this process, so that their time is counted.
    hull_sys::process::set_child_subreaper().expect("Linux 3.4");
    let before = children_time();
    for _ in 0..pairs {
        common::succeed(&mut t.command(&["exec", "entered", "/bin/true"]));
    }
    reap_all();
    let an_exec = (children_time() - before) / pairs;
    remove(t, &["entered".to_owned()]);
    let rate = made as f64 / passed.as_secs_f64();
    let ratio = format!("x {:.2}", a_check.as_secs_f64() / an_exec.as_secs_f64());
    let what = format!("processor time: exec, health check ({rate:.0}/s)");
    row(&what, &milliseconds(an_exec), &milliseconds(a_check), &ratio, "<= x 1.2");
}

fn update(t: &Scenario, pairs: u32) {
    start(t, "updated", &["-m", "96m"]);
    let update = |memory: &str| common::succeed(&mut t.command(&["update", "-m", memory, "updated"]));
    let taken = Pairs::take(pairs, || {}, || update("64m"), || update("96m"));
    row("update -m", "", &milliseconds(taken.median(|pair| pair.1)), "", "<= 10 ms");
    remove(t, &["updated".to_owned()]);
}

/// The processor time of `stats --no-stream`, without the second that it waits.
fn stats(t: &Scenario) {
    let names: Vec<String> = (0..STATS).map(|number| format!("watched-{number}")).collect();
    names.iter().for_each(|name| start(t, name, &[]));
    let mut taken: Vec<Duration> = (0..5)
        .map(|_| {
            let before = children_time();
            common::succeed(&mut t.command(&["stats", "--no-stream"]));
            children_time() - before
        })
        .collect();
    taken.sort();
    row(&format!("processor time: stats of {STATS}"), "", &milliseconds(taken[2]), "", "<= x 0.05 docker's");
    remove(t, &names);
}

/// What a monitor has for itself alone, and its share of what it has in common with others.
fn memory(t: &Scenario) {
    let names: Vec<String> = (0..50).map(|number| format!("small-{number}")).collect();
    let options = ["--health-cmd", "/bin/true", "--health-interval", "1s"];
    names.iter().for_each(|name| start(t, name, &options));
    // A run of more than a second has returned its unused memory, and has been checked.
    std::thread::sleep(Duration::from_secs(3));
    let of = |key: &str| {
        let sum: u64 = names.iter().map(|name| smaps(t.monitor_of(name), key)).sum();
        sum / names.len() as u64
    };
    let (dirty, pss) = (of("Private_Dirty:"), of("Pss:"));
    row(
        "monitor memory at fifty, with health checks",
        "",
        &format!("{dirty} KB"),
        &format!("PSS {pss} KB"),
        "<= 300 KB",
    );
    remove(t, &names);
}

/// In KB, from proc_pid_smaps(5).
fn smaps(pid: i32, key: &str) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("it runs");
    let line = rollup.lines().find_map(|line| line.strip_prefix(key)).expect("the kernel knows the key");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Of a process and of the children that it has reaped: fields 14 to 17 of proc_pid_stat(5).
fn processor_time(pid: i32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, rest) = stat.rsplit_once(") ").expect("the command is in parentheses");
    let ticks: u64 = rest.split(' ').skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Of all children that this process has reaped.
fn children_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("own children");
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(microseconds.unsigned_abs())
}

fn reap_all() {
    while nix::sys::wait::wait().is_ok() {}
}
