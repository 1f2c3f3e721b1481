//! Checks of Dockerfiles: the cases of two lists.

mod buildkit;
mod hadolint;

use std::collections::BTreeMap;

use hull_build::dockerfile;
use hull_build::lint::hadolint::Configuration;
use hull_build::lint::{self, Options, Report};
use hull_build::patterns::Patterns;
use hull_image::config::ImageConfig;
use hull_image::platform::Platform;

const BUILDKIT: &str = include_str!("buildkit.txt");
const HADOLINT: &str = include_str!("hadolint.txt");

/// The name and the text of each case. What is before the first one is a comment.
fn cases(list: &str) -> impl Iterator<Item = (&str, &str)> {
    list.split("=== ").skip(1).map(|case| case.split_once('\n').expect("a name and a text"))
}

fn check(text: &str, args: &[(&str, &str)], rules: Option<&Configuration>) -> hull_build::Result<Report> {
    check_on(text, args, rules, &|_, _| None)
}

fn check_on(
    text: &str,
    args: &[(&str, &str)],
    rules: Option<&Configuration>,
    base: &dyn Fn(&str, &Platform) -> Option<ImageConfig>,
) -> hull_build::Result<Report> {
    let file = dockerfile::parse("Dockerfile", text.as_bytes())?;
    let ignore = Patterns::parse_ignore_file(b"ignored\nsecret*\nkeep/sub\n")?;
    let args: BTreeMap<_, _> =
        args.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
    let platform = Platform::parse("linux/amd64")?;
    let options = Options {
        args: &args,
        target: None,
        all_stages: true,
        platform,
        ignore: Some(&ignore),
        base,
        hadolint: rules,
    };
    lint::check(&file, &options)
}
