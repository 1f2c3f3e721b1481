//! Bad input gets a clear error, the right exit code, and leaves nothing.

use hull_test_support::outcome::{run, wrapped};
use hull_test_support::{Scenario, cgroups};

/// A command that failed leaves no container, no name and no cgroup.
#[track_caller]
fn nothing_left(t: &Scenario) {
    assert_eq!(t.ok(&["ps", "-aq"]), "");
    assert!(cgroups::below(t.cgroup_parent()).is_empty());
}

#[test]
fn an_image_that_is_not_there_is_named() {
    let Some(t) = Scenario::with_busybox() else { return };
    let outcome = t.hull(&["run", "--rm", "busybax", "true"]);
    assert!(outcome.fails(125).contains("busybax"), "{outcome}");
    assert!(outcome.stderr.contains("busybox"), "the near name is suggested: {outcome}");
    assert!(t.hull(&["image", "inspect", "none"]).fails(1).contains("No such image"));
    nothing_left(&t);
}

#[test]
fn a_command_that_is_not_there_exits_127() {
    let Some(t) = Scenario::with_busybox() else { return };
    for options in [&["--rm"][..], &["--rm", "-d"], &["--rm", "--init"]] {
        let outcome = t.hull(&[&["run"], options, &["busybox", "no-such-program"]].concat());
        let message = outcome.fails(127);
        assert!(message.contains("no-such-program") && message.contains("not found"), "{outcome}");
        nothing_left(&t);
    }
    let outcome = t.hull(&["run", "--rm", "busybox", "/no/such/file"]);
    assert!(outcome.fails(127).contains("/no/such/file"), "{outcome}");
}

#[test]
fn a_file_that_is_not_executable_exits_126() {
    let Some(t) = Scenario::with_busybox() else { return };
    for file in ["/etc/passwd", "/etc"] {
        let outcome = t.hull(&["run", "--rm", "busybox", file]);
        assert!(outcome.fails(126).contains(file), "{outcome}");
        nothing_left(&t);
    }
}

#[test]
fn exec_says_127_and_126_too() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    assert!(t.hull(&["exec", "box", "no-such-program"]).fails(127).contains("no-such-program"));
    assert!(t.hull(&["exec", "box", "/etc/passwd"]).fails(126).contains("/etc/passwd"));
    assert!(t.hull(&["exec", "nobody", "true"]).fails(1).contains("No such container"));
}

#[test]
fn a_name_that_is_taken_is_refused_with_its_owner() {
    let Some(t) = Scenario::with_busybox() else { return };
    let id = t.ok(&["create", "--name", "mine", "busybox"]);
    let outcome = t.hull(&["run", "--name", "mine", "busybox", "true"]);
    let message = outcome.fails(125);
    assert!(message.contains("mine") && message.contains(&id[..12]), "{outcome}");
    assert_eq!(t.ok(&["ps", "-aq"]).lines().count(), 1);
    t.ok(&["rm", "mine"]);
    t.ok(&["run", "--rm", "--name", "mine", "busybox", "true"]);
}

#[test]
fn a_bad_name_is_refused() {
    let Some(t) = Scenario::with_busybox() else { return };
    for name in ["../up", "a/b", "-x", "white space", "a"] {
        let option = format!("--name={name}");
        t.hull(&["run", "--rm", &option, "busybox", "true"]).fails(125);
    }
    nothing_left(&t);
}

#[test]
fn an_unknown_flag_gets_a_suggestion() {
    let Some(t) = Scenario::with_busybox() else { return };
    let outcome = t.hull(&["run", "--memroy", "1g", "busybox", "true"]);
    assert!(outcome.fails(125).contains("--memory"), "{outcome}");
    let outcome = t.hull(&["rnu", "busybox"]);
    assert!(!outcome.success() && outcome.stderr.contains("run"), "{outcome}");
    assert!(t.hull(&["ps", "--al"]).stderr.contains("--all"));
    // A flag before the command belongs to hull, even if the command has a flag of the same name.
    assert!(t.hull(&["--debug", "ps"]).fails(125).contains("hull has no levels of messages"));
    assert!(!t.hull(&["--quiet", "ps"]).fails(125).contains("did you mean"));
}

#[test]
fn an_option_of_another_type_of_mount_is_named() {
    let Some(t) = Scenario::with_busybox() else { return };
    let refused =
        |mount: &str| t.hull(&["create", "--mount", mount, "busybox", "true"]).fails(125).to_owned();
    assert!(
        refused("type=bind,source=/tmp,target=/x,volume-subpath=a").contains("volume-subpath and the like")
    );
    assert!(
        refused("type=volume,source=data,target=/x,bind-recursive=disabled").contains("and bind-recursive")
    );
}

#[test]
fn values_that_make_no_sense_are_refused_before_anything_is_made() {
    let Some(t) = Scenario::with_busybox() else { return };
    for options in [
        &["-m", "lots"][..],
        &["--cpus", "-1"],
        &["-v", "/"],
        &["-v", "relative/dir:/x"],
        &["-v", "/tmp:relative"],
        &["--mount", "type=wrong,target=/x"],
        &["--cap-add", "CAP_NONSENSE"],
        &["--ulimit", "nofile=99:1"],
        &["--restart", "sometimes"],
        &["--network", "container:nobody"],
        &["--security-opt", "seccomp=/no/such/file"],
        &["--device", "/dev/no-such-device"],
        &["--stop-signal", "SIGNONSENSE"],
        &["--env-file", "/no/such/file"],
        &["--add-host", "nocolon"],
        &["--sysctl", "kernel.no_such_thing=1"],
        &["--log-driver", "carrier-pigeon"],
        &["-w", "relative"],
        &["--shm-size", "-5"],
        &["--platform", "linux/s390x"],
        &["--pull", "always"],
        &["--user", "stranger"],
    ] {
        let outcome = t.hull(&[&["run", "--rm"], options, &["busybox", "true"]].concat());
        let message = outcome.fails(125);
        assert!(!message.trim().is_empty(), "{outcome}");
        nothing_left(&t);
    }
}

