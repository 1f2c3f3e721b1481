//! What a build runs, and what it does not run again: side by side, from the cache, and reproducibly.

use hull_test_support::{Outcome, Scenario};

/// The words of a build of `context`, which has this Dockerfile.
fn start(scenario: &Scenario, dockerfile: &str) {
    scenario.write("context/Dockerfile", dockerfile);
}

fn build(scenario: &Scenario, flags: &[&str]) -> Outcome {
    scenario.hull(&[&["build", "--progress", "plain"], flags, &["context"]].concat())
}

fn layers(scenario: &Scenario, image: &str) -> String {
    scenario.ok(&["image", "inspect", "-f", "{{json .RootFS.Layers}}", image])
}

#[test]
fn two_builds_of_the_same_at_once_run_a_step_once() {
    let Some(t) = Scenario::with_busybox() else { return };
    // A step that ran twice would leave two different files.
    start(&t, "FROM busybox\nRUN sleep 0.5; head -c 32 /dev/urandom > /random\n");
    let running = ["one", "two"].map(|tag| t.spawn(&["build", "-q", "-t", tag, "context"]));
    for build in running {
        build.wait().ok();
    }
    assert_eq!(layers(&t, "one"), layers(&t, "two"));
}

#[test]
fn what_a_step_does_not_read_is_no_reason_to_run_it_again() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("context/read", "1");
    t.write("context/other", "1");
    start(&t, "FROM busybox\nARG A=1\nCOPY read /\nRUN head -c 32 /dev/urandom > /random\n");
    build(&t, &["-t", "first"]).ok();
    t.write("context/other", "2");
    std::fs::File::open(t.path("context/read"))
        .unwrap()
        .set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    build(&t, &["-t", "second"]).ok();
    assert_eq!(layers(&t, "first"), layers(&t, "second"), "neither a time nor another file counts");
    t.write("context/read", "2");
    let third = build(&t, &["-t", "third", "--why"]);
    third.ok();
    assert_ne!(layers(&t, "second"), layers(&t, "third"));
    assert!(third.stderr.contains("the content of read changed"), "--why names the file: {third}");
    let fourth = build(&t, &["-t", "fourth", "--why", "--build-arg", "A=2"]);
    fourth.ok();
    assert_ne!(layers(&t, "third"), layers(&t, "fourth"));
    assert!(fourth.stderr.contains("env A was \"1\" and is \"2\""), "--why names the argument: {fourth}");
}

#[test]
fn two_roots_give_the_same_digest() {
    let Some(t) = Scenario::with_busybox() else { return };
    let other = t.second_root();
    // The very same base: an import would say when it was made.
    t.ok(&["save", "-o", t.path("base.tar").to_str().unwrap(), "busybox"]);
    other.ok(&["load", "-i", t.path("base.tar").to_str().unwrap()]);
    let dockerfile = "FROM busybox\nRUN mkdir /d && echo 1 > /d/one && ln /d/one /d/two\nCOPY . /c\n\
        WORKDIR /w\nENV A=1\nRUN date +%Y > /dev/null; touch /last\n";
    let mut ids = Vec::new();
    for (scenario, content) in [(&t, "same"), (&other, "same")] {
        start(scenario, dockerfile);
        scenario.write("context/file", content);
        let mut command = scenario.command(&["build", "-q", "-t", "app", "context"]);
        command.env("SOURCE_DATE_EPOCH", "1577836800");
        ids.push(hull_test_support::outcome::run(&mut command).ok().to_owned());
        let created = scenario.ok(&["image", "inspect", "-f", "{{.Created}}", "app"]);
        assert_eq!(created, "2020-01-01T00:00:00Z");
        scenario.ok(&["rmi", "app"]);
        let epoch = "SOURCE_DATE_EPOCH=1577836800";
        ids.push(scenario.ok(&["build", "-q", "--no-cache", "--build-arg", epoch, "context"]));
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn a_secret_is_in_no_file_of_the_store() {
    let Some(t) = Scenario::with_busybox() else { return };
    let secret = "kq7-unmistakable-secret-x2";
    let key = t.write("key", secret);
    let flag = format!("id=key,src={}", key.display());
    start(
        &t,
        "FROM busybox\nRUN --mount=type=secret,id=key test -s /run/secrets/key\n\
         RUN --mount=type=secret,id=key,env=KEY test -n \"$KEY\"\n\
         RUN --mount=type=secret,id=key cat /run/secrets/key > /dev/null; false\n",
    );
    let failed = build(&t, &["-t", "app", "--secret", &flag]);
    assert!(!failed.success(), "the last step fails: {failed}");
    let found =
        std::process::Command::new("grep").args(["-r", "-l", "-a", "-F", secret]).arg(t.data_root()).output();
    let found = found.expect("grep is installed");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "files with the secret");
}

#[test]
fn more_layers_than_the_kernel_mounts_are_refused_at_their_line() {
    let Some(t) = Scenario::with_busybox() else { return };
    let dockerfile = |layers: u32| {
        let lines: String = (0..layers).map(|number| format!("WORKDIR /d{number}\n")).collect();
        format!("FROM busybox\n{lines}")
    };
    // docker's limit is 127 layers. That of the kernel is 500, and one is a container's.
    start(&t, &dockerfile(130));
    build(&t, &["-t", "app"]).ok();
    t.ok(&["run", "--rm", "--network", "none", "app", "true"]);
    // The base has one.
    start(&t, &dockerfile(498));
    build(&t, &["-t", "app"]).ok();
    t.ok(&["run", "--rm", "--network", "none", "app", "true"]);
    start(&t, &dockerfile(499));
    let refused = build(&t, &["-t", "app"]);
    assert!(!refused.success(), "{refused}");
    assert!(
        refused.stderr.contains("Dockerfile:500: ") && refused.stderr.contains("max depth exceeded"),
        "{refused}"
    );
}
