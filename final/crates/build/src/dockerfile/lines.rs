//! Physical lines become statements: continuations are joined, comments are taken out, heredocs are attached.

use super::directives::Directives;
use super::heredoc;
use super::statement::{RawHeredoc, Statement};
use super::{LARGEST, LONGEST_LINE, MOST_INSTRUCTIONS, Span};
use crate::{Error, Result};

pub(super) struct Parsed {
    pub statements: Vec<Statement>,
    pub directives: Vec<(String, String, u32)>,
    pub escape: char,
    pub empty_continuations: Vec<u32>,
}

/// Parses a file's lines.
pub(super) fn parse(name: &str, text: &[u8]) -> Result<Parsed> {
    let fail = |why: String, first: u32, last: u32| Error::Syntax(why).at(name, Span { first, last });
    if text.len() > LARGEST {
        return Err(fail(format!("a Dockerfile is at most {LARGEST} bytes long"), 1, 1));
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut reader = Reader { rest: text, line: 0 };
    let mut directives = Directives::new(text);
    let mut parsed =
        Parsed { statements: vec![], directives: vec![], escape: '\\', empty_continuations: vec![] };
    let mut comments = Vec::new();
    while let Some(raw) = reader.next().map_err(|why| fail(why, reader.line, reader.line))? {
        let start = reader.line;
        let line = trim_start(trim_line_end(raw));
        let is_directive = directives.read(line, start).map_err(|why| fail(why, start, start))?;
        if let Some(comment) = comment(line) {
            match comment {
                _ if is_directive => {}
                // An empty comment ends a block of comments.
                "" => comments.clear(),
                text => comments.push(text.to_owned()),
            }
            continue;
        }
        let joined =
            join(&mut reader, line, directives.escape).map_err(|why| fail(why, start, reader.line))?;
        if joined.text.is_empty() && reader.line == start && !joined.was_continued {
            continue;
        }
        if joined.has_empty_line {
            parsed.empty_continuations.push(reader.line);
        }
        let failed = |why: String, last: u32| fail(why, start, last);
        let line = text_of(joined.text).map_err(|why| failed(why, reader.line))?;
        let mut statement =
            Statement::parse(line, directives.escape).map_err(|why| failed(why, reader.line))?;
        if statement.may_have_heredocs() {
            let heredocs = heredoc::of_line(&statement.original).map_err(|why| failed(why, reader.line))?;
            for found in heredocs {
                let read = read_heredoc(&mut reader, found).map_err(|why| failed(why, reader.line))?;
                statement.heredocs.push(read);
            }
        }
        statement.span = Span { first: start, last: reader.line };
        statement.comments = std::mem::take(&mut comments);
        if parsed.statements.len() == MOST_INSTRUCTIONS {
            return Err(failed(
                format!("a Dockerfile has at most {MOST_INSTRUCTIONS} instructions"),
                reader.line,
            ));
        }
        parsed.statements.push(statement);
    }
    if parsed.statements.is_empty() {
        return Err(fail("file with no instructions".into(), reader.line.max(1), reader.line.max(1)));
    }
    (parsed.escape, parsed.directives) = (directives.escape, directives.found);
    Ok(parsed)
}

struct Joined {
    text: Vec<u8>,
    was_continued: bool,
    has_empty_line: bool,
}

/// Joins a line with those that continue it. Comments and empty lines between them are left out.
fn join(reader: &mut Reader<'_>, first: &[u8], escape: char) -> Result<Joined, String> {
    let (begun, mut goes_on) = without_continuation(first, escape);
    let mut joined = Joined { text: begun.to_vec(), was_continued: goes_on, has_empty_line: false };
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
