//! Makes one state after the other in a lab, and asks.

use anyhow::{Context, Result, ensure};
use hull_test_support::cgroups;

use super::{Asked, COMMANDS, KINDS, Label, MOUNT_PROC, Setting, State};
use crate::transcripts::Prompt;
use crate::transcripts::lab::Shell;

/// Begins a line that says what comes next.
const MARK: &str = "@@@";

/// What separates the host of one state from the host of the next.
const FRAME: &str = "unshare --mount --uts --ipc --pid --fork --mount-proc sh -c";

/// A network, a neighbour, and the shell in which the states are made.
pub struct Lab(Shell);

impl Lab {
    pub fn start() -> Result<Self> {
        let shell = Shell::start(Prompt::Root)?;
        let hierarchy = cgroups::hierarchies().into_iter().find(|hierarchy| hierarchy.v2);
        let hierarchy = hierarchy.context("no cgroup v2 hierarchy is mounted")?;
        let cgroup = hierarchy.mount_point.join(shell.cgroup().trim_start_matches('/'));
        let variables = [
            ("CGROUP", cgroup.to_str().context("its path is UTF-8")?),
            ("MARK", MARK),
            ("KINDS", &KINDS.join(" ")),
            ("COMMANDS", &COMMANDS.join("\n")),
            ("HOST", include_str!("host.sh")),
            ("INSIDE", include_str!("inside.sh")),
            ("FRAME", include_str!("frame.sh")),
        ];
        let mut lab = Self(shell);
        variables.iter().try_for_each(|(name, value)| lab.export(name, value))?;
        let said = lab.0.enter(&format!("sh -c {}", quoted(include_str!("lab.sh"))))?;
        ensure!(said.is_empty(), "the lab: {said:#?}");
        Ok(lab)
    }

    fn export(&mut self, name: &str, value: &str) -> Result<()> {
        self.0.enter(&format!("export {name}={}", quoted(value))).map(drop)
    }

    /// What a process in those namespaces sees, and what the host sees meanwhile.
    pub fn capture(&mut self, setting: Setting) -> Result<State> {
        self.export("WHO", if setting.root { "root" } else { "you" })?;
        self.export("MAKE", &setting.make())?;
        self.export("PROC", if setting.has("proc") { MOUNT_PROC } else { "" })?;
        let printed = self.0.enter(&format!("{FRAME} \"$FRAME\""))?;
        let labels = KINDS.iter().map(|kind| label(kind, &printed)).collect::<Result<_>>()?;
        let state = State {
            root: setting.root,
            on: setting.names(),
            command: setting.command(),
            labels,
            refused: asked("refused", &printed).into_iter().next().map(|asked| asked.answer.join("\n")),
            first: asked("first", &printed),
            host: asked("host", &printed),
            inside: asked("inside", &printed),
        };
        let commands = |asked: &[Asked]| asked.iter().map(|asked| asked.command.clone()).collect::<Vec<_>>();
        ensure!(commands(&state.host) == COMMANDS, "{printed:#?}");
        ensure!(state.refused.is_some() || commands(&state.inside) == COMMANDS, "{printed:#?}");
        Ok(state)
    }
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
            let (name, command) = mark.trim_start().split_once(' ').unwrap_or((mark.trim_start(), ""));
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

/// The label of a kind on the host, and inside if there is a box.
fn label(kind: &str, printed: &[String]) -> Result<Label> {
    let find = |side: &str| {
        let start = format!("{MARK} {side} {kind} ");
        printed.iter().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
    };
    let host = find("label").with_context(|| format!("no label of {kind} in {printed:#?}"))?;
    Ok(Label { kind: kind.to_owned(), host, inside: find("newlabel") })
}
