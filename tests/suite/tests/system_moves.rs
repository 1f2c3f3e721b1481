//! Copies and moves of containers between storage pools, with other settings, and archives that are not trusted.

use std::fs;

use hull_test_support::Scenario;

const SCRIPT: &str = "mkdir /d; echo old > /d/old; echo one > /one; ln /one /twin; rm /bin/dd; chown 7:8 /d";

/// Makes a stopped container with a snapshot, whose files have changed since the snapshot.
fn made(t: &Scenario, options: &[&str]) {
    let fixed = ["run", "-d", "--name", "box", "--network", "none", "--userns", "auto"];
    t.ok(&[&fixed[..], options, &["busybox", "sleep", "1000"]].concat());
    t.ok(&["exec", "box", "sh", "-c", SCRIPT]);
    t.ok(&["snapshot", "box", "s"]);
    t.ok(&["exec", "box", "sh", "-c", "rm -r /d; mkdir /d; echo new > /d/new"]);
    t.ok(&["stop", "-t", "0", "box"]);
}

/// The container has all of the files above, now and in its snapshot.
#[track_caller]
fn is_whole(t: &Scenario, name: &str) {
    let script =
        "cd /; ls -d one twin d/* bin/dd 2>/dev/null | tr '\\n' ' '; stat -c %u:%g d; stat -c %h one";
    let look = || {
        t.ok(&["start", name]);
        let found = t.ok(&["exec", name, "sh", "-c", script]);
        t.ok(&["stop", "-t", "0", name]);
        found
    };
    assert_eq!(look(), "d/new one twin 0:0\n2");
    t.ok(&["snapshot", name, "now"]);
    t.ok(&["restore", name, "s"]);
    assert_eq!(look(), "d/old one twin 7:8\n2", "{name}");
    t.ok(&["restore", name, "now"]);
    t.ok(&["snapshots", "delete", &format!("{name}/now")]);
    assert_eq!(look(), "d/new one twin 0:0\n2", "{name}");
}

fn pools(t: &Scenario) {
    t.ok(&["storage", "create", "plain", "dir"]);
    t.ok(&["storage", "create", "x", "image", "size=320MiB"]);
    t.ok(&["storage", "create", "b", "btrfs", "size=256MiB"]);
    t.ok(&["storage", "create", "c", "btrfs", "size=256MiB"]);
}

fn gone(t: &Scenario) {
    for pool in ["plain", "x", "b", "c"] {
        t.ok(&["storage", "delete", pool]);
    }
    assert!(t.traces_left().is_empty(), "{:?}", t.traces_left());
}

#[test]
fn a_container_moves_through_all_pools() {
    let Some(t) = Scenario::with_busybox() else { return };
    pools(&t);
    made(&t, &[]);
    let id = t.inspect("box", "{{.Id}}");
    for pool in ["plain", "x", "b", "c", "x", "b", "default", "b", "plain", "default"] {
        t.ok(&["move", "box", "-s", pool]);
        assert_eq!(t.inspect("box", "{{.Id}}"), id, "it is the same container");
        is_whole(&t, "box");
        for other in ["plain", "x", "b", "c"] {
            let used = t.ok(&["storage", "info", other]);
            assert_eq!(used.contains("box"), other == pool, "{pool} {other}: {used}");
        }
    }
    t.ok(&["start", "box"]);
    let outcome = t.hull(&["move", "box", "-s", "plain"]);
    assert!(!outcome.success() && outcome.stderr.contains("running"), "{}", outcome.stderr);
    t.ok(&["rm", "-f", "box"]);
    gone(&t);
}

#[test]
fn a_copy_goes_to_another_pool_with_other_settings() {
    let Some(t) = Scenario::with_busybox() else { return };
    pools(&t);
    for from in ["plain", "b"] {
        made(&t, &["--storage", from]);
        for to in ["default", "plain", "x", "b", "c"] {
            t.ok(&["copy", "box", "copy", "-s", to, "-c", "limits.processes=50", "--no-profiles"]);
            is_whole(&t, "copy");
            assert_eq!(t.inspect("copy", "{{.HostConfig.PidsLimit}}"), "50");
            t.ok(&["rm", "copy"]);
        }
        t.ok(&["rm", "box"]);
    }
    gone(&t);
}

