//! `build` under docker's, podman's and buildah's names.

use hull_test_support::outcome::{run, run_with_input};

use crate::{build, named, scenario};

#[test]
fn all_names_of_build_build() {
    let Some(t) = scenario("FROM busybox\nRUN true\n") else { return };
    let id = build(&t, &["-q"]).ok().to_owned();
    for (program, verb) in [
        ("hull", "image build"),
        ("hull", "builder build"),
        ("hull", "buildx build"),
        ("docker", "build"),
        ("docker", "buildx b"),
        ("docker", "image build"),
    ] {
        let words = [verb, "-q context"].join(" ");
        let words: Vec<&str> = words.split(' ').collect();
        assert_eq!(run(&mut named(&t, program, &words)).ok(), id, "{program} {verb}");
    }
    // podman and buildah print the id without its algorithm, and in any case.
    let bare = id.strip_prefix("sha256:").unwrap();
    for (program, verb) in [
        ("podman", "build"),
        ("podman", "image build"),
        ("buildah", "bud"),
        ("buildah", "build"),
        ("buildah", "build-using-dockerfile"),
    ] {
        let words = [verb, "context"].join(" ");
        let words: Vec<&str> = words.split(' ').collect();
        let built = run(&mut named(&t, program, &words));
        assert_eq!(built.ok(), bare, "{program} {verb}");
    }
}

#[test]
fn podman_builds_the_directory_it_stands_in_and_takes_a_containerfile() {
    let Some(t) = scenario("FROM busybox\nRUN exit 7\n") else { return };
    t.write("context/Containerfile", "FROM busybox\nRUN true\n");
    run(named(&t, "podman", &["build"]).current_dir(t.path("context"))).ok();
    build(&t, &["-q"]).fails(1);
    let missing = t.hull(&["build"]);
    assert!(missing.fails(1).contains("hull build [OPTIONS] PATH | URL | -"), "{missing}");
    // Without a Dockerfile, the Containerfile is built by every name; `-f` may be beside the context and in it.
    std::fs::rename(t.path("context/Dockerfile"), t.path("failing")).unwrap();
    build(&t, &["-q"]).ok();
    build(&t, &["-q", "-f", "failing"]).fails(1);
    build(&t, &["-q", "-f", "Containerfile"]).ok();
    let from_stdin = t.command(&["build", "-q", "-f", "-", "context"]);
    run_with_input(&mut { from_stdin }, b"FROM busybox\nRUN true\n").ok();
}
