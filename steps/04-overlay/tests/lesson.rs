//! The lesson, proved: a base that many share and nobody changes, and what a change is on disk.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use lesson_lab::{Lab, Running, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

lesson_lab::isolated!();

fn everyone() -> Vec<Lab> {
    lesson_lab::everyone(env!("CARGO_BIN_EXE_step-04-overlay"))
}

fn signal(running: &Running, signal: Signal) {
    kill(Pid::from_raw(running.child.id() as i32), signal).unwrap();
}

/// A root file system of one static program, with its links to itself.
fn busybox(lab: &Lab) -> Option<String> {
    let root = lab.make("busybox");
    fs::create_dir_all(root.join("bin")).unwrap();
    if fs::copy("/usr/bin/busybox", root.join("bin/sh")).is_err() {
        lesson_lab::skip("without /usr/bin/busybox (package busybox-static)");
        return None;
    }
    for name in ["ls", "cat", "rm", "mkdir", "stat", "chmod"] {
        symlink("sh", root.join("bin").join(name)).unwrap();
    }
    Some(text(&root))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn is_whiteout(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_char_device() && found.rdev() == 0)
}

/// A layer of the lab's: files with their texts.
fn layer(lab: &Lab, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let root = lab.make(name);
    for (file, text) in files {
        lab.make(&format!("{name}/{}", Path::new(file).parent().unwrap().display()));
        fs::write(root.join(file), text).unwrap();
        lab.give(&root.join(file));
    }
    root
}

#[test]
fn two_containers_share_a_base_and_do_not_see_each_others_writes() {
    for lab in everyone() {
        let Some(root) = busybox(&lab) else { return };
        let script = "echo $0 >/mine; echo ready; read line </never 2>/dev/null; cat /mine; exec sh -c 'while :; do :; done'";
        let mut one = lab.start(&["run", "--rootfs", &root, "--", "sh", "-c", script, "one"]);
        assert_eq!((one.line(), one.line()), ("ready".into(), "one".into()));
        let other =
            lab.run(&["run", "--rootfs", &root, "--", "sh", "-c", "cat /mine; echo two >/mine; cat /mine"]);
        assert_eq!(other.stdout, "two", "{other:?}");
        let entered = lab.run(&["enter", &one.inside.to_string(), "/bin/cat", "/mine"]);
        assert_eq!(entered.stdout, "one", "{entered:?}");
        let mut base: Vec<_> =
            fs::read_dir(&root).unwrap().flatten().map(|entry| entry.file_name()).collect();
        base.sort();
        assert_eq!(base, ["bin"], "the base has not changed");
    }
}

#[test]
fn a_change_is_listed_by_its_letter() {
    for lab in everyone() {
        let script =
            "echo new >/root/new; echo >>/lesson/change-me; rm /lesson/delete-me; rm -r /lesson/directory";
        let listed = lab.run(&["run", "--diff", "--", "sh", "-c", script]);
        let expected =
            "C /lesson\nC /lesson/change-me\nD /lesson/delete-me\nD /lesson/directory\nC /root\nA /root/new";
        assert_eq!((listed.code, &*listed.stdout), (Some(0), expected), "{listed:?}");
        assert_eq!(
            lab.run(&["run", "--diff", "cat", "/lesson/change-me"]).stdout.lines().count(),
            1,
            "a reader"
        );
        assert_eq!(lab.run(&["run", "cat", "/lesson/delete-me"]).code, Some(0), "the next one begins anew");
    }
}

