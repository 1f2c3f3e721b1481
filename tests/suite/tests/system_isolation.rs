//! What a system container cannot do to the host, to other containers, and to its own limits.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use hull_test_support::outcome::{eventually, run};
use hull_test_support::{Scenario, System, cgroups};

/// A running system without a network.
#[track_caller]
fn start(t: &Scenario, name: &str, options: &[&str]) {
    let mut args = vec!["run", "-d", "--system", "--network", "none", "--name", name];
    args.extend(options);
    args.push(System::Busybox.image());
    t.ok(&args);
    eventually("it has booted", || t.hull(&["exec", name, "test", "-e", "/run/booted"]).success());
}

fn scenario() -> Option<Scenario> {
    Scenario::with_systems(&[System::Busybox])
}

#[track_caller]
fn sh(t: &Scenario, name: &str, script: &str) -> String {
    t.ok(&["exec", name, "sh", "-c", &format!("exec 2>&1; {script}")])
}

/// First id and number of ids.
fn range(t: &Scenario, name: &str, file: &str) -> (u64, u64) {
    let map = t.ok(&["exec", name, "cat", &format!("/proc/self/{file}")]);
    let fields: Vec<u64> = map.split_whitespace().map(|field| field.parse().unwrap()).collect();
    let [0, start, count] = fields[..] else { panic!("{map}") };
    (start, count)
}

#[test]
fn root_is_nobody_outside_and_two_systems_share_no_id() {
    let Some(t) = scenario() else { return };
    let names = ["one", "two", "three"];
    for name in names {
        start(&t, name, &[]);
    }
    for file in ["uid_map", "gid_map"] {
        let mut ranges = names.map(|name| range(&t, name, file));
        ranges.sort_unstable();
        for (index, (start, count)) in ranges.iter().enumerate() {
            assert!(*start > 65536 && *count == 65536, "{ranges:?}");
            let next = ranges.get(index + 1).map_or(u64::MAX, |next| next.0);
            assert!(start + count <= next, "{ranges:?}");
        }
    }
    // Files of the layers have one owner on the disk, and its own root in each container.
    for name in names {
        assert_eq!(sh(&t, name, "stat -c %u:%g / /etc/passwd /bin/busybox"), "0:0\n0:0\n0:0");
    }
    let kept = range(&t, "two", "uid_map");
    t.ok(&["restart", "two"]);
    assert_eq!(range(&t, "two", "uid_map"), kept, "they are recorded");
}

#[test]
fn a_restored_system_has_the_ids_that_go_with_what_it_may_do() {
    let Some(t) = scenario() else { return };
    start(&t, "box", &[]);
    let masked = "mount -o remount,rw /proc/sys 2>/dev/null; awk '/^CapEff/ {print $2}' /proc/self/status";
    let capabilities = sh(&t, "box", masked);
    t.ok(&["snapshot", "box", "mapped"]);
    t.ok(&["container", "config", "set", "box", "security.privileged=true"]);
    t.ok(&["restart", "-t", "1", "box"]);
    assert_eq!(range(&t, "box", "uid_map"), (0, 4_294_967_295));
    assert_ne!(sh(&t, "box", masked), capabilities, "a privileged system has fewer");
    t.ok(&["snapshot", "box", "privileged"]);
    let own = |start: u64| start > 65536;
    for (snapshot, is_mapped) in [("mapped", true), ("privileged", false), ("mapped", true)] {
        t.ok(&["restore", "box", snapshot]);
        eventually("it has booted", || t.hull(&["exec", "box", "test", "-e", "/run/booted"]).success());
        assert_eq!(own(range(&t, "box", "uid_map").0), is_mapped, "{snapshot}");
        assert_eq!(sh(&t, "box", masked) == capabilities, is_mapped, "{snapshot}");
    }
}

#[test]
fn the_processes_of_others_are_neither_seen_nor_signalled_nor_traced() {
    let Some(t) = scenario() else { return };
    start(&t, "one", &[]);
    start(&t, "two", &[]);
    t.ok(&["exec", "-d", "two", "sleep", "1234"]);
    assert!(!sh(&t, "one", "ps").contains("1234"));
    // This holds without the pid namespace, too: a process of the first container's root runs in the host's pid namespace.
    let (uid, _) = range(&t, "one", "uid_map");
    let target = t.pid_of("two");
    let as_root_of_one = |script: &str| {
        // With a user id, the standard library also clears the supplementary groups.
        let mut command = Command::new("sh");
        command.uid(uid as u32).gid(uid as u32);
        run(command.args(["-c", script]))
    };
    let killed = as_root_of_one(&format!("kill -CONT {target}"));
    assert!(!killed.success() && killed.stderr.contains("not permitted"), "{killed}");
    for file in ["mem", "environ", "root", "ns/mnt"] {
        let read =
            as_root_of_one(&format!("head -c 1 /proc/{target}/{file}; readlink /proc/{target}/{file}"));
        assert!(!read.success(), "{file}: {read}");
    }
}

