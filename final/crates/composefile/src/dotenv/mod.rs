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

use crate::interpolate::{Environment, unset};
use crate::load::{Warnings, errno, read_bounded};
use crate::{Error, Result};

/// More than this is no file of variables.
const LIMIT: u64 = 16 << 20;

/// Why a text is no file of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Why {
    /// Counts from one.
    line: Option<usize>,
    text: String,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Reads variables from a file into `values`, as [`parse`] does.
pub(crate) fn load(
    path: &str,
    format: &str,
    values: &mut Environment,
    outer: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Warnings,
) -> Result<()> {
    let text = read(path)?;
    parse(&text, format, values, outer, warnings).map_err(|why| {
        Error::new(match format {
            "" | ".env" => format!("failed to read {path}: {why}"),
            "raw" => format!("failed to parse env_file {path}: {why}"),
            _ => why.to_string(),
        })
    })
}

/// Reads variables from `text` into `values`. A variable of the text is looked up with `outer` first, then among the values
/// that are already known; a name without a value takes that of `outer`.
///
/// # Errors
///
/// `format` is none of Compose's, or the text does not follow it.
fn parse(
    text: &str,
    format: &str,
    values: &mut Environment,
    outer: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Warnings,
) -> Result<(), Why> {
    match format {
        "" | ".env" => {
            parser::Parser::new(text).run(values, outer, &mut |name| warnings.add(unset(name), None))
        }
        "raw" => raw::parse(text, values, outer),
        other => Err(Why { line: None, text: format!("unsupported env_file format {other:?}") }),
    }
}

/// The variables of the files that the command line or an `include` names. A later file wins, and each sees the variables of
/// `environment`, which go before those of the files, and of the files before it.
pub(crate) fn read_all(
    environment: &Environment,
    files: &[String],
    warnings: &mut Warnings,
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
        load(path, "", &mut values, &|name| environment.get(name).cloned(), warnings)?;
    }
    Ok(values)
}

/// The text of a file of variables. What is not UTF-8 is replaced, as it is on the way to docker's API.
fn read(path: &str) -> Result<String> {
    let bytes = read_bounded(path, LIMIT)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
