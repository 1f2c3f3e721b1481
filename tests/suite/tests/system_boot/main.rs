//! System containers (`--system`, `launch`): the inits of distributions as the first process, from start to stop.

mod console;
mod debian;
mod views;

use std::time::{Duration, Instant};

use hull_test_support::outcome::eventually;
use hull_test_support::{Scenario, System, skip};

/// Waits until a script succeeds in a running container.
#[track_caller]
fn until(t: &Scenario, name: &str, script: &str) {
    eventually(script, || t.hull(&["exec", name, "sh", "-c", script]).success());
}

/// Starts a system without a network.
#[track_caller]
fn start(t: &Scenario, system: System, name: &str, options: &[&str]) {
    let mut args = vec!["run", "-d", "--system", "--network", "none", "--name", name];
    args.extend(options);
    args.push(system.image());
    t.ok(&args);
}

/// Runs a command that ends the system. It is detached, because the init may end it before it returns.
#[track_caller]
fn tell(t: &Scenario, name: &str, command: &str) {
    t.ok(&["exec", "-d", name, command]);
}

/// Stops a container, which must end by itself, and returns how long that took.
#[track_caller]
fn stop(t: &Scenario, name: &str) -> Duration {
    let begun = Instant::now();
    t.ok(&["stop", "-t", "30", name]);
    // The kernel ends the first process with SIGINT when the init turns the system off (reboot(2)).
    assert_eq!(t.inspect(name, "{{.State.ExitCode}}"), "130", "{}", t.ok(&["logs", name]));
    begun.elapsed()
}

#[test]
fn busybox_is_stopped_in_order() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    start(&t, System::Busybox, "box", &[]);
    until(&t, "box", "test -e /run/booted");
    assert_eq!(t.ok(&["exec", "box", "hostname"]), "box");
    assert_eq!(t.ok(&["exec", "box", "cat", "/etc/hostname"]), "box");
    stop(&t, "box");
    t.ok(&["start", "box"]);
    until(&t, "box", "test -e /run/booted");
    t.ok(&["exec", "box", "test", "-e", "/has-shut-down"]);
    t.ok(&["restart", "box"]);
    until(&t, "box", "test -e /run/booted");
}

