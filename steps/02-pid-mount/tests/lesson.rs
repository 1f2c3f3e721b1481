//! The lesson, proved: what is isolated, what is not yet, what fails and how, and that nothing stays.
//!
//! The tests have numbers because the test harness runs them in the order of their names. The first failure is then the
//! first thing of the lesson that does not work.

use std::fs;
use std::os::unix::fs::symlink;

use lesson_lab::images::busybox_root;
use lesson_lab::{Chapter, Lab, WRITABLE, is_alive, wait_for};
use nix::sys::signal::Signal;

const PROCESSES: Chapter = Chapter::new("2. Processes: the PID namespace", "steps/02-pid-mount/pid.md");
const FILES: Chapter = Chapter::new("Files: mounts and pivot_root", "steps/02-pid-mount/mounts.md");
const PID_1: Chapter = Chapter::new("PID 1: signals and zombies", "steps/02-pid-mount/init.md");

lesson_lab::isolated!();

fn everyone() -> Vec<Lab> {
    lesson_lab::everyone(env!("CARGO_BIN_EXE_step-02-pid-mount"))
}

/// A root file system of one static program, with its links to itself.
fn busybox(lab: &Lab) -> Option<String> {
    busybox_root(lab, &["ls", "cat", "echo"], &["proc", "dev"])
}

#[test]
fn t01_the_program_runs_below_process_1_and_sees_only_its_own_processes() {
    for lab in everyone() {
        let parent = lab.run(&["run", "--", "sh", "-c", "echo $PPID"]);
        PROCESSES.same(
            (&*parent.stdout, &*parent.stderr),
            ("1", ""),
            "The parent of the program is process 1. clone made a PID namespace (CLONE_NEWPID), and its first process \
             has number 1.",
        );
        let seen = lab.run(&["run", "--", "sh", "-c", "ls /proc | grep -c '^[0-9]'"]);
        let count: u32 = seen.stdout.parse().unwrap_or(u32::MAX);
        PROCESSES.holds(
            count <= 5,
            &seen,
            "/proc inside shows process 1, sh, ls and grep only, because it was mounted in the new PID namespace.",
        );
    }
}

#[test]
fn t02_pids_hostname_files_and_messages_are_isolated_and_the_rest_is_not_yet() {
    for lab in everyone() {
        for (kind, is_own) in
            [("pid", true), ("mnt", true), ("ipc", true), ("uts", true), ("cgroup", false), ("net", false)]
        {
            let link = format!("/proc/self/ns/{kind}");
            let inside = lab.run(&["run", "readlink", &link]).stdout;
            let outside = lab.shell(&format!("readlink {link}")).stdout;
            let why = match is_own {
                true => "This kind of namespace is the container's own, because its flag is given to clone.",
                false => "This kind of namespace is still the host's. A later step isolates it.",
            };
            PROCESSES.holds(
                !inside.is_empty() && (inside != outside) == is_own,
                (kind, inside, outside),
                why,
            );
        }
    }
}

#[test]
fn t03_the_bare_example_is_process_1_on_a_root_of_its_own() {
    for lab in everyone() {
        let Some(root) = busybox(&lab) else { return };
        let example = lab.example(env!("CARGO_BIN_EXE_step-02-pid-mount"), "step-02-bare");
        let ran = lab.shell(&format!("echo 'echo $$ /*; echo /proc/[0-9]*' | {} {root}", example.display()));
        FILES.same(
            &*ran.stdout,
            "1 /bin /dev /proc\n/proc/1",
            "unshare, fork, mount and pivot_root are enough for a shell that is process 1 and sees one directory as \"/\".",
        );
    }
}

#[test]
fn t04_enter_sees_the_same_processes_files_and_hostname() {
    for lab in everyone() {
        let script = "echo here >/tmp/mark; echo ready; sleep 60";
        let mut running = lab.start(&["run", "--hostname", "entered", "--", "sh", "-c", script]);
        assert_eq!(running.line(), "ready");
        let pid = running.inside.to_string();
        let look = "hostname; cat /tmp/mark; head -c 14 /proc/1/cmdline";
        let entered = lab.run(&["enter", &pid, "--", "sh", "-c", look]);
        PROCESSES.same(
            (&*entered.stdout, &*entered.stderr),
            ("entered\nhere\n/proc/self/exe", ""),
            "A process that enters sees the container's hostname, files and processes, because setns joins all of its \
             namespaces.",
        );
        let code = lab.run(&["enter", &pid, "--", "sh", "-c", "exit 9"]).code;
        PROCESSES.same(
            code,
            Some(9),
            "enter forks after setns, waits for the child and passes its exit code on.",
        );
        let dead = lab.run(&["enter", "4194305", "true"]);
        PROCESSES.holds(
            dead.stderr.contains("pidfd_open(4194305): ESRCH: No such process"),
            &dead,
            "A process that has ended cannot be entered.",
        );
    }
}

