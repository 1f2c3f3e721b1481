//! `update`: new limits for running and stopped containers, as docker sets them.  This file runs twice: on this machine's
//! own cgroups, and inside the cgroup v2 virtual machine.

use std::time::{Duration, Instant};

use hull_test_support::outcome::{assert_stays, eventually, run};
use hull_test_support::peers::Dockerd;
use hull_test_support::{Scenario, cgroups};

const RUN: [&str; 5] = ["run", "-d", "--network", "none", "--name"];
const SLEEP: [&str; 3] = ["busybox", "sleep", "300"];

fn start(t: &Scenario, name: &str, flags: &[&str]) {
    t.ok(&[&RUN[..], &[name], flags, &SLEEP].concat());
}

/// A file of v1 or of v2 in the container's cgroup.
fn limit(t: &Scenario, name: &str, controller: &str, v1: &str, v2: &str) -> String {
    let file = if cgroups::is_v2(controller) { v2 } else { v1 };
    let directory = cgroups::directory(t.pid_of(name), controller);
    std::fs::read_to_string(directory.join(file)).unwrap_or_default().trim().to_owned()
}

fn memory(t: &Scenario, name: &str) -> String {
    limit(t, name, "memory", "memory.limit_in_bytes", "memory.max")
}

fn quota(t: &Scenario, name: &str) -> String {
    let text = limit(t, name, "cpu", "cpu.cfs_quota_us", "cpu.max");
    text.split(' ').next().unwrap_or_default().replace("max", "-1")
}

fn pids(t: &Scenario, name: &str) -> String {
    limit(t, name, "pids", "pids.max", "pids.max")
}

#[test]
fn limits_change_at_once_and_are_kept_for_the_next_start() {
    let Some(t) = Scenario::with_busybox() else { return };
    start(&t, "one", &["-m", "64m"]);
    start(&t, "two", &["-m", "64m"]);
    let flags = ["-m", "128m", "--memory-swap", "256m", "--memory-reservation", "96m", "--cpus", "0.5"];
    let more = ["--cpu-shares", "2048", "--cpuset-cpus", "0", "--pids-limit", "77"];
    let printed = t.ok(&[&["update"], &flags[..], &more, &["one", "two"]].concat());
    assert_eq!(printed, "one\ntwo");
    let check = |name: &str| {
        assert_eq!(
            (memory(&t, name), quota(&t, name), pids(&t, name)),
            ("134217728".into(), "50000".into(), "77".into())
        );
        assert_eq!(limit(&t, name, "cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
        assert_eq!(limit(&t, name, "memory", "memory.soft_limit_in_bytes", "memory.low"), "100663296");
        let shares = limit(&t, name, "cpu", "cpu.shares", "cpu.weight");
        assert!(shares == "2048" || shares == "79", "{shares}");
    };
    ["one", "two"].into_iter().for_each(check);
    let shown = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.MemoryReservation}} {{.HostConfig.NanoCpus}} \
                 {{.HostConfig.CpuShares}} {{.HostConfig.CpusetCpus}} {{.HostConfig.PidsLimit}}";
    let expected = "134217728 268435456 100663296 500000000 2048 0 77";
    assert_eq!(t.inspect("one", shown), expected);
    t.ok(&["restart", "-t", "0", "one"]);
    check("one");
    assert_eq!(t.inspect("one", shown), expected);
    t.ok(&["update", "--pids-limit", "0", "one"]);
    assert_eq!(pids(&t, "one"), "max");
}

#[test]
fn a_container_that_does_not_run_has_the_new_limits_when_it_starts() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&[&["create", "--name", "box", "--network", "none", "-m", "64m"], &SLEEP[..]].concat());
    t.ok(&["container", "update", "-m", "32m", "--cpu-quota", "20000", "box"]);
    t.ok(&["start", "box"]);
    assert_eq!((memory(&t, "box"), quota(&t, "box")), ("33554432".into(), "20000".into()));
    // The limit of memory and swap together keeps its value.
    assert_eq!(t.inspect("box", "{{.HostConfig.MemorySwap}}"), "134217728");
}