#[test]
fn an_init_that_hears_nothing_is_killed_in_time() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    start(&t, System::Busybox, "box", &[]);
    until(&t, "box", "test -e /run/booted");
    assert_eq!(t.inspect("box", "{{.Config.StopTimeout}}"), "30", "LXD's time");
    // A command of the shutdown that never ends holds the init up.
    t.ok(&[
        "exec",
        "box",
        "sh",
        "-c",
        "mv /bin/touch /bin/kept; printf '#!/bin/sh\nsleep 1000\n' > /bin/touch; chmod +x /bin/touch",
    ]);
    let begun = Instant::now();
    t.ok(&["stop", "-t", "1", "box"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(t.inspect("box", "{{.State.ExitCode}}"), "137");
    // A first process that does not handle the signal is killed in time, too.
    t.ok(&[
        "run",
        "-d",
        "--system",
        "--network",
        "none",
        "--name",
        "deaf",
        "--stop-timeout",
        "1",
        System::Busybox.image(),
        "sleep",
        "1000",
    ]);
    let begun = Instant::now();
    t.ok(&["stop", "deaf"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn an_init_that_has_only_begun_is_stopped_in_order() {
    let systems = [System::Busybox, System::Systemd, System::OpenRc, System::Runit];
    let Some(t) = Scenario::with_systems(&systems) else { return };
    for system in systems {
        start(&t, system, "box", &[]);
        stop(&t, "box");
        t.ok(&["rm", "box"]);
    }
}

#[test]
fn sysvinit_and_openrc_are_told_by_a_command() {
    let Some(t) = Scenario::with_systems(&[System::OpenRc]) else { return };
    start(&t, System::OpenRc, "box", &[]);
    until(&t, "box", "rc-status -r | grep -q default && pgrep -x sshd");
    assert_eq!(t.ok(&["exec", "box", "cat", "/proc/1/comm"]), "init");
    stop(&t, "box");
    assert!(t.ok(&["logs", "box"]).contains("Stopping"), "the services were stopped");
}

#[test]
fn openrc_init_is_told_by_sigterm() {
    let Some(t) = Scenario::with_systems(&[System::OpenRc]) else { return };
    let image = System::OpenRc.image();
    t.ok(&["run", "-d", "--system", "--network", "none", "--name", "box", image, "/sbin/openrc-init"]);
    until(&t, "box", "pgrep -x sshd");
    assert_eq!(t.ok(&["exec", "box", "cat", "/proc/1/comm"]), "openrc-init");
    stop(&t, "box");
}

#[test]
fn runit_is_told_by_a_command() {
    let Some(t) = Scenario::with_systems(&[System::Runit]) else { return };
    start(&t, System::Runit, "box", &[]);
    until(&t, "box", "pgrep -x runsvdir && pgrep -x sshd");
    assert_eq!(t.ok(&["exec", "box", "cat", "/proc/1/comm"]), "runit");
    stop(&t, "box");
}

#[test]
fn a_signal_that_was_asked_for_is_sent_to_an_init_too() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    // busybox reboots after SIGTERM. While the container is being stopped, a reboot only ends it.
    start(&t, System::Busybox, "box", &["--stop-signal", "TERM"]);
    until(&t, "box", "test -e /run/booted");
    t.ok(&["stop", "-t", "30", "box"]);
    assert_eq!(t.inspect("box", "{{.State.ExitCode}} {{.State.Running}}"), "129 false");
}

#[test]
fn a_reboot_starts_it_again_and_turning_it_off_ends_it() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    start(&t, System::Busybox, "box", &["--restart", "always"]);
    until(&t, "box", "test -e /run/booted");
    t.ok(&["exec", "box", "touch", "/kept", "/run/lost", "/tmp/lost"]);
    let before = t.pid_of("box");
    tell(&t, "box", "reboot");
    eventually("it runs again", || {
        t.inspect("box", "{{.State.Pid}} {{.State.Status}}") != format!("{before} running")
            && t.hull(&["exec", "box", "test", "-e", "/run/booted"]).success()
    });
    assert_ne!(t.pid_of("box"), before);
    let files = "ls -d /kept /has-shut-down /run/lost /tmp/lost 2>/dev/null; true";
    assert_eq!(t.ok(&["exec", "box", "sh", "-c", files]), "/has-shut-down\n/kept");
    tell(&t, "box", "poweroff");
    t.ok(&["wait", "box"]);
    eventually("it is off", || t.inspect("box", "{{.State.Status}}") == "exited");
    hull_test_support::outcome::assert_stays("it is off", Duration::from_millis(300), || {
        t.inspect("box", "{{.State.Status}}") == "exited"
    });
}

#[test]
fn an_ephemeral_container_survives_a_reboot_and_nothing_else() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    let image = System::Busybox.image();
    assert_eq!(t.hull(&["launch", "--ephemeral", "-n", "none", image, "box"]).ok(), "box");
    until(&t, "box", "test -e /run/booted");
    let before = t.pid_of("box");
    tell(&t, "box", "reboot");
    eventually("it runs again", || {
        let pid = t.hull(&["inspect", "-f", "{{.State.Pid}}", "box"]);
        pid.success() && pid.stdout.trim() != before.to_string() && pid.stdout.trim() != "0"
    });
    until(&t, "box", "test -e /run/booted && test -e /has-shut-down");
    tell(&t, "box", "poweroff");
    eventually("it is gone", || !t.hull(&["inspect", "box"]).success());
}

#[test]
fn launch_names_the_system_and_makes_it_another_one() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    let image = System::Busybox.image();
    t.ok(&["create", "--name", "base", image, "sh"]);
    let id = "0123456789abcdef0123456789abcdef";
    let file = t.write("machine-id", format!("{id}\n"));
    t.ok(&["cp", file.to_str().unwrap(), "base:/etc/machine-id"]);
    t.ok(&["commit", "base", "with-id"]);
    let machine_id = |name: &str| t.ok(&["exec", name, "cat", "/etc/machine-id"]);
    for name in ["one", "two"] {
        assert_eq!(t.ok(&["launch", "-n", "none", "with-id", name]), name);
        assert_eq!(t.ok(&["exec", name, "hostname"]), name);
        assert_eq!(t.ok(&["exec", name, "stat", "-c", "%u:%g %a", "/etc/machine-id"]), "0:0 644");
        // The init is told the id, too.
        let told = t.ok(&["exec", name, "sh", "-c", "tr '\\0' '\\n' < /proc/1/environ | grep container"]);
        assert_eq!(told, format!("container=lxc\ncontainer_uuid={}", machine_id(name)));
    }
    let ids = ["one", "two"].map(machine_id);
    assert!(ids[0] != ids[1] && !ids.contains(&id.to_owned()), "{ids:?}");
    assert!(
        ids.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())),
        "{ids:?}"
    );
    t.ok(&["restart", "-t", "0", "one"]);
    assert_eq!(machine_id("one"), ids[0], "it is given once");
    let without_a_name = t.ok(&["launch", "-n", "none", image]);
    assert_eq!(t.inspect(&without_a_name, "{{.State.Running}}"), "true");
}

#[test]
fn an_unprivileged_users_system_boots_and_its_user_is_told_what_is_shared() {
    let tar = match System::Busybox.archive() {
        Ok(tar) => tar,
        Err(why) => return skip::skip(&format!("the system cannot be made: {why}")),
    };
    let Some(t) = Scenario::rootless() else { return };
    let image = System::Busybox.image();
    t.ok(&["import", tar.to_str().unwrap(), image]);
    let said = t.hull(&["launch", "-n", "none", image, "box"]);
    assert!(said.success() && said.stderr.contains("share your one range of ids"), "{said}");
    until(&t, "box", "test -e /run/booted");
    assert_eq!(t.ok(&["exec", "box", "hostname"]), "box");
    stop(&t, "box");
    t.ok(&["start", "box"]);
    until(&t, "box", "test -e /has-shut-down");
}

#[test]
fn what_an_init_cannot_share_is_refused() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    for options in [&["--pid", "host"][..], &["--cgroupns", "host"], &["--init"]] {
        let mut args = vec!["run", "--rm", "--system"];
        args.extend(options);
        args.push(System::Busybox.image());
        let said = t.hull(&args);
        assert!(said.fails(125).contains(&format!("--system and {}", options[0])), "{said}");
    }
    let none = t.hull(&["launch", "no-such-image", "box"]);
    assert!(!none.success() && !t.hull(&["inspect", "box"]).success(), "{none}");
}