#[test]
fn a_deleted_file_or_directory_is_a_whiteout_and_one_made_again_is_opaque() {
    for lab in everyone() {
        let changes = text(&lab.make("changes"));
        let upper = Path::new(&changes).join("upper/lesson");
        let run = |script| lab.run(&["-v", "run", "--changes", &changes, "--", "sh", "-c", script]);
        run("rm -r /lesson/delete-me /lesson/directory");
        assert!(is_whiteout(&upper.join("delete-me")) && is_whiteout(&upper.join("directory")));
        let again = run("mkdir /lesson/directory && ls -A /lesson/directory");
        assert_eq!((again.code, &*again.stdout), (Some(0), ""), "it is empty: {again:?}");
        let mark = if lab.is_machines_root() { "trusted" } else { "user" };
        let kind = format!("upper/lesson/directory   directory, opaque: {mark}.overlay.opaque=y");
        assert!(again.stderr.contains(&kind), "{again:?}");
        // Absence is a file: with that gone, what it hid is back.
        fs::remove_file(upper.join("delete-me")).unwrap();
        assert_eq!(run("ls /lesson").stdout, "change-me\ndelete-me\ndirectory");
    }
}

#[test]
fn one_byte_copies_the_whole_file_and_a_change_of_mode_does_too() {
    for lab in everyone() {
        let Some(root) = busybox(&lab) else { return };
        layer(&lab, "busybox/data", &[("big", &"x".repeat(300_000)), ("other", "y")]);
        let changes = text(&lab.make("changes"));
        let run = |script| {
            let ended = lab.run(&["run", "--rootfs", &root, "--changes", &changes, "--", "sh", "-c", script]);
            assert_eq!(ended.code, Some(0), "{ended:?}");
        };
        let upper = Path::new(&changes).join("upper/data");
        run("cat /data/big >/dev/null");
        assert!(!upper.exists(), "reading copies nothing");
        run("echo >>/data/big; chmod 600 /data/other");
        assert_eq!(fs::metadata(upper.join("big")).unwrap().len(), 300_001);
        assert_eq!(fs::read_to_string(upper.join("other")).unwrap(), "y");
        assert_eq!(fs::metadata(Path::new(&root).join("data/big")).unwrap().len(), 300_000, "the base's");
    }
}

#[test]
fn whose_owner_has_no_id_inside_cannot_be_copied_up() {
    for lab in everyone().iter().filter(|lab| !lab.is_root()) {
        let Some(root) = busybox(lab) else { return };
        // Root's, unless we are nobody but ourselves; and anybody may write to it.
        let file = format!("{root}/file");
        fs::write(&file, "")
            .and_then(|()| fs::set_permissions(&file, PermissionsExt::from_mode(0o666)))
            .unwrap();
        let is_theirs = fs::metadata(&file).unwrap().uid() == lab.user.as_raw();
        let written = lab.run(&["run", "--rootfs", &root, "--", "sh", "-c", "echo >>/file"]);
        assert_eq!(
            written.stderr.contains("Value too large for defined data type"),
            !is_theirs,
            "{written:?}"
        );
        let removed = lab.run(&["run", "--diff", "--rootfs", &root, "--", "rm", "/file"]);
        assert!(removed.stdout.contains("D /file"), "a whiteout copies nothing: {removed:?}");
    }
}

#[test]
fn of_several_lowers_the_first_that_knows_a_name_decides() {
    for lab in everyone() {
        let Some(base) = busybox(&lab) else { return };
        fs::write(format!("{base}/who"), "base").unwrap();
        fs::write(format!("{base}/low"), "base").unwrap();
        let middle = layer(&lab, "middle", &[("who", "middle"), ("mid", "middle"), ("gone", "middle")]);
        // A colon ends a lower directory and a comma an option, unless escaped.
        let top = layer(&lab, "top:of,all", &[("who", "top")]);
        assert_eq!(lab.shell(&format!("mknod '{}/gone' c 0 0", top.display())).code, Some(0), "a whiteout");
        let stack =
            ["--rootfs", &*text(&top), "--rootfs", &*text(&middle), "--rootfs", &*base].map(String::from);
        let script = "cat /who /mid /low; ls /gone; echo >/gone; echo >/mid; rm /who";
        let args: Vec<&str> = ["run", "--diff"].into_iter().chain(stack.iter().map(String::as_str)).collect();
        let ended = lab.run(&[&args[..], &["--", "sh", "-c", script]].concat());
        let expected = "topmiddlebaseA /dev\nA /gone\nC /mid\nA /proc\nD /who";
        assert_eq!((ended.code, &*ended.stdout), (Some(0), expected), "{ended:?}");
        assert!(ended.stderr.contains("gone: No such file"), "the top one says so: {ended:?}");
    }
}

