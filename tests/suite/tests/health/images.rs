//! Checks that come with images, and the instructions that define them.

use hull_test_support::Scenario;

use super::{SLEEP, health, run, until};

#[test]
fn an_image_brings_its_check_along_and_flags_change_it() {
    let Some(t) = Scenario::with_busybox() else { return };
    run(&t, "maker", &[], &SLEEP);
    let check = "HEALTHCHECK --interval=100ms --retries=7 CMD test ! -e /bad";
    let changes =
        ["-c", check, "-c", "ONBUILD RUN  true", "-c", "SHELL [\"/bin/ash\", \"-c\"]", "-c", "CMD sleep 300"];
    t.ok(&[&["commit"], &changes[..], &["maker", "checked"]].concat());
    let config = |name: &str| t.ok(&["image", "inspect", "-f", "{{json .Config.Healthcheck}}", name]);
    let expected = r#"{"Test":["CMD-SHELL","test ! -e /bad"],"Interval":100000000,"Retries":7}"#;
    assert_eq!(config("checked"), expected);
    let rest = "{{json .Config.OnBuild}} {{json .Config.Shell}} {{json .Config.Cmd}}";
    assert_eq!(
        t.ok(&["image", "inspect", "-f", rest, "checked"]),
        r#"["RUN  true"] ["/bin/ash","-c"] ["/bin/ash","-c","sleep 300"]"#
    );
    let start = |name: &str, flags: &[&str]| {
        t.ok(&[&["run", "-d", "--network", "none", "--name", name], flags, &["checked"]].concat());
        t.inspect(name, "{{json .Config.Healthcheck}}")
    };
    assert_eq!(start("own", &[]), expected);
    let merged = r#"{"Test":["CMD-SHELL","test ! -e /bad"],"Interval":100000000,"Retries":1}"#;
    assert_eq!(start("merged", &["--health-retries", "1"]), merged);
    assert_eq!(
        start("without", &["--no-healthcheck"]),
        r#"{"Test":["NONE"],"Interval":100000000,"Retries":7}"#
    );
    until(&t, "own", "healthy");
    until(&t, "merged", "healthy");
    assert_eq!(t.inspect("without", "{{json .State.Health}}"), "null");
    t.ok(&["exec", "merged", "touch", "/bad"]);
    until(&t, "merged", "unhealthy");
    assert_eq!(health(&t, "own")["Status"], "healthy");
    // A commit keeps the container's check, and `NONE` replaces it.
    t.ok(&["commit", "merged", "again"]);
    assert_eq!(config("again"), merged);
    t.ok(&["commit", "-c", "HEALTHCHECK NONE", "merged", "never"]);
    assert_eq!(config("never"), r#"{"Test":["NONE"]}"#);
}

#[test]
fn an_imported_image_has_the_instructions_it_was_given() {
    let Some(t) = Scenario::with_busybox() else { return };
    let tar = t.path("root.tar");
    let tar = tar.to_str().unwrap();
    run(&t, "maker", &[], &SLEEP);
    t.ok(&["export", "-o", tar, "maker"]);
    let changes =
        ["-c", "HEALTHCHECK CMD [\"/bin/true\"]", "-c", "ONBUILD COPY . /src", "-c", "SHELL [\"/bin/ash\"]"];
    t.ok(&[&["import"], &changes[..], &[tar, "imported"]].concat());
    let all = "{{json .Config.Healthcheck}} {{json .Config.OnBuild}} {{json .Config.Shell}}";
    assert_eq!(
        t.ok(&["image", "inspect", "-f", all, "imported"]),
        r#"{"Test":["CMD","/bin/true"]} ["COPY . /src"] ["/bin/ash"]"#
    );
    for wrong in ["HEALTHCHECK", "HEALTHCHECK RUN x", "ONBUILD FROM x", "SHELL sh"] {
        t.hull(&["import", "-c", wrong, tar, "wrong"]).fails(1);
    }
}
