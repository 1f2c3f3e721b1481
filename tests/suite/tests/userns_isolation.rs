//! The limits of a container with its own user namespace towards the host, and what it shares on request.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use hull_test_support::Scenario;

/// Runs `run --rm` with a user namespace and options, and returns the output and the errors of a script.
#[track_caller]
fn sh(t: &Scenario, options: &[&str], script: &str) -> String {
    let script = format!("exec 2>&1; {script}");
    let mut args = vec!["run", "--rm", "--network", "none", "--userns", "auto"];
    args.extend(options);
    args.extend(["busybox", "sh", "-c", &script]);
    t.ok(&args)
}

#[test]
fn root_inside_has_no_rights_over_the_hosts_files() {
    let Some(t) = Scenario::with_busybox() else { return };
    let secret = t.write("host/secret", "secret");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let bind = format!("{}:/host", t.path("host").display());
    let said = sh(
        &t,
        &["-v", &bind],
        "stat -c %u:%g /host/secret; cat /host/secret; chown 0:0 /host/secret; chmod 777 /host/secret; true",
    );
    assert!(said.starts_with("65534:65534\n"), "{said}");
    assert!(said.contains("Permission denied") && !said.contains("\nsecret"), "{said}");
    assert_eq!((secret.metadata().unwrap().uid(), secret.metadata().unwrap().mode() & 0o777), (0, 0o600));
    // podman's option gives the files the ids that they have on the host.
    let said = sh(
        &t,
        &["-v", &format!("{bind}:idmap")],
        "stat -c %u:%g /host/secret; cat /host/secret; echo > /host/new",
    );
    assert_eq!(said, "0:0\nsecret");
    assert_eq!(t.path("host/new").metadata().unwrap().uid(), 0);
    let refused = t.hull(&["run", "--rm", "-v", &format!("{bind}:idmap"), "busybox", "true"]);
    assert!(refused.fails(125).contains("no user namespace of its own"), "{refused}");
    // U gives the source to the container's user, by the id on the host.
    sh(&t, &["-v", &format!("{bind}:U")], "echo > /host/mine");
    assert!(secret.metadata().unwrap().uid() > 65536);
}

#[test]
fn privileges_end_at_the_namespace() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "mknod /sda b 8 0 && echo made; echo 1 > /proc/sys/kernel/panic && echo set; mount -t tmpfs x /tmp && echo mounted; \
                  hostname other && hostname; date -s 2000-01-01; dmesg >/dev/null && echo read; true";
    let said = sh(&t, &["--privileged"], script);
    for done in ["made", "set"] {
        assert!(!said.lines().any(|line| line == done), "{said}");
    }
    // The container has all rights over its own objects.
    assert!(said.contains("mounted") && said.contains("other"), "{said}");
    assert!(said.contains("can't set date"), "{said}");
    let plain = sh(&t, &[], "mount -t tmpfs x /tmp && echo mounted; true");
    assert!(!plain.contains("mounted\n"), "{plain}");
}

#[test]
fn set_id_programs_work_inside_and_devices_of_an_image_do_not() {
    let Some(t) = Scenario::with_busybox() else { return };
    let text = "#include <stdio.h>\n#include <unistd.h>\n#include <sys/socket.h>\n\
                int main() { printf(\"%d %d\\n\", geteuid(), socket(AF_INET, SOCK_RAW, 1) >= 0); }";
    let Some(program) = hull_test_support::helper::compile(&t, "rights", text) else { return };
    t.ok(&["create", "--name", "make", "busybox", "sh", "-c", "mknod -m 666 /null c 1 3; echo > /null"]);
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o4755)).unwrap();
    t.ok(&["cp", "-a", program.to_str().unwrap(), "make:/set-id"]);
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let mut setcap = std::process::Command::new("setcap");
    hull_test_support::outcome::run(setcap.arg("cap_net_raw+ep").arg(&program)).ok();
    t.ok(&["cp", "-a", program.to_str().unwrap(), "make:/capable"]);
    t.ok(&["start", "-a", "make"]);
    t.ok(&["commit", "make", "special"]);
    let run = |options: &[&str], script: &str| {
        let mut args = vec!["run", "--rm", "--network", "none"];
        args.extend(options);
        args.extend(["special", "sh", "-c", script]);
        t.hull(&args)
    };
    assert!(run(&[], "echo > /null").success(), "without a user namespace");
    assert!(!run(&["--userns", "auto"], "echo > /null").success());
    for options in [&["-u", "1000"][..], &["-u", "1000", "--userns", "auto"]] {
        assert_eq!(run(options, "/set-id; /capable").ok(), "0 1\n1000 1", "{options:?}");
    }
}

