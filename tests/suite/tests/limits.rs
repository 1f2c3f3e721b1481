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
    // A share of the processor is measured over many periods of 100 ms. The kernel charges the program for time in which a
    // virtual machine does not run, and makes it wait that off in the periods that follow.
    let mut share = 1.0;
    while share >= 0.25 && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_secs(4));
        share = (cpu_time(pid) - used).as_secs_f64() / start.elapsed().as_secs_f64();
    }
    let read = |file: &str| std::fs::read_to_string(dir.join(file)).unwrap_or_default();
    let (limit, counts) = (read("cpu.max"), read("cpu.stat"));
    assert!(share < 0.25, "a fifth of a CPU was allowed, {share:.3} used\n{limit}{counts}");
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
    // Root of the machine may read kmsg, so only the device list can refuse it.
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
    // The container also has a cgroup of its own in hierarchies without limits, such as name=systemd. All of them are
    // removed with it.
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

/// A disk of this machine that supports rate limits, with its device numbers.
fn disk() -> Option<(String, String)> {
    let disks = std::fs::read_dir("/sys/block").ok()?.flatten();
    let named = disks.filter_map(|disk| {
        let name = disk.file_name().into_string().ok()?;
        let numbers = std::fs::read_to_string(disk.path().join("dev")).ok()?.trim().to_owned();
        let path = format!("/dev/{name}");
        std::path::Path::new(&path).exists().then_some((path, numbers))
    });
    named.min_by_key(|(path, _)| (!path.starts_with("/dev/vd"), path.clone()))
}

/// The file of a limit in the cgroup of a container's first process.
fn limit(t: &Scenario, name: &str, controller: &str, file: &str) -> String {
    let directory = cgroups::directory(t.pid_of(name), controller);
    std::fs::read_to_string(directory.join(file)).unwrap_or_default().trim().to_owned()
}

#[test]
fn rates_of_devices_reach_the_kernel() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some((disk, numbers)) = disk() else {
        return hull_test_support::skip::skip("this machine has no block device");
    };
    let rate = |rate: &str| format!("{disk}:{rate}");
    let (read, write, reads, writes) = (rate("1mb"), rate("2mb"), rate("300"), rate("400"));
    let flags = ["--device-read-bps", &read, "--device-write-bps", &write];
    let more = ["--device-read-iops", &reads, "--device-write-iops", &writes, "--network", "none"];
    t.ok(&[&["run", "-d", "--name", "box"], &flags[..], &more, &["busybox", "sleep", "300"]].concat());
    if cgroups::is_v2("blkio") {
        let line = limit(&t, "box", "blkio", "io.max");
        assert_eq!(line, format!("{numbers} rbps=1048576 wbps=2097152 riops=300 wiops=400"));
    } else {
        for (kind, rate) in
            [("read_bps", 1 << 20), ("write_bps", 2 << 20), ("read_iops", 300), ("write_iops", 400)]
        {
            let line = limit(&t, "box", "blkio", &format!("blkio.throttle.{kind}_device"));
            assert_eq!(line, format!("{numbers} {rate}"), "{kind}");
        }
    }
    let shown =
        t.inspect("box", "{{json .HostConfig.BlkioDeviceReadBps}} {{json .HostConfig.BlkioDeviceWriteIOps}}");
    let device = |rate| format!(r#"[{{"Path":"{disk}","Rate":{rate}}}]"#);
    assert_eq!(shown, format!("{} {}", device(1 << 20), device(400)));
}

#[test]
fn a_weight_of_block_io_reaches_the_kernel_or_is_refused() {
    let Some(t) = Scenario::with_busybox() else { return };
    let run = [
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "none",
        "--blkio-weight",
        "300",
        "busybox",
        "sleep",
        "300",
    ];
    let made = t.hull(&run);
    if !made.success() {
        assert!(made.fails(125).contains("no weights of block I/O"), "{made}");
        return;
    }
    assert_eq!(t.inspect("box", "{{.HostConfig.BlkioWeight}}"), "300");
    if cgroups::is_v2("blkio") {
        // The value for BFQ's range, or 1 + 290 * 9999 / 990 for the other.
        let bfq = limit(&t, "box", "blkio", "io.bfq.weight");
        let weight = limit(&t, "box", "blkio", "io.weight");
        assert!(
            bfq == "default 300" || weight == "default 2929" || weight == "default 2930",
            "{bfq} {weight}"
        );
    } else {
        let weights = ["blkio.bfq.weight", "blkio.weight"].map(|file| limit(&t, "box", "blkio", file));
        assert!(weights.iter().any(|weight| weight.ends_with("300")), "{weights:?}");
    }
}

