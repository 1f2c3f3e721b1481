//! The history of an image, in BuildKit's words: other tools show it, and rebuild Dockerfiles from it.

use std::fmt::Write;

/// The comment of every line.
pub(super) const COMMENT: &str = "buildkit.dockerfile.v0";

/// Go's `%q` of a list: `["a" "b"]`.
pub(super) fn quoted(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
    format!("[{}]", words.join(" "))
}

/// Go's `%q` of a text (strconv.Quote).
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\u{b}' => quoted.push_str("\\v"),
            control if (control as u32) < 0x20 || control as u32 == 0x7f => {
                let _ = write!(quoted, "\\x{:02x}", control as u32);
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// The line of RUN: the arguments that it sees, and its command.
pub(super) fn run(arguments: &[(String, Option<String>)], command: &[String]) -> String {
    let mut words = Vec::new();
    if !arguments.is_empty() {
        words.push(format!("|{}", arguments.len()));
    }
    words.extend(
        arguments.iter().map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or_default())),
    );
    words.extend(command.iter().cloned());
    format!("RUN {} # buildkit", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_go_does() {
        assert_eq!(quoted(&["a b".into(), "\"c\"\n".into()]), r#"["a b" "\"c\"\n"]"#);
        assert_eq!(quote("é\u{1}"), "\"é\\x01\"");
    }

    #[test]
    fn run_names_its_arguments() {
        let command = ["/bin/sh".into(), "-c".into(), "make".into()];
        assert_eq!(run(&[], &command), "RUN /bin/sh -c make # buildkit");
        let arguments = [("A".into(), Some("1".into())), ("B".into(), None)];
        assert_eq!(run(&arguments, &command), "RUN |2 A=1 B= /bin/sh -c make # buildkit");
    }
}