/// The flags, and docker's message.
const REFUSED: &[(&[&str], &str)] = &[
    (&["-m", "5m"], "minimum memory limit allowed is 6MB"),
    (
        &["-m", "256m"],
        "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    ),
    (&["-m", "100m", "--memory-swap", "50m"], "minimum memoryswap limit should be larger than memory limit"),
    (&["--memory-reservation", "1m"], "minimum memory reservation allowed is 6MB"),
    (&["--cpus", "1", "--cpu-period", "1000"], "Nano CPUs and CPU Period cannot both be set"),
    (&["--cpus", "1"], "Nano CPUs cannot be updated as CPU Quota has already been set"),
    (&["--cpus", "100000"], "CPUs"),
    (
        &["--cpu-period", "10"],
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
    ),
    (&["--cpu-quota", "10"], "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
    (&["--cpuset-cpus", "4095"], "this machine has"),
    (&["--blkio-weight", "5"], "range of blkio weight is from 10 to 1000"),
    (&["--cpu-shares", "1"], "minimum allowed cpu-shares is 2"),
    (&["--restart", "sometimes"], "sometimes"),
    (&["--restart", "always:2"], "always:2"),
    (&[], "you must provide one or more flags when using this command"),
];

#[test]
fn what_docker_refuses_is_refused_in_its_words_and_changes_nothing() {
    let Some(t) = Scenario::with_busybox() else { return };
    start(&t, "box", &["-m", "64m", "--cpu-quota", "20000"]);
    let before = t.inspect("box", "{{json .HostConfig}}");
    for (flags, sentence) in REFUSED {
        let refused = t.hull(&[&["update"], *flags, &["box"]].concat());
        assert!(!refused.success(), "{refused}");
        let said = refused.stderr.to_lowercase();
        assert!(said.contains(&sentence.to_lowercase()), "{flags:?}: {refused}");
    }
    assert_eq!(t.inspect("box", "{{json .HostConfig}}"), before);
    assert_eq!((memory(&t, "box"), quota(&t, "box")), ("67108864".into(), "20000".into()));
    // The other containers of the command are updated.
    let some = t.hull(&["update", "--pids-limit", "9", "nope", "box"]);
    assert!(some.fails(1).contains("No such container: nope") && some.stdout == "box\n", "{some}");
    assert_eq!(pids(&t, "box"), "9");
}

#[test]
fn dockerd_refuses_the_same_in_the_same_words() {
    let Some(t) = Scenario::start() else { return };
    let root = t.path("docker");
    std::fs::create_dir(&root).unwrap();
    let Some(docker) = Dockerd::start(&t, &root) else { return };
    docker.ok(&["import", hull_test_support::fixtures::busybox().to_str().unwrap(), "busybox"]);
    let flags = ["-m", "64m", "--cpu-quota", "20000"];
    docker.ok(&[&RUN[..], &["box"], &flags, &["busybox", "/bin/sleep", "300"]].concat());
    // The messages differ where the kernel refuses, and for flags that docker's client parses in another way.
    let own = ["CPUs", "this machine has", "range of blkio weight is from 10 to 1000", "always:2"];
    for (flags, sentence) in REFUSED.iter().filter(|(_, sentence)| !own.contains(sentence)) {
        let refused = run(&mut docker.command(&[&["update"], *flags, &["box"]].concat()));
        assert!(!refused.success(), "{refused}");
        assert!(refused.stderr.to_lowercase().contains(&sentence.to_lowercase()), "{flags:?}: {refused}");
    }
    docker.ok(&["rm", "-f", "box"]);
}

#[test]
fn a_limit_that_the_kernel_refuses_takes_the_others_back() {
    let Some(t) = Scenario::with_busybox() else { return };
    // The kernel cannot drop the pages of a tmpfs, and there is no swap for them.
    let script = "dd if=/dev/zero of=/dev/shm/x bs=1M count=30 2> /dev/null; echo filled; exec sleep 300";
    t.ok(&[&RUN[..], &["box", "-m", "64m", "--memory-swap", "64m", "busybox", "sh", "-c", script]].concat());
    eventually("it is filled", || t.ok(&["logs", "box"]) == "filled");
    if cgroups::is_v2("memory") {
        // v2 accepts any memory limit, and kills processes to meet it.
        return hull_test_support::skip::elsewhere("cgroup v2 refuses no limit of memory");
    }
    // The memory limit is written first and the limit of processes later, so the refusal of memory comes first. The CPU
    // weight is part of the request as well, and no limit is changed.
    let refused = t.hull(&["update", "-m", "8m", "--pids-limit", "11", "--cpu-shares", "77", "box"]);
    assert!(refused.fails(1).contains("memory"), "{refused}");
    assert_eq!((memory(&t, "box"), pids(&t, "box")), ("67108864".into(), "max".into()));
    assert_eq!(limit(&t, "box", "cpu", "cpu.shares", "cpu.weight"), "1024");
    assert_eq!(t.inspect("box", "{{.HostConfig.Memory}} {{.HostConfig.CpuShares}}"), "67108864 0");
}

#[test]
fn what_is_changed_before_a_refusal_gets_the_kernels_default_back() {
    let Some(t) = Scenario::with_busybox() else { return };
    if cgroups::is_v2("cpu") {
        return hull_test_support::skip::elsewhere(
            "cgroup v2 has no limits of real-time CPU time, which are refused last",
        );
    }
    start(&t, "box", &[]);
    // More real time than the machine gives all real-time processes together. The limits before it have been written by
    // then.
    let refused =
        t.hull(&["update", "-m", "64m", "--memory-swap", "64m", "--cpu-rt-runtime", "990000", "box"]);
    assert!(refused.fails(1).contains("rt_runtime"), "{refused}");
    assert_eq!(memory(&t, "box"), (i64::MAX / 4096 * 4096).to_string());
    assert_eq!(
        limit(&t, "box", "memory", "memory.memsw.limit_in_bytes", ""),
        (i64::MAX / 4096 * 4096).to_string()
    );
    assert_eq!(t.inspect("box", "{{.HostConfig.Memory}}"), "0");
}

#[test]
fn a_device_that_is_no_disk_is_refused_after_the_other_limits_and_takes_them_back() {
    let Some(t) = Scenario::with_busybox() else { return };
    // The scenario mounts its own directory below /dev, because devices have to be there. The device number has no driver.
    run(std::process::Command::new("mount").args(["-t", "tmpfs", "none", "/dev/shm"])).ok();
    run(std::process::Command::new("mknod").args(["/dev/shm/disk", "b", "240", "7"])).ok();
    start(&t, "box", &["-m", "64m"]);
    let first = ["-m", "96m", "--memory-swap", "192m", "--pids-limit", "11", "--cpu-shares", "77"];
    let rate = ["--device-read-bps", "/dev/shm/disk:1mb", "--device-write-iops", "/dev/shm/disk:9"];
    let refused = t.hull(&[&["update"], &first[..], &rate, &["box"]].concat());
    let said = refused.fails(1);
    assert!(said.contains("240:7") && said.contains("whole disks"), "{refused}");
    assert!(!said.contains("restore"), "{refused}");
    assert_eq!((memory(&t, "box"), pids(&t, "box")), ("67108864".into(), "max".into()));
    let shares = limit(&t, "box", "cpu", "cpu.shares", "cpu.weight");
    assert!(shares == "1024" || shares == "100", "{shares}");
    let shown = "{{.HostConfig.Memory}} {{.HostConfig.CpuShares}} {{json .HostConfig.BlkioDeviceReadBps}}";
    assert_eq!(t.inspect("box", shown), "67108864 0 []");
}

#[test]
fn the_living_monitor_takes_another_restart_policy() {
    let Some(t) = Scenario::with_busybox() else { return };
    start(&t, "box", &[]);
    t.ok(&["update", "--restart", "on-failure:3", "-m", "64m", "--memory-swap", "64m", "box"]);
    assert_eq!(
        t.inspect(
            "box",
            "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}"
        ),
        "on-failure 3"
    );
    let first = t.pid_of("box");
    let _ = run(std::process::Command::new("kill").args(["-9", &first.to_string()]));
    eventually("it runs again", || ![0, first].contains(&t.pid_of("box")));
    assert_eq!(memory(&t, "box"), "67108864", "with the limits of the update");
    let second = t.pid_of("box");
    t.ok(&["update", "--restart", "no", "box"]);
    let _ = run(std::process::Command::new("kill").args(["-9", &second.to_string()]));
    eventually("it has ended", || t.inspect("box", "{{.State.Status}}") == "exited");
    assert_stays("it stays ended", Duration::from_millis(300), || {
        t.inspect("box", "{{.State.Status}}") == "exited"
    });
    t.ok(&[&RUN[..], &["gone", "--rm"], &SLEEP].concat());
    let refused = t.hull(&["update", "--restart", "always", "gone"]);
    assert!(
        refused
            .fails(1)
            .contains("Restart policy cannot be updated because AutoRemove is enabled for the container"),
        "{refused}"
    );
    t.ok(&["update", "--restart", "no", "gone"]);
}

#[test]
fn an_update_is_an_event() {
    let Some(t) = Scenario::with_busybox() else { return };
    start(&t, "box", &[]);
    t.ok(&["update", "--pids-limit", "50", "box"]);
    let events = t.ok(&[
        "events",
        "--since",
        "1m",
        "--until",
        "0s",
        "--format",
        "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}",
    ]);
    assert_eq!(events.lines().filter(|line| *line == "container update box").count(), 1, "{events}");
}

#[test]
fn rates_of_devices_can_be_updated_as_podmans() {
    let Some(t) = Scenario::with_busybox() else { return };
    if !std::path::Path::new("/dev/vda").exists() {
        return hull_test_support::skip::elsewhere("this machine has no /dev/vda");
    }
    start(&t, "box", &["--device-read-bps", "/dev/vda:1mb"]);
    t.ok(&["update", "--device-read-bps", "/dev/vda:2mb", "--device-write-iops", "/dev/vda:50", "box"]);
    let rate = limit(&t, "box", "blkio", "blkio.throttle.read_bps_device", "io.max");
    assert!(rate.contains("2097152"), "{rate}");
    let rate = limit(&t, "box", "blkio", "blkio.throttle.write_iops_device", "io.max");
    assert!(rate.contains("50"), "{rate}");
    assert_eq!(
        t.inspect("box", "{{json .HostConfig.BlkioDeviceReadBps}}"),
        r#"[{"Path":"/dev/vda","Rate":2097152}]"#
    );
}

#[test]
fn after_kill_9_record_and_cgroup_agree() {
    let Some(t) = Scenario::with_busybox() else { return };
    start(&t, "box", &["-m", "64m", "--memory-swap", "64m"]);
    let mut seen = std::collections::BTreeSet::new();
    let begun = Instant::now();
    t.ok(&["update", "--pids-limit", "99", "box"]);
    let whole = begun.elapsed();
    for round in 0..30_u32 {
        let size = format!("{}m", 65 + round);
        let mut update = t.spawn(&[
            "update",
            "-m",
            &size,
            "--memory-swap",
            &size,
            "--pids-limit",
            &(100 + round).to_string(),
            "box",
        ]);
        // The kills are spread over the duration of an update and a little longer.
        std::thread::sleep(whole * round / 20);
        update.kill();
        update.wait();
        let shown = t.inspect("box", "{{.HostConfig.Memory}} {{json .HostConfig.PidsLimit}}");
        let in_kernel = (memory(&t, "box"), pids(&t, "box").replace("max", "null"));
        let fields: Vec<&str> = shown.split(' ').collect();
        assert_eq!((fields[0], fields[1]), (&*in_kernel.0, &*in_kernel.1), "after {round} rounds");
        seen.insert(fields[0].to_owned());
    }
    assert!(seen.len() > 1, "some of the updates came to their end");
}
