//! BuildKit's checks: the same warnings as dockerd gives, of which `buildkit.txt` is the list.

use crate::{BUILDKIT, HADOLINT, cases, check, check_on};
use hull_build::lint::{self, hadolint};
use hull_image::config::{ImageConfig, RunConfig};

fn lines(report: &lint::Report) -> Vec<String> {
    let line =
        |warning: &lint::Warning| format!("{} {} {}", warning.span.first, warning.rule, warning.message);
    report.warnings.iter().map(line).collect()
}

#[test]
fn warnings_are_those_of_buildkit() {
    let mut count = 0;
    for (name, case) in cases(BUILDKIT) {
        let (text, wanted) = case.split_once("---\n").expect("a Dockerfile and its warnings");
        let (_page, text) = text.split_once('\n').expect("a page of the reference");
        let mut wanted: Vec<String> = wanted.lines().map(str::to_owned).collect();
        let mut found = match check(text, &[], None) {
            Ok(report) => {
                let mut found = lines(&report);
                found.extend(
                    (!report.errors.is_empty()).then(|| format!("fails {}", report.errors.join(", "))),
                );
                found
            }
            Err(_) => vec!["error".into()],
        };
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted, "{name}");
        count += 1;
    }
    assert!(count > 45, "{count} cases");
}

#[test]
fn each_check_of_the_reference_has_a_case() {
    let seen = |rule: &&lint::Rule| BUILDKIT.lines().any(|line| line.split(' ').nth(1) == Some(rule.id));
    let missing: Vec<_> = lint::buildkit::ALL.iter().filter(|rule| !seen(rule)).map(|rule| rule.id).collect();
    // The case for this one is below: it needs a base image.
    assert_eq!(missing, ["InvalidBaseImagePlatform"]);
    let pages = BUILDKIT.lines().filter(|line| line.starts_with("# https://docs.docker.com/"));
    assert_eq!(pages.count(), cases(BUILDKIT).count());
}

#[test]
fn the_build_argument_overrides_the_directive() {
    let text = "# check=skip=all\nFROM scratch as X\nCMD a\n";
    let argument = |value| check(text, &[(lint::CHECK_ARGUMENT, value)], None);
    assert_eq!(check(text, &[], None).unwrap().warnings, []);
    let report = argument("skip=StageNameCasing;error=true").unwrap();
    assert_eq!(report.errors, ["FromAsCasing", "JSONArgsRecommended"]);
    let error = report.error().unwrap().to_string();
    assert_eq!(error, "lint violation found for rules: FromAsCasing, JSONArgsRecommended");
    assert!(argument("x").is_err());
}

#[test]
fn arguments_of_the_build_change_what_is_undefined() {
    let text = "ARG TAG\nFROM ${TAG:+debian:$TAG} AS a\nFROM scratch\nARG X\nWORKDIR $X\n";
    let rules = |args: &[_]| -> Vec<String> {
        check(text, args, None).unwrap().warnings.into_iter().map(|warning| warning.rule).collect()
    };
    assert_eq!(rules(&[]), ["InvalidDefaultArgInFrom", "WorkdirRelativePath"]);
    assert_eq!(rules(&[("TAG", "12"), ("X", "/x")]), ["InvalidDefaultArgInFrom"]);
}

#[test]
fn the_base_image_defines_variables_and_the_shell() {
    let text = "FROM base:1\nCMD a\nWORKDIR /$LANG/$LANGUAGE\n";
    assert_eq!(lines(&check(text, &[], None).unwrap()).len(), 1, "an unknown image may define any variable");
    let config = |architecture: &str| ImageConfig {
        architecture: architecture.into(),
        os: "linux".into(),
        config: Some(RunConfig {
            env: Some(vec!["LANG=C".into()]),
            shell: Some(vec!["/bin/x".into()]),
            ..RunConfig::default()
        }),
        ..ImageConfig::default()
    };
    let on = |architecture| lines(&check_on(text, &[], None, &|_, _| Some(config(architecture))).unwrap());
    assert_eq!(on("amd64"), ["3 UndefinedVar Usage of undefined variable '$LANGUAGE'"]);
    let other = "1 InvalidBaseImagePlatform Base image base:1 was pulled with platform \"linux/arm64\", expected \"linux/amd64\" for current build";
    assert_eq!(on("arm64")[0], other);
}

#[test]
fn damaged_files_are_checked_without_a_panic() {
    let all = hadolint::Configuration::default();
    for (_, case) in cases(BUILDKIT).chain(cases(HADOLINT)) {
        for (at, letter) in case.char_indices().step_by(7) {
            let _ = check(&case[..at], &[], Some(&all));
            let changed = [
                &case[..at],
                ["$", "{", "\"", "<<", "\\", "'", "é"][at % 7],
                &case[at + letter.len_utf8()..],
            ];
            let _ = check(&changed.concat(), &[], Some(&all));
        }
    }
}

#[test]
fn hostile_files_are_checked_in_seconds() {
    let many = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let all = hadolint::Configuration::default();
    let stage =
        |n: usize| format!("FROM s{} AS s{n}\nENV V{n}=1\nCOPY --from=s{n} a.tar /\n", n.saturating_sub(1));
    let nested = format!("FROM a:1\nRUN {}x{}\n", "\"$(".repeat(10_000), ")\"".repeat(10_000));
    let open = format!("FROM a:1\nRUN {}\n", "\"$(".repeat(20_000));
    let pairs = many(5_000, &|n| format!("V{n}=$V{} ", n + 1));
    for text in [
        many(10_000, &stage),
        format!("FROM scratch\nENV {pairs}\n"),
        format!("FROM scratch\n{}", many(20_000, &|n| format!("ENV V{n}=$X{n}\n"))),
        format!("FROM scratch\n{}", many(20_000, &|n| format!("COPY a{n}.tar /\nRUN tar -xf a{n}.tar\n"))),
        format!("FROM scratch\n{}", many(20_000, &|_| "# hadolint ignore=DL3004\nRUN sudo a\n".into())),
        nested,
        open,
    ] {
        let started = std::time::Instant::now();
        let _ = check(&text, &[], Some(&all));
        assert!(started.elapsed().as_secs() < 120, "{} took {:?}", &text[..60], started.elapsed());
    }
}
