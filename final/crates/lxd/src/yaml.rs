//! Writes YAML as LXD prints it: in blocks, sequences at the indentation of their key, and texts of several lines as
//! literal blocks.

use hull_yaml::tree::is_plain_string;
use serde_json::Value;

/// The document, with a line break at its end.
pub fn write(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(entries) if !entries.is_empty() => mapping(&mut text, entries, 0, false),
        Value::Array(items) if !items.is_empty() => sequence(&mut text, items, 0),
        scalar => {
            text.push_str(&one_line(scalar));
            text.push('\n');
        }
    }
    text
}

fn indent(text: &mut String, depth: usize) {
    text.extend(std::iter::repeat_n(' ', depth));
}

/// With `goes_on`, the first entry stands behind a dash on the same line.
fn mapping(text: &mut String, entries: &serde_json::Map<String, Value>, depth: usize, goes_on: bool) {
    for (index, (key, value)) in entries.iter().enumerate() {
        if index > 0 || !goes_on {
            indent(text, depth);
        }
        text.push_str(&string(key));
        text.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                text.push('\n');
                mapping(text, inner, depth + 2, false);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                sequence(text, items, depth);
            }
            Value::String(lines) if is_literal(lines) => literal(text, lines, depth + 2),
            scalar => {
                text.push(' ');
                text.push_str(&one_line(scalar));
                text.push('\n');
            }
        }
    }
}

fn sequence(text: &mut String, items: &[Value], depth: usize) {
    for item in items {
        indent(text, depth);
        text.push('-');
        match item {
            Value::Object(entries) if !entries.is_empty() => {
                text.push(' ');
                mapping(text, entries, depth + 2, true);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                sequence(text, items, depth + 2);
            }
            Value::String(lines) if is_literal(lines) => literal(text, lines, depth + 2),
            scalar => {
                text.push(' ');
                text.push_str(&one_line(scalar));
                text.push('\n');
            }
        }
    }
}

fn one_line(value: &Value) -> String {
    match value {
        Value::String(text) => string(text),
        // JSON's other scalars and its empty collections are valid YAML.
        other => other.to_string(),
    }
}

/// Writes a text in quotes, unless YAML can read it only as this text. Texts in JSON's quotes are valid YAML.
fn string(text: &str) -> String {
    let inner = |character: char| character.is_ascii_alphanumeric() || "._/@+-=,()~^$".contains(character);
    let is_word = text.chars().all(|character| inner(character) || character == ' ' || character == ':');
    let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric() || "/_".contains(first));
    let is_plain = is_word && begins && !text.ends_with([' ', ':']) && !text.contains(": ");
    match is_plain && is_plain_string(text) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = Value::String(text.into()).to_string();
    // JSON does not escape these characters. YAML forbids some of them, and takes others for line breaks.
    for character in ('\u{7f}'..='\u{9f}').chain(['\u{2028}', '\u{2029}', '\u{feff}', '\u{fffe}', '\u{ffff}'])
    {
        quoted = quoted.replace(character, &format!("\\u{:04x}", u32::from(character)));
    }
    quoted
}

/// Whether a text has several lines and can be written as a literal block.
fn is_literal(text: &str) -> bool {
    let is_printable = |character: char| character == '\n' || !character.is_control() && !is_break(character);
    let trimmed = text.trim_end_matches('\n');
    trimmed.contains('\n') && text.chars().all(is_printable) && !text.starts_with([' ', '\n'])
}

fn is_break(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn literal(text: &mut String, lines: &str, depth: usize) {
    let trimmed = lines.trim_end_matches('\n');
    text.push_str(match lines.len() - trimmed.len() {
        0 => " |-\n",
        1 => " |\n",
        _ => " |+\n",
    });
    for line in lines.strip_suffix('\n').unwrap_or(lines).split('\n') {
        if !line.is_empty() {
            indent(text, depth);
            text.push_str(line);
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_written_as_lxd_does() {
        let value = json!({
            "architecture": "x86_64",
            "config": {"limits.cpu": "2", "user.x": "yes", "user.user-data": "#cloud-config\npackages:\n  - vim\n"},
            "devices": {},
            "ephemeral": false,
            "profiles": ["default", "a b"],
            "description": "",
        });
        let text = "architecture: x86_64\nconfig:\n  limits.cpu: \"2\"\n  user.x: \"yes\"\n  user.user-data: |\n    \
                    #cloud-config\n    packages:\n      - vim\ndevices: {}\nephemeral: false\nprofiles:\n- default\n\
                    - a b\ndescription: \"\"\n";
        assert_eq!(write(&value), text);
    }

    #[test]
    fn whatever_is_written_is_read_again() {
        let texts = [
            "",
            " ",
            "a: b",
            "- a",
            "#x",
            "null",
            "~",
            "0x10",
            "1e3",
            "2026-01-02",
            "a\nb",
            "a\nb\n",
            "a\nb\n\n\n",
            "\na\nb",
            " a\nb",
            "a\n b\n",
            "a\n\n b",
            "tab\tx",
            "bell\u{7}",
            "\u{85}",
            "\u{2028}",
            "é",
            "!x",
            "&x",
            "*x",
            "{a}",
            "[a",
            "a:",
            "a #b",
            "'",
            "\"",
            "%x",
            "@x",
            "`",
            "?",
            "- ",
            "---",
            "...",
            "yes",
            "y",
            "a\r\nb",
            "\u{feff}",
            "a\n\tb",
            "---\nx",
            "...\nx",
        ];
        for text in texts {
            for value in [
                json!({"k": text}),
                json!({text: "v"}),
                json!({"l": [text, {"k": text, "m": text}]}),
                json!(text),
            ] {
                assert_eq!(hull_yaml::parse(&write(&value)).as_ref(), Ok(&value), "{}", write(&value));
            }
        }
    }
}
