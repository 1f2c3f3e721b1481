//! `file`: files go into containers and out of them, running and stopped, with the ids that the container sees.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::Command;

use hull_test_support::Scenario;
use hull_test_support::outcome::eventually;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Starts a container with ids of its own, and a plain one.
fn containers(t: &Scenario) {
    t.ok(&[
        "run",
        "-d",
        "--name",
        "own",
        "--userns",
        "auto",
        "--network",
        "none",
        "busybox",
        "sleep",
        "1000",
    ]);
    t.ok(&["run", "-d", "--name", "plain", "--network", "none", "busybox", "sleep", "1000"]);
}

const BOTH: [&str; 2] = ["own", "plain"];

fn stop(t: &Scenario) {
    t.ok(&["stop", "-t", "0", "own", "plain"]);
}

/// `UID:GID MODE` of files, as the running container sees them.
#[track_caller]
fn seen(t: &Scenario, name: &str, files: &[&str]) -> String {
    t.ok(&[&["exec", name, "stat", "-c", "%u:%g %a"], files].concat())
}

#[test]
fn a_push_keeps_owner_and_mode_and_flags_change_them() {
    let Some(t) = Scenario::with_busybox() else { return };
    containers(&t);
    let file = t.write("file", "content\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4640)).unwrap();
    chown(&file, Some(3), Some(4)).unwrap();
    let file = file.to_str().unwrap();
    let push = |name: &str| {
        t.ok(&["file", "push", file, &format!("{name}/kept")]);
        t.ok(&["file", "push", "--mode", "0751", "--uid", "7", "--gid", "8", file, &format!("{name}/given")]);
        t.ok(&["file", "push", "-p", "--uid", "7", file, &format!("{name}/new/dir/")]);
        t.hull_with_input(&["file", "push", "--mode=600", "-", &format!("{name}/piped")], b"by a pipe").ok();
    };
    for name in BOTH {
        push(name);
        let files = ["/kept", "/given", "/new", "/new/dir/file", "/piped"];
        let expected = "3:4 640\n7:8 751\n7:0 755\n7:4 640\n0:0 600";
        assert_eq!(seen(&t, name, &files), expected, "{name}");
        assert_eq!(t.ok(&["exec", name, "cat", "/kept", "/piped"]), "content\nby a pipe", "{name}");
        // A push replaces what is there, and follows a symlink only beneath the container's root.
        t.ok(&["exec", name, "ln", "-s", "../../../../../../../../kept", "/link"]);
        t.hull_with_input(&["file", "push", "--uid=1", "-", &format!("{name}/link")], b"other").ok();
        assert_eq!(t.ok(&["exec", name, "cat", "/kept"]), "other");
        // A mount that nobody can replace is written into.
        t.hull_with_input(&["file", "push", "-", &format!("{name}/etc/hosts")], b"127.0.0.1 me\n").ok();
        assert_eq!(t.ok(&["exec", name, "cat", "/etc/hosts"]), "127.0.0.1 me");
        t.ok(&["exec", name, "rm", "-r", "/kept", "/given", "/new", "/piped", "/link"]);
    }
    stop(&t);
    BOTH.iter().for_each(|name| push(name));
    t.ok(&["start", "own", "plain"]);
    for name in BOTH {
        let files = ["/kept", "/given", "/new", "/new/dir/file", "/piped"];
        assert_eq!(seen(&t, name, &files), "3:4 640\n7:8 751\n7:0 755\n7:4 640\n0:0 600", "{name}");
    }
    t.ok(&["rm", "-f", "own", "plain"]);
}

#[test]
fn directories_go_both_ways_with_all_that_is_in_them() {
    let Some(t) = Scenario::with_busybox() else { return };
    containers(&t);
    let tree = t.path("tree");
    fs::create_dir_all(tree.join("below")).unwrap();
    fs::write(tree.join("below/file"), "1").unwrap();
    chown(tree.join("below/file"), Some(1000), Some(1001)).unwrap();
    fs::set_permissions(tree.join("below"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink("below/file", tree.join("link")).unwrap();
    let from = tree.to_str().unwrap();
    for running in [true, false] {
        for name in BOTH {
            let missing =
                t.hull(&["file", "push", "-r", from, &format!("{name}/no/such")]).fails(1).to_owned();
            assert!(missing.contains("no such directory"), "{missing}");
            t.hull(&["file", "push", "-r", "--mode", "600", from, &format!("{name}/tmp")]).fails(1);
            t.hull(&["file", "push", from, &format!("{name}/tmp")]).fails(1);
            t.ok(&["file", "push", "-r", "-p", from, &format!("{name}/srv/deep")]);
            let back = t.path(format!("back-{name}-{running}"));
            t.hull(&["file", "pull", &format!("{name}/srv/deep/tree"), back.to_str().unwrap()]).fails(1);
            t.ok(&["file", "pull", "-r", &format!("{name}/srv/deep/tree"), back.to_str().unwrap()]);
            assert_eq!(fs::read_to_string(back.join("tree/link")).unwrap(), "1");
            assert_eq!(back.join("tree/below").metadata().unwrap().mode() & 0o777, 0o700);
            let file = back.join("tree/below/file").metadata().unwrap();
            assert_eq!((file.uid(), file.gid()), (0, 0), "what is pulled belongs to the caller");
            if running {
                let files = ["/srv/deep/tree/below", "/srv/deep/tree/below/file"];
                assert_eq!(seen(&t, name, &files), "0:0 700\n1000:1001 644", "{name}");
            }
            let full = t.hull(&["file", "delete", &format!("{name}/srv/deep")]).fails(1).to_owned();
            assert!(full.contains("not empty"), "{full}");
            t.ok(&["file", "delete", "-r", &format!("{name}/srv/deep")]);
            t.hull(&["file", "delete", &format!("{name}/srv/deep")]).fails(1);
            t.ok(&["file", "delete", "-f", &format!("{name}/srv/deep"), &format!("{name}/srv")]);
        }
        if running {
            stop(&t);
        }
    }
    t.ok(&["rm", "own", "plain"]);
}

#[test]
fn what_is_mounted_in_a_running_container_is_not_deleted() {
    let Some(t) = Scenario::with_busybox() else { return };
    containers(&t);
    for name in BOTH {
        for path in ["proc", "etc/hosts", "dev"] {
            let said = t.hull(&["file", "delete", "-f", &format!("{name}/{path}")]).fails(1).to_owned();
            assert!(said.contains("something is mounted there"), "{said}");
        }
        // A directory above a mount is not deleted either, whether a directory or a file is mounted.
        let source = t.write("src/file", "of the host");
        let data = format!("source={}", source.parent().unwrap().display());
        let file = format!("source={}", source.display());
        t.ok(&["exec", name, "sh", "-c", "mkdir -p /data/kept /file; echo 1 > /data/kept/own"]);
        t.ok(&["device", "add", name, "data", "disk", &data, "path=/data/sub dir"]);
        t.ok(&["device", "add", name, "file", "disk", &file, "path=/file/below"]);
        for (path, mounted) in [("data", "/data/sub dir"), ("file", "/file/below"), ("etc", "/etc/")] {
            for flag in ["-r", "-f"] {
                let said = t.hull(&["file", "delete", flag, &format!("{name}/{path}")]).fails(1).to_owned();
                assert!(said.contains(&format!("something is mounted at {mounted}")), "{said}");
            }
        }
        t.ok(&["exec", name, "cat", "/data/kept/own", "/data/sub dir/file", "/file/below"]);
        t.ok(&["exec", name, "sh", "-c", "test -e /proc/1 && test -s /etc/hosts && test -c /dev/null"]);
    }
    stop(&t);
    for name in BOTH {
        t.hull(&["file", "delete", "-r", &format!("{name}/data")]).fails(1);
        t.ok(&["start", name]);
        assert_eq!(t.ok(&["exec", name, "cat", "/data/kept/own", "/data/sub dir/file"]), "1\nof the host");
        t.ok(&["device", "remove", name, "data", "file"]);
        t.ok(&["file", "delete", "-r", &format!("{name}/data")]);
    }
    t.ok(&["rm", "-f", "own", "plain"]);
}

#[test]
fn a_pull_prints_or_makes_files_and_follows_no_symlink_to_this_machine() {
    let Some(t) = Scenario::with_busybox() else { return };
    containers(&t);
    let secret = t.write("secret", "of the host");
    t.ok(&[
        "exec",
        "own",
        "sh",
        "-c",
        &format!("ln -s {} /bait; echo a > /a; echo b > /b", secret.display()),
    ]);
    t.ok(&["exec", "plain", "sh", "-c", "echo p > /p; chmod 4711 /p"]);
    assert_eq!(t.ok(&["file", "pull", "own/a", "own/b", "-"]), "a\nb");
    t.hull(&["file", "pull", "own/bait", "-"]).fails(1);
    t.hull(&["file", "pull", "own/dev/null", "-"]).fails(1);
    let into = t.path("into");
    t.ok(&["file", "pull", "own/a", "plain/p", into.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(into.join("a")).unwrap(), "a\n");
    let mode = into.join("p").metadata().unwrap().mode() & 0o7777;
    assert_eq!(mode, 0o711, "nobody on this machine has granted a set-ID bit");
    let new = t.path("new/dir/name");
    t.hull(&["file", "pull", "own/a", new.to_str().unwrap()]).fails(1);
    t.ok(&["file", "pull", "-p", "own/a", new.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&new).unwrap(), "a\n");
    // No verb follows a symlink out of the container.
    t.hull_with_input(&["file", "push", "-", "own/bait"], b"x").fails(1);
    t.ok(&["file", "delete", "own/bait"]);
    assert_eq!(fs::read_to_string(&secret).unwrap(), "of the host");
    t.ok(&["rm", "-f", "own", "plain"]);
}

/// The kernel says 0 or 4096 for the size of its own files, whatever their content is.
#[test]
fn files_of_the_kernel_are_pulled_with_their_content() {
    let Some(t) = Scenario::with_busybox() else { return };
    containers(&t);
    let target = t.path("pulled");
    fs::create_dir(&target).unwrap();
    for name in BOTH {
        for path in ["/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled", "/proc/1/cmdline"] {
            let source = format!("{name}{path}");
            let inside = t.ok(&["exec", name, "cat", path]);
            assert_eq!(t.ok(&["file", "pull", &source, "-"]), inside, "{source}");
            t.ok(&["file", "pull", &source, target.to_str().unwrap()]);
            let pulled = target.join(path.rsplit('/').next().unwrap());
            assert_eq!(fs::read_to_string(&pulled).unwrap().trim_end(), inside, "{source}");
            t.ok(&["file", "pull", &source, target.join("named").to_str().unwrap()]);
            fs::rename(target.join("named"), pulled).unwrap();
        }
    }
    stop(&t);
}

#[test]
fn an_edit_changes_the_content_alone() {
    let Some(t) = Scenario::with_busybox() else { return };
    containers(&t);
    for name in BOTH {
        t.ok(&["exec", name, "sh", "-c", "echo old > /file; chown 5:6 /file; chmod 2755 /file"]);
        t.hull_with_input(&["file", "edit", &format!("{name}/file")], b"new\n").ok();
        assert_eq!(seen(&t, name, &["/file"]), "5:6 2755", "{name}");
        assert_eq!(t.ok(&["exec", name, "cat", "/file"]), "new");
        t.hull_with_input(&["file", "edit", &format!("{name}/nothing")], b"new\n").fails(1);
    }
    t.ok(&["rm", "-f", "own", "plain"]);
}

#[test]
fn a_text_that_cannot_be_stored_is_left_to_the_user() {
    let Some(t) = Scenario::with_busybox() else { return };
    containers(&t);
    t.ok(&["exec", "plain", "sh", "-c", "echo old > /file"]);
    let hull = hull_test_support::program::hull().display();
    let script = format!("#!/bin/sh\necho more >> \"$1\"\n{hull} exec plain rm /file\n");
    let editor = t.write("editor", script);
    fs::set_permissions(&editor, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let temporary = t.path("temporary");
    fs::create_dir(&temporary).unwrap();
    let mut command = t.command(&["file", "edit", "plain/file"]);
    command.env("VISUAL", &editor).env("TMPDIR", &temporary);
    let mut terminal = hull_test_support::terminal::Terminal::start(&command);
    terminal.expect("the changed text is in");
    assert_eq!(terminal.wait(), 1);
    let kept = fs::read_dir(&temporary).unwrap().next().expect("the draft is there").unwrap().path();
    assert_eq!(fs::read_to_string(kept.join("file")).unwrap(), "old\nmore\n");
    t.ok(&["rm", "-f", "own", "plain"]);
}

#[test]
fn a_mount_shows_the_ids_of_the_container_and_goes_with_its_command() {
    let Some(t) = Scenario::with_busybox() else { return };
    containers(&t);
    for name in BOTH {
        t.ok(&["exec", name, "sh", "-c", "mkdir /data; echo 1 > /data/file; chown 7:8 /data/file"]);
    }
    let point = t.path("point");
    fs::create_dir(&point).unwrap();
    let is_mounted = || point.join("file").exists();
    let target = point.to_str().unwrap();
    let refused = t.hull(&["file", "mount", "own/data", target]).fails(1).to_owned();
    assert!(refused.contains("ids of its own"), "{refused}");
    let mount = |name: &str| {
        let running = t.spawn(&["file", "mount", &format!("{name}/data"), target]);
        eventually("the files are there", is_mounted);
        let file = point.join("file").metadata().unwrap();
        assert_eq!((file.uid(), file.gid()), (7, 8), "{name}");
        running
    };
    // The container ends.
    let command = mount("plain");
    fs::write(point.join("mine"), "2").unwrap();
    assert_eq!(t.ok(&["exec", "plain", "cat", "/data/mine"]), "2");
    stop(&t);
    command.wait().ok();
    eventually("the mount has gone", || !is_mounted());
    // Ctrl-C, kill -9, and somebody's umount.
    for (end, name) in [(Some(Signal::SIGINT), "own"), (Some(Signal::SIGKILL), "own"), (None, "plain")] {
        let command = mount(name);
        match end {
            Some(signal) => kill(Pid::from_raw(command.pid()), signal).unwrap(),
            None => assert!(Command::new("umount").arg(&point).status().unwrap().success()),
        }
        command.wait();
        eventually("the mount has gone", || !is_mounted());
        // The lock is free again.
        t.ok(&["start", name]);
        t.ok(&["stop", "-t", "0", name]);
    }
    t.ok(&["rm", "own", "plain"]);
}
