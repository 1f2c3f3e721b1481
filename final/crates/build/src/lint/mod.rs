//! Checks of a Dockerfile without building it: BuildKit's own, and hadolint's rules.
//!
//! ```text
//! settings   `# check=…` and BUILDKIT_DOCKERFILE_CHECK      buildkit/  BuildKit's checks
//! hadolint/  hadolint's rules and its `.hadolint.yaml`
//! ```

pub mod buildkit;
pub mod hadolint;
mod settings;

use std::collections::BTreeMap;

use hull_image::config::ImageConfig;
use hull_image::platform::Platform;

use crate::Result;
use crate::dockerfile::{Dockerfile, Span};
use crate::patterns::Patterns;

pub use settings::Settings;

/// The build argument that overrides `# check=…`.
pub const CHECK_ARGUMENT: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// A check. Each kind of mistake has one.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// `StageNameCasing`, `DL3006`.
    pub id: &'static str,
    pub description: &'static str,
    /// Empty if it has none.
    pub url: &'static str,
    pub severity: Severity,
    /// It is checked only if `experimental=` in the settings names it.
    pub experimental: bool,
}

impl Rule {
    fn warning(&self, span: Span, message: String) -> Warning {
        Warning {
            rule: self.id.into(),
            message,
            span,
            url: (!self.url.is_empty()).then(|| self.url.into()),
            description: self.description.into(),
            severity: self.severity,
        }
    }
}

/// How bad a mistake is, the worst first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    #[default]
    Warning,
    Info,
    Style,
    /// It is not reported.
    Ignore,
}

/// Something in a Dockerfile that is probably a mistake.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Warning {
    /// `StageNameCasing`, `DL3006`.
    pub rule: String,
    /// What is wrong here.
    pub message: String,
    pub span: Span,
    pub url: Option<String>,
    /// What the rule is about.
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub severity: Severity,
}

impl Warning {
    /// Whether it is of hadolint's rules, and not of BuildKit's.
    pub fn is_of_hadolint(&self) -> bool {
        hadolint::ALL.iter().any(|rule| rule.id == self.rule)
    }
}

/// What the checks of a Dockerfile need to know of the build.
pub struct Options<'a> {
    pub args: &'a BTreeMap<String, Option<String>>,
    /// The stage that is built. `None` is the last one.
    pub target: Option<&'a str>,
    /// Whether stages that the target does not need are checked too, as `--check` without a target does.
    pub all_stages: bool,
    pub platform: Platform,
    /// `.dockerignore`, if the context has one.
    pub ignore: Option<&'a Patterns>,
    /// The configuration of a base image, if it is known without asking a registry. Variables of a stage whose base
    /// image is not known are not checked: the image may define them.
    pub base: &'a dyn Fn(&str, &Platform) -> Option<ImageConfig>,
    /// The rules of hadolint, if they are checked.
    pub hadolint: Option<&'a hadolint::Configuration>,
}

/// The result of the checks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// In the order of their lines.
    pub warnings: Vec<Warning>,
    /// The rules of BuildKit that make the build fail: `error=true` in the settings. Sorted; empty if it does not fail.
    pub errors: Vec<String>,
}

impl Report {
    /// The error of a build that `error=true` forbids, with BuildKit's words.
    pub fn error(&self) -> Option<crate::Error> {
        (!self.errors.is_empty()).then(|| {
            crate::Error::Syntax(format!("lint violation found for rules: {}", self.errors.join(", ")))
        })
    }
}

/// All checks that need no build.
///
/// # Errors
///
/// A `# check=` directive that is not valid.
pub fn check(file: &Dockerfile, options: &Options<'_>) -> Result<Report> {
    let settings = Settings::of(file, options.args)?;
    let mut warnings = buildkit::check(file, options, &settings);
    let mut errors: Vec<String> = vec![];
    if settings.error {
        errors = warnings.iter().map(|warning| warning.rule.clone()).collect();
        errors.sort();
        errors.dedup();
    }
    if let Some(configuration) = options.hadolint {
        warnings.extend(hadolint::check(file, configuration));
    }
    warnings.sort_by_key(|warning| warning.span.first);
    Ok(Report { warnings, errors })
}
