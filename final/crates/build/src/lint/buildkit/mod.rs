//! BuildKit's build checks. Messages, pages and lines are those of docker/dockerfile 1.x.
//!
//! ```text
//! rules   the table of checks             source  what the text shows: casing, continuation lines, comments
//! stages  names and images of stages      steps   instructions in their stage's environment
//! expand  variables that nothing defines  needed  the stages that the target needs
//! ```

mod expand;
mod needed;
pub mod rules;
mod source;
mod stages;
mod steps;
mod words;

use super::{Options, Rule, Settings, Warning};
use crate::dockerfile::{Dockerfile, Instruction, Kind, Span};

pub use rules::ALL;

/// A stage: its FROM and what follows.
struct Stage<'a> {
    instruction: &'a Instruction,
    from: &'a crate::dockerfile::From,
    steps: &'a [Instruction],
}

/// Collects the warnings of rules that run.
struct Linter<'a> {
    file: &'a Dockerfile,
    settings: &'a Settings,
    warnings: Vec<Warning>,
}

pub(super) fn check(file: &Dockerfile, options: &Options<'_>, settings: &Settings) -> Vec<Warning> {
    let mut linter = Linter { file, settings, warnings: vec![] };
    let (before, stages) = split(file);
    source::check(&mut linter);
    stages::names(&stages, &mut linter);
    let global = stages::images(before, &stages, options, &mut linter);
    steps::check(&stages, &global, options, &mut linter);
    linter.warnings
}

/// The instructions before the first FROM, and the stages.
fn split(file: &Dockerfile) -> (&[Instruction], Vec<Stage<'_>>) {
    let instructions = &file.instructions;
    let is_from = |instruction: &Instruction| matches!(instruction.kind, Kind::From(_));
    let first = instructions.iter().position(is_from).unwrap_or(instructions.len());
    let mut stages = vec![];
    let mut rest = &instructions[first..];
    while let Some((instruction, after)) = rest.split_first() {
        let Kind::From(from) = &instruction.kind else { break };
        let end = after.iter().position(is_from).unwrap_or(after.len());
        stages.push(Stage { instruction, from, steps: &after[..end] });
        rest = &after[end..];
    }
    (&instructions[..first], stages)
}

impl Linter<'_> {
    fn warn(&mut self, rule: &Rule, instruction: &Instruction, message: String) {
        if self.settings.with_comments(&instruction.comments).runs(rule) {
            self.add(rule, instruction.span, message);
        }
    }

    /// A warning of something that is no instruction.
    fn warn_at(&mut self, rule: &Rule, span: Span, message: String) {
        if self.settings.runs(rule) {
            self.add(rule, span, message);
        }
    }

    fn add(&mut self, rule: &Rule, span: Span, message: String) {
        self.warnings.push(rule.warning(span, message));
    }
}
