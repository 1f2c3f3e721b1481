//! `KEY=VALUE`: labels, sysctls, annotations and drivers' options
//! (<https://docs.docker.com/engine/manage-resources/labels/>).

use std::collections::BTreeMap;

use super::env;

/// Parses a label, which may have no value.
pub fn label(entry: &str) -> Result<(String, String), String> {
    match entry.split_once('=').unwrap_or((entry, "")) {
        ("", _) => Err(format!("invalid label {entry:?}: it has no name")),
        (key, value) => Ok((key.to_owned(), value.to_owned())),
    }
}

/// All labels: those in the texts of `--label-file`, and those of flags, which override them.
pub fn labels(files: &[String], given: &[String]) -> Result<BTreeMap<String, String>, String> {
    let lines = files.iter().flat_map(|text| env::lines(text)).map(|(_, line)| line);
    lines.chain(given.iter().map(String::as_str)).map(label).collect()
}

/// Parses pairs that need a value. `what` describes them in an error.
pub fn parse(what: &str, given: &[String]) -> Result<BTreeMap<String, String>, String> {
    let pair = |entry: &String| match entry.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("invalid {what} {entry:?}: expected KEY=VALUE")),
    };
    given.iter().map(pair).collect()
}

#[test]
fn only_a_label_may_be_without_a_value() {
    assert_eq!(label("a"), Ok(("a".into(), String::new())));
    assert_eq!(label("a=b=c"), Ok(("a".into(), "b=c".into())));
    assert!(label("=x").is_err());
    assert!(parse("sysctl", &["a".into()]).is_err());
    let labels = labels(&["# no\na=1\nb=1\n".into()], &["b=2".into()]).unwrap();
    assert_eq!(labels.values().collect::<Vec<_>>(), ["1", "2"]);
}

#[cfg(test)]
proptest::proptest! {
    #[test]
    fn what_is_printed_is_read_back(key in "[^=]{1,8}", value in ".{0,8}") {
        let text = format!("{key}={value}");
        proptest::prop_assert_eq!(label(&text), Ok((key.clone(), value.clone())));
        proptest::prop_assert_eq!(parse("sysctl", &[text]), Ok(BTreeMap::from([(key, value)])));
    }
}
