//! Physical lines become statements: continuations are joined, comments are taken out, heredocs are attached.

use super::directives::Directives;
use super::heredoc;
use super::statement::{RawHeredoc, Statement};
use super::{
    LARGEST, LONGEST_LINE, MOST_COMMENTS, MOST_HEREDOCS, MOST_INSTRUCTIONS, MOST_WORDS, Span, short,
};
use crate::{Error, Result};

pub(super) struct Parsed {
    pub statements: Vec<Statement>,
    pub directives: Vec<(String, String, u32)>,
    pub escape: char,
    pub empty_continuations: Vec<u32>,
}

/// Parses a file's lines.
pub(super) fn parse(name: &str, text: &[u8]) -> Result<Parsed> {
    let fail = |(why, first, last): Failure| Error::Syntax(short(why)).at(name, Span { first, last });
    if text.len() > LARGEST {
        return Err(fail((format!("a Dockerfile is at most {LARGEST} bytes long"), 1, 1)));
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut parser = Parser {
        reader: Reader { rest: text, line: 0 },
        directives: Directives::new(text),
        comments: vec![],
        statements: vec![],
        empty_continuations: vec![],
        words: 0,
    };
    while parser.next().map_err(fail)? {}
    let last = parser.reader.line.max(1);
    if parser.statements.is_empty() {
        return Err(fail(("file with no instructions".into(), last, last)));
    }
    Ok(Parsed {
        statements: parser.statements,
        directives: parser.directives.found,
        escape: parser.directives.escape,
        empty_continuations: parser.empty_continuations,
    })
}

/// What is wrong, and the lines.
type Failure = (String, u32, u32);

struct Parser<'a> {
    reader: Reader<'a>,
    directives: Directives,
    /// Above the next instruction.
    comments: Vec<String>,
    statements: Vec<Statement>,
    empty_continuations: Vec<u32>,
    /// Of all statements.
    words: usize,
}

impl Parser<'_> {
    /// Reads an instruction, a comment or an empty line. False at the end of the file.
    fn next(&mut self) -> Result<bool, Failure> {
        let raw = self.reader.next().map_err(|why| (why, self.reader.line, self.reader.line))?;
        let Some(raw) = raw else { return Ok(false) };
        let start = self.reader.line;
        let line = trim_start(trim_line_end(raw));
        let is_directive = self.directives.read(line, start).map_err(|why| (why, start, start))?;
        match comment(line) {
            Some(_) if is_directive => {}
            // An empty comment ends a block of comments.
            Some("") => self.comments.clear(),
            Some(text) if self.comments.len() < MOST_COMMENTS => self.comments.push(text.to_owned()),
            Some(_) => {}
            None if line.is_empty() => {}
            None => self.statement(line, start).map_err(|why| (why, start, self.reader.line))?,
        }
        Ok(true)
    }

    /// Reads the rest of an instruction whose first line this is.
    fn statement(&mut self, line: &[u8], start: u32) -> Result<(), String> {
        let joined = join(&mut self.reader, line, self.directives.escape)?;
        if joined.has_empty_line {
            self.empty_continuations.push(self.reader.line);
        }
        let mut statement = Statement::parse(text_of(joined.text)?, self.directives.escape)?;
        if statement.may_have_heredocs() {
            let heredocs = heredoc::of_line(&statement.original)?;
            if heredocs.len() > MOST_HEREDOCS {
                return Err(format!("an instruction has at most {MOST_HEREDOCS} heredocs"));
            }
            for found in heredocs {
                statement.heredocs.push(read_heredoc(&mut self.reader, found)?);
            }
        }
        statement.span = Span { first: start, last: self.reader.line };
        statement.comments = std::mem::take(&mut self.comments);
        self.words += statement.value.len() + statement.flags.len();
        if self.words > MOST_WORDS {
            return Err(format!("a Dockerfile has at most {MOST_WORDS} words"));
        }
        if self.statements.len() == MOST_INSTRUCTIONS {
            return Err(format!("a Dockerfile has at most {MOST_INSTRUCTIONS} instructions"));
        }
        self.statements.push(statement);
        Ok(())
    }
}

