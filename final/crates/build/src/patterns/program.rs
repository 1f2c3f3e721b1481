//! One pattern, compiled: Go's `filepath.Match`, and the patterns of `.dockerignore`, which add `**`.
//!
//! Two accidents of docker's code are left out. It makes a regular expression of a pattern, in which `\d` becomes a class;
//! here a backslash always takes the next character as it is, as the documentation says. And Go finds some malformed
//! patterns only with some paths; here they are always errors.

use crate::{Error, Result};

/// A part of a pattern. What it matches is decided character by character; bytes that are not UTF-8 are each a
/// character, U+FFFD, as Go decodes them.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    Char(char),
    /// `?`: a character but `/`.
    Any,
    /// `*`: any number of characters but `/`.
    Star,
    /// `[a-z]`, `[^a-z]`. As in Go, a class may match `/`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `**/`: any number of directories, also none. It is always followed by [`Token::InDirectories`].
    Directories,
    InDirectories,
    /// `**` at the end: everything.
    Rest,
}

/// The tokens are the states of an automaton, so that no pattern takes more than (its length × the path's length) steps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Program {
    tokens: Vec<Token>,
}

impl Program {
    /// Parses a pattern. `deep` gives `**` its meaning; without it, it is two stars.
    pub fn parse(pattern: &[u8], deep: bool) -> Result<Self> {
        let mut parser = Parser { pattern, rest: pattern };
        let mut tokens = Vec::new();
        while let Some(c) = parser.next() {
            match c {
                '*' if deep && parser.takes('*') => {
                    parser.takes('/');
                    match parser.rest.is_empty() {
                        true => tokens.push(Token::Rest),
                        false => tokens.extend([Token::Directories, Token::InDirectories]),
                    }
                }
                '*' => tokens.push(Token::Star),
                '?' => tokens.push(Token::Any),
                '[' => tokens.push(parser.class()?),
                '\\' => tokens.push(Token::Char(parser.next().ok_or_else(|| parser.malformed())?)),
                c => tokens.push(Token::Char(c)),
            }
        }
        Ok(Self { tokens })
    }

    /// Whether the whole path matches.
    pub fn matches(&self, path: &[u8]) -> bool {
        let mut states = self.start();
        for c in characters(path) {
            states = self.step(&states, c);
        }
        states[self.tokens.len()]
    }

    /// Whether a longer path that begins with `directory` and `/` may match.
    pub fn may_match_beneath(&self, directory: &[u8]) -> bool {
        let mut states = self.start();
        for c in characters(directory).chain(['/']) {
            states = self.step(&states, c);
        }
        states[..self.tokens.len()].contains(&true)
    }

    fn start(&self) -> Vec<bool> {
        let mut states = vec![false; self.tokens.len() + 1];
        self.enter(&mut states, 0);
        states
    }

    /// Marks a state, and those that are reached from it without a character.
    fn enter(&self, states: &mut [bool], mut at: usize) {
        loop {
            states[at] = true;
            match self.tokens.get(at) {
                Some(Token::Star | Token::Rest) => at += 1,
                Some(Token::Directories) => at += 2,
                _ => return,
            }
        }
    }

    fn step(&self, from: &[bool], c: char) -> Vec<bool> {
        let mut to = vec![false; from.len()];
        for (at, token) in self.tokens.iter().enumerate().filter(|(at, _)| from[*at]) {
            match token {
                Token::Char(own) if *own == c => self.enter(&mut to, at + 1),
                Token::Any if c != '/' => self.enter(&mut to, at + 1),
                Token::Class { negated, ranges }
                    if ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated =>
                {
                    self.enter(&mut to, at + 1);
                }
                Token::Star if c != '/' => self.enter(&mut to, at),
                Token::Rest => self.enter(&mut to, at),
                Token::Directories => {
                    to[at + 1] = true;
                    if c == '/' {
                        self.enter(&mut to, at + 2);
                    }
                }
                Token::InDirectories => {
                    to[at] = true;
                    if c == '/' {
                        self.enter(&mut to, at + 1);
                    }
                }
                _ => {}
            }
        }
        to
    }
}

struct Parser<'a> {
    pattern: &'a [u8],
    rest: &'a [u8],
}

impl Parser<'_> {
    fn next(&mut self) -> Option<char> {
        let (c, length) = decode(self.rest)?;
        self.rest = &self.rest[length..];
        Some(c)
    }

    fn takes(&mut self, c: char) -> bool {
        let taken = decode(self.rest).is_some_and(|(next, _)| next == c);
        if taken {
            self.next();
        }
        taken
    }

    /// The rest of a class, after `[`. Its first range may not begin with `]`: that is no class in Go.
    fn class(&mut self) -> Result<Token> {
        let negated = self.takes('^');
        let mut ranges = Vec::new();
        while ranges.is_empty() || !self.takes(']') {
            let low = self.class_character()?;
            let high = if self.takes('-') { self.class_character()? } else { low };
            ranges.push((low, high));
        }
        Ok(Token::Class { negated, ranges })
    }

    fn class_character(&mut self) -> Result<char> {
        match self.next() {
            Some('\\') => self.next().ok_or_else(|| self.malformed()),
            None | Some('-' | ']') => Err(self.malformed()),
            Some(c) => Ok(c),
        }
    }

    fn malformed(&self) -> Error {
        let pattern = String::from_utf8_lossy(self.pattern);
        Error::Invalid { what: format!("pattern {pattern:?}"), why: "syntax error in pattern".into() }
    }
}

fn characters(mut text: &[u8]) -> impl Iterator<Item = char> {
    std::iter::from_fn(move || {
        let (c, length) = decode(text)?;
        text = &text[length..];
        Some(c)
    })
}

/// The first character and its length in bytes.
fn decode(text: &[u8]) -> Option<(char, usize)> {
    let first = *text.first()?;
    if first.is_ascii() {
        return Some((first.into(), 1));
    }
    let start = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(start) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default(),
    };
    Some(valid.chars().next().map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, c.len_utf8())))
}