#[test]
fn t05_mounts_stay_inside_even_where_the_tree_is_shared() {
    for lab in everyone() {
        let before = lab.shell("cat /proc/self/mountinfo").stdout;
        assert!(
            before.contains("shared:") || !nix::unistd::geteuid().is_root(),
            "the lab's tree is shared: {before}"
        );
        let script = "mount -t tmpfs mine /tmp && echo mounted && sleep 60";
        let mut running = lab.start(&["run", "--", "sh", "-c", script]);
        assert_eq!(running.line(), "mounted");
        FILES.same(
            lab.shell("cat /proc/self/mountinfo").stdout,
            before,
            "No mount of the container appears on the host. In a shared tree it would, so the first call inside makes \
             all mounts private.",
        );
    }
}

#[test]
fn t06_the_old_root_is_gone_and_dotdot_leads_nowhere() {
    for lab in everyone() {
        let file = lab.dir.join("a file of the host").to_string_lossy().into_owned();
        fs::write(&file, "seen").unwrap();
        assert_eq!(lab.shell(&format!("cat '{file}'")).stdout, "seen", "the control");
        let why =
            "A file of the host cannot be read inside, because the old root is unmounted after pivot_root.";
        let read = |path: &str| lab.run(&["run", "cat", path]);
        let (plain, dotted) = (read(&file), read(&format!("/../../..{file}")));
        FILES.holds(plain.code == Some(1) && plain.stdout.is_empty(), &plain, why);
        FILES.holds(dotted.code == Some(1) && dotted.stdout.is_empty(), &dotted, why);
        let mounts = lab.run(&["run", "cat", "/proc/self/mountinfo"]).stdout;
        let places: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(4)).collect();
        let known = ["/", "/usr", "/bin", "/sbin", "/lib", "/etc", "/proc", "/dev", "/nix", "/gnu"];
        let is_ours = |place: &&str| known[1..].iter().any(|ours| place.starts_with(ours)) || *place == "/";
        FILES.holds(
            places.iter().all(is_ours) && places.len() > 5,
            &mounts,
            "The table of mounts inside has only what the step has mounted.",
        );
        FILES.holds(
            places.iter().filter(|place| **place == "/").count() == 1,
            &mounts,
            "There is one mount on \"/\". A second one would be the old root.",
        );
    }
}

#[test]
fn t07_root_cannot_climb_out_with_chroot() {
    for lab in everyone() {
        let file = lab.dir.join("outside").to_string_lossy().into_owned();
        fs::write(&file, "seen").unwrap();
        // A working directory outside of the root moves up with `..`. After a pivot there is nothing above the root.
        let climb = "$| = 1; print 'climbs'; mkdir '/tmp/in'; chroot '/tmp/in' or die; chdir '..' for 1..50; chroot '.' or die;
                     open F, '<', shift and print <F>";
        let climbed = lab.run(&["run", "--", "perl", "-e", climb, &file]);
        FILES.holds(
            (climbed.code, &*climbed.stdout) == (Some(0), "climbs"),
            &climbed,
            "A second chroot and `..` end at the container's own root, because pivot_root has removed the tree above it.",
        );
        // Joining its own mount namespace puts a process at the root of that namespace, which chroot does not change.
        let script = "echo in; cat $0";
        let entered =
            lab.run(&["run", "--", "nsenter", "--mount=/proc/self/ns/mnt", "sh", "-c", script, &file]);
        FILES.same(
            &*entered.stdout,
            "in",
            "A process that joins the mount namespace again is at the same root, because the namespace has no other.",
        );
    }
}

