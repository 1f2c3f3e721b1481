//! The colours of prefixes (ECMA-48, SGR), in Compose's order.

/// One colour for each container; the eleventh has the first one again.
const COLOURS: [&str; 10] = ["36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1"];

/// The colour of what `watch` says.
pub(super) const WATCH: &str = "92";

#[derive(Debug, Default)]
pub(super) struct Palette {
    next: usize,
}

impl Palette {
    pub(super) fn next(&mut self) -> &'static str {
        let colour = COLOURS[self.next % COLOURS.len()];
        self.next += 1;
        colour
    }
}

/// `text` in a colour, if there is one.
pub(super) fn paint(colour: Option<&str>, text: &str) -> String {
    match colour {
        Some(colour) => format!("\x1b[{colour}m{text}\x1b[0m"),
        None => text.to_owned(),
    }
}
