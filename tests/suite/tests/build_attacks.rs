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

#[test]
fn a_layer_of_another_boot_is_made_again() {
    // It may not have been on the disk when the machine crashed.
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("context/Dockerfile", "FROM busybox\nRUN echo 1 > /file\n");
    let steps = ["build", "--network", "none", "--progress", "plain", "-o", "type=cacheonly", "context"];
    t.ok(&steps);
    assert_eq!(t.hull(&steps).stderr.matches("CACHED").count(), 2);
    let mut marked = 0;
    for layer in fs::read_dir(t.data_root().join("layers")).unwrap() {
        let mark = layer.unwrap().path().join("unsynced");
        if mark.exists() {
            fs::write(&mark, "00000000-0000-0000-0000-000000000000").unwrap();
            fs::write(mark.with_file_name("diff").join("file"), "").unwrap();
            marked += 1;
        }
    }
    assert_eq!(marked, 1);
    let built = t.hull(&[&steps[..3], &["--progress", "plain", "-t", "built", "context"]].concat());
    assert_eq!(built.stderr.matches("CACHED").count(), 1, "{built}");
    assert_eq!(t.ok(&["run", "--rm", "--network", "none", "built", "cat", "/file"]), "1");
}

#[test]
fn damaged_records_are_no_records() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("context/Dockerfile", "FROM busybox\nRUN echo 1 > /file\n");
    let steps = ["build", "--network", "none", "--progress", "plain", "-o", "type=cacheonly", "context"];
    for damage in [&b""[..], b"{", b"\xff\x00\xff", br#"{"format":1}"#, &[b'['; 100_000]] {
        t.ok(&steps);
        let records = t.data_root().join("build/steps");
        for record in fs::read_dir(&records).unwrap() {
            fs::write(record.unwrap().path(), damage).unwrap();
        }
        t.ok(&["builder", "du", "--verbose"]);
        let built = t.hull(&steps);
        built.ok();
        assert_eq!(built.stderr.matches("CACHED").count(), 1, "{built}");
    }
}

#[test]
fn one_step_may_have_a_locked_cache_twice_and_two_steps_in_any_order() {
    let Some(t) = Scenario::with_busybox() else { return };
    let cache = |id: &str, target: &str| format!("--mount=type=cache,sharing=locked,id={id},target={target}");
    let (a, b, again) = (cache("a", "/a"), cache("b", "/b"), cache("a", "/again"));
    let dockerfile = format!(
        "FROM busybox AS one\nRUN {a} {b} {again} echo 1 > /one; echo 1 > /a/file; cat /again/file\n\
         FROM busybox AS two\nRUN {b} {a} echo 2 > /two\n\
         FROM busybox\nCOPY --from=one /one /\nCOPY --from=two /two /\n"
    );
    for _ in 0..8 {
        build(&t, &dockerfile).ok();
    }
}

#[test]
fn the_links_of_an_image_lead_nowhere_else() {
    // CVE-2024-23652 and 23653's kin: what is copied and mounted from a stranger's image.
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("secret", "not for steps");
    let here = t.path("");
    let files = t.path("files");
    fs::create_dir_all(&files).unwrap();
    let link = |target: String, name: &str| std::os::unix::fs::symlink(target, files.join(name)).unwrap();
    link(here.display().to_string(), "absolute");
    link(format!("{}{}", "../".repeat(30), here.display()), "relative");
    link("/proc/self/root".into(), "magic");
    link("loop".into(), "loop");
    let tar = t.path("image.tar");
    let made = Command::new("tar").arg("-C").arg(&files).arg("-cf").arg(&tar).arg(".").status();
    assert!(made.unwrap().success());
    t.ok(&["import", tar.to_str().unwrap(), "stranger"]);
    let inside = here.strip_prefix("/").unwrap().display().to_string();
    for source in [
        "absolute/secret".to_owned(),
        "relative/secret".into(),
        format!("magic/{inside}/secret"),
        format!("../../{inside}/secret"),
        "loop".into(),
    ] {
        for instruction in [
            format!("COPY --from=stranger /{source} /x\nRUN cat /x"),
            format!("RUN --mount=type=bind,from=stranger,source=/{source},target=/x cat /x"),
        ] {
            let failed = build(&t, &format!("FROM busybox\n{instruction}\n"));
            assert!(!failed.stderr.contains("not for steps"), "{failed}");
            assert!(failed.fails(1).contains("Dockerfile:2: "), "{failed}");
        }
    }
}

#[test]
fn variables_in_a_mount_hide_no_stage_that_it_needs() {
    let Some(t) = Scenario::with_busybox() else { return };
    for mount in
        ["type=$T,from=a", "from=a,ro=$R", "type=cache,mode=$M,from=a", "type=cache,sharing=$S,from=a"]
    {
        let dockerfile = format!(
            "FROM busybox AS a\nRUN echo found > /file\nFROM busybox\nARG T=bind R=true M=0755 S=locked\n\
             RUN --mount={mount},target=/m cat /m/file\n"
        );
        let built = build(&t, &dockerfile);
        built.ok();
        assert!(built.stderr.contains("found"), "{built}");
    }
    for from in ["from=a,from=$A", "from=b"] {
        let dockerfile = format!(
            "FROM busybox AS a\nRUN true\nFROM busybox\nARG A=a\nRUN --mount={from},target=/m true\n"
        );
        t.write("context/Dockerfile", dockerfile);
        let failed = t.hull(&["build", "--network", "none", "--pull=never", "context"]);
        assert!(failed.fails(1).contains("Dockerfile:5: "), "{from}: {failed}");
    }
}
