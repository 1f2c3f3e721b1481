//! The lesson, proved: what is isolated, what is not yet, what fails and how, and that nothing stays.

use std::fs;
use std::os::unix::fs::symlink;

use lesson_lab::{Lab, Running, WRITABLE, is_alive, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

lesson_lab::isolated!();

fn everyone() -> Vec<Lab> {
    lesson_lab::everyone(env!("CARGO_BIN_EXE_step-02-pid-mount"))
}

fn signal(running: &Running, signal: Signal) {
    kill(Pid::from_raw(running.child.id() as i32), signal).unwrap();
}

/// A root file system of one static program, with its links to itself.
fn busybox(lab: &Lab) -> Option<String> {
    let root = lab.dir.join("busybox");
    ["bin", "proc", "dev"].iter().for_each(|name| fs::create_dir_all(root.join(name)).unwrap());
    if fs::copy("/usr/bin/busybox", root.join("bin/sh")).is_err() {
        lesson_lab::skip("without /usr/bin/busybox (package busybox-static)");
        return None;
    }
    ["ls", "cat", "echo"].iter().for_each(|name| symlink("sh", root.join("bin").join(name)).unwrap());
    nix::unistd::chown(&root, Some(lab.user), None).unwrap();
    Some(root.to_string_lossy().into_owned())
}

#[test]
fn the_program_runs_below_process_1_and_sees_only_its_own_world() {
    for lab in everyone() {
        assert_eq!(lab.run(&["run", "--", "sh", "-c", "echo $PPID"]).stdout, "1");
        let seen = lab.run(&["run", "--", "sh", "-c", "ls /proc | grep -c '^[0-9]'"]);
        let seen: u32 = seen.stdout.parse().unwrap();
        assert!(seen <= 5, "init, sh, ls and grep, but {seen}");
    }
}

#[test]
fn pids_names_files_and_messages_are_isolated_and_the_rest_is_not_yet() {
    for lab in everyone() {
        for (kind, own) in
            [("pid", true), ("mnt", true), ("ipc", true), ("uts", true), ("cgroup", false), ("net", false)]
        {
            let link = format!("/proc/self/ns/{kind}");
            let inside = lab.run(&["run", "readlink", &link]).stdout;
            let outside = lab.shell(&format!("readlink {link}")).stdout;
            assert_eq!(inside != outside, own, "{kind}: {inside} and {outside}");
        }
    }
}

#[test]
fn the_old_root_is_gone_and_dotdot_leads_nowhere() {
    for lab in everyone() {
        let file = lab.dir.join("a file of the host").to_string_lossy().into_owned();
        fs::write(&file, "seen").unwrap();
        assert_eq!(lab.shell(&format!("cat '{file}'")).stdout, "seen", "the control");
        assert_eq!(lab.run(&["run", "cat", &file]).code, Some(1));
        assert_eq!(lab.run(&["run", "cat", &format!("/../../..{file}")]).code, Some(1));
        let mounts = lab.run(&["run", "cat", "/proc/self/mountinfo"]).stdout;
        let places: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(4)).collect();
        let known = ["/", "/usr", "/bin", "/sbin", "/lib", "/etc", "/proc", "/dev", "/nix", "/gnu"];
        let is_ours = |place: &&str| known[1..].iter().any(|ours| place.starts_with(ours)) || *place == "/";
        assert!(places.iter().all(is_ours) && places.len() > 5, "{mounts}");
        assert_eq!(places.iter().filter(|place| **place == "/").count(), 1, "no old root below: {mounts}");
    }
}

#[test]
fn root_cannot_climb_out_with_chroot() {
    for lab in everyone() {
        let file = lab.dir.join("outside").to_string_lossy().into_owned();
        fs::write(&file, "seen").unwrap();
        // The classic: a working directory outside of the root one has moves up freely. After a pivot there is nowhere.
        let climb = "$| = 1; print 'climbs'; mkdir '/tmp/in'; chroot '/tmp/in' or die; chdir '..' for 1..50; chroot '.' or die;
                     open F, '<', shift and print <F>";
        let climbed = lab.run(&["run", "--", "perl", "-e", climb, &file]);
        assert_eq!((climbed.code, &*climbed.stdout), (Some(0), "climbs"), "{climbed:?}");
        // And to enter one's own mount namespace anew is to be at its root, which a chroot is not.
        let entered = lab.run(&[
            "run",
            "--",
            "nsenter",
            "--mount=/proc/self/ns/mnt",
            "sh",
            "-c",
            "echo in; cat $0",
            &file,
        ]);
        assert_eq!(entered.stdout, "in", "{entered:?}");
    }
}

