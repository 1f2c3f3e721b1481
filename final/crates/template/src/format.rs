//! `printf`, and how Go prints values.

use serde_json::{Number, Value};

use super::json::{integer, sorted};

/// The widest a value may be padded to. Widths come from the template, and memory is finite.
pub(super) const MAX_WIDTH: usize = 10_000;

/// The verbs of `printf`, for its errors.
const VERBS: &str = "%s %v %q %d %x %X %o %b %c %f %t %T %%";

/// One `%…` of a format.
#[derive(Debug, Default)]
struct Spec {
    left: bool,
    zeros: bool,
    plus: bool,
    space: bool,
    width: usize,
    precision: Option<usize>,
    verb: char,
}

/// Formats a value as `%v` does: `map[a:b c:d]`, `[a b]`, `<nil>`.
pub(super) fn plain(value: &Value) -> String {
    Spec { verb: 'v', ..Spec::default() }.value(value)
}

/// Formats `arguments` by Go's rules. As in Go, the result shows a value of the wrong type as such; a verb that does
/// not exist is an error.
pub(super) fn printf(format: &str, arguments: &[&Value]) -> Result<String, String> {
    let mut output = String::new();
    let mut arguments = arguments.iter();
    let mut rest = format;
    while let Some((text, after)) = rest.split_once('%') {
        output += text;
        let (spec, after) = Spec::parse(after)?;
        rest = after;
        if spec.verb == '%' {
            output.push('%');
            continue;
        }
        match arguments.next() {
            Some(value) => output += &spec.value(value),
            None => output += &format!("%!{}(MISSING)", spec.verb),
        }
    }
    output += rest;
    let extra: Vec<String> = arguments.map(|value| typed(value)).collect();
    if !extra.is_empty() {
        output += &format!("%!(EXTRA {})", extra.join(", "));
    }
    Ok(output)
}

