//! Checks of the Dockerfile: before the steps of a build, and for `--check` without a build.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use hull_engine::Engine;
use hull_image::platform::Platform;

use super::definition::{self, Definition};
use super::wire::StageResult;
use crate::Result;
use crate::dockerfile::{Dockerfile, Span};
use crate::lint::{self, Options, Report, Severity, Warning, hadolint};
use crate::plan::Globals;
use crate::progress::{Event, Reporter};
use crate::request::Request;

/// Bytes of a `.hadolint.yaml`.
const LONGEST_CONFIGURATION: u64 = 1 << 20;

/// A Dockerfile, and what is wrong with it.
#[derive(Debug)]
pub struct Checked {
    pub file: Dockerfile,
    pub report: Report,
    pub hadolint: hadolint::Configuration,
}

/// Checks the Dockerfile of a request without building anything and without asking a registry. `configure` parses a
/// `.hadolint.yaml` of the context.
///
/// # Errors
///
/// A Dockerfile, a `.hadolint.yaml` or a `# check=` that is not valid.
pub fn check(
    engine: &Engine,
    request: &Request,
    stdin: &mut dyn Read,
    configure: &dyn Fn(&[u8]) -> Result<hadolint::Configuration>,
) -> Result<Checked> {
    let definition = definition::load(engine, request, stdin, &mut |_: &Event| {})?;
    let mut hadolint = hadolint::Configuration::default();
    if let Some(context) = &definition.context {
        for name in [".hadolint.yaml", ".hadolint.yml"] {
            if let Some(text) = context.read_file(Path::new(name), LONGEST_CONFIGURATION)? {
                hadolint = configure(&text)?;
                break;
            }
        }
    }
    let base = |name: &str, platform: &Platform| {
        let image = engine.images().resolve(name).ok()?;
        platform.suits(&image.config.platform()).map(|_| image.config)
    };
    let platform = request.platforms.first().cloned().unwrap_or_else(Platform::host);
    let options = Options {
        args: &request.args,
        target: request.target.as_deref(),
        all_stages: true,
        platform,
        ignore: definition
            .context
            .as_ref()
            .map(|context| &context.ignore)
            .filter(|ignore| !ignore.is_empty()),
        base: &base,
        hadolint: Some(&hadolint),
    };
    let report = lint::check(&definition.file, &options)?;
    Ok(Checked { file: definition.file, report, hadolint })
}

/// Reports BuildKit's warnings of a build whose base images are known.
///
/// # Errors
///
/// Warnings that `# check=error=true` makes errors.
pub(super) fn report(
    request: &Request,
    definition: &Definition,
    platform: &Platform,
    images: &BTreeMap<(String, String), StageResult>,
    reporter: &mut dyn Reporter,
) -> Result<()> {
    let base = |name: &str, platform: &Platform| {
        images.get(&(name.to_owned(), platform.to_string())).map(|image| image.config.clone())
    };
    let options = Options {
        args: &request.args,
        target: request.target.as_deref(),
        all_stages: false,
        platform: platform.clone(),
        ignore: definition
            .context
            .as_ref()
            .map(|context| &context.ignore)
            .filter(|ignore| !ignore.is_empty()),
        base: &base,
        hadolint: None,
    };
    unused_arguments(request, definition, platform, reporter)?;
    let report = lint::check(&definition.file, &options)?;
    let error = report.error();
    for warning in report.warnings {
        reporter.report(&Event::Warning(warning));
    }
    error.map_or(Ok(()), Err)
}

/// docker's warning of arguments of the command line that no ARG declares: often a slip of the keys.
fn unused_arguments(
    request: &Request,
    definition: &Definition,
    platform: &Platform,
    reporter: &mut dyn Reporter,
) -> Result<()> {
    let file = &definition.file;
    let globals = Globals::new(file, &request.args, platform, "")?;
    let unused: Vec<&str> = globals.unused(file).map(String::as_str).collect();
    if !unused.is_empty() {
        reporter.report(&Event::Warning(Warning {
            rule: "UnusedBuildArg".into(),
            message: format!("One or more build-args [{}] were not consumed", unused.join(" ")),
            span: file.instructions.first().map_or(Span { first: 1, last: 1 }, |first| first.span),
            url: None,
            description: "An argument of the command line should be declared by an ARG".into(),
            severity: Severity::Warning,
        }));
    }
    Ok(())
}
