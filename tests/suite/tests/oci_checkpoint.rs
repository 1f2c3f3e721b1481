//! `hull-oci checkpoint` and `restore`. Where `criu check` fails, each of these tests checks the refusal instead. The
//! virtual machine has a kernel that CRIU works on.

#[allow(dead_code, reason = "each suite uses its part")]
mod oci_fixture;

use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Command, Stdio};

use hull_test_support::Running;
use hull_test_support::outcome::{eventually, eventually_some};
use oci_fixture::{Console, Fixture};
use serde_json::{Value, json};

/// A program that counts in memory and prints the number.
const COUNT: &str = "i=0; while true; do i=$((i+1)); echo $i > /count; sleep 0.1; done";

/// A fixture for machines where CRIU works. Elsewhere, the test checks that the command is refused and changes nothing.
fn fixture() -> Option<Fixture> {
    let w = Fixture::start()?;
    // CRIU tests connections to find out what the kernel supports.
    hull_sys::process::loopback_up().expect("the scenario's own loopback");
    let checked = Command::new("criu").arg("check").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if checked.is_ok_and(|checked| checked.success()) {
        return Some(w);
    }
    assert!(std::env::var_os("HULL_CRIU_MUST_WORK").is_none(), "`criu check` fails here");
    w.bundle(&w.config(&["sh", "-c", COUNT]));
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    let before = w.state("box");
    let told = w.oci(&["checkpoint", "--image-path", "images", "box"]);
    assert!(told.fails(1).contains("cannot checkpoint container \"box\""), "{told}");
    assert!(told.stderr.contains("criu") && told.stderr.contains("hint:"), "{told}");
    assert_eq!(w.state("box"), before);
    assert!(!w.path("images").exists());
    let told = w.oci(&["restore", "-d", "--bundle", "bundle", "other"]);
    assert!(told.fails(1).contains("cannot restore container \"other\""), "{told}");
    w.oci(&["delete", "--force", "box"]).ok();
    w.assert_nothing_left();
    None
}

fn count(w: &Fixture) -> Option<u64> {
    std::fs::read_to_string(w.path("bundle/rootfs/count")).ok()?.trim().parse().ok()
}

/// The program continues to count, and has reached this number.
#[track_caller]
fn counted_past(w: &Fixture, least: u64) -> u64 {
    eventually_some("it counts", || count(w).filter(|count| *count > least))
}

fn pid(w: &Fixture, id: &str) -> i64 {
    w.state(id)["pid"].as_i64().expect("a pid")
}

/// stdout is a pipe, and the restored container gets another one.
#[track_caller]
fn piped(w: &Fixture, args: &[&str]) -> BufReader<ChildStdout> {
    let mut child = w.command(args).stdout(Stdio::piped()).spawn().expect("hull-oci runs");
    assert!(child.wait().expect("it ends").success());
    BufReader::new(child.stdout.take().expect("a pipe"))
}

/// With a volume, masks, limits and capabilities, as real containers have.
fn config(w: &Fixture, script: &str) -> Value {
    std::fs::create_dir_all(w.path("volume")).unwrap();
    std::fs::write(w.path("volume/file"), "from outside").unwrap();
    let mut config = w.config(&["sh", "-c", script]);
    let source = w.path("volume");
    let mounts = config["mounts"].as_array_mut().unwrap();
    // A target where the image has a symlink, and a target that does not exist yet.
    mounts.push(
        json!({"destination": "/linked/volume", "type": "bind", "source": source, "options": ["rbind"]}),
    );
    mounts.push(json!({"destination": "/dev/shm", "type": "tmpfs", "source": "shm"}));
    config["linux"]["maskedPaths"] = json!(["/proc/kcore", "/proc/acpi", "/proc/timer_list"]);
    config["linux"]["readonlyPaths"] = json!(["/proc/sys"]);
    config["linux"]["resources"] = json!({"memory": {"limit": 256 << 20}, "pids": {"limit": 50}});
    config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "cgroup"}));
    config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]});
    config["process"]["capabilities"] = json!({"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"],
        "effective": ["CAP_KILL"]});
    config
}

