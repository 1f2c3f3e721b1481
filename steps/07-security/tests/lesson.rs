//! The tests of step 7, in the order of its chapters: capabilities, the filter, masked paths. Each assertion says what
//! should hold, why, and which chapter explains it.

use lesson_lab::images::{Layout, busybox};
use lesson_lab::{Chapter, Lab, wait_for};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const CAPABILITIES: Chapter =
    Chapter::new("7. Capabilities: root in pieces", "steps/07-security/capabilities.md");
const SECCOMP: Chapter = Chapter::new("Seccomp and masked paths", "steps/07-security/seccomp.md");

lesson_lab::isolated!();

fn everyone() -> Vec<Lab> {
    lesson_lab::everyone(env!("CARGO_BIN_EXE_step-07-security"))
}

/// A layout in which `latest` is busybox.
fn image(lab: &Lab, settings: &Value) -> Option<String> {
    let layout = Layout::new(lab.dir.join("layout"));
    layout.publish(&[("latest", &layout.manifest(&[busybox()?.end()], settings))]);
    Some(layout.name())
}

/// What a script prints in the image, on stdout and stderr, and its exit code.
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
fn t01_the_bare_example_drops_capabilities_and_refuses_one_call() {
    let _chapter = CAPABILITIES.explains();
    for lab in everyone() {
        let example = lab.example(env!("CARGO_BIN_EXE_step-07-security"), "step-07-bare");
        let as_root = if lab.is_machines_root() { "" } else { "unshare --map-root-user " };
        let script = "grep CapBnd /proc/self/status; unshare -U true && echo made a namespace";
        let ran = lab.shell(&format!("echo '{script}' | {as_root}{}", example.display()));
        assert_eq!(
            ran.stdout, "CapBnd:\t0000000000000001",
            "the bounding set has CAP_CHOWN only, and the filter refuses unshare \
            : {ran:?}"
        );
        assert!(ran.stderr.contains("Operation not permitted"), "the refused call returns EPERM: {ran:?}");
    }
}

#[test]
fn t02_the_escape_of_step_6_fails() {
    let _chapter = CAPABILITIES.explains();
    for lab in everyone() {
        // A disk by its number, and the file that names the program which the kernel runs after a crash.
        let Some((_, disk)) = both(&lab, &[], "mknod /disk b 7 0; ls /disk") else { return };
        assert!(
            disk.contains("Operation not permitted") && disk.contains("/disk: No such file"),
            "without CAP_MKNOD no device can be created: {disk}"
        );
        let (_, switch) = both(&lab, &[], "true >>/proc/sys/kernel/core_pattern").unwrap();
        // For an unprivileged user the kernel checks the owner of the file first.
        let reason = if lab.is_machines_root() { "Read-only file system" } else { "Permission denied" };
        assert!(switch.contains(reason), "core_pattern is read-only: {switch}");
        let (_, memory) = both(
            &lab,
            &[],
            "for file in kcore keys timer_list; do cat /proc/$file 2>/dev/null; done; ls /sys/firmware",
        )
        .unwrap();
        assert_eq!(memory, "", "these files about the machine are masked, or the kernel does not have them");
    }
}

#[test]
fn t03_root_has_13_capabilities_and_can_gain_no_other() {
    let _chapter = CAPABILITIES.explains();
    for lab in everyone() {
        let Some(sets) = status(&lab, &[], "CapInh|CapPrm|CapEff|CapBnd|CapAmb") else { return };
        // Docker's set is a80425fb. Here bit 27, CAP_MKNOD, is not in it.
        let ours = "00000000a00425fb";
        let none = "0000000000000000";
        assert_eq!(
            sets,
            [none, ours, ours, ours, none],
            "permitted, effective and bounding set have the 13 usual capabilities"
        );
        let (_, gained) = both(&lab, &[], "mount -t tmpfs x /tmp; hostname new; umount /proc").unwrap();
        assert_eq!(
            gained.matches("permi").count() + gained.matches("must be").count(),
            3,
            "mount, sethostname and umount need CAP_SYS_ADMIN, which is lost for good: {gained}"
        );
    }
}

