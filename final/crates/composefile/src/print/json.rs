//! JSON as Go's `encoding/json` writes it: `<`, `>` and `&` are escaped, and numbers have Go's digits.

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter};

use crate::float;

/// Without spaces (`json.Marshal`). The hashes are computed from it.
pub fn compact(value: &impl Serialize) -> String {
    write(value, CompactFormatter)
}

/// Indented with two spaces (`json.MarshalIndent`).
pub fn pretty(value: &impl Serialize) -> String {
    write(value, PrettyFormatter::new())
}

/// Indented with four spaces, as Compose's own lists are.
pub fn wide(value: &impl Serialize) -> String {
    write(value, PrettyFormatter::with_indent(b"    "))
}

fn write<F: Formatter>(value: &impl Serialize, layout: F) -> String {
    let mut bytes = Vec::new();
    let mut to = serde_json::Serializer::with_formatter(&mut bytes, Go(layout));
    // Writing into memory does not fail, and the model's keys are strings.
    value.serialize(&mut to).expect("a project is JSON");
    String::from_utf8_lossy(&bytes).into_owned()
}

struct Go<F>(F);

/// Passes a call on to the formatter that lays out.
macro_rules! layout {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $name<W: ?Sized + io::Write>(&mut self, to: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$name(to $(, $argument)*)
        }
    )*};
}

impl<F: Formatter> Formatter for Go<F> {
    layout! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
        write_char_escape(escape: CharEscape);
    }

    fn write_f32<W: ?Sized + io::Write>(&mut self, to: &mut W, value: f32) -> io::Result<()> {
        to.write_all(float::json_single(value).as_bytes())
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, to: &mut W, value: f64) -> io::Result<()> {
        to.write_all(float::json(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, to: &mut W, text: &str) -> io::Result<()> {
        let special = |c: char| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        let mut rest = text;
        while let Some(at) = rest.find(special) {
            let (before, after) = rest.split_at(at);
            to.write_all(before.as_bytes())?;
            let mut chars = after.chars();
            if let Some(c) = chars.next() {
                write!(to, "\\u{:04x}", u32::from(c))?;
            }
            rest = chars.as_str();
        }
        to.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::print::Tree;

    #[test]
    fn json_is_gos() {
        let tree = Tree::Mapping(vec![
            ("b".into(), Tree::Sequence(vec![Tree::Single(0.1), Tree::Double(2.0), Tree::Integer(-1)])),
            ("a".into(), Tree::String("<a & b>\u{2028}\n\u{1}\"\\\u{7f}é".into())),
            ("e".into(), Tree::Mapping(vec![])),
        ]);
        assert_eq!(
            compact(&tree),
            "{\"b\":[0.1,2,-1],\"a\":\"\\u003ca \\u0026 b\\u003e\\u2028\\n\\u0001\\\"\\\\\u{7f}é\",\"e\":{}}"
        );
        assert_eq!(pretty(&Tree::Mapping(vec![("e".into(), Tree::Mapping(vec![]))])), "{\n  \"e\": {}\n}");
    }
}
