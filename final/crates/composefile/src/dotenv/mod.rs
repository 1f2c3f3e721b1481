//! `.env`, `env_file` and `label_file`.
//!
//! ```text
//! parser   assignments with quotes, comments and variables
//! escapes  what a backslash means between double quotes
//! raw      `format: raw`, which is that of `docker run --env-file`
//! ```

mod escapes;
mod parser;
mod raw;
#[cfg(test)]
mod tests;

use hull_yaml::tree::Place;

use crate::interpolate::{Environment, unset};
use crate::read::{errno, read_bounded};
use crate::sources::{Sources, Warnings};
use crate::{Error, Result};

/// The largest file of variables that is read, in bytes.
const LIMIT: u64 = 16 << 20;

/// Why a text cannot be read as variables.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Why {
    /// Counts from one. It is zero if the error is about no line.
    line: usize,
    text: String,
}

impl Why {
    /// An error whose text tells the line.
    fn numbered(line: usize, text: impl std::fmt::Display) -> Self {
        Self { line, text: format!("line {line}: {text}") }
    }
}

/// Where texts and warnings go.
pub(crate) struct Notes<'a> {
    pub(crate) sources: &'a mut Sources,
    pub(crate) warnings: &'a mut Warnings,
}

/// Reads variables from a file into `values`. A variable of the text is looked up with `outer` first, then among the values
/// that are already known; a name without a value takes that of `outer`.
///
/// # Errors
///
/// The file cannot be read, `format` is none of Compose's, or the text does not follow it.
pub(crate) fn load(
    path: &str,
    format: &str,
    values: &mut Environment,
    outer: &dyn Fn(&str) -> Option<String>,
    notes: &mut Notes<'_>,
) -> Result<()> {
    // What is not UTF-8 is replaced, as it is on the way to docker's API.
    let text = String::from_utf8_lossy(&read_bounded(path, LIMIT)?).into_owned();
    let mut without_value = Vec::new();
    let result =
        parse(&text, format, values, outer, &mut |name, line| without_value.push((unset(name), line)));
    if result.is_ok() && without_value.is_empty() {
        return Ok(());
    }
    let file = notes.sources.add(path, text.as_str());
    for (warning, line) in without_value {
        notes.warnings.add(warning, Some(place(file, &text, line)));
    }
    result.map_err(|Why { line, text: why }| {
        let error = Error::new(match format {
            "" | ".env" => format!("failed to read {path}: {why}"),
            "raw" => format!("failed to parse env_file {path}: {why}"),
            _ => why,
        });
        if line == 0 { error } else { error.at(place(file, &text, line)) }
    })
}

fn parse(
    text: &str,
    format: &str,
    values: &mut Environment,
    outer: &dyn Fn(&str) -> Option<String>,
    unset: &mut dyn FnMut(&str, usize),
) -> Result<(), Why> {
    match format {
        "" | ".env" => parser::Parser::new(text).run(values, outer, unset),
        "raw" => raw::parse(text, values, outer),
        other => Err(Why { line: 0, text: format!("unsupported env_file format {other:?}") }),
    }
}

/// Where the text of a line begins.
fn place(file: u32, text: &str, line: usize) -> Place {
    let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
    let shown = text.split('\n').nth(line.saturating_sub(1)).unwrap_or_default();
    let blank = shown.chars().take_while(|character| character.is_whitespace()).count();
    Place { file, line: count(line), column: count(blank + 1) }
}

/// The variables of the files that the command line or an `include` names. A later file wins, and each sees the variables of
/// `environment`, which go before those of the files, and of the files before it.
pub(crate) fn read_all(
    environment: &Environment,
    files: &[String],
    notes: &mut Notes<'_>,
) -> Result<Environment> {
    let mut values = Environment::new();
    for path in files {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::new(format!("couldn't find env file: {path}")));
            }
            Err(error) => return Err(Error::new(format!("stat {path}: {}", errno(&error)))),
            Ok(metadata) if metadata.is_dir() => return Err(Error::new(format!("{path} is a directory"))),
            Ok(_) => {}
        }
        load(path, "", &mut values, &|name| environment.get(name).cloned(), notes)?;
    }
    Ok(values)
}
