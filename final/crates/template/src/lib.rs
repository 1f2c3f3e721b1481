//! The part of Go's `text/template` that `--format` and `inspect -f` are used with, over JSON.
//!
//! ```text
//! text ── lex ──▶ tokens ── parse ──▶ nodes ── eval ──▶ output
//!                   │                              ├─ value      values: fields, truth, output
//!                   └─ literal                     ├─ functions  the functions, and one table of them
//!                                                  └─ format     printf
//! ```
//!
//! Docker runs its templates over Go structs and maps, where a name that a struct lacks is an error and a key
//! that a map lacks prints `<no value>`. JSON has one kind of object for both; `hull_docker::fields::MAPS` lists the maps.
//!
//! A template is untrusted input: it results in output or in a [`TemplateError`], never in a panic. Nesting, padding
//! and the size of the output are limited for that reason.

mod eval;
mod format;
mod functions;
mod json;
mod lex;
mod literal;
mod parse;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;

use serde_json::Value;

/// The most that a template may print, in bytes. A loop in a template should not take all memory.
const MAX_OUTPUT: usize = 64 << 20;

/// A template that has been checked and can be rendered any number of times.
#[derive(Debug)]
pub struct Template {
    /// Kept for the errors: they quote the part of the template that they are about.
    text: String,
    nodes: Vec<parse::Node>,
}

impl Template {
    /// Parses a template. Reports every error that does not depend on the data: wrong syntax, and names of functions
    /// and variables that do not exist.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let tokens = lex::lex(text).map_err(|fault| TemplateError::new("template", text, &fault))?;
        let nodes = parse::parse(text, tokens)
            .map_err(|fault| TemplateError::new("template parsing error", text, &fault))?;
        Ok(Self { text: text.to_owned(), nodes })
    }

    /// Renders the template with `data` as its `.`, without a newline at the end.
    pub fn render(&self, data: &Value) -> Result<String, TemplateError> {
        eval::render(&self.text, &self.nodes, data).map_err(|fault| {
            let quoted = format!("<{}>: {}", fault.span.of(&self.text), fault.message);
            TemplateError::new("template", &self.text, &Fault { message: quoted, ..fault })
        })
    }
}

/// An error in a template, or in applying it to the data.
///
/// Displays as `template: LINE:COLUMN: …`, and as `template parsing error: LINE:COLUMN: …` when the pieces
/// are well formed but do not make a template. Lines count from 1 and columns from 0, as in the errors of docker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    prefix: &'static str,
    line: usize,
    column: usize,
    message: String,
}

impl TemplateError {
    fn new(prefix: &'static str, text: &str, fault: &Fault) -> Self {
        let before = Span { start: 0, end: fault.at.unwrap_or(fault.span.start) }.of(text);
        let last_line = before.rsplit('\n').next().unwrap_or_default();
        Self {
            prefix,
            line: 1 + before.matches('\n').count(),
            column: last_line.chars().count(),
            message: fault.message.clone(),
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}:{}: {}", self.prefix, self.line, self.column, self.message)
    }
}

impl std::error::Error for TemplateError {}

/// A part of the template, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// The part of `text` that this stands for.
    fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// The span from the start of this one to the end of `last`.
    fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end.max(self.end) }
    }
}

/// An error before line and column are known.
#[derive(Debug)]
struct Fault {
    /// The part of the template that the error quotes.
    span: Span,
    /// The position of the error in `span`, if that is not its start.
    at: Option<usize>,
    message: String,
}

impl Fault {
    fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, at: None, message: message.into() }
    }
}