/// The flags, and the end of docker's own message.
const REFUSED_IN_DOCKERS_WORDS: &[(&[&str], &str)] = &[
    (&["--blkio-weight", "5"], "range of blkio weight is from 10 to 1000"),
    (&["--blkio-weight-device", "/dev/sda:5"], "invalid weight for device: /dev/sda:5"),
    (&["--blkio-weight-device", "sda:50"], "bad format for device path: sda:50"),
    (&["--blkio-weight-device", "/dev/sda"], "bad format: /dev/sda"),
    (&["--device-read-bps", "/dev/sda:x"], "Unit is optional and can be kb, mb, or gb"),
    (&["--device-write-iops", "/dev/sda:1k"], "<device-path>:<number>. Number must be a positive integer"),
    (&["--device-write-bps", "/dev/no-such:1mb"], "stat /dev/no-such: no such file or directory"),
    (
        &["--cpu-rt-period", "100", "--cpu-rt-runtime", "200"],
        "cpu real-time runtime cannot be higher than cpu real-time period",
    ),
    (&["-m", "5m"], "minimum memory limit allowed is 6MB"),
    (&["--memory-reservation", "1m"], "minimum memory reservation allowed is 6MB"),
    (
        &["-m", "64m", "--memory-reservation", "128m"],
        "memory limit can not be less than memory reservation limit",
    ),
    (&["-m", "64m", "--memory-swap", "32m"], "minimum memoryswap limit should be larger than memory limit"),
    (&["--cpus", "1", "--cpu-period", "1000"], "Nano CPUs and CPU Period cannot both be set"),
    (
        &["--cpu-period", "10"],
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
    ),
    (&["--cpu-quota", "10"], "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
];

#[test]
fn what_docker_refuses_is_refused_in_its_words() {
    let Some(t) = Scenario::with_busybox() else { return };
    for (flags, sentence) in REFUSED_IN_DOCKERS_WORDS {
        let refused = t.hull(&[&["create"], *flags, &["busybox", "true"]].concat());
        assert!(!refused.success(), "{refused}");
        let said = refused.stderr.to_lowercase();
        assert!(said.contains(&sentence.to_lowercase()), "{flags:?}: {refused}");
    }
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn a_container_gets_real_time_cpu_time_where_the_kernel_has_it() {
    let Some(t) = Scenario::with_busybox() else { return };
    let run = |name: &str, runtime: &str| {
        let flags = ["--cpu-rt-period", "1000000", "--cpu-rt-runtime", runtime, "--network", "none"];
        t.hull(&[&["run", "-d", "--name", name], &flags[..], &["busybox", "sleep", "300"]].concat())
    };
    let made = run("one", "50000");
    if !made.success() {
        let said = made.fails(125);
        assert!(said.contains("real-time CPU time") || said.contains("realtime scheduling"), "{made}");
        return;
    }
    assert!(run("two", "30000").success());
    assert_eq!(limit(&t, "one", "cpu", "cpu.rt_runtime_us"), "50000");
    assert_eq!(limit(&t, "two", "cpu", "cpu.rt_runtime_us"), "30000");
    assert_eq!(
        t.inspect("one", "{{.HostConfig.CpuRealtimePeriod}} {{.HostConfig.CpuRealtimeRuntime}}"),
        "1000000 50000"
    );
    // All real-time processes of the machine together may use 95 %.
    let refused = run("three", "990000");
    assert!(refused.fails(125).contains("cpu.rt_runtime_us"), "{refused}");
}

#[test]
fn a_container_s_own_cgroup_parent_goes_with_the_last_container_in_it() {
    let Some(t) = Scenario::with_busybox() else { return };
    let parent = format!("{}-own/deep", t.cgroup_parent());
    let run = |name: &str| {
        let flags = ["--cgroup-parent", &parent, "--network", "none"];
        t.ok(&[&["run", "-d", "--name", name], &flags[..], &["busybox", "sleep", "300"]].concat());
        t.inspect(name, "{{.Id}}")
    };
    let id = run("one");
    run("two");
    let of = std::fs::read_to_string(format!("/proc/{}/cgroup", t.pid_of("one"))).unwrap();
    assert!(of.lines().any(|line| line.ends_with(&format!("{parent}/{id}"))), "{of}");
    assert_eq!(t.inspect("one", "{{.HostConfig.CgroupParent}}"), parent);
    t.ok(&["rm", "-f", "one"]);
    assert!(!cgroups::directories_of(&parent).is_empty(), "the other container is in it");
    // As after a crash: the next command that looks at the cgroup finds it.
    let monitor = nix::unistd::Pid::from_raw(t.monitor_of("two"));
    nix::sys::signal::kill(monitor, nix::sys::signal::Signal::SIGKILL).unwrap();
    eventually("it is known to have ended", || t.ok(&["ps", "-q"]).is_empty());
    let above = format!("{}-own", t.cgroup_parent());
    assert_eq!(cgroups::directories_of(&above), Vec::<std::path::PathBuf>::new());
    // A cgroup that existed before is left alone.
    let kept = format!("{}-kept", t.cgroup_parent());
    let directory = cgroups::directory(std::process::id() as i32, "pids");
    let made = directory.ancestors().find(|path| {
        path.join("cgroup.procs").exists()
            && !path.parent().is_some_and(|above| above.join("cgroup.procs").exists())
    });
    let made = made.unwrap().join(kept.trim_start_matches('/'));
    std::fs::create_dir(&made).unwrap();
    t.ok(&["run", "--rm", "--cgroup-parent", &kept, "--network", "none", "busybox", "true"]);
    assert!(made.is_dir());
    for directory in cgroups::directories_of(&kept) {
        std::fs::remove_dir(directory).unwrap();
    }
    let refused = t.hull(&["create", "--cgroup-parent", "/a/../b", "busybox", "true"]);
    assert!(refused.fails(125).contains("path without .."), "{refused}");
}
