//! The lines of many containers, each with the name of its container before it.
//!
//! ```text
//! web-1  | GET /
//! db-1   | ready
//! ```
//! A line is printed when it is complete, so that no two containers share one.

use std::collections::BTreeMap;

use super::palette::{self, Palette, paint};

/// The source of what `watch` says. No container has this name.
pub const WATCH: &str = "#watch";

/// Carriage return, and erase to the end of the line (EL): what a terminal shows there may be the beginning of something
/// that was typed.
const RESET_LINE: &str = "\r\x1b[K";

#[derive(Debug)]
pub struct Lines {
    sources: BTreeMap<String, Source>,
    palette: Palette,
    is_coloured: bool,
    has_prefix: bool,
    width: usize,
}

#[derive(Debug)]
struct Source {
    colour: Option<&'static str>,
    prefix: String,
}

impl Lines {
    pub fn new(is_coloured: bool, has_prefix: bool) -> Self {
        let palette = Palette::default();
        Self { sources: BTreeMap::new(), palette, is_coloured, has_prefix, width: 0 }
    }

    /// Gives a container its colour, and all of them the room that its name takes.
    pub fn register(&mut self, name: &str) {
        if self.sources.contains_key(name) {
            return;
        }
        // The output of a hook has its container's colour and prefix.
        let owner = name.split_once(' ').map(|(owner, _)| owner.to_owned());
        let colour = match owner {
            Some(owner) => {
                self.register(&owner);
                self.sources.get(&owner).and_then(|owner| owner.colour)
            }
            None if !self.is_coloured || name.is_empty() => None,
            None if name == WATCH => Some(palette::WATCH),
            None => Some(self.palette.next()),
        };
        self.sources.insert(name.to_owned(), Source { colour, prefix: String::new() });
        self.width = self.width.max(name.chars().count() + 1);
        if self.has_prefix {
            let width = self.width;
            for (name, source) in &mut self.sources {
                let text = match name.as_str() {
                    WATCH => format!("{:width$} \u{29bf} ", ""),
                    name => format!("{name:width$} | "),
                };
                source.prefix = paint(source.colour, &text);
            }
        }
    }

    /// What stands before each line of this container.
    pub fn prefix(&mut self, name: &str) -> &str {
        self.register(name);
        self.sources.get(name).map_or("", |source| &source.prefix)
    }

    /// A line about a container: `web-1 exited with code 0`.
    pub fn status(&mut self, name: &str, text: &str) -> String {
        self.register(name);
        let colour = self.sources.get(name).and_then(|source| source.colour);
        let reset = if self.is_coloured { RESET_LINE } else { "" };
        paint(colour, &format!("{reset}{name} {text}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_padded_to_the_longest_one_and_coloured_in_order() {
        let mut lines = Lines::new(false, true);
        assert_eq!(lines.prefix("a-1"), "a-1  | ");
        lines.register("longer-1");
        assert_eq!(lines.prefix("a-1"), "a-1       | ");
        assert_eq!(lines.status("a-1", "exited with code 0"), "a-1 exited with code 0\n");
        let mut lines = Lines::new(true, true);
        assert_eq!(lines.prefix("a-1"), "\x1b[36ma-1  | \x1b[0m");
        assert_eq!(lines.prefix("b-1"), "\x1b[33mb-1  | \x1b[0m");
        assert_eq!(lines.prefix("b-1 ->"), "\x1b[33mb-1 ->  | \x1b[0m");
        assert_eq!(lines.prefix(WATCH), "\x1b[92m        \u{29bf} \x1b[0m");
        assert_eq!(lines.status("a-1", "exited"), "\x1b[36m\r\x1b[Ka-1 exited\n\x1b[0m");
        assert_eq!(Lines::new(true, false).prefix("a-1"), "");
    }
}