#[test]
fn kept_changes_are_there_again_and_the_directory_stays() {
    for lab in everyone() {
        let changes = text(&lab.make("changes"));
        assert_eq!(
            lab.run(&["run", "--changes", &changes, "--", "sh", "-c", "echo kept >/root/file"]).code,
            Some(0)
        );
        let again = lab.run(&["run", "--diff", "--changes", &changes, "cat", "/root/file"]);
        assert_eq!(again.stdout, "kept\nC /root\nA /root/file", "{again:?}");
        assert_eq!(fs::read_to_string(format!("{changes}/upper/root/file")).unwrap(), "kept\n");
    }
}

#[test]
fn nothing_is_mounted_outside_and_nothing_stays_whatever_the_end() {
    for lab in everyone() {
        let before = lab.shell("cat /proc/self/mountinfo").stdout;
        let mess =
            "mkdir -p /root/a/b; echo >/root/a/b/c; chmod 0 /root/a/b /root/a; ln -s / /root/link; exit 4";
        let endings: [(&[&str], i32); 4] = [
            (&["--", "sh", "-c", mess], 4),
            (&["no-such-program"], 127),
            (&["--hostname", "", "--", "true"], 0),
            (&["--hostname", &"x".repeat(65), "--", "true"], 125),
        ];
        for (ending, code) in endings {
            let ended = lab.run(&[&["-v", "run"], ending].concat());
            assert_eq!((ended.code, lab.left()), (Some(code), vec![]), "{ended:?}");
            assert!(ended.stderr.contains("outside | removed "), "{ended:?}");
        }
        for by in [Signal::SIGTERM, Signal::SIGKILL] {
            let script = "setsid sleep 60 & echo >/root/file; echo ready; sleep 60";
            let mut running = lab.start(&["run", "--", "sh", "-c", script]);
            assert_eq!(running.line(), "ready");
            assert!(running.trace.contains("mkdir(") && lab.left().len() == 1, "the control");
            assert_eq!(
                lab.shell("cat /proc/self/mountinfo").stdout,
                before,
                "the mount is seen inside alone"
            );
            signal(&running, by);
            running.assert_nothing_left();
            wait_for("the directories to be gone", || lab.left().is_empty());
        }
        assert_eq!(lab.shell("cat /proc/self/mountinfo").stdout, before);
    }
}

#[test]
fn what_removes_the_changes_does_not_follow_a_link_out_of_them() {
    for lab in everyone() {
        let victim = lab.make("victim");
        fs::write(victim.join("file"), "still here").unwrap();
        let script = "ln -s $0 /root/link; ln -s $0/file /root/other; mkdir /root/d; ln -s $0 /root/d/link";
        let ended = lab.run(&["run", "--", "sh", "-c", script, &text(&victim)]);
        assert_eq!((ended.code, lab.left()), (Some(0), vec![]), "{ended:?}");
        assert_eq!(fs::read_to_string(victim.join("file")).unwrap(), "still here");
    }
}

#[test]
fn changes_on_an_overlay_are_refused_with_the_reason_and_a_scratch_there_is_replaced() {
    for lab in everyone() {
        let changes = text(&lab.make("changes"));
        // The inside of a container is on an overlay: one in another.
        let on_one = |script: &str| {
            let mount = "mkdir -p $0/l $0/u $0/w $0/m && mount -t overlay none -o userxattr,lowerdir=$0/l,upperdir=$0/u,workdir=$0/w $0/m";
            lab.shell(&format!("exec unshare -rm sh -c '{mount} && {script}' {changes}"))
        };
        let refused = on_one("exec $P run --changes $0/m true");
        assert_eq!(refused.code, Some(125), "{refused:?}");
        assert!(
            refused.stderr.contains("/m: EINVAL: Invalid argument\nhint: this directory is on an overlay"),
            "{refused:?}"
        );
        let moved = on_one("TMPDIR=$0/m $P run echo fine");
        assert_eq!((moved.code, &*moved.stdout), (Some(0), "fine"), "{moved:?}");
        assert!(moved.stderr.starts_with("note: ") && moved.stderr.contains("/dev/shm"), "{moved:?}");
    }
}

