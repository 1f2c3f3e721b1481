//! The usage of containers, as the kernel counts it, in docker's table and through docker's formats.  This file runs twice:
//! on this machine's own cgroups, and inside the cgroup v2 virtual machine.

use std::collections::BTreeMap;

use hull_test_support::outcome::{eventually, run};
use hull_test_support::{Scenario, Terminal, cgroups};

const ALL: &str =
    "{{.Container}}|{{.Name}}|{{.CPUPerc}}|{{.MemUsage}}|{{.MemPerc}}|{{.NetIO}}|{{.BlockIO}}|{{.PIDs}}";

#[test]
fn a_reading_is_what_the_kernel_counts() {
    let Some(t) = Scenario::with_busybox() else { return };
    // A tmpfs counts as the container's memory, because the kernel cannot drop its pages.
    let script = "dd if=/dev/zero of=/dev/shm/x bs=1M count=20 2> /dev/null; sleep 300 & while :; do :; done";
    t.ok(&[
        "run",
        "-d",
        "--name",
        "busy",
        "--network",
        "none",
        "-m",
        "64m",
        "--cpus",
        "0.5",
        "busybox",
        "sh",
        "-c",
        script,
    ]);
    eventually("it has its memory", || usage(&t, "busy") > 20 << 20);
    let line = t.ok(&["stats", "--no-stream", "--format", ALL, "busy"]);
    let fields: Vec<&str> = line.split('|').collect();
    let [container, name, cpu, memory, memory_percent, network, _, pids] = fields[..] else {
        panic!("{line}")
    };
    assert_eq!((container, name, network, pids), ("busy", "busy", "0B / 0B", "2"));
    let percent = |text: &str| text.strip_suffix('%').unwrap().parse::<f64>().unwrap();
    assert!((25.0..75.0).contains(&percent(cpu)), "half a CPU was allowed: {line}");
    let (used, limit) = memory.split_once(" / ").unwrap();
    let used: f64 = used.strip_suffix("MiB").unwrap().parse().unwrap();
    assert!((20.0..24.0).contains(&used) && limit == "64MiB", "{line}");
    assert!((percent(memory_percent) - used / 64.0 * 100.0).abs() < 1.0, "{line}");
}

fn usage(t: &Scenario, name: &str) -> u64 {
    let file = if cgroups::is_v2("memory") { "memory.current" } else { "memory.usage_in_bytes" };
    let text = std::fs::read_to_string(cgroups::directory(t.pid_of(name), "memory").join(file));
    text.map_or(0, |text| text.trim().parse().unwrap())
}

#[test]
fn a_container_without_a_limit_has_the_machine_s_memory_and_its_network_is_counted() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&[
        "run",
        "-d",
        "--name",
        "net",
        "busybox",
        "sh",
        "-c",
        "ping -c 3 -i 0.1 localhost; exec sleep 300",
    ]);
    t.ok(&["run", "-d", "--name", "pinged", "busybox", "sleep", "300"]);
    t.ok(&[
        "exec",
        "net",
        "ping",
        "-c",
        "5",
        "-i",
        "0.01",
        "-s",
        "1000",
        &t.inspect("pinged", "{{.NetworkSettings.IPAddress}}"),
    ]);
    let line =
        t.ok(&["stats", "--no-stream", "--format", "{{.MemLimit}} {{.NetInput}} {{.NetOutput}}", "net"]);
    let fields: Vec<u64> = line.split(' ').map(|field| field.parse().unwrap()).collect();
    let info = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total: u64 = info.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(fields[0], total * 1024);
    assert!(fields[1] >= 5 * 1000 && fields[2] >= 5 * 1000, "{line}");
    // Packets on the loopback are not counted.
    t.ok(&["exec", "net", "ping", "-c", "20", "-i", "0.01", "-s", "50000", "localhost"]);
    let after = t.ok(&["stats", "--no-stream", "--format", "{{.NetInput}}", "net"]);
    assert!(after.parse::<u64>().unwrap() < 500_000, "{after}");
}

#[test]
fn the_formats_are_dockers() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "one", "--network", "none", "busybox", "sleep", "300"]);
    t.ok(&["create", "--name", "made", "busybox", "true"]);
    let id = t.inspect("one", "{{.Id}}");
    let json = t.ok(&["stats", "--no-stream", "--format", "json"]);
    let row: BTreeMap<String, String> = serde_json::from_str(&json).expect("one object in one line");
    let keys: Vec<&str> = row.keys().map(String::as_str).collect();
    let fields = ["BlockIO", "CPUPerc", "Container", "ID", "MemPerc", "MemUsage", "Name", "NetIO", "PIDs"];
    assert_eq!(keys, fields);
    assert_eq!((&*row["Container"], &*row["ID"], &*row["Name"]), (&id[..12], &id[..12], "one"));
    assert_eq!(
        t.ok(&["stats", "--no-stream", "--no-trunc", "--format", "{{.ID}} {{.Container}}"]),
        format!("{id} {}", &id[..12])
    );
    let table = t.ok(&["stats", "--no-stream", "-a"]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT"), "{table}");
    let unused: Vec<&str> = lines[1].split_whitespace().skip(1).collect();
    assert_eq!(unused.join(" "), "made 0.00% 0B / 0B 0.00% 0B / 0B 0B / 0B 0");
    assert_eq!(lines.len(), 3);
    // As with docker, one wrong name among right ones shows nothing.
    for names in [&["nope"][..], &["one", "nope"]] {
        let wrong = t.hull(&[&["stats", "--no-stream"], names].concat());
        assert!(wrong.fails(1).contains("No such container: nope"), "{wrong}");
        assert_eq!(wrong.stdout, "");
    }
    t.hull(&["stats", "--no-stream", "--format", "{{.Nope}}"]).fails(1);
}

#[test]
fn the_live_table_follows_containers_that_come_and_go() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "first", "--network", "none", "busybox", "sleep", "300"]);
    let mut terminal = Terminal::start(&t.command(&["container", "stats"]));
    terminal.expect("first");
    t.ok(&["run", "-d", "--name", "second", "--network", "none", "busybox", "sleep", "300"]);
    terminal.expect("second");
    t.ok(&["rm", "-f", "first"]);
    // Each table begins in the first row and erases the previous table.
    eventually("it is gone", || {
        let seen = terminal.seen();
        let last = seen.rsplit("\x1b[H").nth(1).unwrap_or_default();
        last.contains("second") && !last.contains("first")
    });
    terminal.send("\x03");
    assert!(terminal.seen().contains("\x1b[J"));
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn a_stream_into_a_pipe_ends_with_its_container() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "short", "--network", "none", "busybox", "sleep", "300"]);
    let stream = t.spawn(&["stats", "--format", "{{.Name}} {{.PIDs}}", "short"]);
    t.ok(&["rm", "-f", "short"]);
    let ended = stream.wait();
    assert!(ended.success() && !ended.stdout.contains('\x1b'), "{ended}");
}

#[test]
fn an_unprivileged_user_without_a_cgroup_is_told() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    t.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "300"]);
    let has_cgroup = run(&mut t.command(&["pause", "box"])).success();
    let read = t.hull(&["stats", "--no-stream", "--format", "{{.PIDs}}", "box"]);
    if has_cgroup {
        assert_eq!(read.ok(), "1");
    } else {
        assert!(read.fails(1).contains("no cgroup without delegation"), "{read}");
        let all = t.hull(&["stats", "--no-stream"]);
        assert!(all.ok().lines().count() == 1 && all.stderr.contains("no cgroup"), "{all}");
    }
}
