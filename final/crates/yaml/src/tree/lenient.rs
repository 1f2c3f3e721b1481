//! What YAML forbids and yaml.v3 reads, so that there are compose files with it: a tab behind a key's colon, a
//! comment right behind a quote, and lines of quoted scalars and of flow collections that are indented less than their key.
//!
//! ```yaml
//!     command: sh -c "
//!   make;
//!   make install"
//!     environment: {
//!   KEY: value
//!     }
//! ```
//!
//! The spaces at the beginning of such a line mean nothing, so more of them mean the same: the parser reads the text again
//! with these spaces, and the places are corrected.

use std::collections::HashMap;

use saphyr_parser::{Marker, ScanError};

use crate::Error;

/// How many bytes are read again for all lines together.
const BUDGET: usize = 64 << 20;

#[derive(Debug, Default)]
pub(super) struct Repairs {
    read_again: usize,
    /// How many columns were inserted at the beginning of a line.
    inserted: HashMap<usize, usize>,
}

impl Repairs {
    /// The text that the parser can read beyond the error, if there is one.
    pub(super) fn apply(&mut self, text: &str, error: &ScanError) -> Option<String> {
        self.read_again += text.len();
        if self.read_again > BUDGET {
            return None;
        }
        let marker = error.marker();
        let at = text.char_indices().nth(marker.index()).map_or(text.len(), |(at, _)| at);
        match error.info() {
            "':' must be followed by a valid YAML whitespace" => {
                let before = text[..at].trim_end_matches([' ', '\t']).len();
                let behind = text[before..].strip_prefix('\t')?;
                Some(format!("{} {behind}", &text[..before]))
            }
            "comments must be separated from other tokens by whitespace" => {
                Some(format!("{} {}", &text[..at], &text[at..]))
            }
            "invalid indentation" | "invalid indentation in flow construct" => {
                let start = text[..at].rfind('\n').map_or(0, |before| before + 1);
                let indent = self.indent(marker.line(), marker.col() + 2);
                Some(format!("{}{indent}{}", &text[..start], &text[start..]))
            }
            "invalid indentation in quoted scalar" => self.quoted(&text[..at], &text[at..], marker),
            _ => None,
        }
    }

    /// Where the marker is in the text that was given.
    pub(super) fn column(&self, marker: &Marker) -> usize {
        (marker.col() + 1).saturating_sub(self.inserted.get(&marker.line()).copied().unwrap_or(0)).max(1)
    }

    pub(super) fn error(&self, marker: &Marker, why: String) -> Error {
        Error { line: marker.line(), column: self.column(marker), why }
    }

    fn indent(&mut self, line: usize, columns: usize) -> String {
        *self.inserted.entry(line).or_default() += columns;
        " ".repeat(columns)
    }

    /// Indents all lines of a scalar as far as its quote, with which `rest` begins.
    fn quoted(&mut self, before: &str, rest: &str, marker: &Marker) -> Option<String> {
        let mut rest = rest.chars();
        let quote = rest.next().filter(|quote| matches!(quote, '"' | '\''))?;
        let mut repaired = format!("{before}{quote}");
        let mut line = marker.line();
        while let Some(character) = rest.next() {
            repaired.push(character);
            match character {
                '\n' => {
                    line += 1;
                    repaired.push_str(&self.indent(line, marker.col() + 1));
                }
                '\\' if quote == '"' && !rest.as_str().starts_with(['\r', '\n']) => {
                    repaired.extend(rest.next())
                }
                '\'' if quote == '\'' && rest.as_str().starts_with('\'') => repaired.extend(rest.next()),
                end if end == quote => break,
                _ => {}
            }
        }
        repaired.push_str(rest.as_str());
        Some(repaired)
    }
}
