//! The lesson, proved: a base that many containers share and none changes, and what a change is on disk.
//!
//! The tests have numbers because the test harness runs them in the order of their names. The first failure is then the
//! first thing of the lesson that does not work.

// For what runs between fork and exec.
#![allow(unsafe_code)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use lesson_lab::images::busybox_root;
use lesson_lab::{Chapter, Lab, wait_for};
use nix::sys::signal::Signal;

const OVERLAY: Chapter =
    Chapter::new("4. Layers on disk: the overlay file system", "steps/04-overlay/overlay.md");
const DELETING: Chapter =
    Chapter::new("Deleting: whiteouts and opaque directories", "steps/04-overlay/deletion.md");

lesson_lab::isolated!();

fn everyone() -> Vec<Lab> {
    lesson_lab::everyone(env!("CARGO_BIN_EXE_step-04-overlay"))
}

/// A root file system of one static program, with its links to itself.
fn busybox(lab: &Lab) -> Option<String> {
    busybox_root(lab, &["ls", "cat", "rm", "mkdir", "stat", "chmod"], &[])
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn is_whiteout(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_char_device() && found.rdev() == 0)
}

/// A directory of the lab with these files and their texts.
fn layer(lab: &Lab, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let root = lab.make(name);
    for (file, text) in files {
        lab.make(&format!("{name}/{}", Path::new(file).parent().unwrap().display()));
        fs::write(root.join(file), text).unwrap();
        lab.give(&root.join(file));
    }
    root
}

/// The example, with a shell that gets a script to read.
mod bare {
    include!("../examples/bare.rs");

    pub fn start() -> std::io::Error {
        lesson_lab::did_not_execute(main())
    }
}

#[test]
fn t01_two_containers_share_a_base_and_do_not_see_each_others_writes() {
    for lab in everyone() {
        let Some(root) = busybox(&lab) else { return };
        let script = "echo $0 >/mine; echo ready; read line </never 2>/dev/null; cat /mine; exec sh -c 'while :; do :; done'";
        let mut one = lab.start(&["run", "--rootfs", &root, "--", "sh", "-c", script, "one"]);
        assert_eq!((one.line(), one.line()), ("ready".into(), "one".into()));
        let other =
            lab.run(&["run", "--rootfs", &root, "--", "sh", "-c", "cat /mine; echo two >/mine; cat /mine"]);
        OVERLAY.same(
            &*other.stdout,
            "two",
            "The second container does not see the file of the first one, because a write goes to an upper directory of \
             its own.",
        );
        let entered = lab.run(&["enter", &one.inside.to_string(), "/bin/cat", "/mine"]);
        OVERLAY.same(&*entered.stdout, "one", "The first container still sees its own file.");
        let mut base: Vec<_> =
            fs::read_dir(&root).unwrap().flatten().map(|entry| entry.file_name()).collect();
        base.sort();
        OVERLAY.same(
            base,
            ["bin"],
            "The base has not changed: nothing is ever written to a lower directory.",
        );
    }
}

#[test]
fn t02_the_bare_example_needs_four_directories_and_a_mount() {
    for lab in everyone().into_iter().filter(|lab| !lab.is_root()) {
        let place = lab.make("bare");
        let mut command = lab.program(&[]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let there = place.clone();
        // Entering the lab's mount namespace has changed the working directory to its root, and becoming another user has
        // given the files in /proc/self to root: set_dumpable takes them back.
        let start = move || {
            std::env::set_current_dir(&there)?;
            nix::sys::prctl::set_dumpable(true)?;
            Err(bare::start())
        };
        // SAFETY: the example makes namespaces and directories, mounts, and executes a shell.
        unsafe { command.pre_exec(start) };
        let mut shell = command.spawn().expect("the example starts a shell");
        let script = b"cat page; echo changed >page; cat page";
        shell.stdin.take().expect("piped").write_all(script).expect("it reads");
        let output = shell.wait_with_output().expect("it ends");
        let read = |name: &str| fs::read_to_string(place.join(name)).unwrap_or_default();
        OVERLAY.same(
            (&*String::from_utf8_lossy(&output.stdout), &*read("lower/page"), &*read("upper/page")),
            ("from below\nchanged\n", "from below\n", "changed\n"),
            "One mount shows lower and upper as one directory, and a changed file is in upper.",
        );
    }
}

#[test]
fn t03_one_byte_copies_the_whole_file_and_a_change_of_mode_does_too() {
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
        OVERLAY.holds(!upper.exists(), &upper, "A program that only reads a file copies nothing to upper.");
        run("echo >>/data/big; chmod 600 /data/other");
        let length = |path: PathBuf| fs::metadata(path).map_or(0, |found| found.len());
        OVERLAY.same(
            length(upper.join("big")),
            300_001,
            "After one byte is appended, upper has the whole file: copy-up copies files and not parts of them.",
        );
        OVERLAY.same(
            fs::read_to_string(upper.join("other")).unwrap_or_default(),
            "y",
            "A change of the mode copies the whole file as well.",
        );
        OVERLAY.same(
            length(Path::new(&root).join("data/big")),
            300_000,
            "The file in the lower directory is as it was.",
        );
    }
}

