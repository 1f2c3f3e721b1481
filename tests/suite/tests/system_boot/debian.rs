//! A whole Debian: what systemd, its services and its users do.

use std::io::Read;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use hull_test_support::outcome::{eventually, eventually_some, run};
use hull_test_support::{Scenario, System, cgroups};

use super::{start, stop, until};

/// Waits until systemd has started everything. systemctl itself waits, because asking again and again would slow an
/// emulated machine down.
#[track_caller]
fn until_up(t: &Scenario, name: &str) {
    eventually("systemd is up", || {
        let state = t.hull(&["exec", name, "systemctl", "is-system-running", "--wait"]);
        matches!(state.stdout.trim(), "running" | "degraded")
    });
}

#[test]
fn debian_runs_without_a_failed_unit() {
    let Some(t) = Scenario::with_systems(&[System::Systemd]) else { return };
    start(&t, System::Systemd, "deb", &[]);
    until_up(&t, "deb");
    let sh = |script: &str| t.ok(&["exec", "deb", "sh", "-c", script]);
    assert_eq!(sh("systemctl --failed --no-legend"), "");
    assert_eq!(sh("systemctl is-system-running"), "running");
    assert_eq!(sh("systemd-detect-virt"), "lxc");
    assert!(sh("systemctl list-timers --no-legend").contains("systemd-tmpfiles-clean.timer"));
    assert!(sh("journalctl -b --no-pager -u ssh").contains("Server listening"));
    // A service, a timer, and a user's own manager.
    let script = "systemd-run -q --wait -p DynamicUser=yes -p PrivateTmp=yes sh -c 'id -u > /dev/null'";
    sh(script);
    sh("systemd-run -q --on-active=0.1 --timer-property=AccuracySec=10ms touch /run/by-timer");
    until(&t, "deb", "test -e /run/by-timer");
    sh("useradd -m worker; loginctl enable-linger worker");
    until(&t, "deb", "systemctl is-active user@1000.service");
    assert_eq!(sh("su - worker -c 'echo $XDG_RUNTIME_DIR; id -u'"), "/run/user/1000\n1000");
    let user = "su - worker -c 'systemctl --user is-system-running --wait'";
    assert_eq!(sh(user), "running");
    assert!(sh("su - worker -c 'loginctl list-sessions --no-legend'").contains("worker"));
    // The host name is kept in a file of the container.
    sh("hostnamectl set-hostname other");
    assert_eq!(sh("hostname; cat /etc/hostname"), "other\nother");
    what_exec_starts_is_none_of_its_services(&t);
    assert!(stop(&t, "deb") < Duration::from_secs(10));
    t.ok(&["start", "deb"]);
    until_up(&t, "deb");
    assert_eq!(sh("cat /etc/hostname"), "other", "it is given once");
}

/// systemd takes every process in the cgroup of a unit for the unit's, and ends it with the unit.
#[track_caller]
fn what_exec_starts_is_none_of_its_services(t: &Scenario) {
    let of_exec = t.ok(&["exec", "deb", "cat", "/proc/self/cgroup"]);
    for line in of_exec.lines() {
        assert!(!line.contains(".service") && !line.contains("init.scope"), "{of_exec}");
    }
    t.ok(&["exec", "-d", "deb", "sleep", "1000"]);
    until(t, "deb", "pgrep -x sleep");
    t.ok(&["exec", "deb", "systemctl", "daemon-reexec"]);
    t.ok(&["exec", "deb", "systemctl", "restart", "ssh"]);
    t.ok(&["exec", "deb", "pgrep", "-x", "sleep"]);
    t.ok(&["exec", "deb", "systemctl", "is-active", "ssh"]);
}