impl Spec {
    /// Parses the directive after a `%`, and returns the rest of the format too.
    fn parse(text: &str) -> Result<(Self, &str), String> {
        let mut spec = Self::default();
        let mut rest = text;
        loop {
            match rest.as_bytes().first() {
                Some(b'-') => spec.left = true,
                Some(b'0') => spec.zeros = true,
                Some(b'+') => spec.plus = true,
                Some(b' ') => spec.space = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        (spec.width, rest) = count(rest)?;
        if let Some(after) = rest.strip_prefix('.') {
            let (precision, after) = count(after)?;
            spec.precision = Some(precision);
            rest = after;
        }
        let Some(verb) = rest.chars().next() else {
            return Err(format!("the format ends in {:?}", format!("%{text}")));
        };
        if !VERBS.contains(&format!("%{verb}")) {
            let end = text.len() - rest.len() + verb.len_utf8();
            return Err(format!("%{} is not supported; supported are: {VERBS}", &text[..end]));
        }
        spec.verb = verb;
        Ok((spec, &rest[verb.len_utf8()..]))
    }

    /// Formats a value. As in Go, each element of an array or object is formatted separately.
    fn value(&self, value: &Value) -> String {
        match value {
            _ if self.verb == 'T' => self.pad(type_name(value).to_owned()),
            Value::Array(array) => {
                let parts: Vec<String> = array.iter().map(|value| self.value(value)).collect();
                format!("[{}]", parts.join(" "))
            }
            Value::Object(map) => {
                let part =
                    |(key, value): (&String, &Value)| format!("{}:{}", self.text(key), self.value(value));
                let parts: Vec<String> = sorted(map).into_iter().map(part).collect();
                format!("map[{}]", parts.join(" "))
            }
            Value::String(text) => self.text(text),
            Value::Number(number) => self.number(number),
            Value::Bool(bool) if matches!(self.verb, 'v' | 't') => self.pad(bool.to_string()),
            Value::Null if self.verb == 'v' => self.pad("<nil>".to_owned()),
            value => self.mismatch(value),
        }
    }

    fn text(&self, text: &str) -> String {
        let end = self.precision.and_then(|most| text.char_indices().nth(most));
        let cut = &text[..end.map_or(text.len(), |(at, _)| at)];
        let hexadecimal =
            |byte: &u8| if self.verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") };
        match self.verb {
            's' | 'v' => self.pad(cut.to_owned()),
            'q' => self.pad(quote(cut, '"')),
            'x' | 'X' => {
                let bytes = text.as_bytes().iter().take(self.precision.unwrap_or(usize::MAX));
                self.pad(bytes.map(hexadecimal).collect())
            }
            _ => self.mismatch(&Value::from(text)),
        }
    }

    fn number(&self, number: &Number) -> String {
        let Some(integer) = integer(number) else {
            let float = number.as_f64().unwrap_or_default();
            let digits = match self.verb {
                'f' => format!("{:.*}", self.precision.unwrap_or(6), float.abs()),
                'v' => shortest(float.abs()),
                _ => return self.mismatch(&Value::Number(number.clone())),
            };
            return self.signed(float.is_sign_negative(), digits, self.zeros);
        };
        let magnitude = integer.unsigned_abs();
        let digits = match self.verb {
            'd' | 'v' => magnitude.to_string(),
            'x' => format!("{magnitude:x}"),
            'X' => format!("{magnitude:X}"),
            'o' => format!("{magnitude:o}"),
            'b' => format!("{magnitude:b}"),
            'c' | 'q' => {
                let c = u32::try_from(integer)
                    .ok()
                    .and_then(char::from_u32)
                    .unwrap_or(char::REPLACEMENT_CHARACTER);
                return self.pad(if self.verb == 'c' { c.to_string() } else { quote(&c.to_string(), '\'') });
            }
            _ => return self.mismatch(&Value::Number(number.clone())),
        };
        let digits = format!("{digits:0>least$}", least = self.precision.unwrap_or(0));
        self.signed(integer < 0, digits, self.zeros && self.precision.is_none())
    }

    /// Puts the sign in front, and zeros between sign and digits.
    fn signed(&self, negative: bool, digits: String, zeros: bool) -> String {
        let sign = match negative {
            true => "-",
            false if self.plus => "+",
            false if self.space => " ",
            false => "",
        };
        let width = if zeros && !self.left { self.width.saturating_sub(sign.len()) } else { 0 };
        self.pad(format!("{sign}{digits:0>width$}"))
    }

    fn pad(&self, text: String) -> String {
        let width = self.width;
        if width == 0 {
            // Without a width the characters are not counted, because that takes time for long texts.
            return text;
        }
        if self.left { format!("{text:<width$}") } else { format!("{text:>width$}") }
    }

    /// Go's output for a value of a type that the verb does not support.
    fn mismatch(&self, value: &Value) -> String {
        format!("%!{}({})", self.verb, typed(value))
    }
}

/// Parses the number at the start, or returns 0.
fn count(text: &str) -> Result<(usize, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    match digits.parse() {
        _ if digits.is_empty() => Ok((0, rest)),
        Ok(number) if number <= MAX_WIDTH => Ok((number, rest)),
        _ => Err(format!("a width of {digits} is more than {MAX_WIDTH}")),
    }
}

fn typed(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        value => format!("{}={}", type_name(value), plain(value)),
    }
}

/// The Go type that the value would have if Go read it from JSON, except that integers stay integers.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if integer(number).is_some() => "int",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// The fewest digits that mean `float`, with an exponent where Go has one.
fn shortest(float: f64) -> String {
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>().unwrap_or_default() {
        -4..21 => float.to_string(),
        exponent => {
            format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
        }
    }
}

/// Writes `text` as Go would in source.
fn quote(text: &str, mark: char) -> String {
    let mut quoted = String::from(mark);
    for c in text.chars() {
        match c {
            '\x07' => quoted += "\\a",
            '\x08' => quoted += "\\b",
            '\x0c' => quoted += "\\f",
            '\n' => quoted += "\\n",
            '\r' => quoted += "\\r",
            '\t' => quoted += "\\t",
            '\x0b' => quoted += "\\v",
            '\\' => quoted += "\\\\",
            c if c == mark => quoted.extend(['\\', c]),
            c if c.is_ascii_control() => quoted += &format!("\\x{:02x}", u32::from(c)),
            c if c.is_control() => quoted += &format!("\\u{:04x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push(mark);
    quoted
}