#[test]
fn t04_the_user_chooses_the_capabilities_that_stay() {
    let _chapter = CAPABILITIES.explains();
    for lab in everyone() {
        let Some(one) = status(&lab, &["--keep", "NET_BIND_SERVICE"], "CapPrm|CapEff|CapBnd") else { return };
        assert_eq!(one, ["0000000000000400"; 3], "--keep names the capabilities that stay");
        assert_eq!(
            status(&lab, &["--keep", "none"], "CapPrm|CapEff|CapBnd").unwrap(),
            ["0000000000000000"; 3],
            "--keep none leaves no capability"
        );
        assert_eq!(
            status(&lab, &["--keep", "chown,net_raw"], "CapEff").unwrap(),
            ["0000000000002001"],
            "names may be in lower case"
        );
        let (_, owned) = both(&lab, &["--keep", "none"], "touch /x && chmod 0 /x && cat /x").unwrap();
        assert!(
            owned.contains("Permission denied"),
            "without CAP_DAC_OVERRIDE root obeys the mode of a file: {owned}"
        );
        let (code, text) = both(&lab, &[], "touch /x && chmod 0 /x && cat /x").unwrap();
        assert_eq!((code, &*text), (0, ""), "with CAP_DAC_OVERRIDE the same command works");
        let wrong = lab.run(&["run", "--keep", "EVERYTHING", "x"]);
        assert!(
            wrong.code == Some(2) && wrong.stderr.contains("the name of a capability without CAP_"),
            "{wrong:?}"
        );
    }
}

#[test]
fn t05_the_images_user_has_no_capability() {
    let _chapter = CAPABILITIES.explains();
    let Some(lab) = everyone().into_iter().find(Lab::is_machines_root) else { return };
    let Some(image) = image(&lab, &json!({ "User": "1000:1000" })) else { return };
    for options in [&["run"][..], &["run", "--keep", "none"]] {
        let script = "id -u; grep -E '^Cap(Prm|Eff):' /proc/self/status";
        let ended = lab.run(&[options, &[&image, "/bin/sh", "-c", script]].concat());
        assert_eq!(
            ended.stdout, "1000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000",
            "a change to another user empties both sets: {ended:?}"
        );
    }
}

#[test]
fn t06_the_filter_is_loaded_and_no_execve_adds_privileges() {
    let _chapter = SECCOMP.explains();
    for lab in everyone() {
        let Some(fields) = status(&lab, &[], "NoNewPrivs|Seccomp") else { return };
        assert_eq!(fields, ["1", "2"], "NoNewPrivs is set, and 2 means that a filter is loaded");
    }
}

#[test]
fn t07_a_refused_call_is_an_error_or_a_kill_or_a_log_line() {
    let _chapter = SECCOMP.explains();
    for lab in everyone() {
        let Some((_, text)) = both(&lab, &[], "unshare -U true") else { return };
        assert!(text.contains("Operation not permitted"), "a refused call returns EPERM: {text}");
        let (code, _) = both(&lab, &["--denied", "kill"], "exec unshare -m true").unwrap();
        assert_eq!(code, 128 + 31, "--denied kill ends the program with SIGSYS, which is signal 31");
        let (code, _) = both(&lab, &["--denied", "log"], "unshare -U true").unwrap();
        assert_eq!(code, 0, "--denied log allows the call");
        let (code, text) = both(&lab, &[], "(sleep 0.1 & wait) && echo fine").unwrap();
        assert_eq!((code, &*text), (0, "fine"), "usual programs still work");
    }
}

#[test]
fn t08_programs_with_threads_run_because_clone3_answers_enosys() {
    let _chapter = SECCOMP.explains();
    for lab in everyone() {
        let image = Layout::new(lab.dir.join("threads"));
        // The program is this test itself. The C library calls clone3 for each thread, and clone after ENOSYS.
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let Some(tar) = busybox() else { return };
        let tar = tar.program("bin/threads", &program).end();
        let manifest = image
            .manifest(&[tar], &json!({ "Cmd": ["/bin/threads", "--exact", "starts_a_thread", "--ignored"] }));
        image.publish(&[("latest", &manifest)]);
        let ended = lab.run(&["run", &image.name()]);
        assert!(
            ended.code == Some(0) && ended.stdout.contains("1 passed"),
            "clone3 has to answer ENOSYS, because the C library then uses clone: {ended:?}"
        );
    }
}

#[test]
#[ignore = "another test runs it inside of a container"]
fn starts_a_thread() {
    assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
}

