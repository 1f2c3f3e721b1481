//! The meaning of `cargo xtask test NAME`: a suite, a lesson or a crate.

use anyhow::{Result, bail};

use super::programs::{Package, Selection, packages};

/// The package whose integration tests are called suites.
const SUITES: &str = "tests/suite";

pub fn find(name: &str) -> Result<Selection> {
    among(&packages()?, name)
}

/// A suite has the name of its file; a lesson or a crate has the name of its directory or of its package.
fn among(packages: &[Package], name: &str) -> Result<Selection> {
    let suites = packages.iter().filter(|package| package.directory == SUITES);
    let suites: Vec<&str> = suites.flat_map(|package| package.tests.iter().map(String::as_str)).collect();
    if suites.contains(&name) {
        return Ok(Selection::Suite(name.to_owned()));
    }
    if let Some(package) = packages.iter().find(|one| short(one) == name || one.name == name) {
        return Ok(Selection::Package(package.name.clone()));
    }
    let names = suites.into_iter().chain(packages.iter().map(short));
    match nearest(names, name) {
        Some(nearest) => bail!("there is no suite, lesson or crate {name}; did you mean {nearest}?"),
        None => {
            bail!("there is no suite, lesson or crate {name}: see tests/suite/tests, steps and final/crates")
        }
    }
}

fn short(package: &Package) -> &str {
    package.directory.rsplit('/').next().unwrap_or(&package.name)
}

/// The most similar name, unless none is similar.
fn nearest<'a>(names: impl Iterator<Item = &'a str>, typed: &str) -> Option<&'a str> {
    const SIMILAR: f64 = 0.75;
    let rated = names.map(|name| (strsim::jaro_winkler(name, typed), name));
    rated
        .filter(|(rate, _)| *rate >= SIMILAR)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

#[test]
fn a_name_is_a_suite_or_a_package_and_a_wrong_one_gets_advice() {
    let packages = packages().unwrap();
    let find = |name: &str| among(&packages, name);
    assert_eq!(find("lifecycle").unwrap(), Selection::Suite("lifecycle".into()));
    for name in ["04-overlay", "step-04-overlay"] {
        assert_eq!(find(name).unwrap(), Selection::Package("step-04-overlay".into()));
    }
    assert_eq!(find("engine").unwrap(), Selection::Package("hull-engine".into()));
    assert!(find("lifecylce").unwrap_err().to_string().ends_with("did you mean lifecycle?"));
    assert!(find("zzzz").unwrap_err().to_string().contains("see tests/suite/tests"));
}