#[test]
fn t04_a_change_is_listed_by_its_letter() {
    for lab in everyone() {
        let script =
            "echo new >/root/new; echo >>/lesson/change-me; rm /lesson/delete-me; rm -r /lesson/directory";
        let listed = lab.run(&["run", "--diff", "--", "sh", "-c", script]);
        let expected =
            "C /lesson\nC /lesson/change-me\nD /lesson/delete-me\nD /lesson/directory\nC /root\nA /root/new";
        OVERLAY.same(
            (listed.code, &*listed.stdout),
            (Some(0), expected),
            "--diff lists what is in upper: A for added, C for changed, D for deleted.",
        );
        OVERLAY.same(
            lab.run(&["run", "--diff", "cat", "/lesson/change-me"]).stdout.lines().count(),
            1,
            "A container that only reads has no changes: the only line is the content of the file.",
        );
        OVERLAY.same(
            lab.run(&["run", "cat", "/lesson/delete-me"]).code,
            Some(0),
            "The next container starts from the base again.",
        );
    }
}

#[test]
fn t05_kept_changes_are_there_again_and_the_directory_stays() {
    for lab in everyone() {
        let changes = text(&lab.make("changes"));
        let why =
            "With --changes the upper directory stays, and the next container with it sees the changes.";
        let script = "echo kept >/root/file";
        OVERLAY.same(lab.run(&["run", "--changes", &changes, "--", "sh", "-c", script]).code, Some(0), why);
        let again = lab.run(&["run", "--diff", "--changes", &changes, "cat", "/root/file"]);
        OVERLAY.same(&*again.stdout, "kept\nC /root\nA /root/file", why);
        OVERLAY.same(
            fs::read_to_string(format!("{changes}/upper/root/file")).unwrap_or_default(),
            "kept\n",
            why,
        );
    }
}

#[test]
fn t06_of_several_lower_directories_the_first_that_has_a_name_decides() {
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
        OVERLAY.same(
            (ended.code, &*ended.stdout),
            (Some(0), expected),
            "Each file comes from the first lower directory that has it, and a whiteout there counts as \"no file\".",
        );
        OVERLAY.holds(
            ended.stderr.contains("gone: No such file"),
            &ended,
            "A whiteout in the first directory hides the file of the second one.",
        );
    }
}

#[test]
fn t07_a_directory_of_the_host_cannot_be_named_by_a_colon() {
    for lab in everyone() {
        let Some(base) = busybox(&lab) else { return };
        let victim = layer(&lab, "victim", &[("secret", "of the host")]);
        // The first part of the name is a directory, too, so that the kernel would accept both.
        lab.make("evil");
        let evil = lab.make(&format!("evil:{}", victim.display()));
        let stolen = lab.run(&["run", "--rootfs", &text(&evil), "--rootfs", &base, "--", "cat", "/secret"]);
        OVERLAY.holds(
            stolen.code == Some(1) && stolen.stdout.is_empty(),
            &stolen,
            "A colon in the name of a directory is escaped. Otherwise the kernel takes what stands behind it for another lower \
             directory, and the container reads files of the host.",
        );
    }
}

#[test]
fn t08_a_file_of_an_owner_without_an_id_inside_cannot_be_copied_up() {
    for lab in everyone().iter().filter(|lab| !lab.is_root()) {
        let Some(root) = busybox(lab) else { return };
        // The file belongs to root, unless these tests run as another user. Everybody may write to it.
        let file = format!("{root}/file");
        fs::write(&file, "")
            .and_then(|()| fs::set_permissions(&file, PermissionsExt::from_mode(0o666)))
            .unwrap();
        let is_theirs = fs::metadata(&file).unwrap().uid() == lab.user.as_raw();
        let written = lab.run(&["run", "--rootfs", &root, "--", "sh", "-c", "echo >>/file"]);
        OVERLAY.same(
            written.stderr.contains("Value too large for defined data type"),
            !is_theirs,
            "The copy must have the owner of the file. An owner without an id in the user namespace makes it fail (EOVERFLOW).",
        );
        let removed = lab.run(&["run", "--diff", "--rootfs", &root, "--", "rm", "/file"]);
        OVERLAY.holds(
            removed.stdout.contains("D /file"),
            &removed,
            "Deleting the same file works, because a whiteout copies nothing.",
        );
    }
}

