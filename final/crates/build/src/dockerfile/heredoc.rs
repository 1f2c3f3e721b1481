//! `<<EOF` in RUN, COPY and ADD.

use super::statement::RawHeredoc;
use crate::variables::{self, Options};

/// The heredocs that a joined line announces, in order and without content.
pub(super) fn of_line(line: &str) -> Result<Vec<RawHeredoc>, String> {
    if !line.contains("<<") {
        return Ok(vec![]);
    }
    let options = Options { raw_quotes: true, raw_escapes: true, keep_unset: true, ignore_quotes: false };
    // A line that only a shell understands has no heredocs, as in BuildKit.
    let words = variables::expand(line, '\\', &|_| None, options).map(|line| line.words).unwrap_or_default();
    words.iter().filter_map(|word| parse(word).transpose()).collect()
}

/// Whether a text is one heredoc and nothing else.
pub(super) fn is_heredoc(text: &str) -> bool {
    matches!(parse(text), Ok(Some(_)))
}

/// Parses `<<NAME`, `<<-NAME`, `<<"NAME"`, with a number before it for the shell.
pub(super) fn parse(word: &str) -> Result<Option<RawHeredoc>, String> {
    let after = word.trim_start_matches(|char: char| char.is_ascii_digit());
    let Some(after) = after.strip_prefix("<<") else { return Ok(None) };
    let (chomps, quoted) = match after.strip_prefix('-') {
        Some(quoted) => (true, quoted),
        None => (false, after),
    };
    if quoted.is_empty() || quoted.contains('<') {
        return Ok(None);
    }
    let words = |raw_quotes: bool| {
        let options = Options { raw_quotes, keep_unset: true, ..Options::default() };
        Ok::<_, String>(
            variables::expand(quoted, '\\', &|_| None, options).map_err(|error| error.to_string())?.words,
        )
    };
    let [name] = &words(false)?[..] else { return Ok(None) };
    let raw = words(true)?.concat();
    let quotes = |text: &str| text.chars().filter(|char| matches!(char, '\'' | '"')).count();
    let expands = quotes(name) == quotes(&raw);
    Ok(Some(RawHeredoc { name: name.clone(), expands, chomps, content: String::new() }))
}

/// A heredoc's content without the tabs at the beginning of its lines.
pub(super) fn chomped(content: &str) -> String {
    content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
}
