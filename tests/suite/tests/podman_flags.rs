//! Flags of `run` that podman has and docker lacks.

use hull_test_support::Scenario;

#[test]
fn the_environment_is_the_callers_or_less() {
    let Some(t) = Scenario::with_busybox() else { return };
    let run = |options: &[&str], script: &str| {
        let words =
            [&["run", "--rm", "--network", "none"], options, &["busybox", "/bin/sh", "-c", script]].concat();
        let outcome = hull_test_support::outcome::run(t.command(&words).env("OF_CALLER", "a b"));
        outcome.ok().to_owned()
    };
    assert_eq!(run(&["--env-host"], "echo $OF_CALLER"), "a b");
    assert_eq!(run(&["--env-host", "-e", "OF_CALLER=mine"], "echo $OF_CALLER"), "mine");
    assert_eq!(run(&[], "echo $OF_CALLER"), "");
    assert_eq!(run(&["--unsetenv", "HOSTNAME"], "/bin/env | /bin/grep -c HOSTNAME || true"), "0");
    // The runtime sets HOME if it is missing, as crun does.
    let words = ["run", "--rm", "--network", "none", "--unsetenv-all", "-e", "A=1", "busybox", "/bin/env"];
    assert_eq!(t.ok(&words), "A=1\nHOME=/root");
}

#[test]
fn the_umask_is_set_and_the_images_files_stay() {
    let Some(t) = Scenario::with_busybox() else { return };
    let run = |options: &[&str], script: &str| {
        t.ok(&[&["run", "--rm", "--network", "none"], options, &["busybox", "sh", "-c", script]].concat())
    };
    assert_eq!(run(&["--umask", "0077"], "umask"), "0077");
    assert_eq!(run(&[], "umask"), "0022");
    assert_eq!(run(&["--no-hosts"], "cat /etc/hosts 2>&1 | grep -c localhost || true"), "0");
    assert_eq!(run(&["--no-hostname"], "test -s /etc/hostname || echo none"), "none");
    for wrong in [["--umask", "9"], ["--umask", "1777"]] {
        let words = [&["run", "--rm"], &wrong[..], &["busybox", "true"]].concat();
        t.hull(&words).fails(125);
    }
    let both = t.hull(&["run", "--rm", "--no-hosts", "--add-host", "a:10.0.0.1", "busybox", "true"]);
    assert!(both.stderr.contains("--no-hosts and --add-host cannot be used together"), "{both}");
}