#[test]
fn t09_a_deleted_file_or_directory_is_a_whiteout() {
    for lab in everyone() {
        let changes = text(&lab.make("changes"));
        let upper = Path::new(&changes).join("upper/lesson");
        let run = |script| lab.run(&["-v", "run", "--changes", &changes, "--", "sh", "-c", script]);
        let ended = run("rm -r /lesson/delete-me /lesson/directory");
        DELETING.holds(
            is_whiteout(&upper.join("delete-me")) && is_whiteout(&upper.join("directory")),
            &ended,
            "upper has a character device 0,0 for a deleted file and for a deleted directory.",
        );
        fs::remove_file(upper.join("delete-me")).unwrap();
        DELETING.same(
            run("ls /lesson").stdout,
            "change-me\ndelete-me",
            "When a whiteout is removed, the file that it hid is visible again.",
        );
    }
}

#[test]
fn t10_a_directory_that_is_made_again_is_opaque() {
    for lab in everyone() {
        let script = "rm -r /lesson/directory && mkdir /lesson/directory && ls -A /lesson/directory";
        let again = lab.run(&["-v", "run", "--", "sh", "-c", script]);
        DELETING.same(
            (again.code, &*again.stdout),
            (Some(0), ""),
            "A directory that is made where another one was deleted is empty. In a user namespace this needs the option \
             userxattr; without it mkdir fails with EIO.",
        );
        let mark = if lab.is_machines_root() { "trusted" } else { "user" };
        let kind = format!("upper/lesson/directory   directory, opaque: {mark}.overlay.opaque=y");
        DELETING.holds(
            again.stderr.contains(&kind),
            &again,
            "The new directory in upper has an attribute that says: look no further down.",
        );
    }
}

#[test]
fn t11_nothing_is_mounted_outside_and_nothing_stays_whatever_the_end() {
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
            OVERLAY.same(
                (ended.code, lab.left()),
                (Some(code), vec![]),
                "Without --changes the directories are removed at the end, whatever modes the program has given them.",
            );
            OVERLAY.holds(
                ended.stderr.contains("outside | removed "),
                &ended,
                "The supervisor removes them.",
            );
        }
        for by in [Signal::SIGTERM, Signal::SIGKILL] {
            let script = "setsid sleep 60 & echo >/root/file; echo ready; sleep 60";
            let mut running = lab.start(&["run", "--", "sh", "-c", script]);
            assert_eq!(running.line(), "ready");
            assert!(running.trace.contains("mkdir(") && lab.left().len() == 1, "the control");
            OVERLAY.same(
                lab.shell("cat /proc/self/mountinfo").stdout,
                &*before,
                "The overlay is mounted in the mount namespace of the container, so it is not visible outside.",
            );
            running.signal(by);
            running.assert_nothing_left();
            wait_for("the directories to be removed", || lab.left().is_empty());
        }
        OVERLAY.same(
            lab.shell("cat /proc/self/mountinfo").stdout,
            before,
            "No mount is left outside after the end.",
        );
    }
}

#[test]
fn t12_the_removal_does_not_follow_a_link_out_of_the_changes() {
    for lab in everyone() {
        let victim = lab.make("victim");
        fs::write(victim.join("file"), "still here").unwrap();
        let script = "ln -s $0 /root/link; ln -s $0/file /root/other; mkdir /root/d; ln -s $0 /root/d/link";
        let ended = lab.run(&["run", "--", "sh", "-c", script, &text(&victim)]);
        OVERLAY.same((ended.code, lab.left()), (Some(0), vec![]), "The links themselves are removed.");
        OVERLAY.same(
            fs::read_to_string(victim.join("file")).unwrap_or_default(),
            "still here",
            "What the links of the container lead to is a file of the host, and stays.",
        );
    }
}