#[test]
fn an_image_with_ids_beyond_the_range_runs_and_its_files_are_nobodys() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "--name", "make", "busybox", "sh", "-c",
        "echo far > /far; chown 4294967294:4294967294 /far; echo near > /near; chown 70000:5 /near; chmod 644 /far /near"]);
    t.ok(&["commit", "--change", "USER 4294967294", "make", "far"]);
    let script = "stat -c %u:%g /far /near; cat /far; (echo >> /far) 2>/dev/null || echo kept; (rm /near || chown 0 /far) 2>/dev/null || true";
    let mut args = vec!["run", "--name", "box", "--network", "none", "--userns", "auto", "-u", "0"];
    args.extend(["far", "sh", "-c", script]);
    let said = t.hull(&args);
    // podman shows the same: the overflow ids, and a file that cannot be changed.
    assert_eq!(said.ok(), "65534:65534\n65534:5\nfar\nkept", "{said}");
    t.ok(&["cp", "-a", "box:/far", t.path("far").to_str().unwrap()]);
    assert_eq!(t.path("far").metadata().unwrap().uid(), 4294967294, "as in the image");
    // docker's largest user is 2147483647.
    let refused = t.hull(&["run", "--rm", "--userns", "auto", "far", "true"]);
    assert!(refused.fails(125).contains("no user \"4294967294\""), "{refused}");
    let refused = t.hull(&["run", "--rm", "--userns", "auto", "-u", "2147483647", "far", "true"]);
    assert!(refused.fails(125).contains("no such id"), "{refused}");
}

#[test]
fn another_containers_namespace_is_joined() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&[
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "none",
        "--ipc",
        "shareable",
        "--userns",
        "auto",
        "busybox",
        "sleep",
        "1000",
    ]);
    let ours = |options: &[&str], script: &str| {
        let mut args = vec!["run", "--rm"];
        args.extend(options);
        args.extend(["busybox", "sh", "-c", script]);
        t.hull(&args)
    };
    let namespace = t.ok(&["exec", "box", "readlink", "/proc/self/ns/user"]);
    let join = ["--network", "none", "--userns", "container:box"];
    assert_eq!(ours(&join, "readlink /proc/self/ns/user; id -u").ok(), format!("{namespace}\n0"));
    let all = [
        "--network",
        "container:box",
        "--ipc",
        "container:box",
        "--pid",
        "container:box",
        "--userns",
        "container:box",
    ];
    let said = ours(&all, "readlink /proc/self/ns/user; ps | grep -c 'sleep 1000'; ls /sys/class/net");
    assert!(said.ok().starts_with(&namespace), "{said}");
    // The network of a container with other ids, and of a container with the host's ids.
    assert_eq!(ours(&["--network", "container:box"], "id -u").ok(), "0");
    assert_eq!(ours(&["--network", "container:box", "--userns", "auto"], "id -u").ok(), "0");
    let refused = ours(&["--network", "none", "--pid", "container:box", "--userns", "auto"], "true");
    assert!(refused.fails(125).contains("--userns container:"), "{refused}");
    t.ok(&["stop", "-t", "0", "box"]);
    let refused = ours(&join, "true");
    assert!(refused.fails(125).contains("it is exited"), "{refused}");
}

#[test]
fn the_hosts_namespaces_go_with_a_user_namespace() {
    let Some(t) = Scenario::with_busybox() else { return };
    for options in [
        &["--pid", "host"][..],
        &["--ipc", "host"],
        &["--uts", "host"],
        &["--cgroupns", "host"],
        &["--read-only"],
        &["--init"],
    ] {
        assert_eq!(sh(&t, options, "id -u"), "0", "{options:?}");
    }
    let network =
        t.ok(&["run", "--rm", "--network", "host", "--userns", "auto", "busybox", "ls", "/sys/class/net"]);
    assert!(network.contains("lo"));
    let files = sh(
        &t,
        &["--tmpfs", "/t:uid=7,gid=8", "--device", "/dev/null:/dev/mine"],
        "stat -c %u:%g /t /dev/pts /dev/shm /etc/resolv.conf; echo > /dev/mine; echo > /dev/null; echo > /etc/hosts; head -c1 /dev/zero | wc -c",
    );
    assert_eq!(files, "7:8\n0:0\n0:0\n0:0\n1");
    let mut terminal = t.command(&[
        "run",
        "--rm",
        "-t",
        "--network",
        "none",
        "--userns",
        "auto",
        "busybox",
        "stat",
        "-c",
        "%u:%g",
        "/dev/console",
    ]);
    let shown = hull_test_support::outcome::run(&mut terminal);
    assert_eq!(shown.ok().trim(), "0:5", "{shown}");
}
