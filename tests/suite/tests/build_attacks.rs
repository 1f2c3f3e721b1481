//! Dockerfiles that attack the machine that builds them.

use std::fs;
use std::process::Command;

use hull_test_support::outcome::run;
use hull_test_support::{Outcome, Scenario};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

fn build(t: &Scenario, dockerfile: &str) -> Outcome {
    t.write("context/Dockerfile", dockerfile);
    t.hull(&["build", "--network", "none", "--progress", "plain", "--no-cache", "-t", "built", "context"])
}

#[test]
fn no_descriptor_of_the_builder_reaches_a_step() {
    // CVE-2024-21626: a working directory below a leaked descriptor is a directory of the host.
    let Some(t) = Scenario::with_busybox() else { return };
    let marker = t.write("marker-of-the-host", "");
    let marker = marker.strip_prefix("/").unwrap().display();
    for descriptor in 3..12 {
        let dockerfile = format!(
            "FROM busybox\nWORKDIR /proc/self/fd/{descriptor}\n\
             RUN test ! -e {marker} && test ! -e ../../../../{marker} && test ! -e /proc/self/cwd/../../{marker}\n"
        );
        let built = build(&t, &dockerfile);
        assert!(!built.stderr.contains("exit code: 1"), "descriptor {descriptor}: {built}");
    }
    let built =
        build(&t, "FROM busybox\nRUN ls /proc/self/fd | tr '\\n' ' '; ls /proc/1/fd | tr '\\n' ' '\n");
    built.ok();
    assert!(built.stderr.contains(" 0 1 2 3 0 1 2 "), "{built}");
}

#[test]
fn a_symlink_in_a_cache_leads_nowhere() {
    // CVE-2024-23651: a part of a cache is replaced by a symlink before it is mounted.
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("host/secret", "not for steps");
    let host = t.path("host");
    let up = "../".repeat(20);
    for target in [host.display().to_string(), format!("{up}{}", host.display()), "/proc/1/root".into()] {
        let dockerfile = format!(
            "FROM busybox\n\
             RUN --mount=type=cache,target=/c,id=x rm -f /c/sub; ln -s {target} /c/sub\n\
             RUN --mount=type=cache,target=/c,id=x,source=sub ls /c; cat /c/secret; touch /c/written\n"
        );
        let failed = build(&t, &dockerfile);
        assert!(!failed.stderr.contains("not for steps"), "{failed}");
        assert_eq!(fs::read_dir(&host).unwrap().count(), 1, "{failed}");
        assert!(failed.fails(1).contains("Dockerfile:3"));
    }
}

#[test]
fn a_step_that_fills_the_disk_fails_and_leaves_room() {
    let Some(t) = Scenario::start() else { return };
    let data = t.data_root();
    fs::create_dir_all(&data).unwrap();
    mount("tmpfs", &data, "tmpfs", MountFlags::empty(), c"size=48m,mode=700").unwrap();
    t.busybox();
    let failed = build(&t, "FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M\n");
    let error = failed.fails(1);
    assert!(error.contains("No space left on device") && error.contains("Dockerfile:2"), "{error}");
    // Here the step fits, and its tar does not.
    let error = build(&t, "FROM busybox\nRUN head -c 30000000 /dev/urandom > /big\n").fails(1).to_owned();
    assert!(
        error.to_lowercase().contains("no space left on device") && error.contains("Dockerfile:2"),
        "{error}"
    );
    build(&t, "FROM busybox\nRUN head -c 9000000 /dev/urandom > /big\n").ok();
    assert_eq!(fs::read_dir(data.join("containers")).unwrap().count(), 0);
    unmount(&data, UnmountFlags::DETACH).unwrap();
}

#[test]
fn a_step_cannot_have_all_processes_of_the_machine() {
    let Some(t) = Scenario::with_busybox() else { return };
    let built =
        build(&t, "FROM busybox\nRUN cat /sys/fs/cgroup/pids/pids.max || cat /sys/fs/cgroup/pids.max\n");
    built.ok();
    let limit = built.stderr.split_whitespace().filter_map(|word| word.parse::<u32>().ok()).max().unwrap();
    assert!((1000..=32_768).contains(&limit), "{built}");
}

