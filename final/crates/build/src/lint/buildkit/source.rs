//! What the text of the file shows: casing, empty continuation lines, comments that describe.

use super::{Linter, rules, words};
use crate::dockerfile::{Instruction, Kind, Span};

pub(super) fn check(linter: &mut Linter<'_>) {
    let file = linter.file;
    for line in &file.empty_continuations {
        let span = Span { first: *line, last: *line };
        linter.warn_at(&rules::NO_EMPTY_CONTINUATION, span, "Empty continuation line".into());
    }
    for instruction in &file.instructions {
        match &instruction.kind {
            Kind::From(from) => {
                from_casing(instruction, linter);
                if let Some(name) = &from.name {
                    description(instruction, "FROM", &[name], linter);
                }
            }
            Kind::Arg(arguments) => {
                let names: Vec<_> = arguments.iter().map(|argument| &*argument.name).collect();
                description(instruction, "ARG", &names, linter);
            }
            Kind::Maintainer(_) => {
                let message = "Maintainer instruction is deprecated in favor of using label";
                linter.warn(&rules::MAINTAINER_DEPRECATED, instruction, message.into());
            }
            _ => {}
        }
    }
    instruction_casing(linter);
}

fn from_casing(instruction: &Instruction, linter: &mut Linter<'_>) {
    let [_, keyword, name] = words::arguments(instruction)[..] else { return };
    if name.to_lowercase() != name {
        let message = format!("Stage name '{name}' should be lowercase");
        linter.warn(&rules::STAGE_NAME_CASING, instruction, message);
    }
    let from = &*instruction.keyword;
    let differs = if from == from.to_lowercase() {
        keyword != keyword.to_lowercase()
    } else {
        // Another rule reports a FROM of mixed case.
        from == from.to_uppercase() && keyword != keyword.to_uppercase()
    };
    if differs {
        let message = format!("'{keyword}' and '{from}' keywords' casing do not match");
        linter.warn(&rules::FROM_AS_CASING, instruction, message);
    }
}

/// A comment directly above a stage or an argument describes it, for `--call outline`: it begins with its name.
fn description(instruction: &Instruction, kind: &str, names: &[&str], linter: &mut Linter<'_>) {
    let Some(comment) = instruction.comments.last() else { return };
    let first = comment.split(' ').next().unwrap_or_default();
    if names.is_empty() || names.contains(&first) {
        return;
    }
    let example = if names.len() > 1 { "<arg_key>" } else { names[0] };
    let message = format!("Comment for {kind} should follow the format: `# {example} <description>`");
    linter.warn(&rules::INVALID_DEFINITION_DESCRIPTION, instruction, message);
}

/// All instructions from the first FROM on have the case of most of them, upper case if there are as many of both.
fn instruction_casing(linter: &mut Linter<'_>) {
    let file = linter.file;
    let is_from = |instruction: &Instruction| matches!(instruction.kind, Kind::From(_));
    let Some(first) = file.instructions.iter().position(is_from) else { return };
    let instructions = &file.instructions[first..];
    let is_lower = |word: &str| word == word.to_lowercase();
    let is_upper = |word: &str| word == word.to_uppercase();
    let lower = instructions.iter().filter(|instruction| is_lower(&instruction.keyword)).count();
    let upper = instructions.iter().filter(|instruction| is_upper(&instruction.keyword)).count();
    let wanted = if lower > upper { "lowercase" } else { "uppercase" };
    for instruction in instructions {
        let keyword = &*instruction.keyword;
        let fits = if lower > upper { is_lower(keyword) } else { is_upper(keyword) };
        if !fits {
            let message =
                format!("Command '{keyword}' should match the case of the command majority ({wanted})");
            linter.warn(&rules::CONSISTENT_INSTRUCTION_CASING, instruction, message);
        }
    }
}
