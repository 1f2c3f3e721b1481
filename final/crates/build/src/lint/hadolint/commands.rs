//! Programs that RUN runs.

use super::shell::{Command, Script};
use super::{Findings, Line, rules};
use crate::dockerfile::Kind;
use crate::lint::Rule;

/// A rule, and whether a command breaks it.
pub(super) type CommandRule = (&'static Rule, fn(&Command) -> bool);

const USELESS: [&str; 9] = ["free", "kill", "mount", "ps", "service", "shutdown", "ssh", "top", "vim"];

static RULES: &[CommandRule] = &[
    (&rules::DL3001, |command| USELESS.contains(&command.name.as_str())),
    (&rules::DL3004, |command| command.name == "sudo"),
    (&rules::DL3027, |command| command.name == "apt"),
    (&rules::DL3046, |command| {
        command.name == "useradd"
            && !command.has_flag(&["l", "no-log-init"])
            && command.value_of("u").is_some_and(|uid| uid.len() > 5)
    }),
    (&rules::DL3047, |command| {
        let quiet = ["progress", "q", "quiet", "o", "output-file", "a", "append-output", "no-verbose"];
        command.name == "wget" && !command.has_flag(&quiet) && !command.has_argument(&["-nv"])
    }),
    (&rules::DL4005, |command| command.has("ln", &["/bin/sh"])),
];

pub(super) fn check(lines: &[Line<'_>], findings: &mut Findings) {
    each(lines, RULES, findings);
    for line in lines.iter().filter(|line| !line.in_onbuild) {
        if line.run().is_some_and(|(_, script)| script.runs("cd")) {
            findings.add(&rules::DL3003, line);
        }
    }
    consecutive(lines, findings);
    downloads(lines, findings);
    pipes(lines, findings);
}

/// Reports each RUN in which a command breaks a rule, also those of ONBUILD.
pub(super) fn each(lines: &[Line<'_>], rules: &[CommandRule], findings: &mut Findings) {
    for line in lines {
        let Some((_, script)) = line.run() else { continue };
        for (rule, breaks) in rules {
            if script.any(breaks) {
                findings.add(rule, line);
            }
        }
    }
}

/// RUN after RUN, each with one command and with the same flags.
fn consecutive(lines: &[Line<'_>], findings: &mut Findings) {
    let mut last: Option<(&Line<'_>, usize)> = None;
    for line in lines.iter().filter(|line| !line.in_onbuild) {
        let Some((_, script)) = line.run() else {
            last = None;
            continue;
        };
        let count = script.commands.len();
        match last {
            Some((before, of_before))
                if before.instruction.flags == line.instruction.flags && count < 2 && of_before < 2 =>
            {
                findings.add(&rules::DL3059, line);
            }
            _ => last = Some((line, count)),
        }
    }
}

/// wget and curl in one stage.
fn downloads(lines: &[Line<'_>], findings: &mut Findings) {
    for in_onbuild in [false, true] {
        let mut seen = [false; 2];
        for line in lines.iter().filter(|line| line.in_onbuild == in_onbuild) {
            if matches!(line.instruction.kind, Kind::From(_)) {
                seen = [false; 2];
            }
            let Some((_, script)) = line.run() else { continue };
            let here = [script.runs("wget"), script.runs("curl")];
            seen = [seen[0] || here[0], seen[1] || here[1]];
            if seen == [true; 2] && here != [false; 2] {
                findings.add(&rules::DL4001, line);
            }
        }
    }
}

/// A pipe in a shell whose exit code is that of its last command only.
fn pipes(lines: &[Line<'_>], findings: &mut Findings) {
    let mut safe = false;
    for line in lines.iter().filter(|line| !line.in_onbuild) {
        match (&line.instruction.kind, &line.script) {
            (Kind::From(_), _) => safe = false,
            (Kind::Shell(_), Some(script)) => safe = sets_pipefail(script),
            (Kind::Run(_), Some(script)) if script.has_pipe && !safe => findings.add(&rules::DL4006, line),
            _ => {}
        }
    }
}

fn sets_pipefail(shell: &Script) -> bool {
    let others = ["pwsh", "powershell", "cmd"];
    let base = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    others.iter().any(|other| shell.text.starts_with(other))
        || shell.any(|command| {
            matches!(base(&command.name).as_str(), "bash" | "zsh" | "ash")
                && command.has_flag(&["o"])
                && command.has_argument(&["pipefail"])
        })
}
