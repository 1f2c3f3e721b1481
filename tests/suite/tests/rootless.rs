//! The same commands as an unprivileged user.

use hull_test_support::outcome::{eventually, run, wrapped};
use hull_test_support::{Registry, Scenario, Terminal, fixtures};

#[test]
fn the_readmes_first_command_works_for_an_unprivileged_user() {
    let Some(t) = Scenario::rootless() else { return };
    let mut terminal =
        Terminal::start(&t.command(&["run", "--rm", "-it", "--hostname", "web", "host", "sh"]));
    // Root in the container is the user, and so is the owner of its root directory.
    terminal.expect("root@web:/# ");
    terminal.send("echo pid-$$ uid-$(id -u)\n");
    terminal.expect("pid-1 uid-0");
    terminal.send("exit 3\n");
    assert_eq!(terminal.wait(), 3);
}

#[test]
fn import_run_exec_logs_stop_and_rm_work_for_an_unprivileged_user() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    assert_eq!(t.ok(&["run", "--rm", "--network", "none", "busybox", "echo", "hello"]), "hello");
    let script = "echo started; trap 'exit 0' TERM; while :; do sleep 0.1; done";
    t.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", script]);
    assert_eq!(t.ok(&["exec", "box", "hostname"]).len(), 12);
    eventually("it is logged", || t.hull(&["logs", "box"]).stdout == "started\n");
    assert!(t.ok(&["ps", "--format", "{{.Names}}"]).contains("box"));
    t.ok(&["stop", "box"]);
    assert_eq!(t.inspect("box", "{{.State.ExitCode}}"), "0");
    t.ok(&["rm", "box"]);
}

#[test]
fn an_archive_loads_for_an_unprivileged_user() {
    let archive = match fixtures::by_skopeo("docker-archive", "example/box:1.2") {
        Ok(archive) => archive,
        Err(why) => hull_test_support::skip!("{why}"),
    };
    let Some(t) = Scenario::rootless() else { return };
    // The build directory may be closed to the user.
    let bytes = std::fs::read(archive).unwrap();
    t.hull_with_input(&["load"], &bytes).ok();
    assert_eq!(t.ok(&["run", "--rm", "example/box:1.2", "cat", "/etc/issue-of-image"]), "made for tests");
}

#[test]
fn every_verb_on_images_works_for_an_unprivileged_user() {
    let Some(t) = Scenario::rootless() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let (one, two) = (registry.name("mine:1"), registry.name("mine:2"));
    t.busybox();
    t.ok(&["run", "--name", "box", "busybox", "sh", "-c", "echo new > /etc/new; chown 7:8 /etc/new"]);
    assert!(t.ok(&["diff", "box"]).contains("A /etc/new"));
    t.ok(&["commit", "-c", "CMD stat -c %u:%g /etc/new", "box", &one]);
    let home = |file: &str| t.path("home").join(file).display().to_string();
    t.ok(&["export", "-o", &home("box.tar"), "box"]);
    t.ok(&["import", "-c", "CMD cat /etc/new", &home("box.tar"), "flat"]);
    assert_eq!(t.ok(&["run", "--rm", "flat", "cat", "/etc/new"]), "new");
    t.ok(&["rm", "box"]);
    assert_eq!(t.ok(&["image", "diff", &one]), "A /etc/new");
    for verb in [&["image", "tree"][..], &["image", "layers"], &["image", "dockerfile"], &["history"]] {
        assert!(!t.ok(&[verb, &[&one]].concat()).is_empty(), "{verb:?}");
    }
    t.ok(&["tag", &one, &two]);
    t.ok(&["login", "-u", "me", "-p", "secret", &registry.host]);
    t.ok(&["push", "-a", &registry.name("mine")]);
    t.ok(&["logout", &registry.host]);
    assert_eq!(t.ok(&["image", "tags", "--format", "{{.Tag}}", &registry.name("mine")]), "1\n2");
    assert_eq!(t.ok(&["search", "--format", "{{.Name}}", &registry.name("mine")]), registry.name("mine"));
    let digest = t.ok(&["image", "inspect", "--remote", "-f", "{{.Digest}}", &one]);
    for compression in [&[][..], &["--compress", "gzip"], &["--compress", "zstd"]] {
        let archive = home("images.tar");
        t.ok(&[&["save"], compression, &["-o", &archive, &one, &two, "flat"]].concat());
        t.ok(&["rmi", "-f", &one, &two, "flat"]);
        t.ok(&["load", "-i", &archive]);
        std::fs::remove_file(archive).unwrap();
    }
    assert_eq!(t.ok(&["run", "--rm", &one]), "7:8", "as loaded");
    t.ok(&["untag", &one]);
    t.ok(&["image", "prune", "-f"]);
    t.ok(&["pull", "-a", "-q", &registry.name("mine")]);
    assert_eq!(t.ok(&["run", "--rm", &two]), "7:8", "as pulled: owners are those of the container");
    let listed = t.ok(&["images", "--digests", "--filter", "reference=*/mine:2", "--format", "{{.Digest}}"]);
    assert_eq!(listed, digest);
    assert!(t.ok(&["system", "df"]).contains("Images"));
    assert_eq!(t.ok(&["system", "check"]), "The store is what it should be.");
    assert_eq!(t.ok(&["rmi", "--remote", &two]), format!("Deleted: {digest}"));
    t.ok(&["image", "prune", "-a", "-f"]);
    assert_eq!(t.ok(&["images", "-aq"]), "");
}