#[test]
fn limits_are_the_hosts_to_set() {
    let Some(t) = scenario() else { return };
    start(&t, "box", &["--memory", "64m", "--pids-limit", "50", "--cpus", "1"]);
    let pid = t.pid_of("box");
    let files: &[(&str, &str)] = match cgroups::is_v2("memory") {
        true => &[("memory", "memory.max"), ("pids", "pids.max"), ("cpu", "cpu.max")],
        false => &[
            ("memory", "memory.limit_in_bytes"),
            ("pids", "pids.max"),
            ("cpu", "cpu.cfs_quota_us"),
            ("devices", "devices.allow"),
            ("devices", "devices.deny"),
        ],
    };
    for (controller, file) in files {
        let own = cgroups::directory(pid, controller);
        let before = std::fs::read_to_string(own.join(file)).ok();
        let inside = match cgroups::is_v2(controller) {
            true => "/sys/fs/cgroup".to_owned(),
            false => format!("/sys/fs/cgroup/{controller}"),
        };
        let value = if *controller == "devices" { "a" } else { "max" };
        let said = sh(
            &t,
            "box",
            &format!("for v in {value} -1; do echo $v > {inside}/{file} && echo set; done; true"),
        );
        assert!(!said.contains("set\n") && !said.ends_with("set"), "{file}: {said}");
        assert_eq!(std::fs::read_to_string(own.join(file)).ok(), before, "{file}");
    }
    // A cgroup that the container makes may have any limits, and the container's own limits still hold.
    let making = match cgroups::is_v2("memory") {
        true => "mkdir /sys/fs/cgroup/mine && echo $$ > /sys/fs/cgroup/mine/cgroup.procs",
        false => {
            "mkdir /sys/fs/cgroup/devices/mine && echo a > /sys/fs/cgroup/devices/mine/devices.allow; \
             mkdir /sys/fs/cgroup/pids/mine && echo $$ > /sys/fs/cgroup/pids/mine/cgroup.procs"
        }
    };
    let forks = "(i=0; while [ $i -lt 80 ]; do sleep 5 & i=$((i + 1)); done); true";
    let said = sh(&t, "box", &format!("{making}; {forks}"));
    assert!(said.contains("can't fork"), "{said}");
    if !cgroups::is_v2("devices") {
        let allowed = std::fs::read_to_string(cgroups::directory(pid, "devices").join("mine/devices.list"));
        assert!(!allowed.unwrap().lines().any(|line| line.starts_with("a ")), "{said}");
    }
}

#[test]
fn a_process_that_a_system_has_frozen_ends_with_it() {
    let Some(t) = scenario() else { return };
    start(&t, "box", &[]);
    let (own, file, frozen) = match cgroups::is_v2("freezer") {
        true => ("/sys/fs/cgroup/mine", "cgroup.freeze", "1"),
        false => ("/sys/fs/cgroup/freezer/mine", "freezer.state", "FROZEN"),
    };
    let freeze = format!(
        "mkdir {own} && (sleep 1000 & echo $! > {own}/cgroup.procs) && echo {frozen} > {own}/{file} && cat {own}/{file}"
    );
    let said = sh(&t, "box", &freeze);
    assert!(said.trim() == frozen || said.trim() == "FREEZING", "{said}");
    let begin = Instant::now();
    t.ok(&["stop", "-t", "1", "box"]);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    t.ok(&["rm", "box"]);
}

#[test]
fn devices_of_the_host_are_out_of_reach() {
    let Some(t) = scenario() else { return };
    start(&t, "box", &[]);
    let disk = "mknod /disk b 7 0 && echo made; mknod /mem c 1 1 && echo made; mknod /kmsg c 1 11 && echo made; true";
    let said = sh(&t, "box", disk);
    assert!(!said.lines().any(|line| line == "made"), "{said}");
    let system = "echo 1 > /proc/sys/kernel/panic && echo set; echo b > /proc/sysrq-trigger && echo set; \
                  echo 1 > /proc/sys/vm/drop_caches && echo set; date -s 2000-01-01; mount -t debugfs x /tmp && echo set; \
                  echo /x > /proc/sys/kernel/core_pattern && echo set; true";
    let said = sh(&t, "box", system);
    assert!(!said.lines().any(|line| line == "set"), "{said}");
    assert!(said.contains("can't set date"), "{said}");
    let capabilities = sh(&t, "box", "grep CapBnd /proc/self/status");
    let bits = u64::from_str_radix(capabilities.split_whitespace().last().unwrap(), 16).unwrap();
    // CAP_SYS_MODULE and CAP_SYS_RAWIO.
    assert_eq!(bits & (1 << 16 | 1 << 17), 0, "{capabilities}");
}

