//! The lesson, proved: what root and an unprivileged user may not any more, what they still may, and that it cannot be undone.

use lesson_lab::images::{Layout, busybox};
use lesson_lab::{Lab, Running, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

fn everyone() -> Vec<Lab> {
    lesson_lab::everyone(env!("CARGO_BIN_EXE_step-07-security"))
}

fn signal(running: &Running, signal: Signal) {
    kill(Pid::from_raw(running.child.id() as i32), signal).unwrap();
}

/// A layout in which `latest` is busybox.
fn image(lab: &Lab, settings: &Value) -> Option<String> {
    let layout = Layout::new(lab.dir.join("layout"));
    layout.publish(&[("latest", &layout.manifest(&[busybox()?.end()], settings))]);
    Some(layout.name())
}

/// What a script of the image's shell prints, on both.
fn both(lab: &Lab, options: &[&str], script: &str) -> Option<(i32, String)> {
    let image = image(lab, &Value::Null)?;
    let ended =
        lab.run(&[&["run"], options, &[&image, "/bin/sh", "-c", &format!("exec 2>&1; {script}")]].concat());
    Some((ended.code.unwrap_or(-1), ended.stdout))
}

/// Fields of /proc/self/status, in their order there.
fn status(lab: &Lab, options: &[&str], fields: &str) -> Option<Vec<String>> {
    let (_, text) = both(lab, options, &format!("grep -E '^({fields}):' /proc/self/status"))?;
    Some(text.lines().map(|line| line.split_whitespace().last().unwrap().to_owned()).collect())
}

#[test]
fn the_escape_that_the_step_before_permits_fails() {
    for lab in everyone() {
        // The disk, by its number; and where the kernel looks which program to start, as root, when another crashes.
        let Some((_, disk)) = both(&lab, &[], "mknod /disk b 7 0; ls /disk") else { return };
        assert!(disk.contains("Operation not permitted") && disk.contains("/disk: No such file"), "{disk}");
        let (_, switch) = both(&lab, &[], "true >>/proc/sys/kernel/core_pattern").unwrap();
        // An unprivileged user is stopped by the file's owner, before anybody looks at the mount.
        let reason = if lab.is_machines_root() { "Read-only file system" } else { "Permission denied" };
        assert!(switch.contains(reason), "{switch}");
        let (_, memory) = both(
            &lab,
            &[],
            "for file in kcore keys timer_list; do cat /proc/$file 2>/dev/null; done; ls /sys/firmware",
        )
        .unwrap();
        assert_eq!(memory, "", "hidden or not there");
    }
}

#[test]
fn root_has_docker_s_capabilities_but_one_and_can_never_have_more() {
    for lab in everyone() {
        let Some(sets) = status(&lab, &[], "CapInh|CapPrm|CapEff|CapBnd|CapAmb") else { return };
        // Docker's are a80425fb; without bit 27, MKNOD.
        let ours = "00000000a00425fb";
        let none = "0000000000000000";
        assert_eq!(sets, [none, ours, ours, ours, none]);
        let (_, gained) = both(&lab, &[], "mount -t tmpfs x /tmp; hostname new; umount /proc").unwrap();
        assert_eq!(gained.matches("permi").count() + gained.matches("must be").count(), 3, "{gained}");
    }
}

#[test]
fn what_is_kept_can_be_said() {
    for lab in everyone() {
        let Some(one) = status(&lab, &["--keep", "NET_BIND_SERVICE"], "CapPrm|CapEff|CapBnd") else { return };
        assert_eq!(one, ["0000000000000400"; 3]);
        assert_eq!(
            status(&lab, &["--keep", "none"], "CapPrm|CapEff|CapBnd").unwrap(),
            ["0000000000000000"; 3]
        );
        assert_eq!(status(&lab, &["--keep", "chown,net_raw"], "CapEff").unwrap(), ["0000000000002001"]);
        let (_, owned) = both(&lab, &["--keep", "none"], "touch /x && chmod 0 /x && cat /x").unwrap();
        assert!(owned.contains("Permission denied"), "root without its powers: {owned}");
        let (code, text) = both(&lab, &[], "touch /x && chmod 0 /x && cat /x").unwrap();
        assert_eq!((code, &*text), (0, ""), "the control");
        let wrong = lab.run(&["run", "--keep", "EVERYTHING", "x"]);
        assert!(wrong.code == Some(2) && wrong.stderr.contains("a capability without its CAP_"), "{wrong:?}");
    }
}

#[test]
fn capabilities_that_are_kept_do_not_open_what_the_filter_has_closed() {
    for lab in everyone() {
        let Some((_, text)) =
            both(&lab, &["--keep", "SYS_ADMIN,MKNOD"], "mount -t tmpfs x /tmp || echo refused")
        else {
            return;
        };
        assert!(text.ends_with("refused"), "{text}");
        let (code, _) =
            both(&lab, &["--keep", "SYS_ADMIN", "--denied", "log"], "mount -t tmpfs x /tmp").unwrap();
        assert_eq!(code, 0, "the control: it is the filter, and logging it is all that is done");
        let (code, text) = both(&lab, &["--keep", "MKNOD"], "mknod /disk b 7 0").unwrap();
        assert_eq!(
            code == 0,
            lab.is_machines_root(),
            "a device is the machine's, whoever one is in a user namespace: {text}"
        );
    }
}

#[test]
fn the_filter_is_on_and_nothing_gains_privileges() {
    for lab in everyone() {
        let Some(fields) = status(&lab, &[], "NoNewPrivs|Seccomp") else { return };
        assert_eq!(fields, ["1", "2"]);
    }
}

#[test]
fn a_refused_call_is_an_error_or_an_end_or_logged() {
    for lab in everyone() {
        let Some((_, text)) = both(&lab, &[], "unshare -U true") else { return };
        assert!(text.contains("Operation not permitted"), "{text}");
        let (code, _) = both(&lab, &["--denied", "kill"], "exec unshare -m true").unwrap();
        assert_eq!(code, 128 + 31, "SIGSYS");
        let (code, _) = both(&lab, &["--denied", "log"], "unshare -U true").unwrap();
        assert_eq!(code, 0);
        let (code, text) = both(&lab, &[], "(sleep 0.1 & wait) && echo fine").unwrap();
        assert_eq!((code, &*text), (0, "fine"), "what everybody needs goes on");
    }
}

#[test]
fn programs_with_threads_run_since_a_call_that_is_not_there_is_not_an_error() {
    for lab in everyone() {
        let image = Layout::new(lab.dir.join("threads"));
        // This test itself, which asks the kernel for clone3 first, as glibc does for each thread.
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let Some(tar) = busybox() else { return };
        let tar = tar.program("bin/threads", &program).end();
        let manifest = image
            .manifest(&[tar], &json!({ "Cmd": ["/bin/threads", "--exact", "starts_a_thread", "--ignored"] }));
        image.publish(&[("latest", &manifest)]);
        let ended = lab.run(&["run", &image.name()]);
        assert!(ended.code == Some(0) && ended.stdout.contains("1 passed"), "{ended:?}");
    }
}

#[test]
#[ignore = "run by another test, inside"]
fn starts_a_thread() {
    assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
}

#[test]
fn nobody_inside_can_look_into_process_1() {
    for lab in everyone() {
        let Some((_, text)) = both(
            &lab,
            &[],
            "ls /proc/1/root/; cat /proc/1/environ; readlink /proc/1/cwd || echo no; kill -0 1 && echo there",
        ) else {
            return;
        };
        assert_eq!(text.matches("Permission denied").count(), 2, "{text}");
        assert!(text.ends_with("no\nthere"), "{text}");
    }
}

#[test]
fn masks_cannot_be_taken_off() {
    for lab in everyone() {
        let script = "umount /proc/sys; umount /sys/firmware; mount -o remount,rw /proc/sys; touch /proc/sys/kernel/pid_max || echo refused";
        let Some((_, text)) = both(&lab, &["--keep", "SYS_ADMIN"], script) else { return };
        assert!(text.ends_with("refused"), "even with the capability, for the filter: {text}");
    }
}

#[test]
fn the_images_user_has_no_capability_at_all() {
    let Some(lab) = everyone().into_iter().find(Lab::is_machines_root) else { return };
    let Some(image) = image(&lab, &json!({ "User": "1000:1000" })) else { return };
    for options in [&["run"][..], &["run", "--keep", "none"]] {
        let script = "id -u; grep -E '^Cap(Prm|Eff):' /proc/self/status";
        let ended = lab.run(&[options, &[&image, "/bin/sh", "-c", script]].concat());
        assert_eq!(ended.stdout, "1000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000", "{ended:?}");
    }
}

#[test]
fn whoever_comes_by_enter_is_confined_too() {
    for lab in everyone() {
        let Some(image) = image(&lab, &Value::Null) else { return };
        let mut running = lab.start(&["run", &image, "/bin/sh", "-c", "echo ready; sleep 60"]);
        assert_eq!(running.line(), "ready");
        let script = "grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status";
        let entered = lab.run(&["enter", &running.inside.to_string(), "/bin/sh", "-c", script]);
        assert_eq!(entered.stdout, "CapBnd:\t00000000a00425fb\nNoNewPrivs:\t1\nSeccomp:\t2", "{entered:?}");
    }
}

#[test]
fn the_story_is_told_in_order() {
    for lab in everyone() {
        let Some(image) = image(&lab, &Value::Null) else { return };
        let told = lab.run(&["-v", "run", &image, "/bin/id"]);
        let mut rest = &*told.stderr;
        for chapter in [
            "outside | clone(",
            "inside  | mount(proc -> ",
            "/proc/sys, MOUNT_ATTR_RDONLY, recursive)",
            "inside  | pivot_root(",
            "inside  | prctl(PR_CAPBSET_DROP), ",
            "inside  | capset(effective, permitted)   13 of them",
            "inside  | prctl(PR_SET_NO_NEW_PRIVS)",
            "inside  | seccomp(SECCOMP_SET_MODE_FILTER, ",
            "inside  | execve([\"/bin/id\"",
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
        let Some(image) = image(&lab, &json!({ "Env": ["GREETING=hello"] })) else { return };
        let script = "hostname; echo $PPID $GREETING; id -u; test -e $0 || echo gone; cat /sys/class/net/lo/flags; exit 3";
        let inside = lab.run(&["run", &image, "/bin/sh", "-c", script, &lab.dir.to_string_lossy()]);
        assert_eq!((inside.code, &*inside.stdout), (Some(3), "box\n1 hello\n0\ngone\n0x9"), "{inside:?}");
        assert_eq!((lab.run(&["run", &image, "none"]).code, lab.left()), (Some(127), vec![]));
        for by in [Signal::SIGTERM, Signal::SIGKILL] {
            let mut running = lab.start(&["run", &image, "/bin/sh", "-c", "echo ready; sleep 60"]);
            assert_eq!(running.line(), "ready");
            assert!(running.trace.contains("mkdir("), "the control");
            signal(&running, by);
            running.assert_nothing_left();
            wait_for("the directories to be gone", || lab.left().is_empty());
        }
    }
}
