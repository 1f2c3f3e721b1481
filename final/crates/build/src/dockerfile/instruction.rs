//! The instructions of a Dockerfile. Their words are as written: quotes are removed where docker's parser removes them,
//! and variables are not expanded.

use super::Span;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dockerfile {
    /// The file's name in errors.
    pub name: String,
    /// The whole text, for excerpts in errors.
    pub text: String,
    /// `# syntax=…`, `# escape=…`, `# check=…` at the top of the file, with their lines.
    pub directives: Vec<(String, String, u32)>,
    /// `\`, or what `# escape=` says.
    pub escape: char,
    /// Lines that are empty within a continued line: the last line of each instruction that has such lines.
    pub empty_continuations: Vec<u32>,
    pub instructions: Vec<Instruction>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Instruction {
    pub span: Span,
    /// The instruction's name as written: `FROM`, `from`.
    pub keyword: String,
    /// The instruction's lines joined, as docker shows it in the history: without comments and line continuations.
    pub original: String,
    /// The comment lines directly above it, without `#`.
    pub comments: Vec<String>,
    /// Each `--name` or `--name=value`, as written, in order.
    pub flags: Vec<(String, Option<String>)>,
    /// `ENV NAME VALUE` or `LABEL NAME VALUE`: the old form, without `=`.
    pub legacy: bool,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    From(From),
    Arg(Vec<Argument>),
    Env(Vec<(String, String)>),
    Label(Vec<(String, String)>),
    Maintainer(String),
    Run(Run),
    Copy(Transfer),
    Add(Transfer),
    Cmd(Command),
    Entrypoint(Command),
    Workdir(String),
    User(String),
    Expose(Vec<String>),
    Volume(Vec<String>),
    StopSignal(String),
    Shell(Vec<String>),
    Healthcheck(Healthcheck),
    /// The instruction for images that are built on this one: as text, and parsed.
    OnBuild(String, Box<Instruction>),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct From {
    pub image: String,
    pub platform: Option<String>,
    /// The name after AS, in lower case as docker compares it.
    pub name: Option<String>,
}

/// `NAME` or `NAME=DEFAULT` of ARG.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    pub name: String,
    pub default: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A line for the shell.
    Shell(String),
    /// A program and its arguments, from a JSON list.
    Exec(Vec<String>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Heredoc {
    pub name: String,
    pub content: String,
    /// Whether variables in it are expanded by COPY and ADD: the name was not quoted.
    pub expands: bool,
    /// `<<-`: leading tabs are removed already.
    pub chomped: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub command: Command,
    pub heredocs: Vec<Heredoc>,
    /// Values of `--mount`, to be expanded and then parsed by [`super::mount`].
    pub mounts: Vec<String>,
    pub network: Option<String>,
    pub security: Option<String>,
    pub devices: Vec<String>,
}

/// What a RUN runs, with its heredocs.
#[derive(Debug, Clone, PartialEq)]
pub enum Script {
    Command(Command),
    /// A heredoc that begins with `#!` and is the whole command: a file to be executed as `/dev/pipes/<name>`.
    File {
        name: String,
        content: String,
    },
}

impl Run {
    /// The heredoc that is the whole command.
    pub fn script_text(&self) -> Option<&str> {
        match (&self.command, &*self.heredocs) {
            (Command::Shell(line), [first, ..]) if super::heredoc::is_heredoc(line) => Some(&first.content),
            _ => None,
        }
    }

    /// The command that runs: a heredoc that is the whole command is the script itself, and others are appended for the
    /// shell to read.
    pub fn script(&self) -> Script {
        let (Command::Shell(line), [first, ..]) = (&self.command, &*self.heredocs) else {
            return Script::Command(self.command.clone());
        };
        if !super::heredoc::is_heredoc(line) {
            let rest = self.heredocs.iter().map(|heredoc| format!("\n{}{}", heredoc.content, heredoc.name));
            return Script::Command(Command::Shell(std::iter::once(line.clone()).chain(rest).collect()));
        }
        if first.content.starts_with("#!") {
            return Script::File { name: first.name.clone(), content: first.content.clone() };
        }
        Script::Command(Command::Shell(first.content.clone()))
    }
}

/// COPY or ADD.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transfer {
    pub sources: Vec<String>,
    pub heredocs: Vec<Heredoc>,
    pub destination: String,
    pub from: Option<String>,
    pub chown: Option<String>,
    pub chmod: Option<String>,
    pub link: bool,
    pub parents: bool,
    pub exclude: Vec<String>,
    /// ADD only.
    pub checksum: Option<String>,
    pub unpack: Option<bool>,
    pub keep_git_dir: bool,
}

/// Durations are in nanoseconds. `None` stands for docker's default, as 0 does in a Dockerfile.
#[derive(Debug, Clone, PartialEq)]
pub enum Healthcheck {
    None,
    Check {
        command: Command,
        interval: Option<i64>,
        timeout: Option<i64>,
        start_period: Option<i64>,
        start_interval: Option<i64>,
        retries: Option<i64>,
    },
}
