//! YAML, as Go's yaml.v3 writes it with an indentation of two: blocks only, lines of any length, and the quotes that keep a
//! string from being read as something else.

use hull_yaml::tree::is_plain_string;

use super::Tree;

const INDENT: usize = 2;

/// A key that is longer, in bytes, does not stand on one line with its value.
const SIMPLE_KEY: usize = 128;

/// As Compose prints a project, with version 3.0.4 of the library.
pub fn yaml(tree: &Tree) -> String {
    write(tree, false)
}

/// As Compose prints what it has not interpolated, with version 3.0.1 of the library, which loses a line break at the
/// beginning of a text.
pub fn yaml_uninterpolated(tree: &Tree) -> String {
    write(tree, true)
}

fn write(tree: &Tree, loses_first_break: bool) -> String {
    let mut writer = Writer { text: String::new(), loses_first_break };
    writer.node(tree, 0, Position::Root);
    writer.end_line();
    writer.text
}

/// What stands before a node.
#[derive(Clone, Copy, PartialEq)]
enum Position {
    Root,
    /// `- `, `? ` or `: ` at the beginning of a line, with which a collection may share its first line.
    Indicator,
    /// `key:`
    Key,
}

struct Writer {
    text: String,
    loses_first_break: bool,
}

impl Writer {
    /// `indent` is that of the collection that contains the node.
    fn node(&mut self, tree: &Tree, indent: usize, position: Position) {
        match tree {
            Tree::Sequence(items) if !items.is_empty() => {
                let indent = self.begin(indent, position);
                for (index, item) in items.iter().enumerate() {
                    self.line(indent, index == 0 && position == Position::Indicator);
                    self.text.push('-');
                    self.node(item, indent, Position::Indicator);
                }
            }
            Tree::Mapping(entries) if !entries.is_empty() => {
                let indent = self.begin(indent, position);
                for (index, (key, value)) in entries.iter().enumerate() {
                    self.line(indent, index == 0 && position == Position::Indicator);
                    self.entry(key, value, indent);
                }
            }
            Tree::Sequence(_) => self.word("[]", position),
            Tree::Mapping(_) => self.word("{}", position),
            Tree::Null => self.word("null", position),
            Tree::Bool(value) => self.word(if *value { "true" } else { "false" }, position),
            Tree::Integer(value) => self.word(&value.to_string(), position),
            Tree::Single(value) => self.word(&number(crate::float::general_single(*value)), position),
            Tree::Double(value) => self.word(&number(crate::float::general(*value)), position),
            Tree::Unsigned(value) => self.word(&value.to_string(), position),
            Tree::Timestamp(value) => self.word(value, position),
            Tree::String(value) => self.string(value, indent, position),
        }
    }

    fn begin(&self, indent: usize, position: Position) -> usize {
        if position == Position::Root { indent } else { indent + INDENT }
    }

    /// Begins a line, or goes on behind an indicator.
    fn line(&mut self, indent: usize, is_behind_indicator: bool) {
        if is_behind_indicator {
            self.text.push(' ');
            return;
        }
        self.end_line();
        self.text.extend(std::iter::repeat_n(' ', indent));
    }

    fn end_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(is_break) {
            self.text.push('\n');
        }
    }

    fn entry(&mut self, key: &str, value: &Tree, indent: usize) {
        let style = Style::of(key);
        if style.has_breaks || key.len() > SIMPLE_KEY {
            self.text.push('?');
            self.string(key, indent, Position::Indicator);
            self.line(indent, false);
            self.text.push(':');
            self.node(value, indent, Position::Indicator);
            return;
        }
        match style.quotes {
            Quotes::None => self.text.push_str(key),
            Quotes::Single => self.single(key, indent),
            Quotes::Double | Quotes::Literal => self.double(key),
        }
        self.text.push(':');
        self.node(value, indent, Position::Key);
    }

    fn word(&mut self, text: &str, position: Position) {
        if position != Position::Root {
            self.text.push(' ');
        }
        self.text.push_str(text);
    }

    fn string(&mut self, text: &str, indent: usize, position: Position) {
        if position != Position::Root {
            self.text.push(' ');
        }
        match Style::of(text).quotes {
            Quotes::None => self.text.push_str(text),
            Quotes::Single => self.single(text, indent + INDENT),
            Quotes::Double => self.double(text),
            Quotes::Literal => self.literal(text, indent + INDENT),
        }
    }

    /// The breaks can only be those that are not a line feed.
    fn single(&mut self, text: &str, indent: usize) {
        self.text.push('\'');
        let mut follows_break = false;
        for character in text.chars() {
            if follows_break && !is_break(character) {
                self.text.extend(std::iter::repeat_n(' ', indent));
            }
            follows_break = is_break(character);
            if character == '\'' {
                self.text.push('\'');
            }
            self.text.push(character);
        }
        self.text.push('\'');
    }

    fn double(&mut self, text: &str) {
        // yaml.v3 looks for a byte order mark at the beginning of the text, whatever character it writes.
        let escapes_all = text.starts_with('\u{feff}');
        self.text.push('"');
        for character in text.chars() {
            if escapes_all
                || !is_printable(character)
                || is_break(character)
                || matches!(character, '"' | '\\')
            {
                self.text.push_str(&escape(character));
            } else {
                self.text.push(character);
            }
        }
        self.text.push('"');
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.text.push('|');
        if text.starts_with(|first| first == ' ' || is_break(first)) {
            self.text.push_str(&INDENT.to_string());
        }
        let mut last = text.chars().rev();
        match (last.next().is_some_and(is_break), last.next()) {
            (false, _) => self.text.push('-'),
            (true, None) => self.text.push('+'),
            (true, Some(before)) if is_break(before) => self.text.push('+'),
            (true, Some(_)) => {}
        }
        if !self.loses_first_break || !text.starts_with(is_break) {
            self.text.push('\n');
        }
        let mut follows_break = true;
        for character in text.chars() {
            if follows_break && !is_break(character) {
                self.text.extend(std::iter::repeat_n(' ', indent));
            }
            follows_break = is_break(character);
            self.text.push(character);
        }
    }
}

