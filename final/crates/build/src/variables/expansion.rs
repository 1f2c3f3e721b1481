//! One pass over a text, as BuildKit's lexer makes it.

use std::collections::BTreeSet;

use super::pattern::{Pattern, Reach};
use super::{Expansion, Lookup, Options};

/// Each level of braces is a level of this program's stack.
const DEEPEST: u32 = 200;
/// What variables may add to a text, in bytes. `ENV A=$A$A` doubles a value with each line.
const LARGEST: usize = 1 << 20;

pub(super) fn expand(
    text: &str,
    escape: char,
    lookup: Lookup<'_>,
    options: Options,
) -> Result<Expansion, String> {
    let mut lexer = Lexer {
        rest: text,
        escape,
        lookup,
        options,
        raw_escapes: options.raw_escapes,
        depth: 0,
        budget: text.len().saturating_add(LARGEST),
        used: BTreeSet::new(),
        unset: BTreeSet::new(),
    };
    let (text, words) = lexer.until(None, options.raw_escapes)?;
    Ok(Expansion { text, words, used: lexer.used, unset: lexer.unset })
}

struct Lexer<'a> {
    rest: &'a str,
    escape: char,
    lookup: Lookup<'a>,
    options: Options,
    /// Patterns keep their escape characters.
    raw_escapes: bool,
    depth: u32,
    /// How many bytes of values may still be put in.
    budget: usize,
    used: BTreeSet<String>,
    unset: BTreeSet<String>,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// Everything up to `stop`, which is taken too, or to the end.
    fn until(&mut self, stop: Option<char>, raw_escapes: bool) -> Result<(String, Vec<String>), String> {
        let before = std::mem::replace(&mut self.raw_escapes, raw_escapes);
        let result = self.read(stop);
        self.raw_escapes = before;
        result
    }

    fn read(&mut self, stop: Option<char>) -> Result<(String, Vec<String>), String> {
        let mut text = String::new();
        let mut words = Words::default();
        while let Some(char) = self.peek() {
            if stop == Some(char) {
                self.next();
                return Ok((text, words.finish()));
            }
            match char {
                '$' => {
                    let value = self.dollar()?;
                    value.chars().for_each(|char| words.add(char));
                    text.push_str(&value);
                }
                '\'' | '"' if !self.options.ignore_quotes => {
                    let quoted = if char == '"' { self.double_quoted() } else { self.single_quoted() }?;
                    words.add_quoted(&quoted);
                    text.push_str(&quoted);
                }
                _ if char == self.escape => {
                    self.next();
                    if self.raw_escapes {
                        words.add_raw(char);
                        text.push(char);
                    }
                    // An escape character at the very end has nothing to escape, and is dropped.
                    let Some(escaped) = self.next() else { break };
                    words.add_raw(escaped);
                    text.push(escaped);
                }
                _ => {
                    self.next();
                    words.add(char);
                    text.push(char);
                }
            }
        }
        match stop {
            Some(stop) => Err(format!("unexpected end of statement while looking for matching {stop}")),
            None => Ok((text, words.finish())),
        }
    }

    /// Everything between single quotes is taken as it is. Nothing can be escaped there.
    fn single_quoted(&mut self) -> Result<String, String> {
        let end = self.rest[1..].find('\'').map(|end| end + 1);
        let end = end.ok_or("unexpected end of statement while looking for matching single-quote")?;
        let quoted = if self.options.raw_quotes { &self.rest[..=end] } else { &self.rest[1..end] };
        self.rest = &self.rest[end + 1..];
        Ok(quoted.to_owned())
    }

    /// Between double quotes, variables are expanded, and only `"`, `$` and the escape character can be escaped.
    fn double_quoted(&mut self) -> Result<String, String> {
        let mut text = String::new();
        self.next();
        if self.options.raw_quotes {
            text.push('"');
        }
        loop {
            match self.peek() {
                None => {
                    return Err("unexpected end of statement while looking for matching double-quote".into());
                }
                Some('"') => {
                    self.next();
                    if self.options.raw_quotes {
                        text.push('"');
                    }
                    return Ok(text);
                }
                Some('$') => text.push_str(&self.dollar()?),
                Some(char) if char == self.escape => {
                    self.next();
                    if self.raw_escapes {
                        text.push(char);
                    }
                    match self.peek() {
                        None => {}
                        Some(next) if matches!(next, '"' | '$') || next == self.escape => {
                            self.next();
                            text.push(next);
                        }
                        Some(_) => text.push(char),
                    }
                }
                Some(char) => {
                    self.next();
                    text.push(char);
                }
            }
        }
    }

    fn dollar(&mut self) -> Result<String, String> {
        self.next();
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".into());
            }
            return Ok(match self.look_up(&name)? {
                None if self.options.keep_unset => format!("${name}"),
                value => value.unwrap_or_default(),
            });
        }
        if self.depth == DEEPEST {
            return Err(format!("braces are nested more than {DEEPEST} deep"));
        }
        self.depth += 1;
        let value = self.braces();
        self.depth -= 1;
        value
    }

    /// What follows `$`, from the opening brace to the closing one.
    fn braces(&mut self) -> Result<String, String> {
        self.next();
        match self.peek() {
            None => return Err("syntax error: missing '}'".into()),
            Some('{' | '}' | ':') => return Err("syntax error: bad substitution".into()),
            Some(_) => {}
        }
        let name = self.name();
        match self.next() {
            Some('}') => Ok(match self.look_up(&name)? {
                None if self.options.keep_unset => format!("${{{name}}}"),
                value => value.unwrap_or_default(),
            }),
            Some(':') => {
                let modifier = self.next().ok_or("syntax error: missing '}'")?;
                self.modified(&name, modifier, true)
            }
            Some(modifier @ ('+' | '-' | '?' | '#' | '%')) => self.modified(&name, modifier, false),
            Some('/') => self.replaced(&name),
            Some(other) => Err(format!("unsupported modifier ({other}) in substitution")),
            None => Err("syntax error: missing '}'".into()),
        }
    }

    /// `${name-word}` and its kin. With a colon, an empty value is as good as none.
    fn modified(&mut self, name: &str, modifier: char, colon: bool) -> Result<String, String> {
        let sign = if colon { format!(":{modifier}") } else { modifier.to_string() };
        let has_pattern = matches!(modifier, '#' | '%');
        if colon && has_pattern {
            return Err(format!("unsupported modifier ({sign}) in substitution"));
        }
        let word = self.part('}', has_pattern, "syntax error: missing '}'")?;
        let value = self.look_up(name)?;
        if value.is_none() && self.options.keep_unset {
            return Ok(format!("${{{name}{sign}{word}}}"));
        }
        let is_given = value.as_ref().is_some_and(|value| !colon || !value.is_empty());
        match modifier {
            '-' => Ok(if is_given { value.unwrap_or_default() } else { word }),
            '+' => Ok(if is_given { word } else { String::new() }),
            '?' if is_given => Ok(value.unwrap_or_default()),
            '?' if !word.is_empty() => Err(format!("{name}: {word}")),
            '?' if value.is_none() => Err(format!("{name}: is not allowed to be unset")),
            '?' => Err(format!("{name}: is not allowed to be empty")),
            '#' | '%' => {
                let (pattern, reach) = match word.strip_prefix(modifier) {
                    Some(pattern) => (pattern, Reach::Longest),
                    None => (word.as_str(), Reach::Shortest),
                };
                let value = value.unwrap_or_default();
                let pattern = Pattern::parse(pattern, &value)?;
                Ok(match modifier {
                    '#' => pattern.without_prefix(&value, reach),
                    _ => pattern.without_suffix(&value, reach),
                })
            }
            _ => Err(format!("unsupported modifier ({sign}) in substitution")),
        }
    }

    /// `${name/pattern/replacement}`, and with `//` all occurrences.
    fn replaced(&mut self, name: &str) -> Result<String, String> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let pattern = self.part('/', true, "syntax error: missing '/' in ${}")?;
        let replacement = self.part('}', true, "syntax error: missing '}'")?;
        let value = self.look_up(name)?;
        if value.is_none() && self.options.keep_unset {
            return Ok(format!("${{{name}/{pattern}/{replacement}}}"));
        }
        let value = value.unwrap_or_default();
        let replaced = Pattern::parse(&pattern, &value)?.replace(&value, &replacement, all, self.budget)?;
        self.budget = self.budget.saturating_sub(replaced.len().saturating_sub(value.len()));
        Ok(replaced)
    }

    /// A part of a substitution. Any mistake that reaches the end of the text is a missing end of the part.
    fn part(&mut self, stop: char, raw_escapes: bool, missing: &str) -> Result<String, String> {
        match self.until(Some(stop), raw_escapes) {
            Ok((text, _)) => Ok(text),
            Err(_) if self.rest.is_empty() => Err(missing.into()),
            Err(error) => Err(error),
        }
    }

    /// Letters, digits and `_`; or only digits; or one of the shell's special parameters. Empty if there is none.
    fn name(&mut self) -> String {
        let first = self.peek();
        let length = match first {
            Some(char) if char.is_numeric() => {
                self.rest.find(|char: char| !char.is_numeric()).unwrap_or(self.rest.len())
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => 1,
            _ => {
                let is_other = |char: char| !char.is_alphanumeric() && char != '_';
                self.rest.find(is_other).unwrap_or(self.rest.len())
            }
        };
        let (name, rest) = self.rest.split_at(length);
        self.rest = rest;
        name.to_owned()
    }

    fn look_up(&mut self, name: &str) -> Result<Option<String>, String> {
        let value = (self.lookup)(name);
        let names = if value.is_some() { &mut self.used } else { &mut self.unset };
        names.insert(name.to_owned());
        let length = value.as_ref().map_or(0, String::len);
        self.budget = self.budget.checked_sub(length).ok_or("the values of its variables are too long")?;
        Ok(value)
    }
}

/// The words of a text, as they grow.
#[derive(Default)]
struct Words {
    done: Vec<String>,
    word: String,
}

impl Words {
    fn add(&mut self, char: char) {
        if !char.is_whitespace() {
            self.word.push(char);
        } else if !self.word.is_empty() {
            self.done.push(std::mem::take(&mut self.word));
        }
    }

    fn add_raw(&mut self, char: char) {
        self.word.push(char);
    }

    fn add_quoted(&mut self, text: &str) {
        self.word.push_str(text);
    }

    fn finish(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.done.push(self.word);
        }
        self.done
    }
}