#[test]
fn t09_the_filter_refuses_a_call_that_a_capability_would_permit() {
    let _chapter = SECCOMP.explains();
    for lab in everyone() {
        let Some((_, text)) =
            both(&lab, &["--keep", "SYS_ADMIN,MKNOD"], "mount -t tmpfs x /tmp || echo refused")
        else {
            return;
        };
        assert!(
            text.ends_with("refused"),
            "the filter refuses mount although CAP_SYS_ADMIN was kept: {text}"
        );
        let (code, _) =
            both(&lab, &["--keep", "SYS_ADMIN", "--denied", "log"], "mount -t tmpfs x /tmp").unwrap();
        assert_eq!(code, 0, "with --denied log the same call works, so it was the filter that refused it");
        let (code, text) = both(&lab, &["--keep", "MKNOD"], "mknod /disk b 7 0").unwrap();
        assert_eq!(
            code == 0,
            lab.is_machines_root(),
            "only root of the machine can create a device, also with CAP_MKNOD: {text}"
        );
    }
}

#[test]
fn t10_the_masks_cannot_be_removed() {
    let _chapter = SECCOMP.explains();
    for lab in everyone() {
        let script = "umount /proc/sys; umount /sys/firmware; mount -o remount,rw /proc/sys; touch /proc/sys/kernel/pid_max || echo refused";
        let Some((_, text)) = both(&lab, &["--keep", "SYS_ADMIN"], script) else { return };
        assert!(
            text.ends_with("refused"),
            "the filter refuses mount and umount, also with CAP_SYS_ADMIN: {text}"
        );
    }
}

#[test]
fn t11_no_process_inside_can_inspect_process_1() {
    let _chapter = CAPABILITIES.explains();
    for lab in everyone() {
        let Some((_, text)) = both(
            &lab,
            &[],
            "ls /proc/1/root/; cat /proc/1/environ; readlink /proc/1/cwd || echo no; kill -0 1 && echo there",
        ) else {
            return;
        };
        assert_eq!(
            text.matches("Permission denied").count(),
            2,
            "process 1 has more capabilities, so its files in /proc are closed: {text}"
        );
        assert!(text.ends_with("no\nthere"), "process 1 is there, and its directory cannot be read: {text}");
    }
}

#[test]
fn t12_a_program_that_enters_is_confined_too() {
    let _chapter = CAPABILITIES.explains();
    for lab in everyone() {
        let Some(image) = image(&lab, &Value::Null) else { return };
        let mut running = lab.start(&["run", &image, "/bin/sh", "-c", "echo ready; sleep 60"]);
        assert_eq!(running.line(), "ready");
        let script = "grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status";
        let entered = lab.run(&["enter", &running.inside.to_string(), "/bin/sh", "-c", script]);
        assert_eq!(
            entered.stdout, "CapBnd:\t00000000a00425fb\nNoNewPrivs:\t1\nSeccomp:\t2",
            "setns brings neither the filter nor the sets, so enter confines the program itself: {entered:?}"
        );
    }
}

#[test]
fn t13_the_trace_shows_the_calls_in_order() {
    let _chapter = CAPABILITIES.explains();
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
            let at = rest
                .find(chapter)
                .unwrap_or_else(|| panic!("the trace has to show {chapter:?} next:\n{}", told.stderr));
            rest = &rest[at..];
        }
    }
}

#[test]
fn t14_the_earlier_steps_still_hold() {
    let _chapter = CAPABILITIES.explains();
    for lab in everyone() {
        let Some(image) = image(&lab, &json!({ "Env": ["GREETING=hello"] })) else { return };
        let script = "hostname; echo $PPID $GREETING; id -u; test -e $0 || echo gone; cat /sys/class/net/lo/flags; exit 3";
        let inside = lab.run(&["run", &image, "/bin/sh", "-c", script, &lab.dir.to_string_lossy()]);
        assert_eq!(
            (inside.code, &*inside.stdout),
            (Some(3), "box\n1 hello\n0\ngone\n0x9"),
            "hostname, process 1, root, own files, own network, exit code (steps 1 to 6): {inside:?}"
        );
        assert_eq!(
            (lab.run(&["run", &image, "none"]).code, lab.left()),
            (Some(127), vec![]),
            "no directory stays"
        );
        for by in [Signal::SIGTERM, Signal::SIGKILL] {
            let mut running = lab.start(&["run", &image, "/bin/sh", "-c", "echo ready; sleep 60"]);
            assert_eq!(running.line(), "ready");
            assert!(running.trace.contains("mkdir("), "while it runs there are directories");
            running.signal(by);
            running.assert_nothing_left();
            wait_for("the directories to be gone", || lab.left().is_empty());
        }
    }
}
