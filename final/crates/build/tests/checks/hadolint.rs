//! hadolint's rules: the same ids, levels, lines and messages as hadolint itself gives for the files of
//! `hadolint.txt`.

use std::collections::BTreeSet;
use std::process::Command;

use hull_build::lint::{Severity, hadolint};
use hull_test_support::python;
use serde_json::Value;

use crate::{HADOLINT, cases, check};

/// What one finding is.
type Finding = (u64, String, String, String);

fn ours(text: &str, configuration: &hadolint::Configuration) -> BTreeSet<Finding> {
    let report = check(text, &[], Some(configuration)).expect("the Dockerfile is valid");
    let warnings = report.warnings.into_iter().filter(|warning| warning.rule.starts_with("DL"));
    let severity = |severity: Severity| serde_json::to_value(severity).unwrap().as_str().unwrap().to_owned();
    warnings
        .map(|warning| {
            (u64::from(warning.span.first), warning.rule, severity(warning.severity), warning.message)
        })
        .collect()
}

/// What hadolint with these arguments finds in each of the files, without its findings in shell. All files are given to
/// it at once: its start takes longer than a file.
fn theirs(texts: &[&str], arguments: &[&str]) -> Vec<BTreeSet<Finding>> {
    let program = python::hadolint().expect("hadolint can be installed").join("hadolint");
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.current_dir(&directory).args(["--no-fail", "-f", "json"]).args(arguments);
    for (number, text) in texts.iter().enumerate() {
        std::fs::write(directory.path().join(number.to_string()), text).unwrap();
        command.arg(number.to_string());
    }
    let output = command.output().unwrap();
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let mut findings = vec![BTreeSet::new(); texts.len()];
    for found in found.iter().filter(|found| word(&found["code"]).starts_with("DL")) {
        let line = found["line"].as_u64().unwrap();
        let finding = (line, word(&found["code"]), word(&found["level"]), word(&found["message"]));
        findings[word(&found["file"]).parse::<usize>().unwrap()].insert(finding);
    }
    findings
}

#[test]
fn findings_are_those_of_hadolint() {
    let mut rules = BTreeSet::new();
    let (names, texts): (Vec<_>, Vec<_>) = cases(HADOLINT).unzip();
    assert!(texts.len() >= 60, "{} Dockerfiles", texts.len());
    for ((name, text), theirs) in names.iter().zip(&texts).zip(theirs(&texts, &[])) {
        assert_eq!(ours(text, &hadolint::Configuration::default()), theirs, "{name}:\n{text}");
        rules.extend(theirs.into_iter().map(|(_, rule, ..)| rule));
    }
    let known = hadolint::ALL.iter().filter(|rule| rule.severity != Severity::Ignore);
    let unseen: Vec<_> = known.map(|rule| rule.id).filter(|rule| !rules.contains(*rule)).collect();
    // A file in which they are broken is refused (DL3061, and DL3023, a copy of a stage from itself, by BuildKit only),
    // or needs a configuration.
    assert_eq!(unseen, ["DL3026", "DL3043", "DL3061"]);
}

#[test]
fn levels_and_registries_are_those_of_the_configuration() {
    let text = "FROM docker.io/library/debian\nFROM registry.example.com/a:1\nFROM scratch\nRUN sudo a\nHEALTHCHECK NONE\nUSER 1\n";
    let configuration = hadolint::Configuration {
        ignored: ["DL3006".to_owned()].into(),
        levels: [("DL3004".to_owned(), Severity::Info), ("DL3057".to_owned(), Severity::Style)].into(),
        registries: vec!["docker.io".into()],
        threshold: None,
    };
    let arguments = "--ignore DL3006 --info DL3004 --style DL3057 --trusted-registry docker.io";
    let arguments: Vec<_> = arguments.split(' ').collect();
    let found = ours(text, &configuration);
    assert_eq!(found, theirs(&[text], &arguments)[0]);
    let rules: Vec<_> = found.iter().map(|(line, rule, ..)| (*line, rule.as_str())).collect();
    assert_eq!(rules, [(1, "DL3057"), (2, "DL3026"), (2, "DL3057"), (4, "DL3004")]);
}

#[test]
fn rules_that_hadolint_does_not_report_by_itself_can_be_turned_on() {
    let off = ["DL1001", "DL3057"];
    let configuration = hadolint::Configuration {
        levels: off.iter().map(|rule| ((*rule).to_owned(), Severity::Warning)).collect(),
        ..hadolint::Configuration::default()
    };
    let arguments: Vec<_> = off.iter().flat_map(|rule| ["--warning", rule]).collect();
    let (names, texts): (Vec<_>, Vec<_>) = cases(HADOLINT).unzip();
    for ((name, text), theirs) in names.iter().zip(&texts).zip(theirs(&texts, &arguments)) {
        let keep = |found: BTreeSet<Finding>| -> Vec<_> {
            found.into_iter().filter(|(_, rule, ..)| off.contains(&rule.as_str())).collect()
        };
        assert_eq!(keep(ours(text, &configuration)), keep(theirs), "{name}:\n{text}");
    }
}
