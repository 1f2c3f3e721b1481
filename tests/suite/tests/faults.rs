//! `kill -9` of any process at any moment leaves nothing that the next command does not clear.

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hull_test_support::outcome::{assert_stays, eventually};
use hull_test_support::{Running, Scenario, cgroups};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The process that is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Cli,
    Monitor,
    Init,
}

/// A sequence that looks random and is the same in every run, so that a failure can be repeated.
struct Sequence(u64);

impl Sequence {
    /// The next number below `bound` (xorshift64).
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn kill_9(pid: i32) {
    // The process may have ended already, because a random moment can be too late.
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

/// Kills a process and waits until it has ended or is a zombie, because a signal takes time to arrive.
fn end(pid: i32) {
    kill_9(pid);
    eventually("the process is dead", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with(['Z', 'X']))
    });
}

/// The descendants of `pid`, nearest first: for `hull run` its monitor, then the container's PID 1.
fn descendants(pid: i32) -> Vec<i32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        let children =
            std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        found.extend(children.split_whitespace().filter_map(|p| p.parse::<i32>().ok()));
        next += 1;
    }
    found.remove(0);
    found
}

/// Starts a container and kills one of its processes after `delay`.
fn start_and_kill(t: &Scenario, number: u64, victim: Victim, delay: Duration) {
    let name = format!("victim-{number}");
    let volume = format!("shared-{}:/data", number % 3);
    let port = format!("{}:80", 20000 + number);
    let network = if number.is_multiple_of(2) { "bridge" } else { "kills" };
    let script = "echo $0 >> /data/log; while :; do sleep 0.1; done";
    let mut command = t.command(&[
        "run",
        "-d",
        "--name",
        &name,
        "-v",
        &volume,
        "-p",
        &port,
        "--network",
        network,
        "busybox",
    ]);
    command.args(["sh", "-c", script, &name]);
    let mut running = Running::start(command.stdin(Stdio::null()));
    let started = Instant::now();
    while started.elapsed() < delay {
        std::thread::sleep(Duration::from_micros(100));
    }
    let family = descendants(running.pid());
    match victim {
        Victim::Cli => running.kill(),
        Victim::Monitor => {
            if let Some(&monitor) = family.first() {
                kill_9(monitor);
            }
        }
        Victim::Init => {
            if let Some(&init) = family.get(1) {
                kill_9(init);
            }
        }
    }
    // The command must end, with whatever message. The deadline of `wait` is the assertion.
    running.wait();
}

#[test]
fn two_hundred_kills_at_random_moments_leave_nothing() {
    let Some(t) = Scenario::with_busybox() else { return };
    let image = t.ok(&["images", "-q", "--no-trunc"]);
    t.ok(&["run", "--rm", "-v", "precious:/data", "busybox", "sh", "-c", "echo precious > /data/file"]);
    t.ok(&["network", "create", "kills"]);
    let mut random = Sequence(0x9e37_79b9_7f4a_7c15);
    for number in 0..200 {
        let victim = [Victim::Cli, Victim::Monitor, Victim::Init][random.below(3) as usize];
        let delay = Duration::from_micros(random.below(40_000));
        start_and_kill(&t, number, victim, delay);
        // The next commands are normal ones, and they work.
        let name = format!("victim-{number}");
        if random.below(2) == 0 {
            let removed = t.hull(&["rm", "-f", &name]);
            let known = removed.stderr.contains("No such container");
            assert!(removed.success() || known, "{victim:?} after {delay:?}: {removed}");
        }
        if number % 10 == 9 {
            let lives = t.hull(&["run", "--rm", "--name", "next", "busybox", "echo", "lives"]);
            assert_eq!(lives.ok(), "lives", "after {victim:?} at {delay:?}");
        }
    }
    assert_eq!(t.ok(&["images", "-q", "--no-trunc"]), image, "no image is lost");
    let kept = t.ok(&["run", "--rm", "-v", "precious:/data", "busybox", "cat", "/data/file"]);
    assert_eq!(kept, "precious", "no volume data is lost");
    // Only living containers hold addresses and ports.
    assert!(t.traces_left().is_empty());
    t.ok(&["network", "rm", "kills"]);
    t.ok(&["run", "--rm", "-p", "20000-20199:1-200", "busybox", "true"]);
}

