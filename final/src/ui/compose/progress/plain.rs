//! A line for each event.

use std::io::Write;

use hull_compose::progress::{Event, Progress};
use serde::Serialize;

use super::DRY_RUN;

/// Compose's plain lines: ` Container shop-web-1  Created`.
#[derive(Debug, Clone, Copy)]
pub struct Plain {
    pub is_dry_run: bool,
}

impl Plain {
    pub fn line(self, event: &Event) -> String {
        let prefix = if self.is_dry_run { DRY_RUN } else { "" };
        let Event { id, text, word, .. } = event;
        hull_printable::block(&format!("{prefix} {id} {text} {word}\n")).into_owned()
    }
}

impl Progress for Plain {
    fn event(&mut self, event: Event) {
        print(&self.line(&event));
    }

    fn note(&mut self, text: &str) {
        let prefix = if self.is_dry_run { DRY_RUN } else { "" };
        print(&hull_printable::block(&format!("{prefix}{text}\n")));
    }
}

/// An object for each event.
#[derive(Debug, Clone, Copy)]
pub struct Json {
    pub is_dry_run: bool,
}

#[derive(Debug, Default, Serialize)]
struct Line<'a> {
    #[serde(rename = "dry-run", skip_serializing_if = "is_default")]
    dry_run: bool,
    #[serde(skip_serializing_if = "is_default")]
    tail: bool,
    #[serde(skip_serializing_if = "is_default")]
    id: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    parent_id: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    text: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    status: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    current: u64,
    #[serde(skip_serializing_if = "is_default")]
    total: u64,
    #[serde(skip_serializing_if = "is_default")]
    percent: u8,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Json {
    pub(super) fn line(self, event: &Event) -> String {
        Self::text(&Line {
            dry_run: self.is_dry_run,
            tail: false,
            id: &event.id,
            parent_id: &event.parent,
            text: &event.text,
            status: &event.word,
            current: event.current,
            total: event.total,
            percent: event.percent,
        })
    }

    fn text(line: &Line<'_>) -> String {
        // Strings and numbers can always be serialized.
        serde_json::to_string(line).unwrap_or_default() + "\n"
    }
}

impl Progress for Json {
    fn event(&mut self, event: Event) {
        print(&self.line(&event));
    }

    fn note(&mut self, text: &str) {
        print(&Self::text(&Line { dry_run: self.is_dry_run, tail: true, text, ..Line::default() }));
    }
}

/// If stderr is closed, there is nowhere to report that.
fn print(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