#[test]
fn t08_a_directory_left_open_outside_is_closed_inside() {
    for lab in everyone() {
        let listed = lab.shell("exec 9</; $P run -- ls /proc/self/fd/9/ /proc/1/fd/9/");
        FILES.holds(
            (listed.code, &*listed.stdout) == (Some(2), ""),
            &listed,
            "Descriptor 9, a directory of the host, is closed inside. An open directory leads out of any root.",
        );
        assert_eq!(lab.shell("exec 9</; test -d /proc/self/fd/9/").code, Some(0), "the control");
    }
}

#[test]
fn t09_programs_are_this_machines_and_read_only() {
    for lab in everyone() {
        // The place in /usr that is not read-only in the lab already. It is a mount of its own.
        let file = format!("{WRITABLE}/lesson-02");
        let written = lab.run(&["run", "touch", &file]);
        FILES.holds(
            written.code == Some(1) && written.stderr.contains("Read-only file system"),
            &written,
            "Nothing in /usr can be changed, because the bind mount and all mounts below it are read-only.",
        );
        assert!(!fs::exists(file).unwrap());
        let writable = lab.run(&["run", "grep", "-E", " /usr[ /].* rw", "/proc/self/mounts"]).stdout;
        FILES.same(&*writable, "", "Every mount at or below /usr is read-only.");
        let own = lab.run(&["run", "--", "sh", "-c", "echo x >/tmp/x && cat /tmp/x"]);
        FILES.same(&*own.stdout, "x", "/tmp is the container's own, so it can be written to.");
    }
}

#[test]
fn t10_devices_are_the_harmless_ones_and_terminals_its_own() {
    for lab in everyone() {
        let listed = lab.run(&["run", "ls", "/dev"]).stdout;
        FILES.same(
            listed.split_whitespace().collect::<Vec<_>>().join(" "),
            "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero",
            "/dev has the devices that every program may need, and no disks.",
        );
        FILES.same(
            &*lab.run(&["run", "ls", "/dev/pts"]).stdout,
            "ptmx",
            "/dev/pts is a new instance, so the terminals of the host are not in it.",
        );
        let script = "echo gone >/dev/null; (echo kept >/dev/stdout) | cat";
        FILES.same(&*lab.run(&["run", "--", "sh", "-c", script]).stdout, "kept", "The devices work.");
    }
}

#[test]
fn t11_the_environment_is_clean() {
    for lab in everyone() {
        let environment = lab.shell("SECRET=1 $P run env").stdout;
        let mut names = environment.lines().filter_map(|line| line.split('=').next());
        FILES.holds(
            names.all(|name| ["PATH", "HOME", "TERM"].contains(&name)),
            &environment,
            "Variables of the host are not passed on: they can hold secrets.",
        );
    }
}

#[test]
fn t12_a_root_of_its_own_is_all_there_is() {
    for lab in everyone() {
        let Some(root) = busybox(&lab) else { return };
        let listed = lab.run(&["run", "--rootfs", &root, "ls", "/"]);
        FILES.same(
            (&*listed.stdout, &*listed.stderr),
            ("bin\ndev\nproc", ""),
            "With --rootfs, \"/\" is that directory and nothing else.",
        );
        let written = lab.run(&["run", "--rootfs", &root, "--", "sh", "-c", "echo kept >/file"]);
        FILES.same(written.code, Some(0), "The directory is writable inside.");
        assert_eq!(
            fs::read_to_string(format!("{root}/file")).unwrap(),
            "kept\n",
            "and it is the same directory"
        );
        let missing = lab.run(&["run", "--rootfs", &root, "ps"]).code;
        FILES.same(missing, Some(127), "A program that is not in this directory does not exist.");
    }
}

#[test]
fn t13_a_root_that_cannot_be_one_is_refused_with_the_reason() {
    for lab in everyone() {
        let refusals = [
            ("/no/such/root", "realpath(/no/such/root): ENOENT: No such file or directory"),
            ("/etc/passwd", "--rootfs /etc/passwd: ENOTDIR: Not a directory"),
            ("/", "--rootfs /: EBUSY: Device or resource busy\nhint: "),
        ];
        for (root, reason) in refusals {
            let refused = lab.run(&["run", "--rootfs", root, "true"]);
            FILES.holds(
                refused.code == Some(125) && refused.stderr.contains(reason),
                (root, &refused),
                "This cannot be a root, and the error says why before anything is made.",
            );
        }
        let noexec =
            "exec unshare -rm sh -c 'mount -t tmpfs -o noexec none /mnt; exec $P run --rootfs /mnt true'";
        let refused = lab.shell(noexec);
        FILES.holds(
            refused.stderr.contains("EACCES: Permission denied\nhint: its file system is mounted noexec"),
            &refused,
            "On a file system that is mounted noexec no program can be executed, and the hint says so.",
        );
    }
}