#[test]
fn a_container_goes_on_where_it_was() {
    let Some(w) = fixture() else { return };
    std::fs::create_dir(w.path("bundle/rootfs/real")).unwrap();
    std::os::unix::fs::symlink("real", w.path("bundle/rootfs/linked")).unwrap();
    let script =
        "echo kept > /dev/shm/x; i=0; while true; do i=$((i+1)); echo $i > /count; echo $i; sleep 0.1; done";
    w.bundle(&config(&w, script));
    let _first = piped(&w, &["run", "-d", "--bundle", "bundle", "box"]);
    let before = counted_past(&w, 3);
    let old = pid(&w, "box");
    w.oci(&["checkpoint", "--image-path", "images", "--work-path", "work", "box"]).ok();
    assert!(w.path("work/dump.log").exists() && w.path("images/inventory.img").exists());
    assert!(!w.path(format!("/proc/{old}/root")).exists());
    assert!(w.oci(&["state", "box"]).fails(1).contains("does not exist"));
    w.assert_nothing_left();
    // The checkpoint may fall between the moment when the file becomes empty and the one when the number is written.
    let reached = count(&w).unwrap_or(before);

    let pid_file = w.path("pid");
    let words = ["restore", "-d", "--bundle", "bundle", "--image-path", "images", "--work-path", "work"];
    let mut second = piped(&w, &[&words[..], &["--pid-file", pid_file.to_str().unwrap(), "box"]].concat());
    assert!(counted_past(&w, reached) > reached);
    let mut line = String::new();
    second.read_line(&mut line).unwrap();
    assert!(line.trim().parse::<u64>().unwrap() >= reached, "its stdout is ours");
    assert_eq!(w.state("box")["status"], "running");
    let pid = pid(&w, "box");
    assert_eq!(std::fs::read_to_string(&pid_file).unwrap(), pid.to_string());
    let inside = w.oci(&[
        "exec",
        "box",
        "sh",
        "-c",
        "cat /linked/volume/file /dev/shm/x; tr '\\0' ' ' < /proc/1/cmdline",
    ]);
    assert!(inside.ok().starts_with("from outsidekept\nsh -c echo kept"), "{inside}");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("CapBnd:\t0000000000000020\n"), "{status}");
    assert!(status.contains("Seccomp:\t2\n"), "{status}");
    let masked = w.oci(&[
        "exec",
        "box",
        "sh",
        "-c",
        "cat /proc/kcore /proc/timer_list | wc -c; ls /proc/acpi | wc -l",
    ]);
    assert_eq!(masked.ok(), "0\n0");
    let directory = hull_test_support::cgroups::directory(pid as i32, "memory");
    assert!(directory.ends_with(w.cgroup().trim_start_matches('/')), "{directory:?}");
    assert_eq!(std::fs::read_to_string(directory.join("memory.max")).unwrap(), "268435456\n");
    // CRIU locks the network during its work.
    let script = "nc -l -p 9999 > /heard & n=0
        until echo x | nc -w 2 127.0.0.1 9999; do n=$((n+1)); [ $n -lt 20 ] || kill $!; [ $n -lt 20 ] || break; sleep 0.5; done
        wait; cat /heard";
    let heard = w.oci(&["exec", "box", "sh", "-c", script]);
    assert_eq!(heard.ok(), "x");
    w.oci(&["delete", "--force", "box"]).ok();
    w.assert_nothing_left();
}

#[test]
fn a_checkpoint_can_be_a_copy() {
    let Some(w) = fixture() else { return };
    let mut config = w.config(&["sh", "-c", COUNT]);
    w.bundle(&config);
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    let reached = counted_past(&w, 2);
    let before = w.state("box");
    w.oci(&["checkpoint", "--image-path", "images", "--leave-running", "box"]).ok();
    assert_eq!(w.state("box"), before);
    let reached = counted_past(&w, reached);
    let words = ["restore", "-d", "--bundle", "bundle", "--image-path", "images"];
    assert!(w.detached(&[&words[..], &["box"]].concat()).fails(1).contains("exists"));
    assert_eq!(w.state("box"), before);

    // A paused container can be saved as well, and stays paused.
    w.oci(&["pause", "box"]).ok();
    w.oci(&["checkpoint", "--image-path", "paused", "--leave-running", "box"]).ok();
    assert_eq!(w.state("box")["status"], "paused");
    w.oci(&["resume", "box"]).ok();
    counted_past(&w, reached);
    w.oci(&["delete", "--force", "box"]).ok();

    config["linux"]["cgroupsPath"] = json!(format!("{}/elsewhere", w.cgroup_parent()));
    w.bundle(&config);
    std::fs::remove_file(w.path("bundle/rootfs/count")).unwrap();
    w.detached(&[&words[..], &["copy"]].concat()).ok();
    assert!(counted_past(&w, 2) > 2);
    let cgroup = w.oci(&["exec", "copy", "cat", "/proc/1/cgroup"]);
    assert!(cgroup.ok().ends_with("/elsewhere"), "{cgroup}");
    // In the foreground, the command waits for the container and removes it.
    w.oci(&["kill", "copy", "KILL"]).ok();
    w.oci(&["delete", "--force", "copy"]).ok();
    let mut foreground = w.command(&["restore", "--bundle", "bundle", "--image-path", "images", "third"]);
    let out = std::fs::File::create(w.path("out")).unwrap();
    let mut foreground = foreground.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
    eventually("it is restored", || w.oci(&["kill", "third", "KILL"]).status.success());
    assert_eq!(foreground.wait().unwrap().code(), Some(137));
    w.assert_nothing_left();
}

