//! `hull build --check`: its text, its JSON and its exit codes are docker's, and the warnings of a build.

use hull_test_support::{Outcome, Scenario};
use serde_json::Value;

fn build(t: &Scenario, args: &[&str]) -> Outcome {
    t.hull(&[&["build"], args, &["context"]].concat())
}

/// What `docker buildx build --check` (buildx 0.29, dockerd 28.5) prints for the Dockerfile of the test, without blanks
/// at the ends of lines.
const DOCKERS: &str = "\
Check complete, 6 warnings have been found!

WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/
Stage name 'X' should be lowercase
Dockerfile:1
--------------------
   1 | >>> FROM scratch as X
   2 |     # c
   3 |
--------------------

WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/
'as' and 'FROM' keywords' casing do not match
Dockerfile:1
--------------------
   1 | >>> FROM scratch as X
   2 |     # c
   3 |
--------------------

WARNING: UndefinedVar - https://docs.docker.com/go/dockerfile/rule/undefined-var/
Usage of undefined variable '$a'
Dockerfile:8
--------------------
   7 |
   8 | >>> COPY <<EOF /x
   9 | >>> $a
  10 | >>> EOF
  11 |     ENV A=1 \\
--------------------

WARNING: UndefinedVar - https://docs.docker.com/go/dockerfile/rule/undefined-var/
Usage of undefined variable '$C'
Dockerfile:11
--------------------
  10 |     EOF
  11 | >>> ENV A=1 \\
  12 | >>>
  13 | >>>  B=$C
  14 |     MAINTAINER x
--------------------

WARNING: NoEmptyContinuation - https://docs.docker.com/go/dockerfile/rule/no-empty-continuation/
Empty continuation line
Dockerfile:13
--------------------
  11 |     ENV A=1 \\
  12 |
  13 | >>>  B=$C
  14 |     MAINTAINER x
  15 |     USER 1
--------------------

WARNING: MaintainerDeprecated - https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/
Maintainer instruction is deprecated in favor of using label
Dockerfile:14
--------------------
  12 |
  13 |      B=$C
  14 | >>> MAINTAINER x
  15 |     USER 1
  16 |
--------------------";

#[test]
fn the_text_is_dockers() {
    let Some(t) = Scenario::start() else { return };
    let text = "FROM scratch as X\n# c\n\n\n\n\n\nCOPY <<EOF /x\n$a\nEOF\nENV A=1 \\\n\n B=$C\nMAINTAINER x\nUSER 1\n\nUSER 2\n";
    t.write("context/Dockerfile", text);
    t.write("context/.hadolint.yaml", "ignored: [DL4000]\n");
    let checked = build(&t, &["--check"]);
    checked.fails(1);
    assert_eq!(checked.stdout.trim_end(), DOCKERS);
    let json: Value = serde_json::from_str(&build(&t, &["--call", "check,format=json"]).stdout).unwrap();
    let first = &json["warnings"][0];
    assert_eq!(
        (&first["ruleName"], &first["location"]["ranges"][0]["end"]["line"]),
        (&"StageNameCasing".into(), &1.into())
    );
    assert_eq!(json["warnings"].as_array().map(Vec::len), Some(6));
}

#[test]
fn the_exit_code_is_dockers_unless_hadolint_is_configured() {
    let Some(t) = Scenario::start() else { return };
    t.write("context/Dockerfile", "FROM debian\nRUN sudo true\n");
    let checked = build(&t, &["--check"]);
    assert!(checked.ok().contains("\nERROR: DL3004 - https://"), "{checked}");
    t.write("context/.hadolint.yaml", "override:\n  warning: [DL3004]\nfailure-threshold: error\n");
    assert!(build(&t, &["--check"]).ok().contains("\nWARNING: DL3004 - https://"));
    t.write("context/.hadolint.yaml", "trustedRegistries: [registry.example.com]\n");
    assert!(build(&t, &["--check"]).stdout.contains("DL3026"));
    build(&t, &["--check"]).fails(1);
    t.write("context/.hadolint.yaml", "ignored: {}\n");
    assert!(build(&t, &["--check"]).fails(1).contains(".hadolint.yaml"));
}

#[test]
fn a_directive_and_a_build_argument_choose_the_checks() {
    let Some(t) = Scenario::start() else { return };
    t.write("context/Dockerfile", "# check=error=true\nFROM scratch AS Base\nCMD [\"a\"]\n");
    assert!(build(&t, &["--check"]).fails(1).contains("lint violation found for rules: StageNameCasing"));
    assert!(build(&t, &[]).fails(1).contains("lint violation found for rules: StageNameCasing"));
    let skip = ["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=StageNameCasing;error=true"];
    assert_eq!(build(&t, &[&["--check"], &skip[..]].concat()).ok(), "Check complete, no warnings found.");
    t.write("context/Dockerfile", "# check=nothing\nFROM scratch\n");
    assert!(build(&t, &["--check"]).fails(1).contains("invalid check option"));
}

#[test]
fn a_build_warns_of_variables_that_its_base_image_does_not_define() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("context/Dockerfile", "FROM busybox as base\nENV A=$PATH B=$PTH\nRUN sudo true || true\n");
    let built = build(&t, &["--progress", "plain"]);
    built.ok();
    assert!(
        built.stderr.contains("FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)"),
        "{built}"
    );
    assert!(
        built
            .stderr
            .contains("UndefinedVar: Usage of undefined variable '$PTH' (did you mean $PATH?) (line 2)")
    );
    assert!(!built.stderr.contains("DL3004"), "hadolint's rules are for --check only: {built}");
}