#[test]
fn t14_a_root_without_mount_points_or_without_the_program_is_refused_and_left_as_it_was() {
    for lab in everyone() {
        let Some(root) = busybox(&lab) else { return };
        let entries = || {
            let mut names: Vec<_> =
                fs::read_dir(&root).unwrap().flatten().map(|entry| entry.file_name()).collect();
            names.sort();
            names
        };
        let missing = lab.run(&["run", "--rootfs", &root, "no-such-program"]);
        FILES.same(
            (missing.code, &*missing.stderr),
            (Some(127), "error: execve(\"no-such-program\"): ENOENT: No such file or directory"),
            "127 means that there is no such program.",
        );
        FILES.same(entries(), ["bin", "dev", "proc"], "The step adds nothing to the user's directory.");
        fs::remove_dir(format!("{root}/proc")).unwrap();
        let refused = lab.run(&["run", "--rootfs", &root, "sh"]);
        let reason = format!("error: --rootfs: {root}/proc: ENOENT: No such file or directory\nhint: create");
        FILES.holds(
            refused.code == Some(125) && refused.stderr.starts_with(&reason),
            &refused,
            "Without the directory proc there is no place to mount /proc on.",
        );
        FILES.same(entries(), ["bin", "dev"], "The step adds nothing to the user's directory.");
    }
}

#[test]
fn t15_a_root_whose_dev_is_a_link_to_the_host_is_refused() {
    for lab in everyone() {
        let Some(root) = busybox(&lab) else { return };
        fs::remove_dir(format!("{root}/dev")).unwrap();
        symlink(&lab.dir, format!("{root}/dev")).unwrap();
        let refused = lab.run(&["run", "--rootfs", &root, "sh"]);
        FILES.holds(
            refused.code == Some(125)
                && refused.stderr.contains("is a link, which would lead out of the new root"),
            &refused,
            "mount follows links, so a link in the tree could cover a directory of the host.",
        );
        assert!(!lab.dir.join("null").exists(), "a device was made on the host");
    }
}

#[test]
fn t16_a_proc_that_is_covered_outside_is_explained() {
    for lab in everyone() {
        // The second user namespace may not uncover what the first one has covered in /proc/sys.
        let refused = lab
            .shell("exec unshare -rm sh -c 'mount -t tmpfs cover /proc/sys; exec unshare -rm $P run true'");
        FILES.holds(
            refused.code == Some(125)
                && refused.stderr.contains("/proc): EPERM: Operation not permitted\nhint: something is"),
            &refused,
            "A new /proc may show no more than the present one, so mounting it is refused, and the hint says why.",
        );
    }
}

#[test]
fn t17_orphans_become_process_1s_and_leave_no_zombies() {
    for lab in everyone() {
        // The subshell ends at once, so its sleep is an orphan, and ends in turn.
        let orphan = "(sleep 1 & echo $! >/tmp/orphan); pid=$(cat /tmp/orphan); grep PPid /proc/$pid/status; \
                      n=0; while test -e /proc/$pid && test $((n += 1)) -lt 400; do sleep 0.05; done; \
                      test -e /proc/$pid || echo reaped";
        let ended = lab.run(&["-v", "run", "--", "sh", "-c", orphan]);
        PID_1.same(
            &*ended.stdout,
            "PPid:\t1\nreaped",
            "Process 1 is the new parent of an orphan and waits for it. Without that the orphan stays as a zombie.",
        );
        PID_1.holds(ended.stderr.contains("an orphan"), &ended, "The trace names the orphan.");
    }
}