struct Joined {
    text: Vec<u8>,
    has_empty_line: bool,
}

/// Joins a line with those that continue it. Comments and empty lines between them are left out.
fn join(reader: &mut Reader<'_>, first: &[u8], escape: char) -> Result<Joined, String> {
    let (begun, mut goes_on) = without_continuation(first, escape);
    let mut joined = Joined { text: begun.to_vec(), has_empty_line: false };
    while goes_on {
        let Some(raw) = reader.next()? else { break };
        let line = trim_line_end(raw);
        if comment(trim_start(line)).is_some() {
            continue;
        }
        if trim_start(line).is_empty() {
            joined.has_empty_line = true;
            continue;
        }
        let (more, again) = without_continuation(line, escape);
        joined.text.extend_from_slice(more);
        goes_on = again;
    }
    Ok(joined)
}

/// The line without the escape character that continues it, and whether there is one: the last character that is no
/// blank, unless another escape character is before it.
fn without_continuation(line: &[u8], escape: char) -> (&[u8], bool) {
    let blanks = line.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let end = line.len() - blanks;
    match line[..end].split_last() {
        Some((last, before)) if *last == escape as u8 && before.last() != Some(last) => (before, true),
        _ => (line, false),
    }
}

fn read_heredoc(reader: &mut Reader<'_>, mut heredoc: RawHeredoc) -> Result<RawHeredoc, String> {
    let mut content = Vec::new();
    while let Some(raw) = reader.next()? {
        let line = trim_line_end(raw);
        let tabs = line.iter().take_while(|byte| **byte == b'\t').count();
        let line = if heredoc.chomps { &line[tabs..] } else { line };
        if line == heredoc.name.as_bytes() {
            heredoc.content = text_of(content)?;
            return Ok(heredoc);
        }
        content.extend_from_slice(raw);
    }
    Err(format!("unterminated heredoc: no line is {:?}", heredoc.name))
}

/// The text of a comment, without `#` and blanks around it. The line has no blanks before it.
fn comment(line: &[u8]) -> Option<&str> {
    let comment = line.strip_prefix(b"#")?;
    // A comment in another encoding is still a comment. It describes nothing.
    Some(std::str::from_utf8(comment).map_or("\u{fffd}", str::trim))
}

fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.contains(&0) {
        return Err("a NUL byte, which no argument of a program can hold".into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let byte = error.as_bytes()[at];
        let before = String::from_utf8_lossy(&error.as_bytes()[at.saturating_sub(30)..at]).into_owned();
        format!("the text is not valid UTF-8: byte {byte:#04x} behind {before:?}")
    })
}

fn trim_line_end(line: &[u8]) -> &[u8] {
    let ends = line.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    &line[..line.len() - ends]
}

/// Without leading blanks, those of Unicode too.
fn trim_start(line: &[u8]) -> &[u8] {
    let valid = match std::str::from_utf8(line) {
        Ok(line) => return line.trim_start().as_bytes(),
        Err(error) => &line[..error.valid_up_to()],
    };
    let blanks = std::str::from_utf8(valid).map_or(0, |valid| valid.len() - valid.trim_start().len());
    &line[blanks..]
}

/// Hands out the lines of a text, with their ends.
struct Reader<'a> {
    rest: &'a [u8],
    /// The line that was handed out last, counted from 1.
    line: u32,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<&'a [u8]>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        let end = self.rest.iter().take(LONGEST_LINE + 1).position(|byte| *byte == b'\n');
        let length = end.map_or(self.rest.len(), |end| end + 1);
        if end.is_none() && length > LONGEST_LINE {
            return Err(format!("dockerfile line greater than max allowed size of {LONGEST_LINE}"));
        }
        let (line, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(Some(line))
    }
}
