//! Files that hull reads for a container, after the container has redirected them.

use std::time::Duration;

use hull_test_support::outcome::eventually;
use hull_test_support::{Scenario, helper};

/// A command that takes longer has waited for something that the container controls.
const PROMPT: Duration = Duration::from_secs(10);

/// A container with all rights over its own user namespace.
const SYSTEM: &[&str] = &["--system"];

/// `sleep` in a container whose /etc can be replaced: a symlink to /e1 in the image.
fn with_movable_etc(t: &Scenario) {
    t.ok(&["run", "--name", "maker", "busybox", "sh", "-c", "mkdir /e1 && cp /etc/passwd /etc/group /e1"]);
    let tar = t.path("root.tar");
    t.ok(&["export", "-o", tar.to_str().unwrap(), "maker"]);
    t.ok(&["rm", "maker"]);
    let root = t.path("root");
    std::fs::create_dir(&root).unwrap();
    let file = std::fs::File::open(&tar).unwrap();
    tar::Archive::new(file).unpack(&root).unwrap();
    std::fs::remove_dir_all(root.join("etc")).unwrap();
    std::os::unix::fs::symlink("/e1", root.join("etc")).unwrap();
    let mut builder = tar::Builder::new(std::fs::File::create(&tar).unwrap());
    builder.follow_symlinks(false);
    builder.append_dir_all(".", &root).unwrap();
    builder.finish().unwrap();
    t.ok(&["import", tar.to_str().unwrap(), "movable"]);
}

#[test]
fn a_kernels_file_in_place_of_the_password_file_is_not_read() {
    let Some(t) = Scenario::with_busybox() else { return };
    for more in [&[][..], SYSTEM] {
        read_password_file(&t, more);
    }
}

#[track_caller]
fn read_password_file(t: &Scenario, more: &[&str]) {
    let run = |name: &str, options: &[&str]| {
        let flags = [&["run", "-d", "--name", name], more, options, &["busybox", "sleep", "300"]];
        t.ok(&flags.concat());
    };
    run("box", &[]);
    t.ok(&["exec", "box", "sh", "-c", "ln -sf /proc/kmsg /etc/passwd; ln -sf /proc/kmsg /etc/group"]);
    let outcome = t.hull(&["exec", "-u", "7", "box", "true"]);
    assert!(outcome.success() && outcome.took < PROMPT, "{outcome}");
    // On a mount of its own, whose file system hull does not know.
    run("mounted", &["--tmpfs", "/etc"]);
    t.ok(&["exec", "mounted", "ln", "-s", "/proc/kmsg", "/etc/passwd"]);
    let outcome = t.hull(&["exec", "mounted", "true"]);
    assert!(outcome.success() && outcome.took < PROMPT, "{outcome}");
    t.ok(&["exec", "mounted", "sh", "-c", "rm /etc/passwd; echo me:x:7:8::/:/bin/sh > /etc/passwd"]);
    assert_eq!(t.ok(&["exec", "-u", "me", "mounted", "sh", "-c", "echo $(id -u) $(id -g)"]), "7 8");
    t.ok(&["rm", "-f", "box", "mounted"]);
}

#[test]
fn a_file_system_that_never_answers_holds_up_neither_exec_nor_rm() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(program) = helper::compile(&t, "silent_fuse", include_str!("silent_fuse.c")) else {
        return;
    };
    let volume = format!("{}:/fuse:ro", program.display());
    // The node is open for everybody, as udev makes it.
    let node = t.path("fuse");
    let device = rustix::fs::makedev(10, 229);
    rustix::fs::mknodat(rustix::fs::CWD, &node, rustix::fs::FileType::CharacterDevice, 0o666.into(), device)
        .unwrap();
    std::fs::set_permissions(&node, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let device = format!("{}:/dev/fuse", node.display());
    for rights in [&["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"][..], SYSTEM] {
        let flags = [&["run", "-d", "--name", "box", "--device", &device, "-v", &volume], rights].concat();
        t.ok(&[&flags[..], &["busybox", "sh", "-c", "/fuse & exec sleep 300"]].concat());
        eventually("the file system is mounted", || t.ok(&["logs", "box"]).contains("mounted"));
        let outcome = t.hull(&["exec", "box", "true"]);
        assert!(outcome.took < PROMPT, "{outcome}");
        // The kernel keeps processes of the host's user namespace out of a FUSE file system that was mounted in another
        // user namespace.
        assert!(rights == SYSTEM || outcome.fails(1).contains("does not answer"), "{outcome}");
        let outcome = t.hull(&["rm", "-f", "box"]);
        assert!(outcome.success() && outcome.took < PROMPT, "{outcome}");
    }
}

#[test]
fn joining_a_network_gives_the_other_containers_names_and_no_file_that_it_points_to() {
    let Some(t) = Scenario::with_busybox() else { return };
    with_movable_etc(&t);
    t.ok(&["run", "-d", "--name", "other", "--add-host", "db:192.0.2.7", "movable", "/bin/sleep", "300"]);
    t.ok(&["exec", "other", "sh", "-c", "echo 192.0.2.8 added >> /etc/hosts"]);
    let script = "mkdir /e2; cp /e1/passwd /e1/group /e2/; rm /etc; ln -s /e2 /etc; \
                  for name in hosts hostname resolv.conf; do ln -s /proc/kmsg /e2/$name; done";
    t.ok(&["exec", "other", "sh", "-c", script]);
    let outcome = t.hull(&["run", "--rm", "--network", "container:other", "busybox", "cat", "/etc/hosts"]);
    assert!(outcome.took < PROMPT && outcome.ok().contains("192.0.2.7\tdb"), "{outcome}");
    assert!(outcome.stdout.contains("192.0.2.8 added"), "{outcome}");
}

#[test]
fn exec_has_the_containers_oom_score_and_a_long_hostname_its_short_form() {
    let Some(t) = Scenario::with_busybox() else { return };
    let flags = ["run", "-d", "--name", "box", "--oom-score-adj", "300", "--hostname", "web.example.org"];
    t.ok(&[&flags[..], &["busybox", "sleep", "300"]].concat());
    assert_eq!(t.ok(&["exec", "box", "cat", "/proc/self/oom_score_adj"]), "300");
    let hosts = t.ok(&["exec", "box", "cat", "/etc/hosts"]);
    assert!(hosts.lines().any(|line| line.ends_with("\tweb.example.org web")), "{hosts}");
}