#[test]
fn t13_changes_on_an_overlay_are_refused_with_the_reason_and_a_scratch_there_is_replaced() {
    for lab in everyone() {
        let changes = text(&lab.make("changes"));
        // The inside of a container is on an overlay: one in another.
        let on_one = |script: &str| {
            let mount = "mkdir -p $0/l $0/u $0/w $0/m && mount -t overlay none -o userxattr,lowerdir=$0/l,upperdir=$0/u,workdir=$0/w $0/m";
            lab.shell(&format!("exec unshare -rm sh -c '{mount} && {script}' {changes}"))
        };
        let refused = on_one("exec $P run --changes $0/m true");
        OVERLAY.holds(
            refused.code == Some(125)
                && refused.stderr.contains("/m: EINVAL: Invalid argument\nhint: this directory is on an overlay"),
            &refused,
            "An overlay cannot hold the changes of another overlay, and the error says so before anything is mounted.",
        );
        let moved = on_one("TMPDIR=$0/m $P run echo fine");
        OVERLAY.holds(
            (moved.code, &*moved.stdout) == (Some(0), "fine")
                && moved.stderr.starts_with("note: ")
                && moved.stderr.contains("/dev/shm"),
            &moved,
            "Without --changes the step takes a tmpfs instead, and says so.",
        );
    }
}

#[test]
fn t14_directories_on_two_file_systems_are_explained() {
    for lab in everyone() {
        let changes = text(&lab.make("changes"));
        lab.make("changes/work");
        let refused = lab.shell(&format!(
            "exec unshare -rm sh -c 'mount -t tmpfs none {changes}/work; exec $P run --changes {changes} true'"
        ));
        OVERLAY.holds(
            refused.code == Some(125)
                && refused.stderr.contains("EINVAL: Invalid argument\nhint: upper and work are on"),
            &refused,
            "The kernel renames files from work to upper, which is possible on one file system only.",
        );
    }
}

#[test]
fn t15_a_lower_directory_that_cannot_be_one_is_refused_before_anything_is_made() {
    for lab in everyone() {
        for (root, reason) in [
            ("/no/such/root", "realpath(/no/such/root): ENOENT: No such file or directory"),
            ("/etc/passwd", "--rootfs /etc/passwd: ENOTDIR: Not a directory"),
            ("/", "--rootfs /: EBUSY: Device or resource busy\nhint: "),
        ] {
            let refused = lab.run(&["-v", "run", "--rootfs", "/usr", "--rootfs", root, "true"]);
            OVERLAY.same(
                (refused.code, lab.left()),
                (Some(125), vec![]),
                "125 means: no container was made.",
            );
            OVERLAY.holds(
                refused.stderr.contains(reason) && !refused.stderr.contains("mkdir("),
                &refused,
                "The directories of --rootfs are checked first, and the error names the one that is wrong.",
            );
        }
    }
}

#[test]
fn t16_the_network_is_not_isolated_yet() {
    for lab in everyone() {
        let link = "readlink /proc/self/ns/net";
        OVERLAY.same(
            lab.run(&["run", "--", "sh", "-c", link]).stdout,
            lab.shell(link).stdout,
            "The container is in the network namespace of the host, until step 5.",
        );
    }
}

#[test]
fn t17_the_trace_names_each_call_in_order() {
    for lab in everyone() {
        let told = lab.run(&["-v", "run", "touch", "/lesson/change-me"]);
        let mut rest = &*told.stderr;
        for call in [
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
            let at = rest.find(call);
            OVERLAY.holds(
                at.is_some(),
                &told.stderr,
                &format!("The trace of -v has {call:?} at its place: /usr is bound onto the merged tree."),
            );
            rest = &rest[at.unwrap_or_default()..];
        }
    }
}

#[test]
fn t18_what_the_steps_before_have_shown_still_holds() {
    for lab in everyone() {
        let script = "hostname; echo $PPID; id -u; test -e $0 || echo gone; exit 3";
        let inside = lab.run(&["run", "--", "sh", "-c", script, &lab.dir.to_string_lossy()]);
        OVERLAY.same(
            (inside.code, &*inside.stdout),
            (Some(3), "box\n1\n0\ngone"),
            "The container has its own hostname, processes, users and files, as in steps 1 and 2.",
        );
        let usr = lab.run(&["run", "--", "sh", "-c", "touch /usr/mine; touch /etc/mine && echo mine"]);
        OVERLAY.holds(
            usr.stdout == "mine" && usr.stderr.contains("Read-only file system"),
            &usr,
            "/etc is on the overlay and takes changes; /usr is a bind mount of the host's and does not.",
        );
        let trap = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done";
        let mut running = lab.start(&["run", "--", "sh", "-c", trap]);
        assert_eq!(running.line(), "ready");
        running.signal(Signal::SIGTERM);
        OVERLAY.same(
            running.child.wait().unwrap().code(),
            Some(7),
            "A signal to the step reaches the program, and its exit code comes back.",
        );
    }
}
