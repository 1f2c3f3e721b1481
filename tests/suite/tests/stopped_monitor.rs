//! A monitor that somebody has stopped, or that has lost its run root: no command waits for it for ever, and none reports a
//! wrong state.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::{Duration, Instant};

use hull_test_support::outcome::eventually;
use hull_test_support::{Scenario, cgroups};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// No command may take longer than this, however long a monitor does not answer.
const BOUND: Duration = Duration::from_secs(20);

fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("the process is there");
}

fn is_gone(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with(['Z', 'X']))
}

/// A container whose monitor is stopped. Returns the pids of both.
fn stopped(t: &Scenario, name: &str) -> (i32, i32) {
    t.ok(&["run", "-d", "--name", name, "-p", "80", "busybox", "sleep", "300"]);
    let pids = (t.monitor_of(name), t.pid_of(name));
    send(pids.0, Signal::SIGSTOP);
    eventually("it is stopped", || {
        std::fs::read_to_string(format!("/proc/{}/stat", pids.0)).unwrap_or_default().contains(") T ")
    });
    pids
}

#[test]
fn a_stopped_monitor_is_killed_by_the_command_that_ends_its_container() {
    let Some(t) = Scenario::with_busybox() else { return };
    for ending in [&["stop", "-t", "1", "box"][..], &["kill", "box"], &["rm", "-f", "box"]] {
        let (monitor, init) = stopped(&t, "box");
        let started = Instant::now();
        assert_eq!(t.ok(ending), "box");
        assert!(started.elapsed() < BOUND, "{ending:?} took {:?}", started.elapsed());
        assert!(is_gone(monitor) && is_gone(init), "{ending:?}");
        assert_eq!(cgroups::below(t.cgroup_parent()), Vec::<std::path::PathBuf>::new(), "{ending:?}");
        t.ok(&["rm", "-f", "box"]);
        assert_eq!(t.ok(&["ps", "-aq"]), "");
    }
}

#[test]
fn what_asks_a_stopped_monitor_ends_with_an_error_and_what_does_not_ask_it_works() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["network", "create", "other"]);
    let (monitor, init) = stopped(&t, "box");
    let started = Instant::now();
    assert!(t.hull(&["attach", "box"]).fails(1).contains(&format!("kill -CONT {monitor}")));
    assert!(t.hull(&["kill", "-s", "USR1", "box"]).fails(1).contains("is stopped"));
    assert!(t.hull(&["network", "connect", "other", "box"]).fails(1).contains("is stopped"));
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    assert!(t.ok(&["ps"]).contains("Up "));
    assert!(t.ok(&["top", "box"]).contains("sleep 300"));
    assert_eq!(t.ok(&["exec", "box", "echo", "in"]), "in");
    t.ok(&["pause", "box"]);
    t.ok(&["unpause", "box"]);
    // The program ends, and no running process reports this to anyone.
    let waiting = t.spawn(&["wait", "box"]);
    send(init, Signal::SIGKILL);
    assert!(waiting.wait().fails(1).contains("is stopped"));
    send(monitor, Signal::SIGCONT);
    eventually("it goes on", || t.inspect("box", "{{.State.Status}} {{.State.ExitCode}}") == "exited 137");
    t.ok(&["rm", "box"]);
}

#[test]
fn a_monitor_with_a_full_queue_is_not_waited_for() {
    let Some(t) = Scenario::with_busybox() else { return };
    let (monitor, _) = stopped(&t, "box");
    let socket = t.run_root().join("containers").join(t.inspect("box", "{{.Id}}")).join("attach.sock");
    let mut held = Vec::new();
    for _ in 0..40 {
        let Some(connection) = connect_without_waiting(&socket) else { break };
        held.push(connection);
    }
    assert!(held.len() < 40, "the queue is full");
    let started = Instant::now();
    t.ok(&["rm", "-f", "box"]);
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    assert!(is_gone(monitor));
}

fn connect_without_waiting(path: &Path) -> Option<std::os::fd::OwnedFd> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).ok()?;
    let address = UnixAddr::new(path).ok()?;
    connect(std::os::fd::AsRawFd::as_raw_fd(&socket), &address).ok()?;
    Some(socket)
}

#[test]
fn a_command_that_is_stopped_with_a_containers_lock_is_named() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "--name", "box", "busybox", "true"]);
    let lock = t.run_root().join("containers").join(t.inspect("box", "{{.Id}}")).join("lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let script = "kill -STOP $PPID; exec sleep 300";
    let mut holder = std::process::Command::new("flock");
    let mut holder =
        holder.arg("-o").arg(&lock).args(["sh", "-c", script]).process_group(0).spawn().expect("flock(1)");
    let pid = holder.id();
    eventually("it holds the lock and is stopped", || {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default().contains(") T ")
    });
    for verb in [&["start", "box"][..], &["rm", "-f", "box"], &["rename", "box", "crate"]] {
        let started = Instant::now();
        let refused = t.hull(verb);
        let text = refused.fails(1);
        assert!(text.contains(&format!("process {pid} (flock), which is stopped")), "{text}");
        assert!(started.elapsed() < BOUND, "{verb:?} took {:?}", started.elapsed());
    }
    assert!(t.ok(&["ps", "-a"]).contains("Exited (0)"), "a listing waits for nobody");
    send(-(pid as i32), Signal::SIGKILL);
    holder.wait().unwrap();
    t.ok(&["rm", "box"]);
}

/// Empties the run root, as a login manager does when its user leaves.
fn empty_run_root(t: &Scenario) {
    for entry in std::fs::read_dir(t.run_root()).unwrap() {
        let _ = std::fs::remove_dir_all(entry.unwrap().path());
    }
}

#[test]
fn a_container_that_lost_its_run_root_is_seen_stopped_and_removed() {
    let Some(t) = Scenario::with_busybox() else { return };
    for restart in ["no", "always"] {
        for ending in [&["stop", "-t", "1", "box"][..], &["kill", "box"], &["rm", "-f", "box"]] {
            t.ok(&["run", "-d", "--name", "box", "--restart", restart, "busybox", "sleep", "300"]);
            let (monitor, init) = (t.monitor_of("box"), t.pid_of("box"));
            empty_run_root(&t);
            assert!(t.ok(&["ps"]).contains("Up "), "it runs");
            assert_eq!(t.pid_of("box"), init);
            for verb in ["start", "rm"] {
                let refused = t.hull(&[verb, "box"]);
                assert!(refused.fails(1).contains(&format!("process {monitor}")), "{refused}");
            }
            assert_eq!(t.ok(ending), "box", "{restart} {ending:?}");
            assert!(is_gone(monitor) && is_gone(init), "{restart} {ending:?}");
            t.hull(&["rm", "-f", "box"]);
            assert_eq!(t.ok(&["ps", "-aq"]), "");
        }
    }
}

#[test]
fn a_paused_container_that_lost_its_run_root_is_thawed_and_removed() {
    let Some(t) = Scenario::with_busybox() else { return };
    for ending in [&["stop", "-t", "1", "box"][..], &["rm", "-f", "box"]] {
        t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
        let init = t.pid_of("box");
        t.ok(&["pause", "box"]);
        empty_run_root(&t);
        assert_eq!(t.inspect("box", "{{.State.Status}}"), "paused");
        t.ok(ending);
        assert!(is_gone(init), "{ending:?}");
        t.hull(&["rm", "-f", "box"]);
    }
}