#[test]
fn a_name_whose_maker_was_killed_can_be_used_again() {
    let Some(t) = Scenario::with_busybox() else { return };
    for delay in 0..40 {
        let mut command = t.command(&["create", "--name", "again", "busybox", "true"]);
        let mut running = Running::start(command.stdin(Stdio::null()));
        std::thread::sleep(Duration::from_micros(delay * 150));
        running.kill();
        running.wait();
        if t.hull(&["inspect", "again"]).success() {
            t.ok(&["rm", "-f", "again"]);
        }
        t.ok(&["create", "--name", "again", "busybox", "true"]);
        t.ok(&["rm", "again"]);
    }
}

#[test]
fn a_killed_monitor_is_recorded_and_its_container_does_not_run_on() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    let init = t.pid_of("box");
    end(t.monitor_of("box"));
    t.ok(&["start", "box"]);
    assert_ne!(t.pid_of("box"), init);
    assert_eq!(t.inspect("box", "{{.State.Running}}"), "true");
    eventually("the orphan is gone", || !std::path::Path::new(&format!("/proc/{init}")).exists());
    end(t.monitor_of("box"));
    t.hull(&["stop", "box"]);
    assert_eq!(t.inspect("box", "{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
    t.ok(&["rm", "box"]);
    assert!(cgroups::below(t.cgroup_parent()).is_empty());
}

#[test]
fn a_container_of_another_user_ends_with_its_monitor_too() {
    let Some(t) = Scenario::with_busybox() else { return };
    for extra in [&[][..], &["--init"]] {
        t.ok(&[&["run", "-d", "--name", "box", "-u", "1000"], extra, &["busybox", "sleep", "300"]].concat());
        let init = t.pid_of("box");
        end(t.monitor_of("box"));
        eventually("it is gone", || !std::path::Path::new(&format!("/proc/{init}")).exists());
        t.ok(&["rm", "box"]);
    }
}

#[test]
fn a_container_whose_state_vanished_is_not_started_a_second_time() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "300"]);
    let (monitor, init) = (t.monitor_of("box"), t.pid_of("box"));
    for entry in std::fs::read_dir(t.run_root()).unwrap() {
        std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    for command in [["start", "box"], ["rm", "box"]] {
        let refused = t.hull(&command);
        assert!(refused.fails(1).contains("monitor that is still alive"), "{refused}");
        assert!(refused.stderr.contains("hint: end it first: hull rm -f box"), "{refused}");
    }
    end(monitor);
    end(init);
    t.ok(&["start", "box"]);
    for cgroup in cgroups::below(t.cgroup_parent()) {
        let _ = std::fs::remove_dir(cgroup);
    }
}

#[test]
fn a_killed_pid_1_is_137() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    let waiting = t.spawn(&["wait", "box"]);
    t.until_connected("box", 1);
    kill_9(t.pid_of("box"));
    assert_eq!(waiting.wait().ok(), "137");
    assert_eq!(t.inspect("box", "{{.State.OOMKilled}}"), "false");
}

#[test]
fn a_killed_import_can_be_repeated_and_leaves_no_layer() {
    let Some(t) = Scenario::start() else { return };
    let tar = hull_test_support::fixtures::busybox();
    for delay in 0..10 {
        let mut command = t.command(&["import", tar.to_str().unwrap(), "image"]);
        let mut running = Running::start(command.stdin(Stdio::null()));
        std::thread::sleep(Duration::from_millis(delay * 3));
        running.kill();
        running.wait();
    }
    t.ok(&["import", tar.to_str().unwrap(), "image"]);
    assert_eq!(t.ok(&["run", "--rm", "image", "/bin/cat", "/etc/issue-of-image"]), "made for tests");
    t.ok(&["system", "prune", "-f"]);
    let layers = std::fs::read_dir(t.data_root().join("layers")).unwrap().count();
    assert_eq!(layers, 1, "what the killed ones had begun is gone");
}

