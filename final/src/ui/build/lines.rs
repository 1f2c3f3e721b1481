//! The output of a step becomes lines that are safe to print.

/// A line that is longer is broken here.
const MAX_LINE: usize = 4096;

/// Collects a stream of bytes into lines.
#[derive(Debug, Default)]
pub struct Lines {
    unfinished: Vec<u8>,
}

impl Lines {
    /// The lines that these bytes end.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        while !bytes.is_empty() {
            let room = MAX_LINE - self.unfinished.len();
            let end = bytes.iter().position(|byte| *byte == b'\n');
            match end.filter(|end| *end <= room) {
                Some(end) => {
                    self.unfinished.extend_from_slice(&bytes[..end]);
                    bytes = &bytes[end + 1..];
                    lines.push(self.take());
                }
                None => {
                    let taken = bytes.len().min(room);
                    self.unfinished.extend_from_slice(&bytes[..taken]);
                    bytes = &bytes[taken..];
                    if self.unfinished.len() == MAX_LINE {
                        lines.push(self.take());
                    }
                }
            }
        }
        lines
    }

    /// What a terminal would show of the line that has no end yet: a program's own progress, which it writes over. `None`
    /// if that is nothing.
    pub fn pending(&self) -> Option<String> {
        let shown = printable(&String::from_utf8_lossy(&self.unfinished));
        (!shown.trim().is_empty()).then_some(shown)
    }

    /// What is left when the stream ends.
    pub fn end(&mut self) -> Option<String> {
        (!self.unfinished.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> String {
        let line = std::mem::take(&mut self.unfinished);
        printable(&String::from_utf8_lossy(&line))
    }
}

/// What a terminal would show of the line in the end: after a carriage return it is written over. Colours and movements of
/// the cursor are left out, because they would disturb the lines of other steps; everything else that is not text is
/// escaped.
fn printable(line: &str) -> String {
    let shown = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    let plain = without_sequences(shown);
    hull_printable::block(&plain).into_owned()
}

/// Removes the control sequences of ECMA-48: ESC [ with parameters and a final byte, and ESC ] up to BEL or ESC \.
fn without_sequences(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        plain.push_str(&rest[..at]);
        let sequence = &rest[at..];
        match sequence_length(sequence) {
            Some(length) => rest = &sequence[length..],
            None => {
                plain.push('\x1b');
                rest = &sequence[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The bytes of the sequence at the beginning. `None` if it is none, or has no end.
fn sequence_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes.get(1)? {
        b'[' => {
            let end = bytes[2..].iter().position(|byte| !(0x20..0x40).contains(byte))?;
            (0x40..0x7f).contains(&bytes[2 + end]).then_some(2 + end + 1)
        }
        b']' => {
            let bell = text.find('\x07').map(|at| at + 1);
            let string_end = text[2..].find("\x1b\\").map(|at| at + 4);
            [bell, string_end].into_iter().flatten().min()
        }
        b'(' | b')' => text.is_char_boundary(3.min(text.len())).then_some(3.min(text.len())),
        b'=' | b'>' | b'7' | b'8' | b'M' => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_lines_wherever_they_are_cut() {
        let mut lines = Lines::default();
        assert_eq!(lines.feed(b"one\ntw"), ["one"]);
        assert_eq!(lines.feed(b"o\n\n\xc3"), ["two", ""]);
        assert_eq!(lines.feed(b"\xa4\n"), ["ä"]);
        assert_eq!(lines.end(), None);
        assert!(lines.feed(b"last").is_empty());
        assert_eq!(lines.end().as_deref(), Some("last"));
    }

    #[test]
    fn progress_that_is_written_over_is_known_before_its_line_ends() {
        let mut lines = Lines::default();
        assert_eq!(lines.pending(), None);
        assert!(lines.feed(b"\r 10%\r \x1b[32m20%\x1b[0m").is_empty());
        assert_eq!(lines.pending().as_deref(), Some(" 20%"));
        assert_eq!(lines.feed(b"\rdone\n"), ["done"]);
        assert_eq!(lines.pending(), None);
    }

    #[test]
    fn a_line_without_an_end_is_broken() {
        let mut lines = Lines::default();
        let broken = lines.feed(&[b'x'; 3 * MAX_LINE + 1]);
        assert_eq!(broken.iter().map(String::len).collect::<Vec<_>>(), [MAX_LINE; 3]);
        assert_eq!(lines.end().as_deref(), Some("x"));
    }

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        for (line, shown) in [
            ("10%\r50%\r100%\r", "100%"),
            ("\x1b[1;31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07text", "text"),
            ("\x1b]0;title\x1b\\text", "text"),
            ("\x1b(Btext\x1b[2J\x1b[H", "text"),
            ("a\x07b\x1b", "a\\x07b\\x1b"),
            ("\x1b[31", "\\x1b[31"),
            ("\u{202e}abc", "\\u202eabc"),
            ("a\tb", "a\tb"),
        ] {
            assert_eq!(printable(line), shown, "{line:?}");
        }
    }
}
