//! Configuration in LXD's words: keys that hold while a container runs, profiles, and what a killed command leaves.

use std::path::PathBuf;
use std::time::Duration;

use hull_test_support::outcome::eventually;
use hull_test_support::systems::System;
use hull_test_support::{Scenario, cgroups};

const CONFIG: [&str; 2] = ["container", "config"];

fn start() -> Option<Scenario> {
    let t = Scenario::with_systems(&[System::Busybox])?;
    system(&t, "box");
    Some(t)
}

fn system(t: &Scenario, name: &str) {
    t.ok(&["run", "-d", "--system", "--network", "none", "--name", name, System::Busybox.image()]);
}

fn config(t: &Scenario, words: &[&str]) -> String {
    t.ok(&[&CONFIG[..], words].concat())
}

fn set(t: &Scenario, name: &str, pairs: &[&str]) {
    config(t, &[&["set", name], pairs].concat());
}

/// A file of v1 or of v2 in the container's own cgroup.
fn limit(t: &Scenario, name: &str, controller: &str, v1: &str, v2: &str) -> String {
    let file = if cgroups::is_v2(controller) { v2 } else { v1 };
    let path = t.inspect(name, "{{.Id}}");
    let found = cgroups::below(t.cgroup_parent()).into_iter().find(|directory| {
        directory.file_name().is_some_and(|name| name.to_string_lossy() == path)
            && directory.join(file).exists()
    });
    let directory = found.unwrap_or_else(|| cgroups::directory(t.pid_of(name), controller));
    std::fs::read_to_string(directory.join(file)).unwrap_or_default().trim().to_owned()
}

fn memory(t: &Scenario, name: &str) -> String {
    limit(t, name, "memory", "memory.limit_in_bytes", "memory.max")
}

fn has_no_memory_limit(t: &Scenario, name: &str) -> bool {
    let text = memory(t, name);
    text == "max" || text.parse::<u64>().is_ok_and(|bytes| bytes > 1 << 60)
}

fn profile_file(t: &Scenario, name: &str) -> PathBuf {
    t.data_root().join("profiles").join(name)
}

#[test]
fn limits_hold_at_once_and_go_again() {
    let Some(t) = start() else { return };
    set(&t, "box", &["limits.memory=64MiB", "limits.processes=20", "limits.cpu=1"]);
    assert_eq!(memory(&t, "box"), "67108864");
    assert_eq!(limit(&t, "box", "pids", "pids.max", "pids.max"), "20");
    assert_eq!(t.ok(&["exec", "box", "nproc"]), "1");
    // The limits hold: a shell cannot use more memory, more CPU time, or more processes.
    let greedy = t.hull(&["exec", "box", "sh", "-c", "head -c 100m /dev/zero | tail -c 99m | wc -c"]);
    assert!(!greedy.stdout.contains("103809024"), "more than 64 MiB were used: {greedy}");
    set(&t, "box", &["limits.cpu.allowance=20ms/100ms"]);
    let spin = "timeout 1 sh -c 'while :; do :; done'; cut -d ' ' -f 16 /proc/$$/stat";
    let ticks: u32 = t.ok(&["exec", "box", "sh", "-c", spin]).trim().parse().unwrap();
    assert!(ticks < 45, "a fifth of a second is allowed in a second, and {ticks} hundredths were used");
    let forks = "for i in $(seq 40); do sleep 9 & done";
    let forked = t.hull(&["exec", "box", "sh", "-c", forks]);
    assert!(forked.stderr.contains("fork"), "more than 20 processes started: {forked}");
    // `update` refuses to change what a key has set.
    assert!(t.hull(&["update", "--pids-limit", "99", "box"]).fails(1).contains("the key limits.processes"));
    t.ok(&["update", "--cpuset-mems", "0", "box"]);
    t.ok(&["restart", "-t", "1", "box"]);
    assert_eq!(memory(&t, "box"), "67108864", "the next run has them too");
    config(&t, &["unset", "box", "limits.memory", "limits.processes", "limits.cpu.allowance", "limits.cpu"]);
    assert!(has_no_memory_limit(&t, "box"), "{}", memory(&t, "box"));
    assert_eq!(limit(&t, "box", "pids", "pids.max", "pids.max"), "max");
    assert!(limit(&t, "box", "cpu", "cpu.cfs_quota_us", "cpu.max").starts_with(['-', 'm']));
    assert_eq!(config(&t, &["show", "box"]).matches("limits").count(), 0);
}