#[test]
fn a_directory_left_open_outside_is_closed_inside() {
    for lab in everyone() {
        let listed = lab.shell("exec 9</; $P run -- ls /proc/self/fd/9/ /proc/1/fd/9/");
        assert_eq!((listed.code, &*listed.stdout), (Some(2), ""), "{listed:?}");
        assert_eq!(lab.shell("exec 9</; test -d /proc/self/fd/9/").code, Some(0), "the control");
    }
}

#[test]
fn mounts_stay_inside_even_where_the_tree_is_shared() {
    for lab in everyone() {
        let before = lab.shell("cat /proc/self/mountinfo").stdout;
        assert!(
            before.contains("shared:") || !nix::unistd::geteuid().is_root(),
            "the lab's tree is shared: {before}"
        );
        let script = "mount -t tmpfs mine /tmp && echo mounted && sleep 60";
        let mut running = lab.start(&["run", "--", "sh", "-c", script]);
        assert_eq!(running.line(), "mounted");
        assert_eq!(lab.shell("cat /proc/self/mountinfo").stdout, before);
    }
}

#[test]
fn programs_are_this_machines_and_read_only() {
    for lab in everyone() {
        // The place in /usr that is not read-only in the lab already. It is a mount of its own.
        let file = format!("{WRITABLE}/lesson-02");
        let written = lab.run(&["run", "touch", &file]);
        assert_eq!(written.code, Some(1));
        assert!(written.stderr.contains("Read-only file system"), "{written:?}");
        assert!(!fs::exists(file).unwrap());
        let flags = lab.run(&["run", "grep", "-E", " /usr[ /].* rw", "/proc/self/mounts"]).stdout;
        assert_eq!(flags, "", "all mounts of /usr are read-only");
        assert_eq!(lab.run(&["run", "--", "sh", "-c", "echo x >/tmp/x && cat /tmp/x"]).stdout, "x");
    }
}

#[test]
fn devices_are_the_harmless_ones_and_terminals_its_own() {
    for lab in everyone() {
        let listed = lab.run(&["run", "ls", "/dev"]).stdout;
        let expected = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero";
        assert_eq!(listed.split_whitespace().collect::<Vec<_>>().join(" "), expected);
        assert_eq!(lab.run(&["run", "ls", "/dev/pts"]).stdout, "ptmx");
        assert_eq!(
            lab.run(&["run", "--", "sh", "-c", "echo gone >/dev/null; (echo kept >/dev/stdout) | cat"])
                .stdout,
            "kept"
        );
    }
}

#[test]
fn the_environment_is_clean() {
    for lab in everyone() {
        let environment = lab.shell("SECRET=1 $P run env").stdout;
        let names: Vec<&str> = environment.lines().filter_map(|line| line.split('=').next()).collect();
        assert!(names.iter().all(|name| ["PATH", "HOME", "TERM"].contains(name)), "{environment}");
    }
}

#[test]
fn orphans_become_process_1s_and_leave_no_zombies() {
    for lab in everyone() {
        // The subshell ends at once, so its sleep is an orphan, and ends in turn.
        let orphan = "(sleep 1 & echo $! >/tmp/orphan); pid=$(cat /tmp/orphan); grep PPid /proc/$pid/status; \
                      n=0; while test -e /proc/$pid && test $((n += 1)) -lt 400; do sleep 0.05; done; \
                      test -e /proc/$pid || echo reaped";
        let ended = lab.run(&["-v", "run", "--", "sh", "-c", orphan]);
        assert_eq!(ended.stdout, "PPid:\t1\nreaped", "{ended:?}");
        assert!(ended.stderr.contains("an orphan"), "{ended:?}");
    }
}

#[test]
fn exit_codes_and_deaths_by_signal_are_passed_on() {
    for lab in everyone() {
        assert_eq!(lab.run(&["run", "--", "sh", "-c", "exit 42"]).code, Some(42));
        assert_eq!(lab.run(&["run", "--", "sh", "-c", "kill -KILL $$"]).code, Some(137));
        assert_eq!(lab.run(&["run", "--", "sh", "-c", "kill -TERM $$"]).code, Some(143));
    }
}

#[test]
fn a_signal_to_the_outside_reaches_the_program() {
    for lab in everyone() {
        let trap = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done";
        let mut running = lab.start(&["run", "--", "sh", "-c", trap]);
        assert_eq!(running.line(), "ready");
        signal(&running, Signal::SIGTERM);
        assert_eq!(running.child.wait().unwrap().code(), Some(7));
        running.assert_nothing_left();
    }
}