#[test]
fn volumes_keep_what_an_unprivileged_users_container_wrote() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    t.ok(&[
        "run",
        "--rm",
        "-v",
        "vol:/data",
        "busybox",
        "sh",
        "-c",
        "echo kept > /data/file; chown 1000 /data/file",
    ]);
    let read = t.ok(&[
        "run",
        "--rm",
        "-v",
        "vol:/data",
        "busybox",
        "sh",
        "-c",
        "cat /data/file; stat -c %u /data/file",
    ]);
    assert_eq!(read, "kept\n1000", "subordinate ids are in use");
}

#[test]
fn the_machines_network_can_be_shared_by_an_unprivileged_user() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap().display().to_string();
    assert_eq!(t.ok(&["run", "--rm", "--network", "host", "busybox", "readlink", "/proc/self/ns/net"]), own);
}

#[test]
fn a_limit_without_delegation_is_refused_with_what_would_allow_it() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    let outcome = t.hull(&["run", "--rm", "-m", "64m", "busybox", "true"]);
    let message = outcome.fails(125).to_lowercase();
    assert!(message.contains("cgroup") && message.contains("delegat"), "{outcome}");
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn an_unprivileged_users_container_is_isolated_too() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    let status = t.ok(&["run", "--rm", "busybox", "grep", "-E", "^(CapEff|Seccomp):", "/proc/self/status"]);
    assert_eq!(status, "CapEff:\t00000000a80425fb\nSeccomp:\t2");
    assert_eq!(t.ok(&["run", "--rm", "busybox", "sh", "-c", "cat /proc/keys | wc -c"]), "0");
}

#[test]
fn root_of_a_user_namespace_can_run_containers_too() {
    let Some(t) = Scenario::start() else { return };
    let hull = t.command(&["run", "--rm", "host", "sh", "-c", "echo pid-$$ uid-$(id -u)"]);
    let mut unshare = wrapped(&["unshare", "--user", "--map-root-user"], &hull);
    assert_eq!(run(&mut unshare).ok(), "pid-1 uid-0");
}

#[test]
fn hulls_own_program_cannot_be_written_through_an_unprivileged_users_monitor() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    t.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "300"]);
    let exe = format!("/proc/{}/exe", t.monitor_of("box"));
    let opened = std::fs::OpenOptions::new().write(true).open(&exe);
    assert_eq!(opened.unwrap_err().raw_os_error(), Some(30), "EROFS, for every user");
    let program = std::fs::read_link(&exe).unwrap();
    assert!(!program.starts_with("/memfd:hull"), "nothing is copied: {}", program.display());
    t.ok(&["rm", "-f", "box"]);
}