#[test]
fn a_set_of_cpus_a_share_and_a_percentage_are_what_lxd_means_by_them() {
    let Some(t) = start() else { return };
    set(&t, "box", &["limits.cpu=0-0", "limits.cpu.allowance=50%", "limits.cpu.priority=5"]);
    assert_eq!(limit(&t, "box", "cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
    let weight = limit(&t, "box", "cpu", "cpu.shares", "cpu.weight");
    assert!(weight == "507" || weight == "20", "{weight}");
    set(&t, "box", &["limits.memory", "10%"]);
    let tenth: u64 = memory(&t, "box").parse().unwrap();
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
    let total = total.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024;
    assert!(tenth.abs_diff(total / 10) < total / 100, "{tenth} of {total}");
    set(&t, "box", &["limits.memory.enforce=soft"]);
    assert!(has_no_memory_limit(&t, "box"));
    let low = limit(&t, "box", "memory", "memory.soft_limit_in_bytes", "memory.low");
    assert_eq!(low, tenth.to_string());
    assert_eq!(config(&t, &["get", "box", "limits.memory"]), "10%");
}

#[test]
fn what_is_wrong_is_refused_and_changes_nothing() {
    let Some(t) = start() else { return };
    set(&t, "box", &["limits.memory=64MiB"]);
    for (pair, why) in [
        ("limits.memry=1GiB", "did you mean limits.memory?"),
        ("limits.memory=1 gigabyte", "a size is a number"),
        ("limits.memory=1MiB", "minimum memory limit"),
        ("limits.memory=0%", "invalid value \"0%\" of limits.memory: the minimum memory limit"),
        ("limits.cpu=99999-99999", "limits.cpu"),
        ("limits.cpu=0-999", "invalid value \"0-999\" of limits.cpu: this machine has"),
        ("limits.kernel.nofiles=5", "did you mean nofile?"),
        ("security.syscalls.intercept.mount=true", "not supported"),
        ("security.syscalls.deny=no_such_call", "no system call no_such_call"),
        ("raw.lxc=lxc.aa_profile=unconfined", "not supported"),
        ("boot.autostart=maybe", "true or false"),
    ] {
        let said = t.hull(&[&CONFIG[..], &["set", "box", "limits.processes=7", pair]].concat());
        let said = said.fails(1);
        assert!(said.contains(why), "{pair}: {said}");
    }
    assert_eq!(memory(&t, "box"), "67108864");
    assert_eq!(config(&t, &["show", "box"]).matches("limits").count(), 1);
    assert_eq!(limit(&t, "box", "pids", "pids.max", "pids.max"), "max");
}

#[test]
fn what_takes_a_restart_says_so_and_is_there_after_it() {
    let Some(t) = start() else { return };
    let keys = [
        "limits.kernel.nofile=123:456",
        "security.syscalls.deny=sethostname",
        "security.nesting=true",
        "environment.COLOUR=blue",
        "cloud-init.user-data=#cloud-config\npackages: [vim]\n",
        "user.note=mine",
    ];
    let said = t.hull(&[&CONFIG[..], &["set", "box"], &keys].concat());
    let said = &said.stderr;
    assert!(
        said.contains("at its next start: cloud-init.user-data, limits.kernel.nofile, security.nesting"),
        "{said}"
    );
    assert!(!said.contains("user.note") && !said.contains("environment"), "{said}");
    assert_eq!(t.ok(&["exec", "box", "sh", "-c", "echo $COLOUR"]), "blue", "exec has it at once");
    t.ok(&["restart", "-t", "1", "box"]);
    assert_eq!(
        t.ok(&["exec", "box", "sh", "-c", "echo $(grep 'open files' /proc/1/limits)"]),
        "Max open files 123 456 files"
    );
    t.hull(&["exec", "box", "hostname", "other"]).fails(1);
    let mounts = t.ok(&["exec", "box", "cat", "/proc/mounts"]);
    for path in ["/var/lib/docker", "/var/lib/containers", "/var/lib/hull"] {
        assert!(mounts.lines().any(|line| line.split(' ').nth(1) == Some(path)), "{path}: {mounts}");
    }
    let seed = "/var/lib/cloud/seed/nocloud-net";
    assert_eq!(t.ok(&["exec", "box", "cat", &format!("{seed}/user-data")]), "#cloud-config\npackages: [vim]");
    let id = t.inspect("box", "{{.Id}}");
    assert!(t.ok(&["exec", "box", "cat", &format!("{seed}/meta-data")]).contains(&id));
    assert_eq!(t.ok(&["exec", "box", "stat", "-c", "%u:%g", &format!("{seed}/meta-data")]), "0:0");
    // The volumes go with the container.
    let volumes = t.ok(&["volume", "ls", "-q"]).lines().count();
    assert_eq!(volumes, 3);
    t.ok(&["rm", "-f", "-v", "box"]);
    assert_eq!(t.ok(&["volume", "ls", "-q"]), "");
}

#[test]
fn a_seed_is_written_into_the_containers_root_and_nowhere_else() {
    let Some(t) = start() else { return };
    let trap = t.write("trap/kept", "kept");
    let trap = trap.parent().unwrap().to_str().unwrap();
    let link = format!("mkdir -p /var/lib/cloud/seed; ln -s {trap} /var/lib/cloud/seed/nocloud-net");
    t.ok(&["exec", "box", "sh", "-c", &link]);
    set(&t, "box", &["user.user-data=x"]);
    t.hull(&["restart", "-t", "1", "box"]).fails(1);
    assert_eq!(std::fs::read_dir(trap).unwrap().count(), 1);
}

#[test]
fn ids_change_with_the_next_start_and_the_files_stay_the_containers() {
    let Some(t) = start() else { return };
    let map = || t.ok(&["exec", "box", "cat", "/proc/1/uid_map"]);
    t.ok(&["exec", "box", "sh", "-c", "echo mine > /file; chown 7:8 /file"]);
    let before = map();
    let said = t.hull(
        &[&CONFIG[..], &["set", "box", "security.idmap.size=100000", "raw.idmap=both 1000 1000"]].concat(),
    );
    assert!(said.stderr.contains("next start: raw.idmap, security.idmap.size"));
    assert_eq!(map(), before, "the running container keeps its ids");
    t.ok(&["restart", "-t", "1", "box"]);
    let words: Vec<String> = map().split_whitespace().map(str::to_owned).collect();
    assert_eq!(words.len(), 9, "{words:?}");
    assert!(words.windows(3).any(|line| line == ["1000", "1000", "1"]), "{words:?}");
    assert_eq!(t.ok(&["exec", "box", "stat", "-c", "%u:%g", "/file"]), "7:8");
    set(&t, "box", &["raw.idmap=", "security.idmap.size=", "security.privileged=true"]);
    t.ok(&["restart", "-t", "1", "box"]);
    assert_eq!(map().split_whitespace().collect::<Vec<_>>(), ["0", "0", "4294967295"]);
    assert_eq!(t.ok(&["exec", "box", "stat", "-c", "%u:%g", "/file"]), "7:8");
    let bounding = t.ok(&["exec", "box", "sh", "-c", "grep CapBnd /proc/1/status"]);
    let bounding = u64::from_str_radix(bounding.split_whitespace().nth(1).unwrap(), 16).unwrap();
    assert_eq!(bounding & 1 << 16, 0, "no CAP_SYS_MODULE: {bounding:x}");
    set(&t, "box", &["security.privileged=false"]);
    t.ok(&["restart", "-t", "1", "box"]);
    assert!(map().split_whitespace().nth(1) != Some("0"));
}

#[test]
fn a_profile_reaches_all_of_its_containers_or_none() {
    let Some(t) = start() else { return };
    system(&t, "other");
    t.ok(&["profile", "create", "small", "--description", "for tests", "-c", "limits.memory=64MiB"]);
    t.ok(&["profile", "add", "box", "small"]);
    t.ok(&["profile", "assign", "other", "default,small"]);
    assert_eq!((memory(&t, "box"), memory(&t, "other")), ("67108864".into(), "67108864".into()));
    set(&t, "other", &["limits.memory=32MiB"]);
    t.ok(&["profile", "set", "small", "limits.memory=128MiB", "limits.processes=50"]);
    assert_eq!((memory(&t, "box"), memory(&t, "other")), ("134217728".into(), "33554432".into()));
    assert_eq!(limit(&t, "other", "pids", "pids.max", "pids.max"), "50");
    assert_eq!(config(&t, &["get", "-e", "other", "limits.processes"]), "50");
    assert_eq!(config(&t, &["get", "other", "limits.processes"]), "");
    // The value is refused for one container, so it is changed for none of them.
    let refused = t.hull(&["profile", "set", "small", "limits.memory=1MiB"]);
    assert!(refused.fails(1).contains("container box: invalid value \"1MiB\" of limits.memory"));
    assert_eq!(memory(&t, "box"), "134217728");
    assert_eq!(t.ok(&["profile", "get", "small", "limits.memory"]), "128MiB");
    let refused = t.hull(&["profile", "delete", "small"]);
    assert!(refused.fails(1).contains("profile small is in use by box, other"));
    t.ok(&["profile", "rename", "small", "little"]);
    assert!(config(&t, &["show", "box"]).contains("- little"));
    t.ok(&["profile", "unset", "little", "limits.memory"]);
    assert!(has_no_memory_limit(&t, "box"));
    t.ok(&["profile", "remove", "box", "little"]);
    t.ok(&["profile", "assign", "other", ""]);
    assert_eq!(limit(&t, "other", "pids", "pids.max", "pids.max"), "max");
    t.ok(&["profile", "copy", "little", "copied"]);
    t.ok(&["profile", "delete", "little", "copied"]);
    assert_eq!(t.ok(&["profile", "list", "--format", "{{.Name}}"]), "default");
    t.hull(&["profile", "delete", "default"]).fails(1);
}

#[test]
fn documents_are_edited_from_a_pipe_and_shown_as_they_were() {
    let Some(t) = start() else { return };
    let document =
        "config:\n  limits.memory: 64MiB\n  limits.processes: 30\nprofiles: []\ndescription: mine\n";
    let edit = |words: &[&str], text: &str| t.hull_with_input(words, text.as_bytes());
    edit(&[&CONFIG[..], &["edit", "box"]].concat(), document).ok();
    assert_eq!(memory(&t, "box"), "67108864");
    let shown = config(&t, &["show", "box"]);
    assert!(shown.contains("limits.processes: \"30\"") && shown.contains("description: mine"), "{shown}");
    edit(&[&CONFIG[..], &["edit", "box"]].concat(), &shown).ok();
    assert_eq!(config(&t, &["show", "box"]), shown);
    let refused = edit(&[&CONFIG[..], &["edit", "box"]].concat(), "confg: {}\n");
    assert!(refused.fails(1).contains("did you mean config?"));
    edit(&["profile", "create", "made"], "config:\n  user.a: b\n").ok();
    edit(&["profile", "edit", "made"], "config:\n  user.a: c\n").ok();
    assert_eq!(t.ok(&["profile", "get", "made", "user.a"]), "c");
}

#[test]
fn a_sysctl_of_the_whole_machine_is_refused_when_it_is_named() {
    let Some(t) = start() else { return };
    t.busybox();
    for name in ["vm.swappiness", "kernel.panic", "kernel.no_such_thing", "net...vm.swappiness", "net"] {
        let key = format!("linux.sysctl.{name}=1");
        let said = t.hull(&[&CONFIG[..], &["set", "box", &key]].concat()).fails(1).to_owned();
        assert!(said.contains("whole machine"), "{name}: {said}");
        let said = t.hull(&["profile", "set", "default", &key]).fails(1).to_owned();
        assert!(said.contains("whole machine"), "{name}: {said}");
        let flag = format!("{name}=1");
        let run = ["run", "--rm", "--network", "none", "--sysctl", &flag, "busybox", "true"];
        assert!(t.hull(&run).stderr.contains("whole machine"), "{name}");
    }
    set(&t, "box", &["linux.sysctl.net.ipv4.ip_default_ttl=77", "linux.sysctl.kernel.shmmni=99"]);
    t.ok(&["restart", "-t", "0", "box"]);
    let read = "cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/shmmni";
    assert_eq!(t.ok(&["exec", "box", "sh", "-c", read]), "77\n99");
}

#[test]
fn an_isolated_container_has_ids_of_its_own() {
    let Some(t) = start() else { return };
    t.busybox();
    t.ok(&["run", "-d", "--name", "plain", "--network", "none", "busybox", "sleep", "1000"]);
    let maps = |name: &str| t.ok(&["exec", name, "cat", "/proc/self/uid_map"]);
    let first = |name: &str| maps(name).split_whitespace().nth(1).unwrap_or_default().to_owned();
    assert_eq!(first("plain"), "0");
    let key = "security.idmap.isolated";
    let said = t.hull(&[&CONFIG[..], &["set", "plain", &format!("{key}=true")]].concat());
    assert!(said.stderr.contains(key) && said.success(), "it takes a restart: {said}");
    t.ok(&["restart", "-t", "0", "plain"]);
    let own = first("plain");
    assert_ne!(own, "0");
    t.ok(&["exec", "plain", "sh", "-c", "touch /file && stat -c %u /file /bin | grep -x 0"]);
    // A system container has its own already, and keeps them.
    let before = first("box");
    let said = t.hull(&[&CONFIG[..], &["set", "box", &format!("{key}=true")]].concat());
    assert!(said.success() && !said.stderr.contains(key), "{said}");
    t.ok(&["restart", "-t", "0", "box"]);
    assert_eq!(first("box"), before);
    assert_ne!(before, own);
    t.ok(&[&CONFIG[..], &["unset", "plain", key]].concat());
    t.ok(&["restart", "-t", "0", "plain"]);
    assert_eq!(first("plain"), "0");
    t.ok(&["rm", "-f", "plain"]);
}

#[test]
fn a_protected_container_stays() {
    let Some(t) = start() else { return };
    set(&t, "box", &["security.protection.delete=true"]);
    let refused = t.hull(&["rm", "-f", "box"]);
    assert!(refused.fails(1).contains("it is protected"));
    assert_eq!(t.inspect("box", "{{.State.Running}}"), "true");
    t.ok(&["stop", "-t", "0", "box"]);
    t.ok(&["container", "prune", "-f"]);
    set(&t, "box", &["security.protection.delete=false"]);
    t.ok(&["rm", "-f", "box"]);
}

#[test]
fn a_damaged_profile_is_named_and_stops_only_its_containers() {
    let Some(t) = start() else { return };
    system(&t, "other");
    t.ok(&["profile", "create", "small", "-c", "limits.memory=64MiB"]);
    t.ok(&["profile", "add", "box", "small"]);
    std::fs::write(profile_file(&t, "small.json"), "{").unwrap();
    let refused = t.hull(&[&CONFIG[..], &["set", "box", "user.a=b"]].concat());
    assert!(refused.fails(1).contains("the profile small is damaged"));
    set(&t, "other", &["user.a=b"]);
    t.ok(&["restart", "-t", "1", "box"]);
    assert_eq!(memory(&t, "box"), "67108864", "what was in force stays so");
    t.hull(&["profile", "delete", "small"]).fails(1);
    t.ok(&["profile", "assign", "box", ""]);
    assert!(has_no_memory_limit(&t, "box"));
    t.ok(&["profile", "delete", "small"]);
}

/// A container whose record cannot be read may use any profile. It stops no change of the others.
#[test]
fn a_damaged_container_is_named_and_stops_no_change_of_a_profile() {
    let Some(t) = start() else { return };
    system(&t, "other");
    t.ok(&["profile", "create", "small", "-c", "limits.memory=64MiB"]);
    t.ok(&["profile", "add", "box", "small"]);
    t.ok(&["profile", "add", "other", "small"]);
    let record = t.data_root().join("containers").join(t.inspect("other", "{{.Id}}")).join("container.json");
    let aside = record.with_extension("aside");
    for is_directory in [false, true] {
        std::fs::rename(&record, &aside).unwrap();
        match is_directory {
            true => std::fs::create_dir(&record).unwrap(),
            false => std::fs::write(&record, "{").unwrap(),
        }
        // What a killed `profile rename small little` leaves.
        std::fs::write(profile_file(&t, "pending"), r#"{"Renamed":{"name":"small","new":"little"}}"#)
            .unwrap();
        set(&t, "box", &["user.a=b"]);
        assert!(!profile_file(&t, "pending").exists());
        assert!(config(&t, &["show", "box"]).contains("- little"));
        let renamed = t.hull(&["profile", "rename", "little", "tiny"]);
        renamed.ok();
        assert!(renamed.stderr.contains("other was left out"), "{renamed}");
        let changed = t.hull(&["profile", "set", "tiny", "limits.memory=128MiB"]);
        changed.ok();
        assert!(changed.stderr.contains("other was left out"), "{changed}");
        assert_eq!(memory(&t, "box"), "134217728");
        // Once its record can be read again, the container has the profile that it had.
        match is_directory {
            true => std::fs::remove_dir(&record).unwrap(),
            false => std::fs::remove_file(&record).unwrap(),
        }
        std::fs::rename(&aside, &record).unwrap();
        set(&t, "other", &["user.a=b"]);
        assert!(config(&t, &["show", "other"]).contains("- small"));
        t.ok(&["profile", "assign", "box", "default,small"]);
        t.ok(&["profile", "delete", "little", "tiny"]);
    }
}

#[test]
fn a_killed_change_is_carried_through_or_taken_back() {
    let Some(t) = start() else { return };
    system(&t, "other");
    t.ok(&["profile", "create", "small", "-c", "limits.memory=64MiB"]);
    t.ok(&["profile", "add", "box", "small"]);
    t.ok(&["profile", "add", "other", "small"]);
    for round in 0..24u64 {
        let bytes = (80 + round) << 20;
        let mut change = t.spawn(&["profile", "set", "small", &format!("limits.memory={bytes}B")]);
        // The kills are spread over the duration of a change and a little longer.
        std::thread::sleep(Duration::from_micros(round * 700));
        change.kill();
        change.wait();
        // Any command that changes something finishes what was begun.
        set(&t, "other", &["user.round", &round.to_string()]);
        let said = t.ok(&["profile", "get", "small", "limits.memory"]);
        let said = match said.strip_suffix("MiB") {
            Some(mib) => mib.parse::<u64>().unwrap() << 20,
            None => said.trim_end_matches('B').parse().unwrap(),
        };
        eventually("the cgroups have what the profile says", || {
            ["box", "other"].iter().all(|name| memory(&t, name) == said.to_string())
        });
        assert!(!profile_file(&t, "pending").exists());
    }
}