fn number(text: String) -> String {
    match text.as_str() {
        "+Inf" => ".inf".into(),
        "-Inf" => "-.inf".into(),
        "NaN" => ".nan".into(),
        _ => text,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Quotes {
    None,
    Single,
    Double,
    Literal,
}

struct Style {
    quotes: Quotes,
    has_breaks: bool,
}

impl Style {
    fn of(text: &str) -> Self {
        let found = Found::of(text);
        let is_double = found.has_tabs
            || found.has_unprintable
            || found.has_space_after_break
            || found.has_space_before_break;
        let quotes = if text.contains('\n') {
            let allows_block =
                !text.ends_with(' ') && !found.has_space_before_break && !found.has_unprintable;
            if allows_block { Quotes::Literal } else { Quotes::Double }
        } else if !is_plain_string(text) || is_double {
            Quotes::Double
        } else if found.has_indicators || found.has_breaks || text.starts_with(' ') || text.ends_with(' ') {
            Quotes::Single
        } else {
            Quotes::None
        };
        Self { quotes, has_breaks: found.has_breaks }
    }
}

/// What a text contains that a style cannot show.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is found by itself")]
struct Found {
    /// A character, or several, that would mean something in a plain scalar.
    has_indicators: bool,
    has_breaks: bool,
    has_tabs: bool,
    has_unprintable: bool,
    has_space_after_break: bool,
    has_space_before_break: bool,
}

impl Found {
    fn of(text: &str) -> Self {
        let mut found =
            Self { has_indicators: text.starts_with("---") || text.starts_with("..."), ..Self::default() };
        let mut before = None;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let is_before_blank = characters.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            found.has_indicators |= match (character, before) {
                (':', _) => is_before_blank,
                ('#', Some(before)) => matches!(before, ' ' | '\t' | '\0') || is_break(before),
                ('?' | '-', None) => is_before_blank,
                (first, None) => "#,[]{}&*!|>'\"%@`".contains(first),
                _ => false,
            };
            let is_break = is_break(character);
            found.has_breaks |= is_break;
            found.has_tabs |= character == '\t';
            found.has_unprintable |= character != '\t' && !is_printable(character);
            found.has_space_after_break |= character == ' ' && before.is_some_and(self::is_break);
            found.has_space_before_break |= is_break && before == Some(' ');
            before = Some(character);
        }
        found
    }
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Without the characters beyond the first 65536, which the specification counts as printable and yaml.v3 does not.
fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && character != '\u{feff}'
}

fn escape(character: char) -> String {
    let short = match character {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            return match u32::from(character) {
                code @ 0..=0xff => format!("\\x{code:02X}"),
                code @ 0x100..=0xffff => format!("\\u{code:04X}"),
                code => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::print::Form;

    fn tree(value: Value) -> Tree {
        match value {
            Value::Null => Tree::Null,
            Value::Bool(value) => Tree::Bool(value),
            Value::Number(number) => Tree::Double(number.as_f64().unwrap()),
            Value::String(text) => Tree::String(text),
            Value::Array(items) => Tree::Sequence(items.into_iter().map(tree).collect()),
            Value::Object(entries) => {
                Tree::map(entries.into_iter().map(|(key, value)| (key, tree(value))), Form::Yaml)
            }
        }
    }

    /// Each line has a value and what an encoder of yaml.v3 with an indentation of two wrote for it.
    #[test]
    fn yaml_is_that_of_yaml_v3() {
        let cases = include_str!("../../tests/data/yaml.jsonl");
        for case in cases.lines() {
            let (value, text): (Value, String) = serde_json::from_str(case).unwrap();
            assert_eq!(yaml_uninterpolated(&tree(value.clone())), text, "{value}");
            if !value.to_string().contains(r#""\n"#) {
                assert_eq!(yaml(&tree(value.clone())), text, "{value}");
            }
        }
        assert!(cases.lines().count() > 150);
    }

    #[test]
    fn a_break_at_the_beginning_is_kept_in_a_project() {
        let tree = Tree::Sequence(vec![Tree::String("\na".into())]);
        assert_eq!(yaml(&tree), "- |2-\n\n  a\n");
        assert_eq!(yaml_uninterpolated(&tree), "- |2-\n  a\n");
    }

    #[test]
    fn numbers_that_only_some_types_have() {
        let tree = Tree::Sequence(vec![
            Tree::Single(0.1),
            Tree::Double(f64::NEG_INFINITY),
            Tree::Double(f64::NAN),
            Tree::Unsigned(u64::MAX),
            Tree::Timestamp("2001-12-14T00:00:00Z".into()),
        ]);
        assert_eq!(yaml(&tree), "- 0.1\n- -.inf\n- .nan\n- 18446744073709551615\n- 2001-12-14T00:00:00Z\n");
    }
}
