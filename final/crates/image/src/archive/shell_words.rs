//! Splits a Dockerfile instruction into words: quotes, backslashes and `$NAME`, by the Dockerfile reference.

use crate::error::{Error, Result};

/// The words of a line, without their quotes and with variables replaced.
pub(super) fn split(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = word(rest, &char::is_whitespace, variable)?;
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

/// A whole line as one word.
pub(super) fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String> {
    word(text.trim(), &|_| false, variable).map(|(word, _)| word)
}

fn word<'a>(
    text: &'a str,
    ends: &dyn Fn(char) -> bool,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<(String, &'a str)> {
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if quote.is_none() && ends(c) {
            break;
        }
        rest = &rest[c.len_utf8()..];
        match (c, quote) {
            (_, Some('\'')) if c != '\'' => word.push(c),
            ('\'' | '"', None) => quote = Some(c),
            (_, Some(open)) if c == open => quote = None,
            ('\\', _) => {
                let next = rest.chars().next();
                // Between double quotes a backslash escapes only the characters that have a meaning there.
                if quote.is_some() && !matches!(next, Some('"' | '$' | '\\')) {
                    word.push('\\');
                }
                word.extend(next);
                rest = &rest[next.map_or(0, char::len_utf8)..];
            }
            ('$', _) => {
                let (name, after) = name(rest)?;
                match name {
                    "" => word.push('$'),
                    name => word.push_str(&variable(name).unwrap_or_default()),
                }
                rest = after;
            }
            _ => word.push(c),
        }
    }
    match quote {
        None => Ok((word, rest)),
        Some(quote) => Err(invalid(text, &format!("a {quote} is not closed"))),
    }
}

/// The name of the variable after a `$`, and the rest of the text. The name is empty if the `$` is an ordinary
/// character.
fn name(text: &str) -> Result<(&str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let Some(braced) = text.strip_prefix('{') else {
        let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
        return Ok(text.split_at(end));
    };
    match braced.split_once('}') {
        Some((name, after)) if !name.is_empty() && name.chars().all(is_name) => Ok((name, after)),
        _ => Err(invalid(text, "of ${…} only ${NAME} is understood")),
    }
}

fn invalid(text: &str, why: &str) -> Error {
    Error::Invalid { what: format!("change {text:?}"), why: why.into() }
}
