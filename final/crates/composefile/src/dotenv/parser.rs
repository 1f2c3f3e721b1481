//! The format of `.env`: what Compose reads, which is close to a shell's assignments and not the same.

use super::{Why, escapes};
use crate::interpolate::{Environment, Lookup, substitute};

/// How many bytes all values of a file may have together.
const LENGTH: usize = 64 << 20;

pub(super) struct Parser<'a> {
    /// What is not read yet.
    rest: &'a str,
    line: usize,
}

/// A name, and whether a value follows.
struct Name {
    name: String,
    has_value: bool,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 }
    }

    /// Reads every assignment into `values`.
    pub(super) fn run(
        mut self,
        values: &mut Environment,
        outer: &dyn Fn(&str) -> Option<String>,
        unset: &mut dyn FnMut(&str, usize),
    ) -> Result<(), Why> {
        let mut length = 0;
        while self.skip_to_assignment() {
            let line = self.line;
            let Name { name, has_value } = self.name()?;
            if name.contains(' ') {
                return Err(Why::numbered(line, "key cannot contain a space"));
            }
            let value = match has_value {
                false => outer(&name),
                true => Some(self.value(&mut Known { values, outer, unset, line })?),
            };
            if let Some(value) = value {
                length += value.len();
                if length > LENGTH {
                    let text =
                        format!("the values have more than {LENGTH} bytes with all variables replaced");
                    return Err(Why::numbered(line, text));
                }
                values.insert(name, value);
            }
        }
        Ok(())
    }

    /// Skips blank lines and comments. Returns whether something follows.
    fn skip_to_assignment(&mut self) -> bool {
        loop {
            self.skip(self.rest.len() - self.rest.trim_start().len());
            if !self.rest.starts_with('#') {
                return !self.rest.is_empty();
            }
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
    }

    /// Goes on by that many bytes.
    fn skip(&mut self, length: usize) {
        let (skipped, rest) = self.rest.split_at(length);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
    }

    /// A name, with the sign that ends it: `=`, `:`, or the end of the line when there is no value.
    fn name(&mut self) -> Result<Name, Why> {
        let after = self.rest.strip_prefix("export").filter(|after| after.starts_with(char::is_whitespace));
        if let Some(after) = after {
            self.rest = after.trim_start_matches(is_blank);
        }
        let end = self.rest.char_indices().find(|(_, c)| !is_blank(*c) && !is_in_name(*c));
        let (at, has_value) = match end {
            Some((at, '=' | ':')) => (at, true),
            Some((at, '\n')) => (at, false),
            None => (self.rest.len(), false),
            Some((_, other)) => {
                let line = self.rest.lines().next().unwrap_or_default();
                let text = format!("unexpected character {:?} in variable name {line:?}", other.to_string());
                return Err(Why::numbered(self.line, text));
            }
        };
        let name = self.rest[..at].trim_end().to_owned();
        self.skip((at + 1).min(self.rest.len()));
        self.rest = self.rest.trim_start_matches(is_blank);
        Ok(Name { name, has_value })
    }

    fn value(&mut self, known: &mut Known<'_>) -> Result<String, Why> {
        let quote = self.rest.chars().next().filter(|first| matches!(first, '\'' | '"'));
        let value = match quote {
            Some(quote) => self.quoted(quote)?,
            None => self.unquoted(),
        };
        match quote {
            Some('\'') => Ok(value),
            Some(_) => expand(&escapes::expand(&value), known),
            None => expand(&value, known),
        }
    }

    /// Up to the end of the line or a comment, which begins with a space.
    fn unquoted(&mut self) -> String {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        let value = line.split(" #").next().unwrap_or_default().trim_end().to_owned();
        self.skip((end + 1).min(self.rest.len()));
        value
    }

    /// Up to the next quote without a backslash before it, which may be in another line. Of the escape sequences only that
    /// of the quote is replaced.
    fn quoted(&mut self, quote: char) -> Result<String, Why> {
        let mut value = String::new();
        let mut escaped = false;
        for (at, character) in self.rest.char_indices().skip(1) {
            if character == quote && !escaped {
                self.skip(at + 1);
                return Ok(value);
            }
            if character == '\\' && !escaped {
                escaped = true;
                continue;
            }
            if escaped && character != quote {
                value.push('\\');
            }
            escaped = false;
            value.push(character);
        }
        let line = self.rest.split('\n').next().unwrap_or_default();
        Err(Why::numbered(self.line, format_args!("unterminated quoted value {line}")))
    }
}

fn expand(value: &str, known: &mut Known<'_>) -> Result<String, Why> {
    substitute(value, known).map_err(|error| Why { line: known.line, text: error.to_string() })
}

/// Blank, but no line break. Compose's list.
fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

fn is_in_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']')
}

/// The variables that a value may use.
struct Known<'a> {
    values: &'a Environment,
    outer: &'a dyn Fn(&str) -> Option<String>,
    unset: &'a mut dyn FnMut(&str, usize),
    line: usize,
}

impl Lookup for Known<'_> {
    fn get(&mut self, name: &str) -> Option<String> {
        (self.outer)(name).or_else(|| self.values.get(name).cloned())
    }

    fn unset(&mut self, name: &str) {
        (self.unset)(name, self.line);
    }
}