#[test]
fn directories_on_two_file_systems_are_explained() {
    for lab in everyone() {
        let changes = text(&lab.make("changes"));
        lab.make("changes/work");
        let refused = lab.shell(&format!(
            "exec unshare -rm sh -c 'mount -t tmpfs none {changes}/work; exec $P run --changes {changes} true'"
        ));
        assert_eq!(refused.code, Some(125), "{refused:?}");
        assert!(
            refused.stderr.contains("EINVAL: Invalid argument\nhint: upper and work are on"),
            "{refused:?}"
        );
    }
}

#[test]
fn a_lower_that_cannot_be_one_is_refused_before_anything_is_made() {
    for lab in everyone() {
        for (root, reason) in [
            ("/no/such/root", "realpath(/no/such/root): ENOENT: No such file or directory"),
            ("/etc/passwd", "--rootfs /etc/passwd: ENOTDIR: Not a directory"),
            ("/", "--rootfs /: EBUSY: Device or resource busy\nhint: "),
        ] {
            let refused = lab.run(&["-v", "run", "--rootfs", "/usr", "--rootfs", root, "true"]);
            assert_eq!((refused.code, lab.left()), (Some(125), vec![]));
            assert!(refused.stderr.contains(reason) && !refused.stderr.contains("mkdir("), "{refused:?}");
        }
    }
}

#[test]
fn the_network_is_not_isolated_yet() {
    for lab in everyone() {
        let link = "readlink /proc/self/ns/net";
        assert_eq!(lab.run(&["run", "--", "sh", "-c", link]).stdout, lab.shell(link).stdout);
    }
}

#[test]
fn the_story_is_told_in_order() {
    for lab in everyone() {
        let told = lab.run(&["-v", "run", "touch", "/lesson/change-me"]);
        let mut rest = &*told.stderr;
        for chapter in [
            "outside | mkdir(",
            "outside | clone(",
            "inside  | mount(/, MS_REC | MS_PRIVATE)",
            "inside  | mount(overlay -> ",
            "inside  | mount(/usr -> ",
            "inside  | pivot_root(",
            "inside  | execve([\"touch\"",
            "outside | upper/lesson/change-me   file, all 41 bytes of it",
            "outside | removed ",
        ] {
            let at =
                rest.find(chapter).unwrap_or_else(|| panic!("{chapter} not in order in\n{}", told.stderr));
            rest = &rest[at..];
        }
    }
}

#[test]
fn what_the_steps_before_have_shown_still_holds() {
    for lab in everyone() {
        let script = "hostname; echo $PPID; id -u; test -e $0 || echo gone; exit 3";
        let inside = lab.run(&["run", "--", "sh", "-c", script, &lab.dir.to_string_lossy()]);
        assert_eq!((inside.code, &*inside.stdout), (Some(3), "box\n1\n0\ngone"), "{inside:?}");
        let usr = lab.run(&["run", "--", "sh", "-c", "touch /usr/mine; touch /etc/mine && echo mine"]);
        assert_eq!(usr.stdout, "mine");
        assert!(usr.stderr.contains("Read-only file system"), "{usr:?}");
        let trap = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done";
        let mut running = lab.start(&["run", "--", "sh", "-c", trap]);
        assert_eq!(running.line(), "ready");
        signal(&running, Signal::SIGTERM);
        assert_eq!(running.child.wait().unwrap().code(), Some(7));
    }
}
