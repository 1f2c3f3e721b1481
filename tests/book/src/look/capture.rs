//! Makes one state and asks.

use anyhow::{Context, Result, ensure};
use hull_test_support::cgroups;

use super::{Asked, COMMANDS, KINDS, Label, Setting, State};
use crate::transcripts::Prompt;
use crate::transcripts::lab::Shell;

/// Begins a line that says what comes next.
const MARK: &str = "@@@";

/// What a process in those namespaces sees, and what the host sees meanwhile.
pub fn capture(setting: Setting) -> Result<State> {
    let mut shell = Shell::start(Prompt::Root)?;
    let hierarchy = cgroups::hierarchies().into_iter().find(|hierarchy| hierarchy.v2);
    let hierarchy = hierarchy.context("no cgroup v2 hierarchy is mounted")?;
    let cgroup = hierarchy.mount_point.join(shell.cgroup().trim_start_matches('/'));
    let variables = [
        ("CGROUP", cgroup.to_str().context("its path is UTF-8")?),
        ("WHO", if setting.root { "root" } else { "you" }),
        ("MAKE", &setting.make()),
        ("MARK", MARK),
        ("KINDS", &KINDS.join(" ")),
        ("COMMANDS", &COMMANDS.join("\n")),
        ("HOST", include_str!("host.sh")),
        ("INSIDE", include_str!("inside.sh")),
    ];
    for (name, value) in variables {
        shell.enter(&format!("export {name}={}", quoted(value)))?;
    }
    let printed = shell.enter(&format!("sh -c {}", quoted(include_str!("lab.sh"))))?;
    let state = State {
        root: setting.root,
        on: setting.switches().map(|(name, _)| name.to_owned()).collect(),
        command: setting.command(),
        labels: KINDS.iter().map(|kind| label(kind, &printed)).collect::<Result<_>>()?,
        first: asked("first", &printed),
        host: asked("host", &printed),
        inside: asked("inside", &printed),
    };
    let commands = |asked: &[Asked]| asked.iter().map(|asked| asked.command.clone()).collect::<Vec<_>>();
    ensure!(commands(&state.host) == COMMANDS && commands(&state.inside) == COMMANDS, "{printed:#?}");
    Ok(state)
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What was asked on that side, each with the lines up to the next mark.
fn asked(side: &str, printed: &[String]) -> Vec<Asked> {
    let mut all = Vec::new();
    let mut is_ours = false;
    for line in printed {
        if let Some(mark) = line.strip_prefix(MARK) {
            let (name, command) = mark.trim_start().split_once(' ').unwrap_or_default();
            is_ours = name == side;
            if is_ours {
                all.push(Asked { command: command.to_owned(), answer: Vec::new() });
            }
        } else if let (true, Some(last)) = (is_ours, all.last_mut()) {
            last.answer.push(line.clone());
        }
    }
    all
}

fn label(kind: &str, printed: &[String]) -> Result<Label> {
    let find = |side: &str| {
        let start = format!("{MARK} {side} {kind} ");
        let line = printed.iter().find_map(|line| line.strip_prefix(&start));
        line.map(str::to_owned).with_context(|| format!("no {side} {kind} in {printed:#?}"))
    };
    Ok(Label { kind: kind.to_owned(), host: find("label")?, inside: find("newlabel")? })
}
