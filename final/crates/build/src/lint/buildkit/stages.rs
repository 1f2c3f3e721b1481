//! Names of stages, and the images and platforms of FROM.

use std::collections::{BTreeMap, HashSet};

use hull_image::platform::Platform;
use hull_image::reference::Reference;

use super::expand::{self, Variables};
use super::{Linter, Stage, rules};
use crate::dockerfile::{Instruction, Kind};
use crate::lint::Options;
use crate::plan::arguments::platform_arguments;
use crate::variables::Expansion;

/// Duplicate and reserved names.
pub(super) fn names(stages: &[Stage<'_>], linter: &mut Linter<'_>) {
    let mut seen: HashSet<&str> = HashSet::new();
    for stage in stages {
        let Some(name) = stage.from.name.as_deref() else { continue };
        if matches!(name, "context" | "scratch") {
            let message = format!("Stage name should not use the same name as reserved stage {name:?}");
            linter.warn(&rules::RESERVED_STAGE_NAME, stage.instruction, message);
        }
        if !seen.insert(name) {
            let message = format!("Duplicate stage name {name:?}, stage names should be unique");
            linter.warn(&rules::DUPLICATE_STAGE_NAME, stage.instruction, message);
        }
    }
}

/// The arguments that FROM sees.
pub(super) struct Global {
    pub(super) variables: Variables,
    /// Each stage's image and platform, expanded.
    pub(super) bases: Vec<(String, Option<Platform>)>,
}

/// Checks the images and platforms of all stages.
pub(super) fn images(
    before: &[Instruction],
    stages: &[Stage<'_>],
    options: &Options<'_>,
    linter: &mut Linter<'_>,
) -> Global {
    let escape = linter.file.escape;
    let last = stages.last().and_then(|stage| stage.from.name.as_deref());
    let predefined = predefined(options, options.target.or(last));
    let (defaults, _) = arguments(before, predefined.clone(), escape, &BTreeMap::new());
    for stage in stages {
        let image = expand::word(&stage.from.image, escape, &defaults).text;
        if Reference::parse(&image).is_err() {
            let written = &stage.from.image;
            let message =
                format!("Default value for ARG {written} results in empty or invalid base image name");
            linter.warn(&rules::INVALID_DEFAULT_ARG_IN_FROM, stage.instruction, message);
        }
    }
    let (variables, declared) = arguments(before, predefined, escape, options.args);
    let mut global = Global { variables, bases: vec![] };
    for stage in stages {
        let image = expand::word(&stage.from.image, escape, &global.variables);
        undeclared(&image, stage, &global.variables, &declared, linter);
        let mut platform = None;
        if let Some(written) = stage.from.platform.as_deref().filter(|written| !written.is_empty()) {
            let expanded = expand::word(written, escape, &global.variables);
            undeclared(&expanded, stage, &global.variables, &declared, linter);
            redundant_platform(written, &expanded, stage, &global.variables, linter);
            constant_platform(&expanded, stage, linter);
            platform = Platform::parse(&expanded.text).ok();
        }
        global.bases.push((image.text, platform));
    }
    global
}

/// The arguments that docker predefines.
fn predefined(options: &Options<'_>, target: Option<&str>) -> Variables {
    let mut variables = Variables::default();
    for (name, value) in platform_arguments(&options.platform, target.unwrap_or_default()) {
        variables.set(&name, &value);
    }
    variables
}

/// The variables after all ARG before the first FROM, and the names of those ARG.
fn arguments(
    before: &[Instruction],
    mut variables: Variables,
    escape: char,
    given: &BTreeMap<String, Option<String>>,
) -> (Variables, Vec<String>) {
    let mut declared = vec![];
    for instruction in before {
        let Kind::Arg(arguments) = &instruction.kind else { continue };
        for argument in arguments {
            let value = match (given.get(&argument.name), &argument.default) {
                (Some(Some(value)), _) => Some(value.clone()),
                (_, Some(default)) => Some(expand::word(default, escape, &variables).text),
                _ => None,
            };
            if let Some(value) = value {
                variables.set(&argument.name, &value);
            }
            declared.push(argument.name.clone());
        }
    }
    (variables, declared)
}

fn undeclared(
    word: &Expansion,
    stage: &Stage<'_>,
    variables: &Variables,
    declared: &[String],
    linter: &mut Linter<'_>,
) {
    for name in word.unset.iter().filter(|name| !declared.contains(name)) {
        let known = declared.iter().map(String::as_str).chain(variables.names());
        let hint = expand::nearest(name, known).map(|near| format!(" (did you mean {near}?)"));
        let message = format!("FROM argument '{name}' is not declared{}", hint.unwrap_or_default());
        linter.warn(&rules::UNDEFINED_ARG_IN_FROM, stage.instruction, message);
    }
}

fn redundant_platform(
    written: &str,
    expanded: &Expansion,
    stage: &Stage<'_>,
    variables: &Variables,
    linter: &mut Linter<'_>,
) {
    let only_target = expanded.unset.is_empty() && expanded.used.iter().eq(["TARGETPLATFORM"]);
    if only_target && variables.get("TARGETPLATFORM") == Some(&expanded.text) {
        let message = format!(
            "Setting platform to predefined {written} in FROM is redundant as this is the default behavior"
        );
        linter.warn(&rules::REDUNDANT_TARGET_PLATFORM, stage.instruction, message);
    }
}

/// A constant is allowed where the stage's name has the operating system or the architecture in it.
fn constant_platform(expanded: &Expansion, stage: &Stage<'_>, linter: &mut Linter<'_>) {
    if !expanded.used.is_empty() || !expanded.unset.is_empty() {
        return;
    }
    let Ok(platform) = Platform::parse(&expanded.text) else { return };
    let name = stage.from.name.as_deref().unwrap_or_default();
    if name.contains(&platform.os) || name.contains(&platform.architecture) {
        return;
    }
    let message = format!("FROM --platform flag should not use constant value {:?}", expanded.text);
    linter.warn(&rules::FROM_PLATFORM_CONSTANT, stage.instruction, message);
}