#[test]
fn a_checkpoint_is_shorter_after_one_of_memory() {
    let Some(w) = fixture() else { return };
    w.bundle(&w.config(&["sh", "-c", COUNT]));
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    let reached = counted_past(&w, 2);
    w.oci(&["checkpoint", "--image-path", "before", "--pre-dump", "box"]).ok();
    assert_eq!(w.state("box")["status"], "running");
    counted_past(&w, reached);
    let whole = ["checkpoint", "--image-path", "images", "--parent-path"];
    for (parent, why) in [("/before", "relative"), ("../nowhere", "inventory.img")] {
        assert!(w.oci(&[&whole[..], &[parent, "box"]].concat()).fails(1).contains(why), "{parent}");
    }
    assert_eq!(w.state("box")["status"], "running");
    w.oci(&[&whole[..], &["../before", "box"]].concat()).ok();
    let reached = count(&w).unwrap();
    w.detached(&["restore", "-d", "--bundle", "bundle", "--image-path", "images", "box"]).ok();
    counted_past(&w, reached);
    w.oci(&["delete", "--force", "box"]).ok();
    w.assert_nothing_left();
}

#[test]
fn a_terminal_comes_back() {
    let Some(w) = fixture() else { return };
    let mut config = w.config(&["sh", "-c", "while read -r line; do echo \"got $line\"; done"]);
    config["process"]["terminal"] = json!(true);
    w.bundle(&config);
    let (listener, socket) = w.console_socket();
    w.detached(&["run", "-d", "--bundle", "bundle", "--console-socket", &socket, "box"]).ok();
    let mut first = Console::accept(&listener);
    first.type_in("one\n");
    first.expect("got one");
    w.oci(&["checkpoint", "--image-path", "images", "box"]).ok();
    let words = ["restore", "-d", "--bundle", "bundle", "--image-path", "images"];
    assert!(w.oci(&[&words[..], &["box"]].concat()).fails(1).contains("--console-socket"));
    w.detached(&[&words[..], &["--console-socket", &socket, "box"]].concat()).ok();
    let mut second = Console::accept(&listener);
    second.type_in("two\n");
    second.expect("got two");
    w.oci(&["delete", "--force", "box"]).ok();
    w.assert_nothing_left();
}

/// As in a pod, where the first container owns the namespaces.
#[test]
fn namespaces_of_somebody_else_are_joined_again() {
    let Some(w) = fixture() else { return };
    let mut pod = Running::start(Command::new("unshare").args(["-n", "-i", "-u", "sleep", "1000"]));
    let link = |pid: i64, kind: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    let theirs = i64::from(pod.pid());
    let own = i64::from(std::process::id());
    eventually("they are made", || link(theirs, "uts") != link(own, "uts"));
    let mut config = w.config(&["sh", "-c", COUNT]);
    config.as_object_mut().unwrap().remove("hostname");
    for (kind, name) in [("network", "net"), ("ipc", "ipc"), ("uts", "uts")] {
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        let namespace = namespaces.iter_mut().find(|namespace| namespace["type"] == kind).unwrap();
        namespace["path"] = json!(format!("/proc/{theirs}/ns/{name}"));
    }
    w.bundle(&config);
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    counted_past(&w, 1);
    w.oci(&["checkpoint", "--image-path", "images", "box"]).ok();
    let reached = count(&w).unwrap();
    w.detached(&["restore", "-d", "--bundle", "bundle", "--image-path", "images", "box"]).ok();
    counted_past(&w, reached);
    for kind in ["net", "ipc", "uts"] {
        assert_eq!(link(pid(&w, "box"), kind), link(theirs, kind));
    }
    w.oci(&["delete", "--force", "box"]).ok();
    pod.kill();
    pod.wait();
    w.assert_nothing_left();
}