#[test]
fn the_host_file_system_is_out_of_reach() {
    let Some(t) = scenario() else { return };
    let secret = t.write("secret", "of the host");
    start(&t, "box", &[]);
    // A handle opens a file without a path (open_by_handle_at(2)). LXD's policy refuses the call, so a filter has to be
    // there.
    assert_eq!(sh(&t, "box", "grep Seccomp: /proc/self/status | tr -dc 0-9"), "2");
    let said =
        sh(&t, "box", &format!("cat {}; cat /proc/1/root{}; true", secret.display(), secret.display()));
    assert!(!said.contains("of the host"), "{said}");
    // What the container mounts, and how, stays inside.
    let before = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    sh(
        &t,
        "box",
        "mkdir /m; mount -t tmpfs x /m; mount -o bind / /m; mount --make-rshared /; mount -t tmpfs y /root",
    );
    assert_eq!(std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap(), before);
}

#[test]
fn ids_that_run_out_are_an_error_that_leaves_nothing() {
    let Some(t) = scenario() else { return };
    let subuid = t.write("subuid", "hull:500000:65536\n");
    for file in ["/etc/subuid", "/etc/subgid"] {
        rustix::mount::mount_bind(&subuid, file).unwrap();
    }
    start(&t, "one", &[]);
    assert_eq!(range(&t, "one", "uid_map"), (500_000, 65536));
    let image = System::Busybox.image();
    let refused = t.hull(&["launch", "-n", "none", image, "two"]);
    assert!(refused.stderr.contains("65536 ids in a row are not free"), "{refused}");
    assert!(!refused.success() && !t.hull(&["inspect", "two"]).success());
    t.ok(&["rm", "-f", "one"]);
    t.ok(&["launch", "-n", "none", image, "two"]);
    assert_eq!(range(&t, "two", "uid_map"), (500_000, 65536));
    t.ok(&["rm", "-f", "two"]);
    // Without a line for hull, containers get their ids from the end of root's range.
    std::fs::write(&subuid, "root:500000:200000\n").unwrap();
    start(&t, "three", &[]);
    assert_eq!(range(&t, "three", "uid_map"), (700_000 - 65536, 65536));
    t.ok(&["rm", "-f", "three"]);
    for file in ["/etc/subuid", "/etc/subgid"] {
        rustix::mount::unmount(file, rustix::mount::UnmountFlags::DETACH).unwrap();
    }
}

#[test]
fn the_program_that_enters_a_system_cannot_be_written_from_inside() {
    let Some(t) = scenario() else { return };
    start(&t, "box", &[]);
    let own = hull_test_support::program::hull();
    let before = std::fs::read(own).unwrap();
    // A process that exec or stop starts in the container has hull's program as its executable until it executes its own.
    let script = "while :; do for p in /proc/[0-9]*; do echo > $p/exe; done 2>/dev/null; done";
    t.ok(&["exec", "-d", "box", "sh", "-c", script]);
    for _ in 0..20 {
        t.hull(&["exec", "box", "true"]);
    }
    t.ok(&["stop", "-t", "20", "box"]);
    assert!(std::fs::read(own).unwrap() == before, "hull's program was changed");
}

#[test]
fn links_of_an_image_lead_no_file_of_hulls_into_proc_or_dev() {
    let Some(t) = scenario() else { return };
    let archive = t.path("linked.tar");
    std::fs::copy(System::Busybox.archive().unwrap(), &archive).unwrap();
    let etc = t.path("links/etc");
    std::fs::create_dir_all(&etc).unwrap();
    std::os::unix::fs::symlink("/proc/1/environ", etc.join("hosts")).unwrap();
    std::os::unix::fs::symlink("../dev/null", etc.join("resolv.conf")).unwrap();
    let mut append = Command::new("tar");
    append.arg("-rf").arg(&archive).arg("-C").arg(t.path("links")).args(["etc/hosts", "etc/resolv.conf"]);
    run(&mut append).ok();
    t.ok(&["import", archive.to_str().unwrap(), "linked"]);
    t.ok(&["run", "-d", "--system", "--name", "box", "linked"]);
    t.ok(&["run", "-d", "--name", "plain", "linked", "sleep", "1000"]);
    eventually("it has booted", || t.hull(&["exec", "box", "test", "-e", "/run/booted"]).success());
    for name in ["box", "plain"] {
        let seen = sh(
            &t,
            name,
            "stat -c %F:%u /etc/hosts /etc/resolv.conf /dev/null; grep -c localhost /etc/hosts; cat /dev/null",
        );
        assert!(seen.starts_with("regular file:0\nregular file:0\ncharacter special file:"), "{seen}");
        assert!(seen.lines().count() == 4 && !seen.ends_with("\n0"), "{seen}");
        t.ok(&["restart", "-t", "0", name]);
    }
}
