//! Limits are kept by the kernel, and a container that runs into one takes no other with it.
//!
//! This file runs twice: on this machine's own cgroups, and inside the cgroup v2 virtual machine.

use std::time::{Duration, Instant};

use hull_test_support::outcome::{assert_stays, eventually};
use hull_test_support::{Scenario, cgroups};

/// Uses 200 MB at once: `dd` with one block of that size.
const HOG: [&str; 4] = ["dd", "if=/dev/zero", "of=/dev/null", "bs=200M"];

#[test]
fn memory_limit_kills_only_the_container() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "sibling", "busybox", "sleep", "300"]);
    let mut args = vec!["run", "--name", "hog", "-m", "64m", "busybox"];
    args.extend(HOG);
    args.push("count=1");
    t.hull(&args).fails(137);
    assert_eq!(t.inspect("hog", "{{.State.OOMKilled}} {{.State.ExitCode}}"), "true 137");
    assert_eq!(t.inspect("hog", "{{.HostConfig.Memory}}"), "67108864");
    assert_eq!(t.ok(&["exec", "sibling", "echo", "alive"]), "alive");
    assert_eq!(t.inspect("sibling", "{{.State.OOMKilled}} {{.State.Running}}"), "false true");
}

#[test]
fn a_container_within_its_memory_limit_is_left_alone() {
    let Some(t) = Scenario::with_busybox() else { return };
    let args =
        ["run", "--name", "modest", "-m", "64m", "busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=20M"];
    let mut args = args.to_vec();
    args.push("count=1");
    t.ok(&args);
    assert_eq!(t.inspect("modest", "{{.State.OOMKilled}} {{.State.ExitCode}}"), "false 0");
}

#[test]
fn memory_and_swap_limits_reach_the_kernel() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "-m", "32m", "--memory-swap", "48m", "busybox", "sleep", "300"]);
    let dir = cgroups::directory(t.pid_of("box"), "memory");
    let read = |file: &str| std::fs::read_to_string(dir.join(file)).unwrap_or_default().trim().to_owned();
    if cgroups::is_v2("memory") {
        assert_eq!(read("memory.max"), "33554432");
        assert!(["16777216", ""].contains(&read("memory.swap.max").as_str()), "{}", read("memory.swap.max"));
    } else {
        assert_eq!(read("memory.limit_in_bytes"), "33554432");
        assert!(["50331648", ""].contains(&read("memory.memsw.limit_in_bytes").as_str()));
    }
}

#[test]
fn cpus_hold_a_busy_loop_and_count_throttling() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "busy", "--cpus", "0.2", "busybox", "sh", "-c", "while :; do :; done"]);
    let pid = t.pid_of("busy");
    let dir = cgroups::directory(pid, "cpu");
    let (start, used) = (Instant::now(), cpu_time(pid));
    // A share is measured over a time; over many periods of 100 ms.
    std::thread::sleep(Duration::from_secs(4));
    let share = (cpu_time(pid) - used).as_secs_f64() / start.elapsed().as_secs_f64();
    assert!(share < 0.25, "a fifth of a CPU was allowed, {share:.3} used");
    assert!(share > 0.05, "it does run: {share:.3}");
    let throttled = cgroups::keyed(&dir.join("cpu.stat"), "nr_throttled").unwrap();
    assert!(throttled > 0, "the cgroup counts throttling");
    assert_eq!(t.inspect("busy", "{{.HostConfig.NanoCpus}}"), "200000000");
}

#[test]
fn pids_limit_stops_a_fork_bomb() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "sibling", "busybox", "sleep", "300"]);
    let bomb = "bomb() { bomb | bomb & }; bomb; exec sleep 300";
    t.ok(&["run", "-d", "--name", "bomb", "--pids-limit", "20", "busybox", "sh", "-c", bomb]);
    let dir = cgroups::directory(t.pid_of("bomb"), "pids");
    let events = dir.join("pids.events");
    eventually("the kernel refused a fork", || cgroups::keyed(&events, "max").unwrap_or(0) > 0);
    let current: u32 = std::fs::read_to_string(dir.join("pids.current")).unwrap().trim().parse().unwrap();
    assert!(current <= 20, "{current} processes");
    assert_eq!(t.ok(&["exec", "sibling", "echo", "alive"]), "alive");
    t.ok(&["rm", "-f", "bomb"]);
    assert!(!dir.exists(), "the bomb is gone to its last process");
}

