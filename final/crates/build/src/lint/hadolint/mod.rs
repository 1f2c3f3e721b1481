//! hadolint's rules that need no shell parser, with its ids, levels and messages.
//!
//! ```text
//! rules          the table of rules              pragmas    `# hadolint ignore=…`
//! configuration  `.hadolint.yaml`                shell      the commands of a RUN
//! images         FROM                            files      COPY and ADD
//! instructions   the other instructions          commands   programs that RUN runs
//! packages       apt, apk, yum, dnf, zypper      languages  pip, npm, gem, go, yarn
//! ```

mod commands;
mod configuration;
mod files;
mod images;
mod instructions;
mod languages;
mod packages;
mod pragmas;
pub mod rules;
mod shell;

use super::{Rule, Severity, Warning};
use crate::dockerfile::{self, Dockerfile, Instruction, Kind, Span};
use shell::Script;

pub use configuration::Configuration;
pub use rules::ALL;

/// An instruction, or that of an ONBUILD with the lines of the ONBUILD.
struct Line<'a> {
    instruction: &'a Instruction,
    span: Span,
    in_onbuild: bool,
    /// What RUN or SHELL runs.
    script: Option<Script>,
}

impl<'a> Line<'a> {
    fn new(instruction: &'a Instruction, span: Span, in_onbuild: bool) -> Self {
        let script = match &instruction.kind {
            Kind::Run(run) => Some(Script::parse(&run_text(run))),
            Kind::Shell(words) => Some(Script::parse(&words.join(" "))),
            _ => None,
        };
        Self { instruction, span, in_onbuild, script }
    }

    /// RUN and its script.
    fn run(&self) -> Option<(&'a dockerfile::Run, &Script)> {
        match &self.instruction.kind {
            Kind::Run(run) => self.script.as_ref().map(|script| (run, script)),
            _ => None,
        }
    }
}

/// The text that a shell runs. A heredoc that is only a program's input is not part of it.
fn run_text(run: &dockerfile::Run) -> String {
    use dockerfile::{Command, Script};
    match (run.script(), &run.command) {
        (Script::File { content, .. }, _) => content,
        (Script::Command(Command::Exec(words)), _) => words.join(" "),
        (Script::Command(Command::Shell(text)), Command::Shell(line)) if text.starts_with(line.as_str()) => {
            line.clone()
        }
        (Script::Command(Command::Shell(text)), _) => text,
    }
}

/// Collects what the rules find.
#[derive(Default)]
struct Findings(Vec<Warning>);

impl Findings {
    fn add(&mut self, rule: &Rule, line: &Line<'_>) {
        self.add_at(rule, line.span);
    }

    fn add_at(&mut self, rule: &Rule, span: Span) {
        self.0.push(rule.warning(span, rule.description.into()));
    }
}

pub(super) fn check(file: &Dockerfile, configuration: &Configuration) -> Vec<Warning> {
    let mut lines = vec![];
    for instruction in &file.instructions {
        lines.push(Line::new(instruction, instruction.span, false));
        if let Kind::OnBuild(_, inner) = &instruction.kind {
            lines.push(Line::new(inner, instruction.span, true));
        }
    }
    let mut findings = Findings::default();
    images::check(&lines, configuration, &mut findings);
    instructions::check(&lines, &mut findings);
    files::check(&lines, &mut findings);
    commands::check(&lines, &mut findings);
    packages::check(&lines, &mut findings);
    languages::check(&lines, &mut findings);
    let pragmas = pragmas::Pragmas::of(file);
    pragmas.check(&mut findings);
    let mut warnings = findings.0;
    warnings.retain_mut(|warning| {
        warning.severity = configuration.severity(&warning.rule, warning.severity);
        warning.severity != Severity::Ignore && !pragmas.ignore(warning)
    });
    warnings
}
