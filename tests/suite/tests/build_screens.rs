//! What `hull build` shows of a Dockerfile with a mistake, and of steps that end in other ways than well.

use hull_test_support::{Outcome, Scenario, Terminal};

fn scenario(dockerfile: &str) -> Option<Scenario> {
    let t = Scenario::with_busybox()?;
    t.write("context/Dockerfile", dockerfile);
    Some(t)
}

fn build(t: &Scenario, args: &[&str]) -> Outcome {
    t.hull(&[&["build", "--network", "none"], args, &["context"]].concat())
}

#[track_caller]
fn assert_shown(outcome: &Outcome, wanted: &[&str]) {
    for want in wanted {
        assert!(outcome.stderr.contains(want), "no {want:?} in:\n{outcome}");
    }
}

#[test]
fn no_line_of_a_loud_program_is_lost() {
    let Some(t) = scenario("FROM busybox\nRUN seq 1 20000\n") else { return };
    let built = build(&t, &["--logfile", "log"]);
    built.ok();
    let log = std::fs::read_to_string(t.path("log")).unwrap();
    for text in [&built.stderr, &log] {
        let numbers: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#2 ")?.split_once(' ').map(|(_, number)| number))
            .filter(|number| number.parse::<u32>().is_ok())
            .collect();
        let wanted: Vec<String> = (1..=20000).map(|number: u32| number.to_string()).collect();
        assert!(numbers == wanted, "{} of 20000 lines", numbers.len());
    }
}

#[test]
fn steps_have_the_names_and_numbers_of_buildkit() {
    let file = "\
FROM busybox AS base
RUN <<EOF
set -e
echo hello
EOF
FROM base
RUN true
";
    let Some(t) = scenario(file) else { return };
    let built = build(&t, &[]);
    built.ok();
    let names = ["#1 [base 1/2] FROM busybox\n", "#2 [base 2/2] RUN <<EOF (set -e...)\n"];
    assert_shown(&built, &names);
    assert_shown(&built, &["#3 [stage-1 1/1] RUN true\n", "#4 exporting to image\n"]);
    t.write("context/Dockerfile", "FROM scratch AS files\nCOPY Dockerfile /\n");
    let several = build(&t, &["--platform", "linux/amd64,linux/arm64"]);
    several.ok();
    assert_shown(&several, &["[linux/amd64 files 2/2] COPY", "[linux/arm64 files 2/2] COPY"]);
    let files = build(&t, &["-o", "out"]);
    files.ok();
    assert_shown(&files, &["#3 exporting to client directory\n"]);
}

#[test]
fn a_misspelt_stage_is_recognized() {
    let file = "FROM busybox AS builder\nFROM busybox\nRUN true\nCOPY --from=bulder /etc/passwd /\n";
    let Some(t) = scenario(file) else { return };
    let failed = build(&t, &["--pull=never"]);
    failed.fails(1);
    assert_shown(&failed, &["   4 | >>> COPY --from=bulder", "hull: Dockerfile:4: ", "bulder"]);
    assert_shown(&failed, &["(did you mean the stage builder?)"]);
    let target = build(&t, &["--target", "bilder"]);
    assert!(target.fails(1).contains("\"bilder\" could not be found (did you mean builder?)"), "{target}");
}

#[test]
fn a_copy_that_fails_is_a_step_that_fails() {
    let Some(t) = scenario("FROM busybox\nCOPY missing /\n") else { return };
    let failed = build(&t, &[]);
    failed.fails(1);
    assert_shown(&failed, &["#2 [2/2] COPY missing /\n#2 ERROR: \"missing\" is not in the build context\n"]);
    assert_shown(&failed, &["hint: paths of COPY and ADD are in the build context"]);
    t.write("context/Dockerfile", "FROM busybox\nRUN false\n");
    let failed = t.hull(&["build", "--shell-on-failure", "context"]);
    failed.fails(1);
    assert_shown(&failed, &["no shell was opened: the input or the output is not a terminal\n"]);
}

#[test]
fn mounts_are_checked_before_anything_runs() {
    let Some(t) = scenario("FROM busybox\nRUN echo ran\nRUN --mount=type=cahce,target=/x true\n") else {
        return;
    };
    let failed = build(&t, &[]);
    let shown = failed.fails(1);
    assert!(shown.contains("unsupported mount type \"cahce\" (did you mean cache?)"), "{shown}");
    assert!(!shown.contains("#1"), "a step was run: {shown}");
}

#[test]
fn what_is_missing_is_named() {
    let Some(t) = scenario("FROM scratch\n") else { return };
    let fails = |args: &[&str], wanted: &str| {
        let failed = t.hull(&[&["build"], args].concat());
        assert!(failed.fails(1).contains(wanted), "{failed}");
    };
    fails(&["nothing"], "hull: cannot open the build context nothing: No such file or directory");
    fails(&["context/Dockerfile"], "is a file, and it must be a directory; -f names a Dockerfile");
    fails(&["-f", "nothing", "context"], "hull: cannot open the Dockerfile nothing: No such file");
    fails(&["--push", "context"], "hull: a name is needed to push an image: add --tag NAME");
    t.write("empty/Dockerfile", "");
    let empty = t.hull(&["build", "empty"]);
    assert_eq!(empty.fails(1), "hull: Dockerfile:1: file with no instructions\n");
    // Only what is about a line of the Dockerfile has one.
    let unused = t.hull(&["build", "--build-arg", "NAME=1", "-o", "out", "context"]);
    assert!(unused.stderr.contains(" build-args [NAME] were not consumed\n"), "{unused}");
}

#[test]
fn the_steps_that_another_step_stopped_are_cancelled_and_the_result_is_named_in_the_end() {
    let file = "\
FROM busybox AS slow
RUN touch /begun; while true; do sleep 0.1; done
FROM busybox AS failing
RUN printf '10%%\\r20%%'; sleep 1; exit 7
FROM busybox
COPY --from=slow / /slow
COPY --from=failing / /failing
";
    let Some(t) = scenario(file) else { return };
    let mut terminal = Terminal::start(&t.command(&["build", "--network", "none", "context"]));
    terminal.expect("=> => # 20%");
    terminal.expect("=> CANCELED [slow 2/2] RUN touch");
    terminal.expect("exit code: 7");
    assert_eq!(terminal.wait(), 1);
    t.write("context/Dockerfile", "FROM busybox\nRUN true\n");
    let mut terminal = Terminal::start(&t.command(&["build", "--network", "none", "-t", "built", "context"]));
    terminal.expect("FINISHED");
    terminal.expect("=> => writing image sha256:");
    terminal.expect("=> => naming to docker.io/library/built:latest");
    assert_eq!(terminal.wait(), 0);
}