#[test]
fn a_copy_follows_its_original() {
    let Some(t) = Scenario::with_busybox() else { return };
    made(&t, &[]);
    t.ok(&["copy", "--refresh", "box", "copy"]);
    t.ok(&["snapshot", "copy", "own"]);
    t.ok(&["start", "box"]);
    t.ok(&["exec", "box", "sh", "-c", "rm /one; echo two > /two"]);
    t.ok(&["snapshot", "box", "later"]);
    t.ok(&["copy", "--refresh", "box", "copy"]);
    assert_eq!(t.ok(&["snapshots", "ls", "--format", "{{.Name}}", "copy"]), "s\nlater");
    t.ok(&["start", "copy"]);
    assert_eq!(t.ok(&["exec", "copy", "cat", "/two", "/twin", "/d/new"]), "two\none\nnew");
    let outcome = t.hull(&["copy", "--refresh", "box", "copy"]);
    assert!(!outcome.success() && outcome.stderr.contains("running"), "{}", outcome.stderr);
    t.ok(&["stop", "-t", "0", "copy"]);
    t.ok(&["restore", "copy", "s"]);
    t.ok(&["start", "copy"]);
    assert_eq!(t.ok(&["exec", "copy", "cat", "/one", "/d/old"]), "one\nold");
    t.ok(&["rm", "-f", "box", "copy"]);
    assert!(t.traces_left().is_empty(), "{:?}", t.traces_left());
}

#[test]
fn an_archive_gets_nothing_of_the_machine() {
    let Some(t) = Scenario::with_busybox() else { return };
    let directory = t.path("host");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("secret"), "secret").unwrap();
    let bind = format!("{}:/host", directory.display());
    let file = t.path("backup.tar");
    let path = file.to_str().unwrap();
    for (options, word) in [
        (&["-v", &bind][..], "mount at /host"),
        (&["--privileged"], "option privileged"),
        (&["--cap-add", "SYS_ADMIN"], "option cap_add"),
        (&["--network", "host"], "option network"),
        (&["--pid", "host"], "option pid"),
        (&["-p", "8080:80"], "option publish"),
        (&["--device", "/dev/null:/dev/mine"], "option devices"),
        (&["--security-opt", "seccomp=unconfined"], "option seccomp"),
        (&["-v", "named:/data"], "mount at /data"),
    ] {
        t.ok(&[&["create", "--name", "box"], options, &["busybox", "sleep", "1000"]].concat());
        t.ok(&["backup", "export", "box", path]);
        let outcome = t.hull(&["backup", "import", path, "other"]);
        assert!(!outcome.success(), "{options:?}");
        assert!(outcome.stderr.contains(word) && outcome.stderr.contains("--trusted"), "{}", outcome.stderr);
        assert_eq!(t.ok(&["ps", "-a", "--format", "{{.Names}}"]), "box");
        t.ok(&["backup", "import", "--trusted", path, "other"]);
        t.ok(&["rm", "box", "other"]);
    }
    // The settings in a snapshot are checked, too.
    t.ok(&["create", "--name", "box", "busybox", "true"]);
    t.ok(&["container", "config", "set", "box", "raw.idmap", "both 0 0"]);
    t.ok(&["snapshot", "box", "s"]);
    t.ok(&["container", "config", "unset", "box", "raw.idmap"]);
    t.ok(&["backup", "export", "box", path]);
    let outcome = t.hull(&["backup", "import", path, "other"]);
    assert!(
        outcome.stderr.contains("snapshot s") && outcome.stderr.contains("raw.idmap"),
        "{}",
        outcome.stderr
    );
    t.ok(&["rm", "box"]);
    t.ok(&["volume", "rm", "named"]);
    // A profile of this machine has what its user gives to containers of their own.
    t.ok(&["profile", "create", "mine"]);
    let (source, own) = (format!("source={}", directory.display()), "mine");
    t.ok(&["create", "--name", "box", "busybox", "true"]);
    t.ok(&["profile", "add", "box", own]);
    t.ok(&["backup", "export", "box", path]);
    t.ok(&["profile", "device", "add", own, "data", "disk", &source, "path=/data"]);
    let outcome = t.hull(&["backup", "import", path, "other"]);
    assert!(outcome.stderr.contains("device data") && outcome.stderr.contains("--trusted"), "{outcome}");
    t.ok(&["backup", "import", "--trusted", path, "other"]);
    t.ok(&["rm", "box", "other"]);
}

