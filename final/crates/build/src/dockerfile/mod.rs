//! The text of a Dockerfile becomes instructions, each with its lines. Nothing is expanded here.
//!
//! ```text
//! lines        physical lines → joined lines, comments      instruction  the instructions, with their flags and words
//! directives   # syntax=, # escape=, # check=               typed/       statements → instructions
//! statement    a joined line → keyword, flags, words        flags        which flags an instruction has
//! words        words, JSON lists, NAME=VALUE                suggest      did you mean …
//! heredoc      <<EOF                                        mount        the value of RUN --mount
//!                                                           device       the value of RUN --device
//! ```
//!
//! The rules are those of BuildKit's packages `parser` and `instructions`, for docker/dockerfile 1.x.

pub mod device;
mod directives;
mod flags;
mod heredoc;
pub mod instruction;
mod lines;
pub mod mount;
pub mod statement;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;
mod typed;
mod words;

pub use instruction::{
    Argument, Command, Dockerfile, From, Healthcheck, Heredoc, Instruction, Kind, Run, Script, Transfer,
};
pub use statement::Statement;

use crate::{Error, Result};

/// The longest Dockerfile, in bytes: what BuildKit can receive in one message.
pub const LARGEST: usize = 16 << 20;
/// The longest line, in bytes without its end, as in BuildKit.
pub const LONGEST_LINE: usize = 65_535;
/// Instructions of a file.
pub const MOST_INSTRUCTIONS: usize = 100_000;
/// Words of all instructions of a file: each costs some 60 bytes of memory.
pub const MOST_WORDS: usize = 1_000_000;
/// Heredocs of an instruction.
pub const MOST_HEREDOCS: usize = 1000;
/// Lines of the comment above an instruction that are kept.
const MOST_COMMENTS: usize = 1000;
/// Characters of an error: a line that is wrong may be long.
const LONGEST_ERROR: usize = 500;

/// The lines of an instruction, counted from 1, both included.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Span {
    pub first: u32,
    pub last: u32,
}

/// Parses the text of a Dockerfile.
///
/// # Errors
///
/// [`crate::Error::At`] with the lines of the instruction that is wrong. `name` is the file's name in the error.
pub fn parse(name: &str, text: &[u8]) -> Result<Dockerfile> {
    let parsed = lines::parse(name, text)?;
    let mut instructions = Vec::with_capacity(parsed.statements.len());
    let mut has_stage = false;
    for statement in parsed.statements {
        let span = statement.span;
        let instruction =
            typed::instruction(statement, parsed.escape).map_err(|error| error.at(name, span))?;
        has_stage |= matches!(instruction.kind, Kind::From(_));
        if !has_stage && !matches!(instruction.kind, Kind::Arg(_)) {
            let why = "no build stage in current context: only ARG may come before the first FROM";
            return Err(Error::Syntax(why.into()).at(name, span));
        }
        instructions.push(instruction);
    }
    if !has_stage {
        let span = instructions.last().map_or(Span { first: 1, last: 1 }, |last: &Instruction| last.span);
        return Err(Error::Syntax("dockerfile contains no stages to build".into()).at(name, span));
    }
    Ok(Dockerfile {
        name: name.into(),
        text: String::from_utf8_lossy(text).into_owned(),
        directives: parsed.directives,
        escape: parsed.escape,
        empty_continuations: parsed.empty_continuations,
        instructions,
    })
}

/// The error, cut where it would fill a screen.
fn short(mut why: String) -> String {
    if let Some((end, _)) = why.char_indices().nth(LONGEST_ERROR) {
        why.truncate(end);
        why.push('…');
    }
    why
}

/// The statements of a Dockerfile, without a check of what they mean: what docker's official parser tells.
///
/// # Errors
///
/// [`crate::Error::At`] with the lines that cannot be read.
pub fn statements(name: &str, text: &[u8]) -> Result<Vec<Statement>> {
    Ok(lines::parse(name, text)?.statements)
}

/// An instruction that a base image has for the images built on it: one element of its configuration's `OnBuild`.
///
/// # Errors
///
/// [`crate::Error::At`], in the lines of the element, which `name` describes.
pub fn trigger(name: &str, text: &str) -> Result<Instruction> {
    let parsed = lines::parse(name, text.as_bytes())?;
    let [statement] = <[Statement; 1]>::try_from(parsed.statements).map_err(|several| {
        let span = several.first().map_or(Span { first: 1, last: 1 }, |first| first.span);
        Error::Syntax(format!("onbuild trigger should be a single expression: {text:?}")).at(name, span)
    })?;
    let span = statement.span;
    typed::trigger(statement, parsed.escape).map_err(|error| error.at(name, span))
}