#[test]
fn a_step_deletes_nothing_by_the_name_of_a_file() {
    // In the tar of a layer these names are whiteouts, so the image would be another one wherever it is loaded.
    let Some(t) = Scenario::with_busybox() else { return };
    for name in [".wh.passwd", ".wh..wh..opq", "a/.wh.b"] {
        let failed = build(&t, &format!("FROM busybox\nRUN mkdir /etc/a; touch /etc/{name}\n"));
        let error = failed.fails(1);
        assert!(error.contains("Dockerfile:2") && error.contains("begins with .wh."), "{error}");
    }
}

#[test]
fn no_image_has_more_layers_than_other_engines_can_use() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("context/file", "");
    let dockerfile = |count: usize| {
        let copies: String = (0..count).map(|number| format!("COPY file /{number}\n")).collect();
        format!("FROM busybox\n{copies}")
    };
    t.write("context/Dockerfile", dockerfile(126));
    t.ok(&["build", "-t", "built", "context"]);
    t.ok(&["run", "--rm", "--network", "none", "built", "ls", "/125"]);
    t.write("context/Dockerfile", dockerfile(127));
    let failed = t.hull(&["build", "context"]);
    let error = failed.fails(1);
    assert!(error.contains("Dockerfile:128: ") && error.contains("max depth exceeded"), "{error}");
}

#[test]
fn rights_are_asked_for_before_anything_runs_and_for_what_is_cached() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("context/Dockerfile", "FROM busybox\nRUN echo first\nRUN --security=insecure true\n");
    let build =
        |args: &[&str]| t.hull(&[&["build", "--progress", "plain", "--network", "none"], args].concat());
    let failed = build(&["context"]);
    assert!(failed.fails(1).contains("Dockerfile:3") && !failed.stderr.contains("DONE"), "{failed}");
    build(&["--allow", "security.insecure", "context"]).ok();
    assert!(build(&["context"]).fails(1).contains("--allow security.insecure"));
    for missing in [["--secret", "id=a,src=/missing/secret"], ["--ssh", "a=/missing/key"]] {
        let failed = build(&[&missing[..], &["--allow", "security.insecure", "context"]].concat());
        assert!(failed.fails(1).contains("/missing/"), "{failed}");
    }
}

#[test]
fn what_the_result_depends_on_is_in_the_key() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("context/d/x", "");
    t.write("context/d/y", "");
    let build = |args: &[&str]| {
        t.ok(&[&["build", "--network", "none", "-q"], args, &["-t", "built", "context"]].concat())
            .trim()
            .to_owned()
    };
    // What --exclude leaves out, if it is written as a variable.
    t.write("context/Dockerfile", "FROM busybox\nARG A=x\nCOPY --parents --exclude=d/$A d /q/\n");
    let left = |argument: &str| {
        build(&["--build-arg", argument]);
        t.ok(&["run", "--rm", "--network", "none", "built", "ls", "/q/d"])
    };
    assert_eq!(left("A=x").trim(), "y");
    assert_eq!(left("A=y").trim(), "x");
    // The latest time of files.
    t.write("context/Dockerfile", "FROM busybox\nWORKDIR /w\nCOPY d /d\nRUN touch /f\n");
    let epoch = ["--build-arg", "SOURCE_DATE_EPOCH=7"];
    build(&[]);
    let cached = build(&epoch);
    assert_eq!(cached, build(&[&epoch[..], &["--no-cache"]].concat()));
    assert_eq!(cached, build(&epoch));
}

#[test]
fn very_many_stages_take_few_processes_and_descriptors() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("context/file", "");
    // All of them wait for the first one, and each for the one before.
    let later: String = (1..400)
        .map(|number| format!("FROM scratch AS s{number}\nCOPY --from=s{} /file /file\n", number - 1))
        .collect();
    t.write("context/Dockerfile", format!("FROM busybox AS s0\nCOPY file /file\nRUN sleep 1\n{later}"));
    limited(&t, "ulimit -n 128", &["build", "--network", "none", "-q", "context"]).ok();
}

/// Runs hull after a line of a shell that limits what it may use.
fn limited(t: &Scenario, limit: &str, args: &[&str]) -> Outcome {
    let hull = t.command(args);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]).arg(hull.get_program()).args(hull.get_args());
    shell.envs(hull.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run(shell.current_dir(t.path("")))
}

#[test]
fn a_builder_that_is_limited_says_where_it_has_stopped() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("context/file", "x".repeat(100_000));
    t.write("context/Dockerfile", "FROM busybox\nENV a=b\nCOPY file /file\n");
    let failed = limited(&t, "ulimit -f 16", &["build", "--network", "none", "context"]);
    assert!(failed.fails(1).contains("Dockerfile:3: "), "{failed}");
}
