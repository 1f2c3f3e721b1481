//! A joined line: its keyword, flags and words, as docker's official parser tells them.

use super::{Span, words};

#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub span: Span,
    /// As written.
    pub keyword: String,
    /// The instruction after ONBUILD.
    pub sub: Option<Box<Statement>>,
    /// The lines joined: without comments and continuations, and without blanks before them.
    pub original: String,
    /// `--name` and `--name=value`, without quotes.
    pub flags: Vec<String>,
    /// The words. Names and values of ENV and LABEL alternate.
    pub value: Vec<String>,
    /// Whether the words are from a JSON list.
    pub json: bool,
    /// `ENV NAME VALUE`: the old form.
    pub legacy: bool,
    pub heredocs: Vec<RawHeredoc>,
    pub comments: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RawHeredoc {
    pub name: String,
    /// The name was not quoted.
    pub expands: bool,
    /// `<<-`
    pub chomps: bool,
    /// With all its tabs and line ends.
    pub content: String,
}

impl Statement {
    /// Splits a joined line. Its lines, comments and heredocs are for the caller to add.
    pub(super) fn parse(line: String, escape: char) -> Result<Self, String> {
        let (keyword, flags, rest) = split(&line);
        let mut statement = Self {
            span: Span { first: 1, last: 1 },
            keyword: keyword.into(),
            sub: None,
            flags,
            value: vec![],
            json: false,
            legacy: false,
            heredocs: vec![],
            comments: vec![],
            original: String::new(),
        };
        match &*keyword.to_ascii_uppercase() {
            "ADD" | "COPY" | "VOLUME" => {
                match words::json(rest)? {
                    Some(list) => (statement.json, statement.value) = (true, list),
                    None => statement.value = words::at_blanks(rest),
                };
            }
            "CMD" | "ENTRYPOINT" | "RUN" | "SHELL" => statement.maybe_json(rest)?,
            "EXPOSE" | "FROM" => statement.value = words::at_blanks(rest),
            "ARG" => statement.value = words::quoted(rest, escape),
            name @ ("ENV" | "LABEL") => {
                (statement.value, statement.legacy) = words::pairs(rest, name, escape)?;
            }
            "HEALTHCHECK" if !rest.is_empty() => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                let (kind, command) = rest.split_at(end);
                statement.maybe_json(command.trim_start())?;
                statement.value.insert(0, kind.into());
            }
            "ONBUILD" if !rest.is_empty() => {
                // One level is enough to refuse the second one.
                let (inner, ..) = split(rest);
                let rest = if inner.eq_ignore_ascii_case("ONBUILD") { inner } else { rest };
                statement.sub = Some(Box::new(Self::parse(rest.into(), escape)?));
            }
            "MAINTAINER" | "STOPSIGNAL" | "USER" | "WORKDIR" if !rest.is_empty() => {
                statement.value = vec![rest.into()];
            }
            _ => {}
        }
        statement.original = line;
        Ok(statement)
    }

    fn maybe_json(&mut self, rest: &str) -> Result<(), String> {
        match words::json(rest)? {
            Some(list) => (self.json, self.value) = (true, list),
            None if rest.is_empty() => {}
            None => self.value = vec![rest.into()],
        }
        Ok(())
    }

    pub(super) fn may_have_heredocs(&self) -> bool {
        let of = self.sub.as_deref().unwrap_or(self);
        !of.json && ["ADD", "COPY", "RUN"].iter().any(|name| of.keyword.eq_ignore_ascii_case(name))
    }
}

/// The keyword, the flags, and the rest of a line.
fn split(line: &str) -> (&str, Vec<String>, &str) {
    let line = line.trim();
    let Some(end) = line.find(words::is_blank) else { return (line, vec![], "") };
    let (keyword, rest) = line.split_at(end);
    let (flags, rest) = flags(rest);
    (keyword, flags, rest.trim())
}

/// The words at the beginning that start with `--`, without their quotes and escape characters, and what follows them.
/// The word `--` ends them.
fn flags(text: &str) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        let (flag, after) = flag(rest);
        if flag == "--" {
            return (flags, after);
        }
        flags.push(flag);
        rest = after.trim_start();
    }
    (flags, rest)
}

/// Escaping is by `\` here, whatever the file's escape character is: so does BuildKit.
fn flag(text: &str) -> (String, &str) {
    let mut flag = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    loop {
        let rest = chars.as_str();
        match (chars.next(), quote) {
            (None, _) => return (flag, ""),
            (Some('\\'), _) => flag.extend(chars.next()),
            (Some(char), Some(quoted)) if char == quoted => quote = None,
            (Some(char), Some(_)) => flag.push(char),
            (Some(char @ ('"' | '\'')), None) => quote = Some(char),
            (Some(char), None) if char.is_whitespace() => return (flag, rest),
            (Some(char), None) => flag.push(char),
        }
    }
}