#[test]
fn with_hulls_own_disk_full_containers_are_refused_or_stopped_listed_and_removed() {
    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
    let Some(t) = Scenario::start() else { return };
    std::fs::create_dir(t.data_root()).unwrap();
    mount("tmpfs", t.data_root(), "tmpfs", MountFlags::empty(), c"size=12m").unwrap();
    t.busybox();
    t.ok(&["run", "-d", "--name", "talks", "busybox", "sh", "-c", "while :; do echo more and more; done"]);
    let fill = t.data_root().join("fill");
    let mut file = std::fs::File::create(&fill).unwrap();
    // The monitor takes back the part of a line that found no room, so a page may become free after the disk was full.
    let mut refused = None;
    eventually("the disk is full", || {
        while std::io::Write::write(&mut file, &[0; 65536]).is_ok() {}
        while std::io::Write::write(&mut file, &[0]).is_ok() {}
        refused =
            Some(t.hull(&["run", "--rm", "busybox", "true"])).filter(|run| run.status.code() != Some(0));
        refused.is_some()
    });
    let refused = refused.unwrap();
    assert!(refused.fails(125).contains("No space left"), "{refused}");
    assert!(refused.stderr.contains("prune"), "the error says how to continue: {refused}");
    t.ok(&["stop", "-t", "0", "talks"]);
    assert_eq!(t.ok(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]), "talks exited");
    t.ok(&["rm", "talks"]);
    drop(file);
    std::fs::remove_file(fill).unwrap();
    t.ok(&["run", "--rm", "busybox", "true"]);
    let left = t.traces_left();
    assert!(left.iter().all(|trace| trace.starts_with("mount ")), "{left:?}");
    unmount(t.data_root(), UnmountFlags::DETACH).unwrap();
}

#[test]
fn a_log_without_the_lines_that_found_no_room_says_so() {
    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
    let Some(t) = Scenario::start() else { return };
    std::fs::create_dir(t.data_root()).unwrap();
    mount("tmpfs", t.data_root(), "tmpfs", MountFlags::empty(), c"size=12m").unwrap();
    t.busybox();
    let script = "trap 'seq 1 500' USR1; trap 'echo after' USR2; echo before; while :; do sleep 0.1; done";
    t.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", script]);
    let logs = || t.hull(&["logs", "box"]);
    eventually("it has begun", || logs().stdout.contains("before"));
    let fill = t.data_root().join("fill");
    let mut file = std::fs::File::create(&fill).unwrap();
    while std::io::Write::write(&mut file, &[0; 4096]).is_ok() {}
    t.ok(&["kill", "-s", "USR1", "box"]);
    // Long enough for the lines to reach the monitor, which has no space left to record them.
    std::thread::sleep(Duration::from_secs(3));
    drop(file);
    std::fs::remove_file(fill).unwrap();
    t.ok(&["kill", "-s", "USR2", "box"]);
    eventually("it goes on", || logs().stdout.contains("after"));
    let logs = logs();
    let lost = logs.stderr.strip_prefix("hull: here are missing ").and_then(|text| text.split(' ').next());
    let lost: usize = lost.and_then(|lost| lost.parse().ok()).unwrap_or_else(|| panic!("{logs}"));
    assert!(logs.stderr.contains("No space left"), "{logs}");
    // Each printed line is either in the log or counted as lost.
    assert_eq!(logs.stdout.lines().count() + lost, "before after".split(' ').count() + 500);
    t.ok(&["rm", "-f", "box"]);
    unmount(t.data_root(), UnmountFlags::DETACH).unwrap();
}

#[test]
fn a_container_whose_disk_is_full_still_ends_and_goes() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "dd if=/dev/zero of=/scratch/fill bs=64k; echo went on";
    let outcome = t.hull(&["run", "--rm", "--tmpfs", "/scratch:size=1m", "busybox", "sh", "-c", script]);
    assert_eq!(outcome.ok(), "went on");
}

/// Otherwise the restart would write over the lines that were read before the monitor died.
#[test]
fn a_restart_waits_for_the_command_that_changes_the_container() {
    let Some(t) = Scenario::with_busybox() else { return };
    let id = t.ok(&["run", "-d", "--name", "box", "--restart", "always", "busybox", "sleep", "1000"]);
    let lock = File::open(t.run_root().join("containers").join(id).join("lock")).unwrap();
    let count = || t.inspect("box", "{{.RestartCount}} {{.State.Status}}");
    lock.lock().unwrap();
    kill(Pid::from_raw(t.pid_of("box")), Signal::SIGKILL).unwrap();
    assert_stays("it waits for the lock", Duration::from_millis(500), || count() == "0 running");
    lock.unlock().unwrap();
    eventually("it comes back", || count() == "1 running");
}