#[test]
fn what_cannot_be_brought_back_leaves_nothing() {
    let Some(w) = fixture() else { return };
    let mut config = w.config(&["sh", "-c", COUNT]);
    oci_fixture::in_user_namespace(&mut config);
    w.bundle(&config);
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    assert!(w.oci(&["checkpoint", "box"]).fails(1).contains("user namespace"));
    assert_eq!(w.state("box")["status"], "running");
    w.oci(&["delete", "--force", "box"]).ok();
    w.bundle(&w.config(&["sh", "-c", COUNT]));
    w.detached(&["create", "--bundle", "bundle", "box"]).ok();
    assert!(w.oci(&["checkpoint", "box"]).fails(1).contains("created"));
    w.oci(&["start", "box"]).ok();
    counted_past(&w, 1);
    for refused in [&["--lazy-pages"][..], &["--page-server", "127.0.0.1:9"], &["--empty-ns", "pid"]] {
        w.oci(&[&["checkpoint"], refused, &["box"]].concat()).fails(1);
    }
    assert_eq!(w.state("box")["status"], "running");
    w.oci(&["checkpoint", "--image-path", "images", "box"]).ok();
    w.assert_nothing_left();

    let restore = |images: &str| {
        let words = ["restore", "-d", "--bundle", "bundle", "--image-path", images, "box"];
        let told = w.detached(&words).fails(1).to_owned();
        w.assert_nothing_left();
        told
    };
    assert!(restore("nowhere").contains("no checkpoint"));
    for (name, content) in [("descriptors.json", "{"), ("core-1.img", "damaged"), ("pstree.img", "")] {
        let path = w.path("images").join(name);
        let kept = std::fs::read(&path).unwrap();
        std::fs::write(&path, content).unwrap();
        assert!(restore("images").contains("images"), "{name}");
        std::fs::write(&path, kept).unwrap();
    }
    // At the last moment: the container is complete, and the program has not continued yet.
    let mut config = w.config(&["sh", "-c", COUNT]);
    config["hooks"] = json!({"createRuntime": [{"path": "/bin/false"}]});
    w.bundle(&config);
    assert!(restore("images").contains("hook"));
    w.bundle(&w.config(&["sh", "-c", COUNT]));
    w.detached(&["restore", "-d", "--bundle", "bundle", "--image-path", "images", "box"]).ok();
    w.oci(&["delete", "--force", "box"]).ok();
}

/// Independent of this machine's criu: the messages come from a replacement.
#[test]
fn a_criu_that_is_not_fit_touches_nothing() {
    let Some(w) = Fixture::start() else { return };
    w.bundle(&w.config(&["sh", "-c", COUNT]));
    w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
    let before = w.state("box");
    let script = "#!/bin/sh\necho 'Warn  (criu/x.c:1): no matter' >&2\necho 'Error (criu/vdso.c:381): vdso: bounds' >&2\nexit 1\n";
    let unfit = w.path("unfit");
    std::fs::write(&unfit, script).unwrap();
    std::fs::set_permissions(&unfit, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let cases = [
        (unfit.to_str().unwrap(), "`criu check`", ": vdso: bounds\n"),
        ("/nowhere/criu", "installed", "criu"),
    ];
    for (program, said, also) in cases {
        for words in [&["checkpoint", "box"][..], &["restore", "-d", "--bundle", "bundle", "other"]] {
            let told = w.oci(&[&["--criu", program], words].concat());
            assert!(told.fails(1).contains(said) && told.stderr.contains(also), "{told}");
            assert!(told.stderr.contains("hint:"), "{told}");
        }
    }
    assert_eq!(w.state("box"), before);
    assert!(!w.path("checkpoint").exists());
    w.oci(&["delete", "--force", "box"]).ok();
    w.assert_nothing_left();
}
