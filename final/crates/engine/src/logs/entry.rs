//! Decodes a line of the log file into what the container wrote.
//!
//! The monitor writes all lines in one layout, so most are split by position: a JSON parser would cost several times
//! what reading the file does. Lines in another layout go to the parser.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Deserialize;

use crate::records::stream::Stream;
use crate::records::time::Timestamp;

const HEAD: &[u8] = b"{\"log\":\"";
const STDOUT: &[u8] = b"\",\"stream\":\"stdout\",\"time\":\"";
const STDERR: &[u8] = b"\",\"stream\":\"stderr\",\"time\":\"";
const TAIL: &[u8] = b"\"}";
/// `2026-01-02T03:04:05.123456789Z`.
const TIME: usize = 30;

/// Output of the container: what one write(2) contained, or a part of it. A whole line ends with its newline.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub stream: Stream,
    text: Text<'a>,
    time: Cow<'a, str>,
    /// The labels and variables of the container that the line has.
    attributes: BTreeMap<String, String>,
}

#[derive(Debug)]
enum Text<'a> {
    /// The text between the quotes of the JSON string, with its escapes.
    Escaped(&'a [u8]),
    Plain(Vec<u8>),
}

#[derive(Deserialize)]
struct Line {
    log: String,
    stream: String,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
    time: Timestamp,
}

impl<'a> Entry<'a> {
    /// `None` if the line is not a complete log entry.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Self::by_position(line).or_else(|| Self::by_parser(line))
    }

    fn by_position(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_prefix(HEAD)?.strip_suffix(TAIL)?;
        let (rest, time) = rest.split_at_checked(rest.len().checked_sub(TIME)?)?;
        let (text, stream) = match rest.strip_suffix(STDOUT) {
            Some(text) => (text, Stream::Stdout),
            None => (rest.strip_suffix(STDERR)?, Stream::Stderr),
        };
        let time = std::str::from_utf8(time).ok().filter(|time| time.ends_with('Z'))?;
        Some(Self {
            stream,
            text: Text::Escaped(text),
            time: Cow::Borrowed(time),
            attributes: BTreeMap::new(),
        })
    }

    fn by_parser(line: &[u8]) -> Option<Self> {
        let Line { log, stream, attrs, time } = serde_json::from_slice(line).ok()?;
        let stream = if stream == "stderr" { Stream::Stderr } else { Stream::Stdout };
        Some(Self::plain(stream, log.into_bytes(), time.to_string(), attrs))
    }

    /// An entry that is no line of a file. `time` is in the form of RFC 3339.
    pub(super) fn plain(
        stream: Stream,
        text: Vec<u8>,
        time: String,
        attributes: BTreeMap<String, String>,
    ) -> Self {
        Self { stream, text: Text::Plain(text), time: Cow::Owned(time), attributes }
    }

    pub(super) fn attributes(&self) -> &BTreeMap<String, String> {
        &self.attributes
    }

    pub(super) fn time_text(&self) -> &str {
        &self.time
    }

    pub(super) fn time(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339(&self.time).ok()
    }

    /// Whether the text ends its line. A long line is several entries.
    pub(super) fn ends_line(&self) -> bool {
        match &self.text {
            Text::Plain(text) => text.ends_with(b"\n"),
            Text::Escaped(text) => text.strip_suffix(b"\\n").is_some_and(|before| {
                // After an even number of backslashes, `\n` is an escaped newline and not a backslash and an n.
                before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
            }),
        }
    }

    /// Returns false if the text is not one JSON string: a crash can leave two lines run together.
    pub(super) fn append_text(&self, to: &mut Vec<u8>) -> bool {
        match &self.text {
            Text::Plain(text) => to.extend_from_slice(text),
            Text::Escaped(text) => return unescape(text, to).is_some(),
        }
        true
    }
}

/// RFC 8259, section 7.
fn unescape(mut text: &[u8], to: &mut Vec<u8>) -> Option<()> {
    while let Some(at) = memchr::memchr2(b'\\', b'"', text) {
        let (before, rest) = text.split_at(at);
        to.extend_from_slice(before);
        let [b'\\', escape, rest @ ..] = rest else { return None };
        text = rest;
        to.push(match escape {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'"' | b'\\' | b'/' => *escape,
            b'u' => {
                let (character, rest) = unicode(text)?;
                text = rest;
                to.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        });
    }
    to.extend_from_slice(text);
    Some(())
}

/// The character after `\u`: four digits, or a surrogate pair for a character above U+FFFF.
fn unicode(text: &[u8]) -> Option<(char, &[u8])> {
    let number = |text: &[u8]| {
        let digits = text.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let (high, rest) = (number(text)?, &text[4..]);
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(high)?, rest));
    }
    let low = number(rest.strip_prefix(b"\\u")?)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + low)?, &rest[6..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Option<String> {
        let entry = Entry::parse(line.as_bytes())?;
        let mut text = Vec::new();
        entry.append_text(&mut text).then(|| String::from_utf8(text).unwrap())
    }

    fn line(log: &str) -> String {
        format!("{{\"log\":\"{log}\",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:05.123456789Z\"}}\n")
    }

    #[test]
    fn a_line_means_what_a_json_parser_makes_of_it() {
        for log in ["", r"plain\n", r#"\"\\\/\b\f\n\r\t"#, r"\u0007\u00e9\ud83d\ude00x", "schön\\n", r"\\n"]
        {
            let line = line(log);
            let parsed: Line = serde_json::from_str(&line).unwrap();
            assert_eq!(text(&line), Some(parsed.log.clone()), "{log}");
            let entry = Entry::parse(line.as_bytes()).unwrap();
            assert_eq!(entry.ends_line(), parsed.log.ends_with('\n'), "{log}");
            assert_eq!((entry.stream, entry.time()), (Stream::Stderr, Some(parsed.time.0)));
        }
    }

    #[test]
    fn other_orders_are_read_and_damage_is_not() {
        let other = r#"{"time":"2026-01-02T03:04:05Z", "stream":"stdout", "log":"a\n", "attrs":{}}"#;
        assert_eq!(text(other), Some("a\n".into()));
        let whole = line("x");
        assert_eq!(text(&whole[..whole.len() - 4]), None);
        assert_eq!(text(&format!("{{\"log\":\"cut{whole}")), None, "two in one");
        assert_eq!((text(&line(r"\ud83d")), text(&line(r"\u12")), text(&line(r"\q"))), (None, None, None));
        assert!(text("").is_none() && text("{}").is_none());
    }
}