#[test]
fn t18_exit_codes_and_deaths_by_signal_are_passed_on() {
    for lab in everyone() {
        let code = |script| lab.run(&["run", "--", "sh", "-c", script]).code;
        PID_1.same(
            code("exit 42"),
            Some(42),
            "The exit code passes from the program to process 1 to the step.",
        );
        let why = "A death by signal n is reported as 128 + n, as shells do.";
        PID_1.same(code("kill -KILL $$"), Some(137), why);
        PID_1.same(code("kill -TERM $$"), Some(143), why);
    }
}

#[test]
fn t19_a_signal_to_the_outside_reaches_the_program() {
    for lab in everyone() {
        let trap = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done";
        let mut running = lab.start(&["run", "--", "sh", "-c", trap]);
        assert_eq!(running.line(), "ready");
        running.signal(Signal::SIGTERM);
        PID_1.same(
            running.child.wait().unwrap().code(),
            Some(7),
            "SIGTERM to the process outside reaches the program, because the outside and process 1 both forward it.",
        );
        running.assert_nothing_left();
    }
}

#[test]
fn t20_a_signal_from_inside_to_process_1_reaches_the_program_and_kills_nobody_else() {
    for lab in everyone() {
        let script = "trap 'echo came back; exit 5' USR1; kill -USR1 1; sleep 30 & wait";
        let ended = lab.run(&["run", "--", "sh", "-c", script]);
        PID_1.holds(
            (ended.code, &*ended.stdout) == (Some(5), "came back"),
            &ended,
            "Process 1 forwards a signal to the program, even if the program itself has sent it.",
        );
        PID_1.same(
            &*lab.run(&["run", "--", "sh", "-c", "kill -KILL 1; echo survived"]).stdout,
            "survived",
            "SIGKILL from inside does not reach process 1, because it can have no handler for it.",
        );
    }
}

#[test]
fn t21_what_the_program_left_running_ends_with_it() {
    for lab in everyone() {
        let started = std::time::Instant::now();
        // Its descriptors are closed, or we would wait for the end of its output.
        let ended = lab.run(&["run", "--", "sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & exit 0"]);
        PID_1.holds(
            ended.code == Some(0) && started.elapsed().as_secs() < 30,
            (&ended, started.elapsed()),
            "The container ends with the program, although a process of it still runs.",
        );
    }
}

#[test]
fn t22_nothing_survives_a_kill_9_of_the_program() {
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
        running.signal(Signal::SIGKILL);
        // The parent-death signal ends process 1, and the kernel then ends all others in its namespace.
        running.assert_nothing_left();
        wait_for("its children to be gone", || members() == 0);
    }
}

#[test]
fn t23_the_trace_names_each_call_in_order() {
    for lab in everyone() {
        let traced = lab.run(&["-v", "run", "hostname"]);
        FILES.same(&*traced.stdout, "box", "The trace goes to stderr, so stdout stays the program's.");
        // The parent prints this while the child prints its execve: either line may be first.
        PID_1.holds(
            traced.stderr.contains("inside  | fork() = 2, and I am 1"),
            &traced.stderr,
            "Process 1 forks, and its child is process 2.",
        );
        let mut rest = &*traced.stderr;
        for call in [
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
            let at = rest.find(call);
            FILES.holds(
                at.is_some(),
                &traced.stderr,
                &format!(
                    "The trace of -v has {call:?} at its place: files of the host can be mounted only before pivot_root."
                ),
            );
            rest = &rest[at.unwrap_or_default()..];
        }
    }
}

#[test]
fn t24_the_host_keeps_its_hostname_and_errors_keep_their_code() {
    for lab in everyone() {
        let before = lab.shell("hostname").stdout;
        let named = lab.run(&["run", "--hostname", "web", "hostname"]);
        PROCESSES.same(&*named.stdout, "web", "What step 1 has shown still holds: a hostname of its own.");
        PROCESSES.same(lab.shell("hostname").stdout, before, "The hostname outside is what it was.");
        let refused = lab.run(&["run", "--hostname", &"x".repeat(65), "true"]);
        PROCESSES.holds(
            refused.code == Some(125) && refused.stderr.contains("hint: a hostname has at most 64"),
            &refused,
            "A hostname that is too long is explained, as in step 1.",
        );
        PROCESSES.same(
            lab.run(&["run", "no-such-program"]).code,
            Some(127),
            "127: there is no such program.",
        );
        PROCESSES.same(lab.run(&["run", "/etc"]).code, Some(126), "126: it cannot be executed.");
    }
}