#[test]
fn a_privileged_system_has_no_cgroup_among_the_hosts() {
    let Some(t) = Scenario::with_systems(&[System::Systemd]) else { return };
    // The slices and scopes at the top of the host's hierarchies. No test makes any there.
    let tops = || {
        let dirs = cgroups::hierarchies()
            .into_iter()
            .flat_map(|hierarchy| std::fs::read_dir(hierarchy.mount_point).into_iter().flatten().flatten());
        let names = dirs.filter(|entry| entry.path().is_dir());
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".slice") || name.ends_with(".scope")).collect::<Vec<_>>()
    };
    let before = tops();
    for options in [&["--privileged"][..], &["--userns", "host"]] {
        start(&t, System::Systemd, "deb", options);
        until_up(&t, "deb");
        assert_eq!(tops(), before, "{options:?}");
        let ours = cgroups::below(t.cgroup_parent());
        assert!(ours.iter().any(|path| path.ends_with("system.slice")), "{options:?}: {ours:?}");
        stop(&t, "deb");
        assert_eq!(cgroups::below(t.cgroup_parent()), Vec::<std::path::PathBuf>::new());
        t.ok(&["rm", "deb"]);
    }
}

#[test]
fn sshd_is_reached_over_the_bridge() {
    let Some(t) = Scenario::with_systems(&[System::Systemd]) else { return };
    t.ok(&["launch", System::Systemd.image(), "deb"]);
    until_up(&t, "deb");
    let address = t.inspect("deb", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
    let mut stream = eventually_some("sshd listens", || TcpStream::connect((address.as_str(), 22)).ok());
    let mut greeting = [0; 7];
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"SSH-2.0");
    drop(stream);
    if hull_test_support::skip::find_program("ssh").is_none() {
        hull_test_support::skip!("no ssh client is installed");
    }
    log_in(&t, &address);
}

/// Logs in as root with a key, which begins a session of logind.
#[track_caller]
fn log_in(t: &Scenario, address: &str) {
    let key = t.path("key");
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key)).ok();
    t.ok(&["exec", "deb", "mkdir", "-p", "-m", "700", "/root/.ssh"]);
    let public = key.with_extension("pub");
    t.ok(&["cp", public.to_str().unwrap(), "deb:/root/.ssh/authorized_keys"]);
    t.ok(&["exec", "deb", "chown", "root:root", "/root/.ssh/authorized_keys"]);
    let mut ssh = Command::new("ssh");
    let options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes"];
    ssh.args(["-F", "none", "-q", "-i"]).arg(&key);
    ssh.args(options.iter().flat_map(|option| ["-o", option]));
    ssh.arg(format!("root@{address}")).arg("hostname; loginctl list-sessions --no-legend");
    let said = run(&mut ssh).ok().to_owned();
    assert!(said.starts_with("deb\n") && said.contains("root"), "{said}");
}

/// A package with a service that its installation starts.
fn package(t: &Scenario) -> std::path::PathBuf {
    let tree = t.path("package");
    let unit = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
    t.write("package/lib/systemd/system/waits.service", unit);
    let control = "Package: waits\nVersion: 1\nArchitecture: all\nMaintainer: tests <tests@example.org>\n\
                   Description: waits\n";
    t.write("package/DEBIAN/control", control);
    let script = t.write("package/DEBIAN/postinst", "#!/bin/sh\nset -e\nsystemctl enable --now waits\n");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let file = t.path("waits.deb");
    run(Command::new("dpkg-deb").args(["--root-owner-group", "-b"]).arg(&tree).arg(&file)).ok();
    file
}

#[test]
fn apt_installs_a_package_and_its_service_runs() {
    let Some(t) = Scenario::with_systems(&[System::Systemd]) else { return };
    let package = package(&t);
    start(&t, System::Systemd, "deb", &[]);
    until_up(&t, "deb");
    t.ok(&["cp", package.to_str().unwrap(), "deb:/root/waits.deb"]);
    t.ok(&["exec", "deb", "apt-get", "install", "-y", "-q", "/root/waits.deb"]);
    t.ok(&["exec", "deb", "systemctl", "is-active", "waits"]);
    t.ok(&["exec", "deb", "touch", "/run/before"]);
    t.ok(&["exec", "-d", "deb", "reboot"]);
    eventually("it is up again, with the service", || {
        let started =
            t.hull(&["exec", "deb", "sh", "-c", "test ! -e /run/before && systemctl is-active waits"]);
        started.success() && t.inspect("deb", "{{.RestartCount}}") == "1"
    });
}