#[test]
fn cpuset_binds_to_the_named_cpu() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "grep Cpus_allowed_list /proc/self/status";
    let line = t.ok(&["run", "--rm", "--cpuset-cpus", "0", "busybox", "sh", "-c", script]);
    assert_eq!(line.split_whitespace().last(), Some("0"));
}

#[test]
fn a_container_has_its_own_cgroup_and_sees_it_as_the_root() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    let own = std::fs::read_to_string(format!("/proc/{}/cgroup", t.pid_of("box"))).unwrap();
    let parent = t.cgroup_parent();
    let controllers = own.lines().filter(|l| l.contains(parent)).count();
    assert!(controllers >= 1, "below {parent}:\n{own}");
    let inside = t.ok(&["exec", "box", "cat", "/proc/1/cgroup"]);
    assert!(!inside.contains("hull"), "the host's path shows:\n{inside}");
}

#[test]
fn a_device_that_was_not_given_cannot_be_opened() {
    let Some(t) = Scenario::with_busybox() else { return };
    // kmsg can be read by root on the machine: only the device list stands in the way.
    let script = "mknod /tmp/kmsg c 1 11 && dd if=/tmp/kmsg of=/dev/null bs=8192 count=1";
    let refused = t.hull(&["run", "--rm", "busybox", "sh", "-c", script]);
    assert!(!refused.success() && refused.stderr.contains("not permitted"), "{refused}");
    let allowed = "dd if=/dev/zero of=/dev/null bs=1 count=1 && head -c 1 /dev/urandom > /dev/null";
    t.ok(&["run", "--rm", "busybox", "sh", "-c", allowed]);
}

#[test]
fn pause_freezes_and_unpause_goes_on() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "busy", "--cpus", "0.5", "busybox", "sh", "-c", "while :; do :; done"]);
    let pid = t.pid_of("busy");
    t.ok(&["pause", "busy"]);
    assert_eq!(t.inspect("busy", "{{.State.Status}} {{.State.Paused}}"), "paused true");
    let frozen = cpu_time(pid);
    assert_stays("a paused container uses no CPU", Duration::from_millis(500), || cpu_time(pid) == frozen);
    t.ok(&["unpause", "busy"]);
    eventually("it runs again", || cpu_time(pid) > frozen);
}

#[test]
fn a_paused_container_can_be_removed_by_force() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "cold", "busybox", "sleep", "300"]);
    t.ok(&["pause", "cold"]);
    t.ok(&["rm", "-f", "cold"]);
}

#[test]
fn a_limit_the_kernel_refuses_leaves_nothing() {
    let Some(t) = Scenario::with_busybox() else { return };
    let bad = [["--cpuset-cpus", "4095"], ["--cpuset-mems", "900"], ["-m", "1k"], ["--cpus", "100000"]];
    for [flag, value] in bad {
        let refused = t.hull(&["run", "--rm", flag, value, "busybox", "true"]);
        refused.fails(125);
        assert!(!refused.stderr.trim().is_empty(), "{flag} {value} is refused with a sentence");
        assert_eq!(t.ok(&["ps", "-aq"]), "", "{flag} {value} left a container");
        assert!(cgroups::below(t.cgroup_parent()).is_empty(), "{flag} {value} left a cgroup");
    }
}

/// User and system time of a process: fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms.
fn cpu_time(pid: i32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

#[test]
fn a_privileged_container_sees_and_changes_only_its_own_part_of_every_hierarchy() {
    let Some(t) = Scenario::with_busybox() else { return };
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    // Also in those that no limit is for, as name=systemd: a cgroup of its own in each, and made ones go with it.
    t.ok(&["run", "-d", "--name", "box", "--privileged", "busybox", "sleep", "300"]);
    let of = std::fs::read_to_string(format!("/proc/{}/cgroup", t.pid_of("box"))).unwrap();
    for line in of.lines() {
        assert!(!own.lines().any(|own| own == line) || line.starts_with("0::"), "shared: {line}\n{of}");
        assert!(line.contains("hull-test-"), "not the container's: {line}");
    }
    let script = "for top in /sys/fs/cgroup/*/; do mkdir -p ${top}made/below || exit 1; done";
    t.ok(&["exec", "box", "sh", "-c", script]);
    let id = t.inspect("box", "{{.Id}}");
    t.ok(&["rm", "-f", "box"]);
    let tops = std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
    for top in tops.filter(|path| path.is_dir()) {
        assert!(!top.join("made").exists(), "made on the host: {}", top.display());
        assert!(!top.join(t.cgroup_parent()).join(&id).exists(), "stays: {}", top.display());
    }
}