/// The archive is one as LXD 5.0 writes it: documents, and trees of files beside them.
#[test]
fn an_archive_of_lxd_is_a_system() {
    let Some(t) = Scenario::with_busybox() else { return };
    let top = t.path("lxd/backup");
    for directory in
        ["container/rootfs/etc", "container/rootfs/sbin", "container/templates", "snapshots/s0/rootfs/etc"]
    {
        fs::create_dir_all(top.join(directory)).unwrap();
    }
    let index = "\
name: web
backend: dir
pool: default
snapshots:
- s0
optimized: false
optimized_header: false
type: container
config:
  container:
    architecture: x86_64
    config:
      image.os: Debian
      limits.processes: \"77\"
      volatile.base_image: 0000
      volatile.idmap.base: \"0\"
      volatile.last_state.idmap: '[]'
      volatile.uuid: 7e1a
    created_at: 2026-11-01T10:00:00Z
    devices:
      root:
        path: /
        pool: default
        type: disk
    ephemeral: false
    name: web
    profiles:
    - default
    stateful: false
    type: container
  snapshots:
  - name: s0
    created_at: 2026-11-02T10:00:00Z
    config:
      limits.processes: \"66\"
";
    fs::write(top.join("index.yaml"), index).unwrap();
    fs::write(top.join("container/backup.yaml"), index).unwrap();
    fs::write(top.join("container/metadata.yaml"), "architecture: x86_64\n").unwrap();
    fs::write(top.join("container/templates/hostname.tpl"), "{{ container.name }}\n").unwrap();
    fs::write(top.join("container/rootfs/etc/now"), "now").unwrap();
    fs::write(top.join("container/rootfs/sbin/init"), "#!/bin/sh\n").unwrap();
    fs::write(top.join("snapshots/s0/rootfs/etc/then"), "then").unwrap();
    let file = t.path("lxd.tar.gz");
    let tar = |directory: &str| {
        let mut tar = std::process::Command::new("tar");
        tar.args(["-C", t.path("lxd").to_str().unwrap(), "--sort=name", "-czf"]).arg(&file).arg(directory);
        assert!(tar.status().unwrap().success());
    };
    tar("backup");
    assert_eq!(t.ok(&["backup", "import", file.to_str().unwrap()]), "web");
    assert_eq!(t.ok(&["container", "config", "get", "web", "limits.processes"]), "77");
    assert_eq!(t.ok(&["file", "pull", "web/etc/now", "-"]), "now");
    t.ok(&["restore", "web", "s0"]);
    assert_eq!(t.ok(&["file", "pull", "web/etc/then", "-"]), "then");
    t.ok(&["rm", "web"]);
    let hostile = index.replace("      limits.processes: \"77\"", "      security.privileged: \"true\"");
    fs::write(top.join("index.yaml"), hostile).unwrap();
    tar("backup");
    let outcome = t.hull(&["backup", "import", file.to_str().unwrap()]);
    assert!(outcome.stderr.contains("security.privileged"), "{}", outcome.stderr);
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn a_start_takes_a_snapshot_where_the_schedule_says_so() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["create", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    t.ok(&["container", "config", "set", "box", "snapshots.schedule", "@startup"]);
    for number in 1..=2 {
        t.ok(&["start", "box"]);
        t.ok(&["exec", "box", "touch", &format!("/{number}")]);
        let names = t.ok(&["snapshots", "ls", "--format", "{{.Name}}", "box"]);
        assert_eq!(names.lines().count(), number);
        t.ok(&["stop", "-t", "0", "box"]);
    }
}
