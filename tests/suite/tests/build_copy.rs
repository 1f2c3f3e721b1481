//! COPY, ADD and WORKDIR of `hull build`, as a container sees what they have written. The rules themselves are tested where
//! they are kept, in `final/crates/build/src/transfer/tests`.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use hull_test_support::outcome::run;
use hull_test_support::{Outcome, Scenario};

fn build(t: &Scenario, dockerfile: &str) -> Outcome {
    t.write("context/Dockerfile", dockerfile);
    t.hull(&["build", "-q", "-t", "built", "context"])
}

/// What a command prints in a container of the image.
#[track_caller]
fn shown(t: &Scenario, command: &str) -> String {
    t.hull(&["run", "--rm", "--network", "none", "--user", "0", "built", "sh", "-c", command]).ok().to_owned()
}

/// Tars what `script` makes in an empty directory.
fn archive(t: &Scenario, name: &str, script: &str) {
    let directory = t.path("archived");
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir(&directory).unwrap();
    let tar = t.path(format!("context/{name}"));
    std::fs::create_dir_all(tar.parent().unwrap()).unwrap();
    let script = format!("set -e; {script}; tar --owner=11 --group=22 --sort=name -czf {} *", tar.display());
    run(Command::new("sh").args(["-c", &script]).current_dir(&directory)).ok();
}

const DOCKERFILE: &str = "FROM busybox
RUN mkdir -p /srv/app/old && touch /srv/app/old/f && chown -R 5:6 /srv && chmod 2770 /srv/app && ln -s srv/app /link
COPY one /link/
COPY --chown=7:8 --chmod=640 tree /srv/tree
COPY --link one /srv/app/linked
ADD archive /opt
USER 9:10
WORKDIR /work/here
";

/// What [`DOCKERFILE`] makes, for every user who builds it.
#[track_caller]
fn assert_built(t: &Scenario) {
    let stat = |paths: &str| shown(t, &format!("cd / && stat -c '%a %u:%g %n' {paths}"));
    assert_eq!(
        stat("srv/app/one srv/app/old/f srv/tree srv/tree/sub srv/tree/sub/two srv/app/linked"),
        "644 0:0 srv/app/one\n644 5:6 srv/app/old/f\n755 7:8 srv/tree\n640 7:8 srv/tree/sub\n640 7:8 srv/tree/sub/two\n644 0:0 srv/app/linked"
    );
    assert_eq!(
        stat("opt opt/dir opt/dir/file work work/here"),
        "755 0:0 opt\n750 11:22 opt/dir\n644 11:22 opt/dir/file\n755 9:10 work\n755 9:10 work/here"
    );
    assert_eq!(shown(t, "pwd; cat /opt/dir/file /srv/app/one"), "/work/here\npacked\none");
}

fn fill(t: &Scenario) {
    t.write("context/one", "one");
    t.write("context/tree/sub/two", "two\n");
    archive(t, "archive", "mkdir -m 750 dir; echo packed >dir/file");
}

#[test]
fn a_container_sees_what_was_copied() {
    let Some(t) = Scenario::with_busybox() else { return };
    fill(&t);
    build(&t, DOCKERFILE).ok();
    assert_built(&t);
    // The same from the tars: the image is saved and loaded into another store.
    t.hull(&["save", "-o", "image.tar", "built"]).ok();
    let other = t.second_root();
    other.hull(&["load", "-i", t.path("image.tar").to_str().unwrap()]).ok();
    assert_built(&other);
}

#[test]
fn a_container_sees_what_was_copied_without_privileges() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    fill(&t);
    build(&t, DOCKERFILE).ok();
    assert_built(&t);
    let refused = build(&t, "FROM busybox\nCOPY --chown=4000000000 one /\n");
    let error = refused.fails(1);
    assert!(error.contains("Dockerfile:2") && error.contains("4000000000"), "{error}");
}

#[test]
fn a_directory_of_an_archive_replaces_a_file_that_hid_one() {
    let Some(t) = Scenario::with_busybox() else { return };
    archive(&t, "archive", "echo file >d; tar -cf ../first.tar d; rm d; mkdir d; echo new >d/new");
    let both = "gunzip <context/archive >second.tar; tar --concatenate -f first.tar second.tar; mv first.tar context/archive";
    run(Command::new("sh").args(["-c", both]).current_dir(t.path(""))).ok();
    build(&t, "FROM busybox\nRUN mkdir /d && touch /d/old\nADD archive /\n").ok();
    assert_eq!(shown(&t, "ls /d"), "new");
}

#[test]
fn the_error_names_the_line_and_what_is_in_the_way() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("context/file", "");
    t.write("context/dir/file", "");
    t.write("context/marks/.wh.passwd", "");
    std::os::unix::fs::symlink("/etc/passwd", t.path("context/outside")).unwrap();
    for (instruction, why) in [
        ("COPY missing /", "\"missing\" is not in the build context"),
        ("COPY outside /", "is not in the build context"),
        ("COPY dir /bin/sh", "a directory cannot be copied to a file"),
        ("COPY file /bin/sh/x", "a file stands in its path"),
        ("COPY --chown=nobody-here file /", "no \"nobody-here\" in the image's /etc/passwd"),
        ("COPY --chmod=9 file /", "octal"),
        ("COPY marks /etc/", "would delete a file of the layers below"),
    ] {
        let error = build(&t, &format!("FROM busybox\n{instruction}\n"));
        let error = error.fails(1);
        assert!(error.contains("Dockerfile:2") && error.contains(why), "{instruction}: {error}");
    }
}

#[test]
fn a_change_of_what_a_flag_leaves_out_misses_nothing_and_of_the_rest_misses_the_cache() {
    let Some(t) = Scenario::with_busybox() else { return };
    let dockerfile = "FROM busybox\nCOPY --parents --exclude=**/*.log **/*.txt deep /out/\n";
    t.write("context/a/b/one.txt", "1");
    t.write("context/deep/two", "2");
    t.write("context/deep/three.log", "3");
    build(&t, dockerfile).ok();
    let files = "cd /out && find . -type f | sort";
    assert_eq!(shown(&t, files), "./a/b/one.txt\n./deep/two");
    t.write("context/a/b/one.txt", "changed");
    build(&t, dockerfile).ok();
    assert_eq!(shown(&t, "cat /out/a/b/one.txt"), "changed");
}

#[test]
fn equal_sources_give_equal_layers() {
    let Some(t) = Scenario::with_busybox() else { return };
    fill(&t);
    t.write(
        "context/Dockerfile",
        "FROM busybox\nCOPY --chmod=600 tree one /new/\nADD archive /new/\nWORKDIR /w\n",
    );
    let layers = |name: &str| {
        t.hull(&[
            "build",
            "-q",
            "--no-cache",
            "--build-arg",
            "SOURCE_DATE_EPOCH=1000000000",
            "-t",
            name,
            "context",
        ])
        .ok();
        t.hull(&["image", "inspect", "-f", "{{json .RootFS.Layers}}", name]).ok().to_owned()
    };
    let first = layers("first");
    std::fs::set_permissions(t.path("context/one"), PermissionsExt::from_mode(0o640)).unwrap();
    assert_eq!(layers("second"), first);
}