#[test]
fn hints_lead_to_what_helps() {
    let Some(t) = Scenario::with_busybox() else { return };
    let create = |flags: &[&str]| t.hull(&[&["create"], flags, &["busybox"]].concat());
    for flags in [&["--cpuset-cpus", "4000"][..], &["--cpuset-mems", "4000"], &["--cpuset-cpus", "x"]] {
        let outcome = create(flags);
        assert!(outcome.fails(1).starts_with("hull: invalid --cpuset-"), "{outcome}");
        assert!(!outcome.stderr.contains("Math result"), "{outcome}");
    }
    for words in [&["network", "rm", "nonet"][..], &["network", "inspect", "nonet"]] {
        let outcome = t.hull(words);
        assert!(
            !outcome.fails(1).contains("create") && outcome.stderr.contains("hull network ls"),
            "{outcome}"
        );
    }
    let outcome = t.hull(&["run", "--rm", "--network", "nonet", "busybox", "true"]);
    assert!(outcome.fails(125).contains("hint: hull network create nonet"), "{outcome}");
    let outcome = t.hull(&["run", "--rm", "--group-add", "strangers", "busybox", "true"]);
    assert!(outcome.stderr.contains("no group \"strangers\" in the image's /etc/group"), "{outcome}");
    t.write("squash", b"hsqs and more");
    for verb in [&["import"][..], &["load", "-i"]] {
        let outcome = t.hull(&[verb, &[t.path("squash").to_str().unwrap()]].concat());
        assert!(outcome.fails(1).contains("squashfs") && outcome.stderr.contains("hint: "), "{outcome}");
    }
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    assert!(!t.hull(&["unpause", "box"]).fails(1).contains("hint: stop it"));
    let outcome = t.hull(&["run", "--rm", "busybox", "no-such-program"]);
    assert!(outcome.stderr.contains("hint: the book's chapter \"Troubleshooting\" explains"), "{outcome}");
}

#[test]
fn a_container_that_is_not_there_is_named_by_every_verb() {
    let Some(t) = Scenario::start() else { return };
    for verb in [
        "start", "stop", "restart", "kill", "rm", "logs", "inspect", "wait", "attach", "pause", "unpause",
        "top",
    ] {
        let outcome = t.hull(&[verb, "nobody"]);
        assert!(outcome.fails(1).contains("nobody"), "{verb}: {outcome}");
    }
}

#[test]
fn one_bad_name_of_several_does_not_stop_the_others() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["create", "--name", "one", "busybox"]);
    t.ok(&["create", "--name", "two", "busybox"]);
    let outcome = t.hull(&["rm", "one", "nobody", "two"]);
    assert!(outcome.fails(1).contains("nobody"));
    assert_eq!(outcome.stdout, "one\ntwo\n");
    nothing_left(&t);
}

#[test]
fn a_running_container_is_not_removed_without_force() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    let outcome = t.hull(&["rm", "box"]);
    assert!(outcome.fails(1).contains("running"), "{outcome}");
    assert!(
        outcome.stderr.contains("stop") || outcome.stderr.contains("-f"),
        "the error says how to continue: {outcome}"
    );
    assert_eq!(t.inspect("box", "{{.State.Running}}"), "true");
}

#[test]
fn a_pipe_that_closes_early_is_no_error() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "--name", "talks", "busybox", "seq", "1", "100000"]);
    let hull = t.command(&["logs", "talks"]);
    let script = "{ \"$0\" \"$@\"; echo \"code $?\" >&2; } | head -n 1";
    let mut shell = wrapped(&["sh", "-c", script], &hull);
    let outcome = run(&mut shell);
    assert_eq!(outcome.stdout, "1\n");
    assert_eq!(outcome.stderr, "code 0\n", "no message and no panic");
    for arguments in
        [&["export", "talks"][..], &["save", "busybox"], &["save", "--compress", "gzip", "busybox"]]
    {
        let script = "{ \"$0\" \"$@\"; echo \"code $?\" >&2; } | head -c 1 >/dev/null";
        let outcome = run(&mut wrapped(&["sh", "-c", script], &t.command(arguments)));
        assert_eq!(outcome.stderr, "code 0\n", "{arguments:?}: no message and no panic");
    }
}

#[test]
fn a_root_on_overlayfs_is_explained_or_works() {
    let Some(t) = Scenario::start() else { return };
    for dir in ["lower", "upper", "work", "data"] {
        std::fs::create_dir(t.path(dir)).unwrap();
    }
    let options = std::ffi::CString::new(format!(
        "lowerdir={},upperdir={},workdir={}",
        t.path("lower").display(),
        t.path("upper").display(),
        t.path("work").display()
    ));
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("overlay", t.path("data"), "overlay", flags, options.unwrap().as_c_str()).unwrap();
    let tar = hull_test_support::fixtures::busybox();
    let imported = t.hull(&["import", tar.to_str().unwrap(), "busybox"]);
    let outcome = t.hull(&["run", "--rm", "busybox", "/bin/echo", "works"]);
    if imported.success() && outcome.success() {
        assert_eq!(outcome.stdout, "works\n");
    } else {
        let said = format!("{}{}", imported.stderr, outcome.stderr);
        assert!(said.contains("overlay") && said.contains("hint"), "{said}");
    }
    t.hull(&["system", "prune", "-af"]);
    rustix::mount::unmount(t.path("data"), rustix::mount::UnmountFlags::DETACH).unwrap();
}
