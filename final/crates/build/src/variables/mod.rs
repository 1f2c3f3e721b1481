//! Expansion of variables in a word of a Dockerfile: what BuildKit's `shell` package does.
//!
//! `$NAME`, `${NAME}`, `${NAME:-word}` `:+` `:?` and the same without the colon, `${NAME#pattern}` `##` `%` `%%`,
//! `${NAME/pattern/replacement}` and `//`. Single quotes keep everything, double quotes keep blanks, and the file's
//! escape character keeps the character after it.
//!
//! What each instruction expands (the order is the order of the words in the instruction):
//!
//! | instruction | is expanded | with |
//! |---|---|---|
//! | FROM | the image, `--platform` | [`word`]; only ARGs before the first FROM, and the platform ARGs |
//! | ARG | names, defaults | [`word`]; each sees the ones before it in the same line |
//! | ENV, LABEL | names, values | [`word`]; all see the environment before the line |
//! | COPY, ADD | sources, destination, `--chown`, `--chmod`, `--checksum`, `--exclude` | [`word`] |
//! | COPY, ADD | content of heredocs with an unquoted name | [`heredoc`] |
//! | RUN | the values of `--mount`, field by field | [`word`], through [`crate::dockerfile::mount::Mount::parse`] |
//! | WORKDIR, USER, STOPSIGNAL | the whole text | [`word`] |
//! | VOLUME | each path | [`word`] |
//! | EXPOSE | each port, which may become several | [`words`] |
//! | ONBUILD, RUN, CMD, ENTRYPOINT, SHELL, HEALTHCHECK, MAINTAINER | nothing: a shell expands at run time | |

mod expansion;
mod pattern;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::Result;

/// Looks up a variable. `None` if it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How a text is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Quotes group, but stay in the result.
    pub raw_quotes: bool,
    /// Escape characters protect, but stay in the result.
    pub raw_escapes: bool,
    /// Quotes are characters like any other.
    pub ignore_quotes: bool,
    /// A variable that is not set stays as written.
    pub keep_unset: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expansion {
    pub text: String,
    /// The text, split at blanks that were not quoted. Blanks in a variable's value split too.
    pub words: Vec<String>,
    /// The variables that were looked up and are set.
    pub used: BTreeSet<String>,
    /// The variables that were looked up and are not set.
    pub unset: BTreeSet<String>,
}

/// A word with its variables expanded and its quotes removed (docker's `ProcessWord`).
///
/// # Errors
///
/// A quote or a brace that is not closed, a modifier that does not exist, `${NAME:?message}` with `NAME` not set.
pub fn word(text: &str, escape: char, lookup: Lookup<'_>) -> Result<String> {
    Ok(expand(text, escape, lookup, Options::default())?.text)
}

/// The words of a text, split at blanks after expansion (docker's `ProcessWords`).
///
/// # Errors
///
/// As [`word`].
pub fn words(text: &str, escape: char, lookup: Lookup<'_>) -> Result<Vec<String>> {
    Ok(expand(text, escape, lookup, Options::default())?.words)
}

/// The content of a heredoc of COPY or ADD: quotes have no meaning in it, and `\` escapes whatever `# escape=` says.
///
/// # Errors
///
/// As [`word`].
pub fn heredoc(text: &str, lookup: Lookup<'_>) -> Result<String> {
    Ok(expand(text, '\\', lookup, Options { ignore_quotes: true, ..Options::default() })?.text)
}

/// Expands a text, and tells which variables it looked up.
///
/// # Errors
///
/// As [`word`]; and a result of more than a mebibyte beyond the text, or braces nested more than 200 deep.
pub fn expand(text: &str, escape: char, lookup: Lookup<'_>, options: Options) -> Result<Expansion> {
    expansion::expand(text, escape, lookup, options)
        .map_err(|why| crate::Error::Syntax(format!("failed to process {:?}: {why}", shown(text))))
}

/// A text for an error: the beginning of a long one.
fn shown(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}