#[test]
fn a_signal_from_inside_to_process_1_reaches_the_program_and_kills_nobody_else() {
    for lab in everyone() {
        let ended = lab.run(&[
            "run",
            "--",
            "sh",
            "-c",
            "trap 'echo came back; exit 5' USR1; kill -USR1 1; sleep 30 & wait",
        ]);
        assert_eq!((ended.code, &*ended.stdout), (Some(5), "came back"), "{ended:?}");
        assert_eq!(lab.run(&["run", "--", "sh", "-c", "kill -KILL 1; echo survived"]).stdout, "survived");
    }
}

#[test]
fn what_the_program_left_running_ends_with_it() {
    for lab in everyone() {
        let started = std::time::Instant::now();
        // Its descriptors are closed, or we would wait for the end of its output.
        let ended = lab.run(&["run", "--", "sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & exit 0"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(started.elapsed().as_secs() < 30);
    }
}

#[test]
fn nothing_survives_a_kill_9_of_the_program() {
    for lab in everyone() {
        let mut running = lab.start(&["run", "--", "sh", "-c", "setsid sleep 60 & echo ready; sleep 60"]);
        assert_eq!(running.line(), "ready");
        let namespace = fs::read_link(format!("/proc/{}/ns/pid", running.inside)).unwrap();
        let is_member = |pid: &i32| {
            is_alive(*pid) && fs::read_link(format!("/proc/{pid}/ns/pid")).ok().as_ref() == Some(&namespace)
        };
        let members = || {
            let entries = fs::read_dir("/proc").unwrap().flatten();
            entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_member).count()
        };
        assert!(is_alive(running.inside) && members() >= 3, "the control: {}", members());
        signal(&running, Signal::SIGKILL);
        running.assert_nothing_left();
        wait_for("its children to be gone", || members() == 0);
    }
}

#[test]
fn enter_sees_the_same_processes_files_and_name() {
    for lab in everyone() {
        let mut running = lab.start(&[
            "run",
            "--hostname",
            "entered",
            "--",
            "sh",
            "-c",
            "echo here >/tmp/mark; echo ready; sleep 60",
        ]);
        assert_eq!(running.line(), "ready");
        let pid = running.inside.to_string();
        let entered = lab.run(&[
            "enter",
            &pid,
            "--",
            "sh",
            "-c",
            "hostname; cat /tmp/mark; head -c 14 /proc/1/cmdline",
        ]);
        assert_eq!(entered.stdout, "entered\nhere\n/proc/self/exe", "{entered:?}");
        assert_eq!(lab.run(&["enter", &pid, "--", "sh", "-c", "exit 9"]).code, Some(9));
        let dead = lab.run(&["enter", "4194305", "true"]);
        assert!(dead.stderr.contains("pidfd_open(4194305): ESRCH: No such process"), "{dead:?}");
    }
}

#[test]
fn a_root_of_ones_own_is_all_there_is() {
    for lab in everyone() {
        let Some(root) = busybox(&lab) else { return };
        let listed = lab.run(&["run", "--rootfs", &root, "ls", "/"]);
        assert_eq!(listed.stdout, "bin\ndev\nproc", "{listed:?}");
        // From this root to another: what is written in it is in the directory.
        let written = lab.run(&["run", "--rootfs", &root, "--", "sh", "-c", "echo kept >/file"]);
        assert_eq!(written.code, Some(0), "{written:?}");
        assert_eq!(fs::read_to_string(format!("{root}/file")).unwrap(), "kept\n");
        assert_eq!(lab.run(&["run", "--rootfs", &root, "ps"]).code, Some(127), "no such command in it");
    }
}

#[test]
fn a_root_that_cannot_be_one_is_refused_with_the_reason() {
    for lab in everyone() {
        let refusals = [
            ("/no/such/root", "realpath(/no/such/root): ENOENT: No such file or directory"),
            ("/etc/passwd", "--rootfs /etc/passwd: ENOTDIR: Not a directory"),
            ("/", "--rootfs /: EBUSY: Device or resource busy\nhint: "),
        ];
        for (root, reason) in refusals {
            let refused = lab.run(&["run", "--rootfs", root, "true"]);
            assert_eq!(refused.code, Some(125));
            assert!(refused.stderr.contains(reason), "{root}: {refused:?}");
        }
        let noexec =
            "exec unshare -rm sh -c 'mount -t tmpfs -o noexec none /mnt; exec $P run --rootfs /mnt true'";
        let refused = lab.shell(noexec);
        assert!(refused.stderr.contains("EACCES: Permission denied\nhint: the file system"), "{refused:?}");
    }
}

#[test]
fn a_root_without_mount_points_or_without_the_program_is_refused_and_left_as_it_was() {
    for lab in everyone() {
        let Some(root) = busybox(&lab) else { return };
        let entries = || {
            let mut names: Vec<_> =
                fs::read_dir(&root).unwrap().flatten().map(|entry| entry.file_name()).collect();
            names.sort();
            names
        };
        let missing = lab.run(&["run", "--rootfs", &root, "no-such-program"]);
        assert_eq!(
            (missing.code, &*missing.stderr),
            (Some(127), "error: execve(\"no-such-program\"): ENOENT: No such file or directory")
        );
        assert_eq!(entries(), ["bin", "dev", "proc"]);
        fs::remove_dir(format!("{root}/proc")).unwrap();
        let refused = lab.run(&["run", "--rootfs", &root, "sh"]);
        assert_eq!(refused.code, Some(125));
        let reason =
            format!("error: --rootfs: {root}/proc: ENOENT: No such file or directory\nhint: mkdir it");
        assert!(refused.stderr.starts_with(&reason), "{refused:?}");
        assert_eq!(entries(), ["bin", "dev"]);
    }
}

#[test]
fn a_root_whose_dev_is_a_link_to_the_host_is_refused() {
    for lab in everyone() {
        let Some(root) = busybox(&lab) else { return };
        fs::remove_dir(format!("{root}/dev")).unwrap();
        symlink(&lab.dir, format!("{root}/dev")).unwrap();
        let refused = lab.run(&["run", "--rootfs", &root, "sh"]);
        assert_eq!(refused.code, Some(125));
        assert!(refused.stderr.contains("is a link, which would lead out of the new root"), "{refused:?}");
        assert!(!lab.dir.join("null").exists());
    }
}

#[test]
fn a_proc_that_is_covered_outside_is_explained() {
    for lab in everyone() {
        // The second user namespace may not take off what the first one has put over /proc/sys.
        let refused = lab
            .shell("exec unshare -rm sh -c 'mount -t tmpfs cover /proc/sys; exec unshare -rm $P run true'");
        assert_eq!(refused.code, Some(125), "{refused:?}");
        assert!(
            refused.stderr.contains("/proc): EPERM: Operation not permitted\nhint: something is"),
            "{refused:?}"
        );
    }
}

#[test]
fn the_story_is_told_in_order() {
    for lab in everyone() {
        let told = lab.run(&["-v", "run", "hostname"]);
        assert_eq!(told.stdout, "box");
        // By the parent, while the child tells of its execve: either may be first.
        assert!(told.stderr.contains("inside  | fork() = 2, and I am 1"), "{}", told.stderr);
        let mut rest = &*told.stderr;
        for chapter in [
            "outside | clone(",
            "outside | release ",
            "inside  | execve(/proc/self/exe",
            "inside  | sethostname(\"box\")",
            "inside  | mount(/, MS_REC | MS_PRIVATE)",
            "inside  | mount(/usr -> ",
            "MOUNT_ATTR_RDONLY",
            "inside  | mount(proc -> ",
            "inside  | pivot_root(",
            "inside  | umount2(., MNT_DETACH)",
            "inside  | close_range(3",
            "inside  | execve([\"hostname\"]",
            "outside | waitpid(any)",
        ] {
            let at =
                rest.find(chapter).unwrap_or_else(|| panic!("{chapter} not in order in\n{}", told.stderr));
            rest = &rest[at..];
        }
    }
}

#[test]
fn the_host_keeps_its_name_and_errors_keep_their_code() {
    for lab in everyone() {
        let before = lab.shell("hostname").stdout;
        assert_eq!(lab.run(&["run", "--hostname", "web", "hostname"]).stdout, "web");
        assert_eq!(lab.shell("hostname").stdout, before);
        let refused = lab.run(&["run", "--hostname", &"x".repeat(65), "true"]);
        assert_eq!(refused.code, Some(125));
        assert!(refused.stderr.contains("hint: a hostname has at most 64"), "{refused:?}");
        assert_eq!(lab.run(&["run", "no-such-program"]).code, Some(127));
        assert_eq!(lab.run(&["run", "/etc"]).code, Some(126));
    }
}
