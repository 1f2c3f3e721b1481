//! Makes untrusted text safe to print on a terminal.
//!
//! Names, labels, commands and messages come from images, containers and registries. A terminal interprets escape
//! sequences in them: they move the cursor, change the title, or make the terminal send input as if the user had typed
//! it; bidirectional marks make a word read as another. Everything printed goes through here, except what `logs`, `attach`
//! and archives print, which is the container's own output.

use std::borrow::Cow;

/// For a cell of a table: every character that does not show as itself is written as Go's `%q` writes it.
pub fn cell(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden)
}

/// For text of several lines: newlines and tabs stay.
pub fn block(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_hidden(c) && c != '\n' && c != '\t')
}

/// Equivalent JSON without such characters. A JSON writer does not escape all of them; they occur only inside strings.
pub fn json(text: &str) -> Cow<'_, str> {
    if !text.contains(is_left_by_json) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_left_by_json(c) {
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| safe += &format!("\\u{unit:04x}")),
            false => safe.push(c),
        }
    }
    safe.into()
}

/// In quotation marks, as docker shows a command.
pub fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", cell(&escaped))
}

fn is_left_by_json(c: char) -> bool {
    is_hidden(c) && !matches!(c, '\n' | '\t')
}

/// Control characters of ASCII and Latin-1, marks of direction (Unicode's bidirectional algorithm), what has no width,
/// separators of lines, and tags.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !is_escaped(c) => safe.push(c),
            '\n' => safe += "\\n",
            '\r' => safe += "\\r",
            '\t' => safe += "\\t",
            c if c.is_ascii() => safe += &format!("\\x{:02x}", u32::from(c)),
            c if u32::from(c) > 0xffff => safe += &format!("\\U{:08x}", u32::from(c)),
            c => safe += &format!("\\u{:04x}", u32::from(c)),
        }
    }
    safe.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WILD: &str = "a\x1b]0;title\x07\u{9b}2J\r\u{202e}\u{7f}ö字\n\t";

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(cell(WILD), r"a\x1b]0;title\x07\u009b2J\r\u202e\x7fö字\n\t");
        assert_eq!(block("one\n\ttwo\x1b\n"), "one\n\ttwo\\x1b\n");
        assert_eq!(cell("plain ö字 — “text”"), "plain ö字 — “text”");
        assert_eq!(cell("\u{e0041}"), "\\U000e0041");
        assert_eq!(quoted("sh -c \"\x1b\\\""), r#""sh -c \"\x1b\\\"""#);
    }

    #[test]
    fn json_means_the_same() {
        let value = serde_json::json!({ "Labels": { WILD: WILD }, "Tag": "\u{e0041}" });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let safe = json(&text);
        assert!(!safe.contains(|c: char| is_hidden(c) && c != '\n'), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
